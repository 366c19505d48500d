// One role under test among peers that survive: kill it at a point, start it again, finish the traffic, and compare what crossed the
// wire with every book and with the chain, to the nano.

import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { identityFrom } from '../../node/adapters/libp2p/identity.ts'
import { systemClock, systemRandom } from '../../node/adapters/system.ts'
import { createTonChain, type TonChain } from '../../node/adapters/ton/chain.ts'
import { Wallet } from '../../node/adapters/wallet.ts'
import type { NodeEvent } from '../../node/events.ts'
import { coveredNano } from '../../node/settlement/channel.ts'
import { type Address, addressOf } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import {
  ask,
  creditTokens,
  type PeerSpec,
  promptTokenNano,
  promptTokens,
  type RunningPeer,
  startPeer,
  tokenNano,
} from './peer.ts'
import type { Point, Role } from './points.ts'
import { Process } from './process.ts'
import type { ChannelSaying, Saying } from './victim.ts'
import { type Fact, witnessed } from './witness.ts'

export interface Draw {
  readonly point: Point
  readonly passes: number
  /** Requests at once, each of so many tokens, again until the end comes. */
  readonly requests: readonly number[]
}

/** What one kill cost, in nano. */
export interface Loss {
  /** Delivered and never paid. */
  readonly providerNano: Nano
  /** Paid and never received. */
  readonly consumerNano: Nano
}

export const windowNano: Nano = BigInt(creditTokens) * tokenNano
export const promptNano: Nano = BigInt(promptTokens) * promptTokenNano
/** After it an escrow would be low on coins, and the process's memory of events long. */
export const iterationsMax = 2_000

const escrowNano: Nano = 9_000_000_000_000n
const restMs = 20_000
const pollMs = 10
/** On a quiet machine a round is over before a settler, which is asked now and then, passes a point once. */
const roundsMax = 400
const globalId = 31_337
const unlockDelaySec = 86_400

/** What is known of one escrow's vouchers from frames, and what it was when the books last agreed. */
interface Count {
  toldNano: Nano
  lastToldNano: Nano
  deliveredNano: Nano
  receivedNano: Nano
  keptNano: Nano
  bookedNano: Nano
  rest: { readonly delivered: Nano; readonly received: Nano; readonly covered: Nano; readonly credit: Nano }
}

export class Stage implements AsyncDisposable {
  readonly role: Role
  readonly #dir: string
  readonly #net: Localnet
  readonly #chain: TonChain
  readonly #specs: readonly PeerSpec[]
  readonly #survivors = new Map<Role, RunningPeer>()
  readonly #counts = new Map<string, Count>()
  readonly #log: string[] = []
  #victim: Process | undefined
  #standby: Process | undefined
  /** Of the last start: from opening the store to serving. */
  startMs = 0

  private constructor(role: Role, dir: string, net: Localnet, specs: readonly PeerSpec[]) {
    this.role = role
    this.#dir = dir
    this.#net = net
    this.#specs = specs
    this.#chain = chainAt(net)
  }

