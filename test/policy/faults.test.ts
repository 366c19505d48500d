// A whole mesh under faults, on one clock moved by hand: answers are cut, nodes are killed and come back, and in the end
// every payer and provider agree on what was paid, which is what the answers cost.

import '../seed.ts'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { Identity, Network, Stream } from '../../node/ports.ts'
import type { PricingPolicy } from '../../node/provider/pricing.ts'
import { unpaidNano } from '../../node/settlement/channel.ts'
import { asMeshError } from '../../protocol/errors.ts'
import { type Address, meshKey } from '../../protocol/ids.ts'
import { MemoryStore } from '../memory-store.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'

// a hundred histories take seconds, and many times that on a machine with other work
vi.setConfig({ testTimeout: 240_000 })

interface Ask {
  readonly atMs: number
  readonly letters: number
  readonly tokens: number
  /** Left after this many events. */
  readonly leaveAfter: number | undefined
}

interface Kill {
  readonly atMs: number
  readonly who: 'consumer' | 'provider'
  readonly downMs: number
}

const ask: fc.Arbitrary<Ask> = fc.record({
  atMs: fc.nat({ max: 400 }),
  letters: fc.integer({ min: 1, max: 3_000 }),
  tokens: fc.integer({ min: 1, max: 150 }),
  leaveAfter: fc.option(fc.nat({ max: 60 }), { nil: undefined }),
})
const latencies = fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 6 })
const diskMs = fc.nat({ max: 8 })
const kill: fc.Arbitrary<Kill> = fc.record({
  atMs: fc.nat({ max: 500 }),
  who: fc.constantFrom('consumer', 'provider'),
  downMs: fc.nat({ max: 300 }),
})
/** Streams of different speeds, so that what is sent on one can overtake what was sent before on another. */
class SlowMesh extends MemoryMesh {
  readonly #latencies: readonly number[]
  #opened = 0

  constructor(latencies: readonly number[]) {
    super()
    this.#latencies = latencies
  }

  override networkOf(identity: Identity): Network {
    const network = super.networkOf(identity)
    return {
      ...network,
      open: async (peer, protocol, signal) => this.#slowed(await network.open(peer, protocol, signal)),
      handle: (protocol, handler) => network.handle(protocol, (stream) => handler(this.#slowed(stream))),
    }
  }

  #slowed(stream: Stream): Stream {
    this.#opened += 1
    const latencyMs = this.#latencies[this.#opened % this.#latencies.length] ?? 0
    let last = Promise.resolve()
    const later = (act: () => Promise<void>): Promise<void> => {
      const arrived = this.clock.sleep(latencyMs)
      last = last.then(() => arrived).then(act)
      last.catch(() => undefined)
      return Promise.resolve()
    }
    return {
      peer: stream.peer,
      frames: stream.frames,
      send: (frame) => later(() => stream.send(frame)),
      close: () => later(() => stream.close()),
      reset: (reason) => stream.reset(reason),
    }
  }
}

class Run {
  readonly mesh: SlowMesh
  readonly escrow: Address
  consumer: Peer | undefined
  provider: Peer | undefined
  readonly outcomes: string[] = []
  /** Of completions, agreed with some request. */
  readonly prices = new Set<bigint>()
  readonly #diskMs: number
  readonly #pricing: PricingPolicy
  /** Who waits for whose death. */
  readonly #deaths = new Map<() => void, Peer>()

  constructor(latencies: readonly number[], diskMs: number, pricing: PricingPolicy = 'fixed') {
    this.#pricing = pricing
    this.mesh = new SlowMesh(latencies)
    this.escrow = this.mesh.escrow(1)
    this.#diskMs = diskMs
  }

  async start(): Promise<void> {
    await this.#startProvider()
    await this.#startConsumer()
  }

