// The `process` tier: the packaged command as real processes on this machine – a local chain, providers, consumers, settlers –
// each in a home of its own, over links that are shaped on the way. Time is the wall's.

import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../node/adapters/system.ts'
import { configOf, type Overrides } from '../../node/config.ts'
import type { InferenceEvent, InferenceRequest, InferenceResult } from '../../node/inference.ts'
import type { Clock } from '../../node/ports.ts'
import { type Address, type PeerId, parseAddress } from '../../protocol/ids.ts'
import { formatGram, type Price } from '../../protocol/money.ts'
import { identityOf, payoutOf, type SeededIdentity } from '../identity.ts'
import type { Life } from '../life.ts'
import { loadProfile, type Profile } from '../model/engine/engine.ts'
import { promptTokensOf } from '../model/engine/tokens.ts'
import type { PeerSpec, Plan } from '../plan.ts'
import { type SeededRandom, seededRandom } from '../random.ts'
import type { Audit, AuditedChannel, Heard, Weather, World } from '../world.ts'
import { Book, bookOnDisk } from './books.ts'
import { ChainGate, ChainLedger, hostAndPortOf } from './chain.ts'
import { Child, ownCommand } from './child.ts'
import type { LinkEnd } from './crossing.ts'
import { EngineServer, joinWith } from './engine-server.ts'
import { readEvent } from './events.ts'
import { type GatewayAddress, inferOver } from './gateway.ts'
import { makeHome } from './home.ts'
import { nodePort, relayPort } from './host.ts'
import { Links } from './links.ts'

export interface ProcessWorldOptions {
  /** `modelled`: the plan's profiles behind HTTP. `builtin`: llama.cpp with the model that comes along, one a provider. */
  readonly engine?: 'modelled' | 'builtin' | undefined
  /** The command before its words; this checkout's by default. A build's is `node dist/node/cli/bin.js`. */
  readonly command?: readonly string[] | undefined
  /** Homes stay where they are at the end. */
  readonly keepHomes?: boolean | undefined
}

export function createProcessWorld(options: ProcessWorldOptions = {}): ProcessWorld {
  return new ProcessWorld(options)
}

/** What a node is asked to take for its end: its own drain, then closing. */
const stopMs = 60_000
/** One way to a public endpoint or back: an assumption, as in the model tier. A slow chain takes a multiple of it. */
const chainTravelMs = 40
/** Found first, by everybody. A settler that nobody names forwards gossip, answers the DHT, and has no other work. */
const bootstrapName = 'bootstrap'

interface Member {
  readonly spec: PeerSpec
  readonly identity: SeededIdentity
  /** On loopback, its own. */
  readonly address: string
  readonly home: string
  readonly payout: Address
  readonly profile: Profile | undefined
  readonly random: SeededRandom
  readonly book: Book
  child: Child | undefined
  /** Of its engine. */
  life: Life | undefined
  slots: number
  escrow: Address | undefined
  gateway: GatewayAddress | undefined
}

interface Stage {
  readonly plan: Plan
  readonly dir: string
  readonly chain: Child
  readonly gate: ChainGate
  readonly ledger: ChainLedger
  readonly links: Links
  readonly engines: EngineServer
  readonly bootstrap: Child
  /** What nodes dial first. */
  readonly entry: string
}

export class ProcessWorld implements World {
  readonly tier = 'process'
  readonly clock: Clock = systemClock
  readonly #isModelled: boolean
  readonly #command: readonly string[]
  readonly #keepHomes: boolean
  readonly #members = new Map<string, Member>()
  readonly #names = new Map<PeerId, string>()
  readonly #listeners: ((heard: Heard) => void)[] = []
  #stage: Stage | undefined
  #startMs = 0
  #heard = 0
  #memoryBytesMax = 0
  #figures: Readonly<Record<string, number>> = {}
  #auditing: Promise<unknown> = Promise.resolve()

  constructor({ engine = 'modelled', command = ownCommand, keepHomes = false }: ProcessWorldOptions) {
    this.#isModelled = engine === 'modelled'
    this.#command = command
    this.#keepHomes = keepHomes
  }