  static async open(role: Role): Promise<Stage> {
    const dir = mkdtempSync(join(tmpdir(), 'silkmesh-crash-'))
    const net = await startLocalnet({ port: 0, blockMs: 0 })
    const stage = new Stage(role, dir, net, await castFor(role, dir, net))
    try {
      for (const spec of stage.#specs) if (spec.role !== role) await stage.#startSurvivor(spec)
      stage.#standby = stage.#spawn()
      await stage.#startVictim()
      return stage
    } catch (error) {
      await stage[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Throws where a book, the wire and the chain do not agree, or more was lost than promised. */
  async iterate(draw: Draw): Promise<Loss> {
    this.#log.length = 0
    const victim = this.#now()
    await victim.arm(draw.point, draw.passes)
    for (let round = 0; !victim.isOver && round < roundsMax; round += 1) {
      await Promise.all(draw.requests.map((tokens) => this.#ask(tokens)))
    }
    if (!victim.isOver) throw this.#failure(`${draw.point} was not passed ${draw.passes} times in ${roundsMax} rounds`)
    const end = await victim.ended
    if (end !== 'SIGKILL') throw this.#failure(`the process was to be killed and ended otherwise: ${end}`)
    await this.#startVictim()
    await this.#assertRemembered()
    await this.#finish()
    return this.#agree(draw.requests.length)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of [this.#victim, this.#standby]) {
      process?.kill()
      await process?.ended
    }
    for (const peer of this.#survivors.values()) await peer.stop()
    await this.#net.close()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  // the peers

  async #startSurvivor(spec: PeerSpec): Promise<void> {
    const peer = await startPeer(
      spec,
      (event) => this.#observe(event),
      (ports) => ({ ...ports, network: witnessed(ports.network, (fact) => this.#note(fact)) }),
    )
    this.#survivors.set(spec.role, peer)
  }

  #spawn(): Process {
    return new Process(join(tmpdir(), 'silkmesh-crash-compiled'), (saying) => this.#hear(saying))
  }

  /** The next process loads its code while this one works. */
  async #startVictim(): Promise<void> {
    const victim = this.#standby ?? this.#spawn()
    this.#victim = victim
    this.#standby = undefined
    const spec = this.#specs.find(({ role }) => role === this.role)
    if (!spec) throw new TypeError(`no ${this.role} in the cast`)
    this.startMs = await victim.start(spec)
    this.#standby = this.#spawn()
  }

  #now(): Process {
    if (!this.#victim) throw new TypeError('not started')
    return this.#victim
  }

  #ask(tokens: number): Promise<string> {
    if (this.role === 'consumer') return this.#now().ask(tokens)
    const consumer = this.#survivors.get('consumer')
    if (!consumer) throw new TypeError('no consumer in the cast')
    return ask(consumer.node, tokens)
  }

  async #channels(): Promise<readonly ChannelSaying[]> {
    if (this.role === 'provider') return this.#now().report()
    const channels = this.#survivors.get('provider')?.node.channels() ?? []
    return channels.map((channel) => ({
      escrow: channel.escrow,
      owedNano: channel.owedNano.toString(),
      coveredNano: coveredNano(channel).toString(),
      settledNano: channel.settledNano.toString(),
    }))
  }

  // what is known

  #observe(event: NodeEvent): void {
    if (event.type === 'voucher-booked') this.#booked(event.escrow, event.amountNano)
    if (event.type === 'ledger-mismatch') this.#log.push(`VIOLATION: ${event.message}`)
    if (event.type === 'fault' || event.type === 'settle-failed' || event.type === 'attempt-failed') {
      this.#log.push(`${event.type} ${event.code}: ${event.message}`)
    }
  }

  #hear(saying: Saying): void {
    if (saying.type === 'booked') this.#booked(saying.escrow, BigInt(saying.nano))
    if (saying.type === 'fact') this.#note({ what: saying.what, escrow: saying.escrow, nano: BigInt(saying.nano) })
    if (saying.type === 'mismatch') this.#log.push(`VIOLATION: ${this.role}: ${saying.message}`)
    if (saying.type === 'fault') this.#log.push(`${this.role}: ${saying.message}`)
  }

  #booked(escrow: string, nano: Nano): void {
    const count = this.#count(escrow)
    if (nano > count.bookedNano) count.bookedNano = nano
  }

  #note({ escrow, nano, what }: Fact): void {
    const count = this.#count(escrow)
    switch (what) {
      case 'told':
        if (nano < count.lastToldNano) this.#log.push(`VIOLATION: ${nano} nano told after ${count.lastToldNano}`)
        count.lastToldNano = nano
        if (nano > count.toldNano) count.toldNano = nano
        break
      case 'delivered':
        count.deliveredNano += nano
        break
      case 'received':
        count.receivedNano += nano
        break
      case 'kept':
        if (nano > count.keptNano) count.keptNano = nano
        break
    }
  }

  #count(escrow: string): Count {
    const known = this.#counts.get(escrow)
    if (known) return known
    const rest = { delivered: 0n, received: 0n, covered: 0n, credit: 0n }
    const none = { toldNano: 0n, lastToldNano: 0n, deliveredNano: 0n, receivedNano: 0n, keptNano: 0n, bookedNano: 0n }
    const count = { ...none, rest }
    this.#counts.set(escrow, count)
    return count
  }

  // what must hold

  /** Before anything new: what the dead one had acknowledged, the next one knows. */
  async #assertRemembered(): Promise<void> {
    if (this.role === 'provider') {
      const channels = await this.#now().report()
      for (const [escrow, { bookedNano }] of this.#counts) {
        const covered = BigInt(channels.find((channel) => channel.escrow === escrow)?.coveredNano ?? '0')
        if (covered < bookedNano)
          throw this.#failure(`a voucher of ${bookedNano} nano was acknowledged, ${covered} are known`)
      }
    }
    if (this.role === 'settler') {
      const payout = this.#payout('provider')
      for (const [escrow, { keptNano }] of this.#counts) {
        if (keptNano === 0n) continue
        await this.#until(
          async () => (await this.#settledNano(escrow, payout)) >= keptNano,
          async () =>
            `the settler took a voucher of ${keptNano} nano, ${await this.#settledNano(escrow, payout)} are settled`,
        )
      }
    }
  }

