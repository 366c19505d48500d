# The image of every service of docker-compose.sim.yml: the built command, and the simulator beside it. It needs BuildKit, which
# is what `docker build` is since Docker 23 (before, DOCKER_BUILDKIT=1); for packages behind a proxy or a mirror of yours, hand your
# npm settings over with `--secret id=npmrc,src=$HOME/.npmrc`.
#
#   docker build --tag silkmesh-sim .
#   docker build --tag silkmesh-sim --build-arg MODULES=context .    # no network: takes the node_modules of this checkout

# Any glibc system with /bin/sh and useradd; Node comes with the packages. For MODULES=install it must have npm.
ARG BASE_IMAGE=node:24-bookworm-slim
# install | context
ARG MODULES=install

FROM ${BASE_IMAGE} AS modules-install
WORKDIR /opt/silkmesh
COPY package.json package-lock.json ./
COPY node/engines node/engines
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm install --no-audit --no-fund --loglevel=error

FROM ${BASE_IMAGE} AS modules-context
WORKDIR /opt/silkmesh
COPY node_modules node_modules

FROM modules-${MODULES} AS build
COPY package.json tsconfig.json tsconfig.build.json build.ts README.md LICENSE CHANGELOG.md ./
COPY protocol protocol
COPY contracts contracts
COPY node node
# the packages' own Node, the one that is tested
ENV PATH=/opt/silkmesh/node_modules/.bin:$PATH
RUN node build.ts

FROM ${BASE_IMAGE}
# homes are a volume, which takes the owner of what it is mounted over
RUN useradd --system --uid 10001 --create-home silkmesh \
  && mkdir /var/lib/silkmesh \
  && chown silkmesh: /var/lib/silkmesh
WORKDIR /opt/silkmesh
COPY --from=build /opt/silkmesh ./
COPY sim sim
# SILKMESH: the command that nodes are started with. HOMES: where they keep keys and books.
ENV PATH=/opt/silkmesh/node_modules/.bin:$PATH \
  SILKMESH=/opt/silkmesh/dist/node/cli/bin.js \
  HOMES=/var/lib/silkmesh
USER silkmesh
VOLUME /var/lib/silkmesh
ENTRYPOINT ["node"]
