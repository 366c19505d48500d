// A plan's peers for the coarse mode: places, providers, consumers, and who provides which model.

import { type Config, configOf, type Overrides } from '../../node/config.ts'
import { declaredModelKeyOf, type ModelKey, type PeerId } from '../../protocol/ids.ts'
import { identityOf } from '../identity.ts'
import { loadProfile, type Profile } from '../model/engine/profile.ts'
import { Paths, type Spot } from '../model/network/paths.ts'
import type { AdversaryKind, PeerSpec, Plan } from '../plan.ts'
import { Provider } from './provider.ts'
import { numberOf, type Requests, requestColumns } from './requests.ts'

export interface Consumer {
  readonly index: number
  readonly spec: PeerSpec
  readonly spot: Spot
  readonly config: Config
  /** Open at each provider; absent for one that asks nothing now. */
  open: Map<PeerId, number> | undefined
  isUp: boolean
  frozenUntilMs: number
  /** Counts its lives. */
  epoch: number
  upSinceMs: number
  /** By provider; absent where none failed it lately. */
  failedAtMs: Map<number, number> | undefined
  /** When it last read its own escrow. */
  escrowReadMs: number
}

export interface Population {
  readonly peers: readonly PeerSpec[]
  readonly paths: Paths
  readonly providers: readonly Provider[]
  readonly consumers: readonly Consumer[]
  /** By peer name. */
  readonly providerOf: ReadonlyMap<string, Provider>
  readonly consumerOf: ReadonlyMap<string, Consumer>
  readonly models: readonly { readonly name: string; readonly key: ModelKey; readonly providers: readonly Provider[] }[]
  readonly requests: Requests
  readonly regions: Uint16Array
}

/** What adversaries do here. The others act on messages, which this mode has none of. */
const modelled: ReadonlySet<AdversaryKind> = new Set(['non-paying', 'stalling'])

/** Throws `RangeError` for what this mode does not model. */
export function populationOf(plan: Plan): Population {
  const { network, peers } = plan
  const paths = new Paths(network.latency, network.loss)
  const profiles = new Map<string, Profile>()
  const configs = new Map<Overrides, Config>()
  const providers: Provider[] = []
  const consumers: Consumer[] = []
  const regions = new Uint16Array(peers.length)
  for (const [peer, spec] of peers.entries()) {
    const { adversary, group, name, place } = spec
    if (adversary && !modelled.has(adversary)) {
      throw new RangeError(
        `${name} is a "${adversary}" adversary: the coarse mode has ${[...modelled].join(' and ')} only, use mode full`,
      )
    }
    const region = paths.regionOf(place)
    regions[peer] = region
    const spot = { index: peer, name, group, place, region }
    const config = configs.get(spec.config) ?? configOf(spec.config)
    configs.set(spec.config, config)
    if (spec.provider) {
      const profile = profiles.get(spec.provider.profile) ?? loadProfile(spec.provider.profile)
      profiles.set(spec.provider.profile, profile)
      // as in the other tiers: what is equal in all else goes by it
      const { peerId } = identityOf(plan.seed, name)
      providers.push(new Provider({ index: providers.length, peer, peerId, spec, spot, config, profile }))
    }
    if (spec.consumer) {
      const index = consumers.length
      consumers.push({
        index,
        spec,
        spot,
        config,
        open: undefined,
        isUp: false,
        frozenUntilMs: 0,
        upSinceMs: 0,
        failedAtMs: undefined,
        epoch: 0,
        escrowReadMs: Number.NEGATIVE_INFINITY,
      })
    }
  }
  const models = new Map<string, number>()
  for (const { spec } of providers) numberOf(models, spec.provider?.model ?? '')
  const requests = requestColumns(plan, new Map(consumers.map(({ spec, index }) => [spec.name, index])), models)
  return {
    peers,
    paths,
    providers,
    consumers,
    providerOf: new Map(providers.map((provider) => [provider.spec.name, provider])),
    consumerOf: new Map(consumers.map((consumer) => [consumer.spec.name, consumer])),
    models: [...models.keys()].map((name) => ({
      name,
      key: declaredModelKeyOf(name),
      // by peer id: a policy that sorts by it finds them in order
      providers: providers
        .filter(({ spec }) => spec.provider?.model === name)
        .sort((a, b) => (a.peerId < b.peerId ? -1 : 1)),
    })),
    requests,
    regions,
  }
}