  async #startProvider(store = this.#newStore()): Promise<void> {
    const pause = (): Promise<void> => this.mesh.clock.sleep(5)
    this.provider = await this.mesh.start({
      number: 2,
      roles: { provider: { payout: addressOfNumber(0x22) } },
      engine: countingEngine({ pause, deltaTokens: [1, 3, 2], slots: this.#pricing === 'fixed' ? 16 : 4 }),
      config: { provider: { pricing: this.#pricing, priceFloorPerMille: 100 } },
      store,
    })
  }

  async #startConsumer(store = this.#newStore()): Promise<void> {
    this.consumer = await this.mesh.start({
      number: 1,
      roles: { consumer: { escrow: this.escrow } },
      config: { consumer: { attemptsMax: 1 } },
      store,
    })
  }

  async kill({ atMs, who, downMs }: Kill): Promise<void> {
    await this.mesh.clock.sleep(atMs)
    const peer = this[who]
    if (!peer) return
    this[who] = undefined
    for (const [tell, dead] of this.#deaths) if (dead === peer) tell()
    this.mesh.kill(peer.identity.peerId)
    const store = peer.store.crash()
    await this.mesh.clock.sleep(downMs)
    await (who === 'consumer' ? this.#startConsumer(store) : this.#startProvider(store))
  }

  /** Resolves when it is answered, or when its consumer dies. */
  async ask({ atMs, letters, tokens, leaveAfter }: Ask): Promise<void> {
    await this.mesh.clock.sleep(atMs)
    const { consumer } = this
    if (!consumer) return
    // a provider just asked for its advert is known by its price of the moment
    if (this.#pricing === 'adaptive') await consumer.node.directory.lookup(meshKey, new AbortController().signal)
    const messages = [{ role: 'user', content: 'x'.repeat(letters) }] as const
    const leaving = new AbortController()
    const answer = async (): Promise<string> => {
      const request = { model: 'm', messages, sampling: { tokensMax: tokens } }
      const events = consumer.node.inference?.infer(request, leaving.signal)
      for (let seen = 0; ; seen += 1) {
        const next = await events?.next()
        if (!next || next.done) return next?.value.finish ?? 'not a consumer'
        if (next.value.type === 'accepted') this.prices.add(next.value.price.completionNano)
        if (seen === leaveAfter) leaving.abort()
      }
    }
    const died = new Promise<void>((resolve) => this.#deaths.set(resolve, consumer))
    const outcome = await Promise.race([died, answer().catch((error: unknown) => asMeshError(error).message)])
    if (outcome !== undefined) this.outcomes.push(outcome)
  }

  #newStore(): MemoryStore {
    return new MemoryStore(new Map(), 65_536, () => this.mesh.clock.sleep(this.#diskMs))
  }

  /** What is unpaid on each channel. */
  unpaid(): readonly bigint[] {
    return this.provider?.node.channels().map(unpaidNano) ?? []
  }
}

const paid = (run: Run): void => expect(run.unpaid().filter((nano) => nano > 0n)).toEqual([])

test('requests at once and left at any time are paid to the nano', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(ask, { minLength: 1, maxLength: 8 }),
      latencies,
      diskMs,
      async (asks, latencies, diskMs) => {
        const run = new Run(latencies, diskMs)
        await run.start()
        await run.mesh.clock.finish(Promise.all(asks.map((ask) => run.ask(ask))))
        await run.mesh.clock.advance(60_000)
        expect(run.outcomes.filter((outcome) => !/^length$|cancelled$/.test(outcome))).toEqual([])
        paid(run)
        // a prompt paid for just as its caller left is credit, and the next answers are served from it
        for (let turn = 0; turn < asks.length; turn += 1) {
          await run.mesh.clock.finish(run.ask({ atMs: 0, letters: 3_000, tokens: 150, leaveAfter: undefined }))
          await run.mesh.clock.advance(1_000)
        }
        expect(run.unpaid()).toEqual([0n])
      },
    ),
    { numRuns: 100 },
  )
})

test('requests at once at prices that change meanwhile are served and paid to the nano', async () => {
  let prices = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(ask, { minLength: 2, maxLength: 8 }),
      latencies,
      diskMs,
      async (asks, latencies, diskMs) => {
        const run = new Run(latencies, diskMs, 'adaptive')
        await run.start()
        // over four seconds: a new price is told a second after the last
        await run.mesh.clock.finish(Promise.all(asks.map((ask) => run.ask({ ...ask, atMs: 10 * ask.atMs }))))
        await run.mesh.clock.advance(60_000)
        expect(run.outcomes.filter((outcome) => !/^length$|cancelled$/.test(outcome))).toEqual([])
        paid(run)
        prices = Math.max(prices, run.prices.size)
      },
    ),
    { numRuns: 100 },
  )
  expect(prices).toBeGreaterThan(1)
})

test('nodes killed at any time lose no more than promised, and serve and pay again when they are back', async () => {
  const kills = fc.array(kill, { minLength: 1, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(ask, { minLength: 1, maxLength: 8 }),
      kills,
      latencies,
      diskMs,
      async (asks, kills, latencies, diskMs) => {
        const run = new Run(latencies, diskMs)
        await run.start()
        await run.mesh.clock.finish(
          Promise.all([...asks.map((ask) => run.ask(ask)), ...kills.map((kill) => run.kill(kill))]),
        )
        await run.mesh.clock.advance(60_000)
        expect(
          run.outcomes.filter((outcome) => /claims|beyond the last voucher|does not verify/.test(outcome)),
        ).toEqual([])
        // a consumer whose records were lost may have to be told once what it owes: the first answer may be a refusal
        for (let turn = 0; turn < 3; turn += 1) {
          run.outcomes.length = turn === 1 ? 0 : run.outcomes.length
          await run.mesh.clock.finish(run.ask({ atMs: 0, letters: 100, tokens: 80, leaveAfter: undefined }))
        }
        await run.mesh.clock.advance(60_000)
        expect(run.outcomes).toEqual(['length', 'length'])
        paid(run)
      },
    ),
    { numRuns: 100 },
  )
})