  async open(plan: Plan): Promise<void> {
    for (const spec of plan.peers) assertRunnable(spec)
    const dir = mkdtempSync(join(tmpdir(), 'silkmesh-sim-'))
    const random = seededRandom(plan.seed)
    const block = `127.${1 + randomInt(254)}.${randomInt(256)}` // another world's processes have other addresses
    const ends = new Map<string, LinkEnd>()
    const addresses = new Map<string, string>()
    for (const [at, end] of [bootstrapEnd(plan), ...plan.peers].entries()) {
      const address = addressIn(block, at)
      ends.set(address, end)
      addresses.set(end.name, address)
    }
    const links = new Links({
      plan: plan.network,
      random: random.fork('links'),
      endOf: (address) => ends.get(address),
      sourceOf: ({ name }) => addresses.get(name),
    })
    const engines = new EngineServer()
    await engines.listen()
    const words = ['chain', '--home', join(dir, 'chain'), '--port', '0', '--block-ms', String(plan.chain.blockMs)]
    const chain = this.#spawn('chain', words)
    const { endpoint } = await chain.ready()
    const gate = new ChainGate(hostAndPortOf(String(endpoint)))
    await gate.listen()
    for (const [address, end] of ends) {
      await links.open(end, { host: address, port: relayPort }, { host: address, port: nodePort })
    }
    const identity = identityOf(plan.seed, bootstrapName)
    const address = addresses.get(bootstrapName) ?? ''
    const home = join(dir, bootstrapName)
    const network = networkOf(address, { relayServer: plan.network.relay, connectionsMax: 10_000 })
    makeHome(home, { identity, label: `${plan.seed}/${bootstrapName}`, settings: [chainOf(gate), { network }] })
    const bootstrap = this.#spawn(bootstrapName, ['settle', '--home', home], { address, clockSkewMs: 0 })
    await bootstrap.ready()
    const ledger = new ChainLedger(String(endpoint))
    const entry = `/ip4/${address}/tcp/${relayPort}/p2p/${identity.peerId}`
    this.#stage = { plan, dir, chain, gate, ledger, links, engines, bootstrap, entry }
    for (const spec of plan.peers) this.#join(spec, addresses.get(spec.name) ?? '', random.fork(`peer/${spec.name}`))
    this.#startMs = Date.now()
  }

