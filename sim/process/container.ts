// What a container of docker-compose.sim.yml runs: one node of the scenario, the packaged command, behind a relay that shapes its
// links. It tells its health and who it is on a port of its own, and ends in order when asked to.

import { createServer } from 'node:http'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { Overrides } from '../../node/config.ts'
import { formatGram } from '../../protocol/money.ts'
import { identityOf } from '../identity.ts'
import { loadProfile } from '../model/engine/engine.ts'
import type { PeerSpec, Plan } from '../plan.ts'
import { seededRandom } from '../random.ts'
import { ChainGate } from './chain.ts'
import { Child } from './child.ts'
import {
  bootstrapName,
  chainPort,
  commandOf,
  gatewayPort,
  planFrom,
  type Shown,
  showPort,
  steps,
} from './containers.ts'
import type { LinkEnd } from './crossing.ts'
import { EngineServer, joinWith } from './engine-server.ts'
import { makeHome } from './home.ts'
import { nodePort, relayPort } from './host.ts'
import { Links } from './links.ts'

type Role = 'chain' | 'bootstrap' | 'provider' | 'consumer' | 'settler'

const stopMs = 45_000
/** Behind its gate, which is what others reach. */
const ownChainPort = chainPort + 1

const role = process.argv[2] as Role
const say = steps(role)
const plan = planFrom(process.env)
const name = `${role}-${hostname()}`
/** The image has it as a volume. Containers of one service share that, so each has a folder there. */
const home = join(process.env['HOMES'] ?? 'homes', role === 'provider' || role === 'consumer' ? name : role)

let isStopping = false
let shown: Shown | undefined
show()
const child = role === 'chain' ? await startChain() : await startNode()
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (isStopping) return
    isStopping = true
    shown = undefined
    say(`${signal}: ending`)
    child.stop(stopMs).catch((error: unknown) => say(String(error)))
  })
}
child.ready().then(
  (ready) => {
    const gateway = ready['gateway'] as { readonly apiKey: string } | undefined
    const { escrow, payout, peerId } = ready
    shown = {
      role,
      name,
      peerId: textOf(peerId),
      payout: textOf(payout),
      escrow: textOf(escrow),
      apiKey: gateway?.apiKey,
    }
    say('ready')
  },
  (error: unknown) => say(String(error)),
)
await child.ended
say(isStopping ? 'ended' : `ended by itself${child.lastWords}`)
process.exit(isStopping ? 0 : 1)

async function startChain(): Promise<Child> {
  const { blockMs } = plan.chain
  const words = ['chain', '--home', home, '--port', String(ownChainPort), '--block-ms', String(blockMs)]
  const started = spawn(words)
  // the chain answers callers on its own machine only
  await new ChainGate({ host: '127.0.0.1', port: ownChainPort }).listen('0.0.0.0', chainPort)
  return started
}

async function startNode(): Promise<Child> {
  const spec = specOf(plan, role, lastNumberOf(ownAddress()))
  const gate = new ChainGate({ host: 'chain', port: chainPort })
  await gate.listen('127.0.0.1', chainPort)
  const links = new Links({
    plan: plan.network,
    random: seededRandom(plan.seed).fork('links').fork(name),
    endOf: (address) => endAt(address),
    // other addresses of this very machine, so that the node sees its peers as hosts apart
    sourceOf: (end) => `127.${end.name.split('.').slice(1).join('.')}`,
  })
  const own: LinkEnd = { ...endAt(ownAddress()), name }
  await links.open(own, { host: '0.0.0.0', port: relayPort }, { host: '127.0.0.1', port: nodePort })
  const identity = identityOf(plan.seed, role === 'settler' ? spec.name : role === 'bootstrap' ? bootstrapName : name)
  makeHome(home, { identity, label: `${plan.seed}/${name}`, settings: settingsOf(spec, gate.endpoint) })
  say(`${spec.name} of ${plan.name} at ${own.place.region}`)
  return spawn([...(await wordsOf(spec)), '--home', home])
}

function settingsOf({ config }: PeerSpec, endpoint: string): readonly Overrides[] {
  const bootstrap = identityOf(plan.seed, bootstrapName).peerId
  const network = {
    // on this machine alone: whoever wants the node comes by the relay
    listen: [`/ip4/127.0.0.1/tcp/${nodePort}`],
    announce: [`/ip4/${ownAddress()}/tcp/${relayPort}`],
    bootstrap: role === 'bootstrap' ? [] : [`/dns4/bootstrap/tcp/${relayPort}/p2p/${bootstrap}`],
    allowPrivateAddresses: true,
    dhtServer: role !== 'consumer',
    relayClient: false,
    dcutr: false,
    autonat: false,
  }
  const gateway = { host: '0.0.0.0', hosts: [ownAddress(), 'consumer', hostname()] }
  return [config, { network, gateway, chain: { endpoint, requestsPerSecond: 1_000 } }]
}

async function wordsOf({ consumer, provider }: PeerSpec): Promise<readonly string[]> {
  if (consumer) {
    // over a home that it had before, this adds only what is missing
    return ['up', '--port', String(gatewayPort), '--allow-public', '--deposit', formatGram(consumer.depositNano)]
  }
  if (!provider) return ['settle']
  const engines = new EngineServer()
  await engines.listen()
  return joinWith(engines, name, provider, loadProfile(provider.profile), seededRandom(plan.seed).fork(name)).words
}

function spawn(words: readonly string[]): Child {
  return new Child({
    name,
    command: commandOf(process.env),
    words: [...words, '--json', '--exit-with-parent'],
    said: (line) => process.stdout.write(`${JSON.stringify(line)}\n`),
  })
}

/** For the health check, and for the driver, which learns from it where to ask and whom to look for on the chain. */
function show(): void {
  createServer((_request, response) => {
    response.writeHead(shown ? 200 : 503, { 'content-type': 'application/json' })
    response.end(JSON.stringify(shown ?? { role, name }))
  }).listen(showPort, '0.0.0.0')
}

/** A container is whichever member of the scenario its address falls on: nobody needs to count. */
function specOf({ peers }: Plan, as: Role, number: number): PeerSpec {
  const members = peers.filter(({ consumer, provider, settler }) => {
    if (as === 'provider') return provider !== undefined
    if (as === 'consumer') return consumer !== undefined
    return settler && !provider && !consumer
  })
  const spec = members[as === 'settler' ? 0 : number % members.length]
  if (as === 'bootstrap') {
    const [any] = peers
    if (!any) throw new RangeError(`scenario ${plan.name} has no peers`)
    return { ...any, name: bootstrapName, provider: undefined, consumer: undefined, config: {} }
  }
  if (!spec) throw new RangeError(`scenario ${plan.name} has no ${as}, expected one; SCENARIO=compose has all`)
  return spec
}

/** Where a container is follows from its address, so that all agree without being told. */
function endAt(address: string): LinkEnd {
  const { regions } = plan.network.latency
  const region = regions[lastNumberOf(address) % regions.length] ?? ''
  const line = 1e9
  return { name: address, group: '', place: { region, upBitsPerSecond: line, downBitsPerSecond: line, nat: 'open' } }
}

function lastNumberOf(address: string): number {
  return Number(address.split('.').at(-1))
}

function ownAddress(): string {
  const found = Object.values(networkInterfaces())
    .flat()
    .find((each) => each && each.family === 'IPv4' && !each.internal)
  if (!found) throw new Error('this container has no address, expected a network of its own')
  return found.address
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