  /** A first answer may be a refusal that says what is owed. */
  async #finish(): Promise<void> {
    const outcomes: string[] = []
    for (let attempt = 0; attempt < 4; attempt += 1) {
      const outcome = await this.#ask(40)
      outcomes.push(outcome)
      if (outcome === 'stop') return
    }
    throw this.#failure(`no request is served after the restart: ${outcomes.join('; ')}`)
  }

  async #agree(requests: number): Promise<Loss> {
    const payout = this.#payout('provider')
    const view = async () => {
      const channels = await this.#channels()
      return Promise.all(
        channels.map(async (channel) => ({
          escrow: channel.escrow,
          owed: BigInt(channel.owedNano),
          covered: BigInt(channel.coveredNano),
          settled: await this.#settledNano(channel.escrow, payout),
          told: this.#count(channel.escrow).toldNano,
        })),
      )
    }
    type View = Awaited<ReturnType<typeof view>>
    const isRest = (now: View): boolean =>
      now.every(({ covered, owed, settled, told }) => covered >= owed && told === covered && settled === covered)
    let now: View = []
    await this.#until(
      async () => {
        now = await view()
        return isRest(now)
      },
      async () =>
        `books, wire and chain do not agree: ${JSON.stringify(now, (_, value) => (typeof value === 'bigint' ? value.toString() : value))}`,
    )
    const violation = this.#log.find((line) => line.startsWith('VIOLATION'))
    if (violation) throw this.#failure(violation)
    let loss: Loss = { providerNano: 0n, consumerNano: 0n }
    for (const { covered, escrow, owed } of now) {
      const count = this.#count(escrow)
      const { rest } = count
      const paid = covered - rest.covered
      const providerNano = count.deliveredNano - rest.delivered - paid - rest.credit
      const consumerNano = paid - (count.receivedNano - rest.received)
      const consumerNanoMax = windowNano + BigInt(requests) * promptNano
      if (providerNano > windowNano) {
        throw this.#failure(`the provider lost ${providerNano} nano, at most ${windowNano} are promised`)
      }
      if (consumerNano > consumerNanoMax) {
        throw this.#failure(`the consumer lost ${consumerNano} nano, at most ${consumerNanoMax} are promised`)
      }
      loss = {
        providerNano: providerNano > loss.providerNano ? providerNano : loss.providerNano,
        consumerNano: consumerNano > loss.consumerNano ? consumerNano : loss.consumerNano,
      }
      count.rest = {
        delivered: count.deliveredNano,
        received: count.receivedNano,
        covered,
        credit: covered - owed,
      }
    }
    return loss
  }

  #payout(role: Role): Address {
    const payout = this.#specs.find((spec) => spec.role === role)?.payout
    if (!payout) throw new TypeError(`the ${role} has no payout`)
    return payout
  }

  async #settledNano(escrow: string, payout: Address): Promise<Nano> {
    return (await this.#chain.payee(escrow as Address, payout)).settledNano
  }

  async #until(isSo: () => Promise<boolean>, otherwise: () => Promise<string>): Promise<void> {
    for (const startMs = performance.now(); performance.now() - startMs < restMs; ) {
      if (await isSo()) return
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
    throw this.#failure(await otherwise())
  }

  #failure(message: string): Error {
    const heard = this.#log.slice(-8).map((line) => `\n  heard: ${line}`)
    return new Error(`${message}${heard.join('')}`)
  }
}

export function chainAt({ endpoint }: Localnet): TonChain {
  return createTonChain({ endpoint, requestsPerSecond: 1_000, clock: systemClock, random: systemRandom })
}

/** A consumer and a provider always; the settler or the hub between them where that one is to be killed. */
export async function castFor(victim: Role, dir: string, net: Localnet): Promise<readonly PeerSpec[]> {
  const through = victim === 'settler' || victim === 'hub' ? victim : undefined
  const cast: readonly Role[] = through ? ['consumer', 'provider', through] : ['consumer', 'provider']
  const chain = chainAt(net)
  const parts = []
  for (const role of cast) {
    const seed = randomBytes(32)
    const home = join(dir, role)
    mkdirSync(home, { mode: 0o700 })
    const port = await freePort()
    const peer = identityFrom(seed).peerId
    parts.push({ role, seed, home, port, peer, address: `/ip4/127.0.0.1/tcp/${port}/p2p/${peer}` })
  }
  const specs: PeerSpec[] = []
  for (const { home, port, role, seed } of parts) {
    const others = parts
      .filter((part) => part.role !== role)
      .map(({ address, peer, role }) => ({ address, peer, role }))
    specs.push({
      role,
      home,
      seed: seed.toString('hex'),
      port,
      endpoint: net.endpoint,
      globalId,
      others,
      ...(role !== 'consumer' && { payout: addressOf(randomBytes(32)) }),
      ...((role === 'consumer' || role === 'hub') && { escrow: await newEscrow(net, chain, seed) }),
      ...(through && { isThrough: through }),
    })
  }
  return specs
}

async function newEscrow(net: Localnet, chain: TonChain, signerSeed: Uint8Array): Promise<Address> {
  const wallet = new Wallet({ seed: randomBytes(32), chain, globalId, clock: systemClock, timeouts: { pollMs: 20 } })
  const funded = await fetch(`${net.faucetUrl}?address=${wallet.friendly}&amountNano=${escrowNano + 10_000_000_000n}`)
  if (!funded.ok) throw new Error(await funded.text())
  const signer = identityFrom(signerSeed).publicKey
  return (await wallet.deployAndDeposit({ signer, unlockDelaySec }, escrowNano)).escrow
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