  async start(name: string): Promise<void> {
    const { links } = this.#on
    const member = this.#member(name)
    if (member.child) return
    links.power(name, true)
    const { address, book, home, spec } = member
    const isFirst = spec.consumer !== undefined && member.escrow === undefined
    const words = [...this.#wordsOf(member), ...(isFirst ? depositOf(spec) : []), '--home', home]
    const child = this.#spawn(name, words, { address, clockSkewMs: spec.clockSkewMs }, (line) =>
      this.#said(member, line),
    )
    member.child = child
    book.reopened()
    void child.ended.then(() => this.#over(member, child))
    let ready: Readonly<Record<string, unknown>>
    try {
      ready = await child.ready()
    } catch (error) {
      if (member.child !== child) return // killed or stopped meanwhile
      throw error
    }
    if (spec.consumer) {
      member.escrow = parseAddress(String(ready['escrow']))
      member.gateway = ready['gateway'] as GatewayAddress // printed by a node of this very version
    }
  }

  async stop(name: string): Promise<void> {
    const member = this.#member(name)
    const { child, life } = member
    if (!child) return
    member.child = undefined
    try {
      await child.stop(stopMs)
    } finally {
      life?.end()
    }
  }

  kill(name: string, { power }: { readonly power: boolean }): void {
    const member = this.#member(name)
    const { child, life } = member
    if (!child) return
    member.child = undefined
    if (power) this.#on.links.power(name, false)
    child.signal('SIGKILL')
    life?.end()
  }

  freeze(name: string): void {
    const { child, life } = this.#member(name)
    child?.signal('SIGSTOP')
    life?.freeze()
  }

  thaw(name: string): void {
    const { child, life } = this.#member(name)
    child?.signal('SIGCONT')
    life?.thaw()
  }

  slotsOf(name: string): number {
    return this.#member(name).slots
  }

  nameOf(peer: PeerId): string {
    return this.#names.get(peer) ?? peer
  }

  nowMs(): number {
    return Date.now()
  }

  infer(
    name: string,
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<InferenceEvent, InferenceResult, undefined> {
    const { child, gateway } = this.#member(name)
    if (!child || !gateway) throw new RangeError(`${name} is no consumer that runs`)
    const priceOf = (provider: string): Price => priceIn(this.#members.get(this.#names.get(provider as PeerId) ?? ''))
    const promptTokens = this.#isModelled ? promptTokensOf(request.messages) : 0
    return inferOver(gateway, request, { isModelled: this.#isModelled, priceOf, promptTokens }, signal)
  }

  disturb(weather: Weather): () => void {
    const { gate, links } = this.#on
    if (weather.kind !== 'chain') return links.disturb(weather)
    if (weather.how === 'down') return gate.shut()
    if (weather.how === 'slow') return gate.slow(chainTravelMs * weather.factor)
    throw new RangeError(`chain ${weather.how} in the tier process, expected down or slow; the tier model has all`)
  }

  observe(listener: (heard: Heard) => void): void {
    this.#listeners.push(listener)
  }

  async drive<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    if (!signal) return work
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const leave = (): void => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    try {
      return await Promise.race([work, aborted])
    } finally {
      signal.removeEventListener('abort', leave)
      work.catch(() => undefined) // left behind, it may fail on what is closed now
    }
  }

  /** One after the other: each look at an account goes on from the one before. */
  audit(): Promise<Audit> {
    const audited = this.#auditing.then(() => this.#audit())
    this.#auditing = audited.catch(() => undefined)
    return audited
  }

  /** After the end, as it was then. */
  figures(): Readonly<Record<string, number>> {
    if (this.#stage) this.#figures = this.#measure(this.#stage)
    return this.#figures
  }

  #measure({ bootstrap, chain, links }: Stage): Readonly<Record<string, number>> {
    const children = [chain, bootstrap, ...[...this.#members.values()].flatMap(({ child }) => (child ? [child] : []))]
    const memoryBytes = children.reduce((sum, child) => sum + child.memoryBytes, 0)
    this.#memoryBytesMax = Math.max(this.#memoryBytesMax, memoryBytes)
    return {
      events: this.#heard,
      processes: children.length,
      processBytes: memoryBytes,
      processBytesMax: this.#memoryBytesMax,
      ...links.figures(),
    }
  }

  /** Peers of the plan that this one is connected to now. */
  connectionsOf(name: string): readonly string[] {
    return this.#on.links.connectedTo(name).filter((other) => other !== bootstrapName)
  }

  homeOf(name: string): string {
    return this.#member(name).home
  }

  async close(): Promise<void> {
    const stage = this.#stage
    if (!stage) return
    this.#figures = this.#measure(stage)
    this.#stage = undefined
    await this.#auditing
    const children = [stage.bootstrap, stage.chain]
    for (const member of this.#members.values()) {
      if (member.child) children.push(member.child)
      member.child = undefined
      member.life?.end()
    }
    // whoever should have left in order was stopped before
    for (const child of children) child.signal('SIGKILL')
    await Promise.all(children.map(({ ended }) => ended))
    await Promise.all([stage.gate.close(), stage.links.close(), stage.engines.close()])
    if (!this.#keepHomes) rmSync(stage.dir, { recursive: true, force: true })
  }

  async #audit(): Promise<Audit> {
    const { ledger } = this.#on
    const sum = { depositedNano: 0n, inEscrowsNano: 0n, paidOutNano: 0n, feesNano: 0n }
    const members = [...this.#members.values()]
    const channels: AuditedChannel[] = []
    for (const consumer of members) {
      const { escrow } = consumer
      if (escrow === undefined) continue
      const account = await ledger.escrow(escrow)
      sum.depositedNano += account.depositedNano
      sum.inEscrowsNano += account.balanceNano
      sum.paidOutNano += account.paidOutNano
      sum.feesNano += account.feesNano
      for (const provider of members) {
        if (!provider.book.entries.has(escrow)) continue
        // the chain first: a book only grows meanwhile
        const settledNano = await ledger.settledNano(escrow, provider.payout)
        const entry = provider.book.entries.get(escrow)
        const onDisk = provider.child ? undefined : (await bookOnDisk(provider.home)).get(escrow)
        channels.push({
          consumer: consumer.spec.name,
          provider: provider.spec.name,
          escrow,
          payee: provider.payout,
          depositNano: account.depositedNano,
          settledNano,
          owedNano: provider.child ? entry?.owedNano : undefined,
          coveredNano: onDisk ?? entry?.coveredNano,
        })
      }
    }
    return { ...sum, channels }
  }

  #join(spec: PeerSpec, address: string, random: SeededRandom): void {
    const { dir, entry, gate, plan } = this.#on
    const identity = identityOf(plan.seed, spec.name)
    const home = join(dir, spec.name)
    const profile = spec.provider && this.#isModelled ? loadProfile(spec.provider.profile) : undefined
    const isReachable = spec.place.nat === 'open'
    const { relay } = plan.network
    const network = networkOf(address, {
      bootstrap: [entry],
      dhtServer: isReachable && (spec.provider !== undefined || spec.settler),
      relayClient: relay, // who would dial a peer behind a NAT needs it too
      dcutr: relay && spec.place.nat === 'cone',
      // nobody could dial the relay of its own link
      ...(isReachable ? {} : { announce: relay ? [`${entry}/p2p-circuit`] : [`/ip4/${address}/tcp/${relayPort}`] }),
      ...(isReachable || !relay ? {} : { listen: [`/ip4/${address}/tcp/${nodePort}`, `${entry}/p2p-circuit`] }),
    })
    const settings: Overrides[] = [spec.config, chainOf(gate), { network: { ...spec.config.network, ...network } }]
    if (!profile) settings.push({ engine: { threads: 1 } })
    makeHome(home, { identity, label: `${plan.seed}/${spec.name}`, settings })
    this.#names.set(identity.peerId, spec.name)
    this.#members.set(spec.name, {
      spec,
      identity,
      address,
      home,
      profile,
      random,
      payout: payoutOf(plan.seed, spec.name),
      book: new Book(),
      child: undefined,
      life: undefined,
      slots: 0,
      escrow: undefined,
      gateway: undefined,
    })
  }

  /** The command and its flags; a provider's engine is started with it. */
  #wordsOf(member: Member): readonly string[] {
    const { payout, profile, random, spec } = member
    if (spec.consumer) return ['up', '--port', '0']
    if (!spec.provider) return ['settle'] // who settles for nobody is a peer like any other
    const served = joinWith(this.#on.engines, spec.name, spec.provider, profile, random.fork('engine'))
    member.life = served.life
    member.slots = served.slots
    return [...served.words, '--payout', payout]
  }

  #spawn(
    name: string,
    words: readonly string[],
    host?: { readonly address: string; readonly clockSkewMs: number },
    said: (line: Readonly<Record<string, unknown>>) => void = () => undefined,
  ): Child {
    return new Child({ name, command: this.#command, words: [...words, '--json', '--exit-with-parent'], host, said })
  }

  /** What it said before it was killed was said: it counts also when it is read later. */
  #said(member: Member, line: Readonly<Record<string, unknown>>): void {
    const event = readEvent(line)
    if (!event) return
    this.#heard += 1
    member.book.heard(event, (peer) => this.#members.get(this.#names.get(peer as PeerId) ?? '')?.escrow)
    const heard = { peer: member.spec.name, atMs: Date.now() - this.#startMs, event }
    for (const listener of this.#listeners) listener(heard)
  }

  /** A node that ends by itself is a fault of it. */
  #over(member: Member, child: Child): void {
    if (member.child !== child) return
    member.child = undefined
    member.life?.end()
    const message = `the process ended by itself${child.lastWords}`
    const event = { type: 'fault', where: 'process', code: 'internal', message } as const
    for (const listen of this.#listeners) listen({ peer: member.spec.name, atMs: Date.now() - this.#startMs, event })
  }

  #member(name: string): Member {
    const member = this.#members.get(name)
    if (!member) throw new RangeError(`no peer ${name} in this plan`)
    return member
  }

  get #on(): Stage {
    if (!this.#stage) throw new Error('the world is not open')
    return this.#stage
  }
}

function assertRunnable({ adversary, consumer, name, provider }: PeerSpec): void {
  if (adversary) {
    throw new RangeError(
      `${name} is an adversary (${adversary}), and the tier process runs the real node; use model or libp2p`,
    )
  }
  if (consumer && provider) throw new RangeError(`${name} is consumer and provider, expected one role a process`)
}

/** Only what is announced is ever told to others, and that is the relay. */
function networkOf(address: string, more: NonNullable<Overrides['network']>): NonNullable<Overrides['network']> {
  return {
    listen: [`/ip4/${address}/tcp/${nodePort}`],
    announce: [`/ip4/${address}/tcp/${relayPort}`],
    allowPrivateAddresses: true,
    relayClient: false,
    dcutr: false,
    autonat: false,
    ...more,
  }
}

function chainOf(gate: ChainGate): Overrides {
  return { chain: { endpoint: gate.endpoint, requestsPerSecond: 1_000 } }
}

function depositOf({ consumer }: PeerSpec): readonly string[] {
  return consumer ? ['--deposit', formatGram(consumer.depositNano)] : []
}

function bootstrapEnd(plan: Plan): LinkEnd {
  const [region = ''] = plan.network.latency.regions
  const line = 1e9
  const place = { region, upBitsPerSecond: line, downBitsPerSecond: line, nat: 'open' } as const
  return { name: bootstrapName, group: bootstrapName, place }
}

function addressIn(block: string, at: number): string {
  if (at > 253) throw new RangeError('more than 253 peers in one world of processes')
  return `${block}.${at + 1}`
}

function priceIn(member: Member | undefined): Price {
  const { cachedPriceNano, completionPriceNano, promptPriceNano } = configOf(member?.spec.config ?? {}).provider
  return { promptNano: promptPriceNano, completionNano: completionPriceNano, cachedNano: cachedPriceNano }
}
