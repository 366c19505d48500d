// Random histories of consumer, provider and settler on disks that crash, tear writes and fail in every way they can: no voucher
// that was acknowledged is lost, none is counted twice, and in the end chain, provider and consumer agree to the nano.

import '../seed.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { configOf } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import { type MeshNode, startNode } from '../../node/node.ts'
import type { Random } from '../../node/ports.ts'
import { coveredNano, unpaidNano } from '../../node/settlement/channel.ts'
import { asMeshError } from '../../protocol/errors.ts'
import type { Scheduler } from '../../sim/kernel.ts'
import { Life } from '../../sim/life.ts'
import { type DiskFault, diskFaults, ModelDisk } from '../../sim/model/store.ts'
import { seededRandom } from '../../sim/random.ts'
import type { ManualClock } from '../manual-clock.ts'
import { countingEngine, MemoryMesh } from './memory-mesh.ts'
import { addressOfNumber, identityOf, peerOf } from './peers.ts'

const payout = addressOfNumber(0x22)
const windowNano = 64n * 160n
const numbers = { consumer: 1, provider: 2, settler: 3 } as const
type Who = keyof typeof numbers

interface Strike {
  readonly atMs: number
  readonly who: Who
  readonly how: 'kill' | DiskFault
  readonly downMs: number
}

const strike: fc.Arbitrary<Strike> = fc.record({
  atMs: fc.nat({ max: 1_200 }),
  who: fc.constantFrom('consumer', 'provider', 'settler'),
  how: fc.constantFrom('kill', ...diskFaults),
  downMs: fc.nat({ max: 300 }),
})
const ask = fc.record({ atMs: fc.nat({ max: 1_000 }), tokens: fc.integer({ min: 1, max: 150 }) })

/** One machine: its disk outlives each node on it. */
interface Machine {
  readonly disk: ModelDisk
  life: Life
  node: MeshNode | undefined
}

class Run {
  readonly mesh = new MemoryMesh()
  readonly escrow = this.mesh.escrow(1)
  readonly #machines: Readonly<Record<Who, Machine>>
  /** The largest voucher that the provider has ever said it has. */
  bookedNano = 0n
  /** Disks that failed under a running node. */
  fails = 0
  readonly faults: string[] = []
  readonly #deaths = new Set<() => void>()

  constructor(seed: number, syncMs: number) {
    const random = seededRandom(seed)
    const scheduler = onClock(this.mesh.clock)
    const machine = (who: Who): Machine => ({
      disk: new ModelDisk({ scheduler, random: random.fork(who), spec: { syncMs, tornWrites: true } }),
      life: new Life(),
      node: undefined,
    })
    this.#machines = { consumer: machine('consumer'), provider: machine('provider'), settler: machine('settler') }
  }

  /** Again where the disk fails while it starts. */
  async start(who: Who): Promise<void> {
    const machine = this.#machines[who]
    for (;;) {
      try {
        return await this.#startOnce(who)
      } catch (error) {
        if (asMeshError(error, 'internal').code !== 'store-failed') throw error
        machine.life.end()
        machine.disk.crash()
      }
    }
  }

  async #startOnce(who: Who): Promise<void> {
    const machine = this.#machines[who]
    machine.life = new Life()
    const { life } = machine
    const settlement = { thresholdNano: 1n, intervalMs: 100, watchMs: 200, confirmPollMs: 50, settlerTrustMs: 10_000 }
    const settler = who === 'provider' ? peerOf(numbers.settler) : ''
    const roles = {
      consumer: { consumer: { escrow: this.escrow } },
      provider: { provider: { payout } },
      settler: { settler: true },
    }[who]
    const { chain, clock } = this.mesh
    const identity = identityOf(numbers[who])
    machine.node = await startNode(
      configOf({ consumer: { attemptsMax: 1 }, settlement: { ...settlement, settler } }),
      {
        clock,
        chain,
        identity,
        random: evenly,
        network: this.mesh.networkOf(identity),
        engine: countingEngine({ pause: () => clock.sleep(5), deltaTokens: [1, 3, 2] }),
        store: machine.disk.mount(life),
        observe: (event) => this.#hear(who, life, event),
      },
      roles,
    )
    machine.node.failed.addEventListener('abort', () => {
      this.fails += 1
      void this.#fall(who, 50)
    })
  }

  /** What fails a disk shows at its next write; who says so is killed and started again, as an operator does. */
  async strike({ atMs, downMs, how, who }: Strike): Promise<void> {
    await this.mesh.clock.sleep(atMs)
    if (how === 'kill') await this.#fall(who, downMs)
    else this.#machines[who].disk.fail(how)
  }

  async #fall(who: Who, downMs: number): Promise<void> {
    const machine = this.#machines[who]
    if (!machine.node) return
    machine.node = undefined
    machine.life.end()
    machine.disk.crash()
    this.mesh.kill(peerOf(numbers[who]))
    if (who === 'consumer') for (const die of this.#deaths) die()
    await this.mesh.clock.sleep(downMs)
    await this.start(who)
    if (who !== 'provider') return
    const covered = this.coveredNano()
    if (covered < this.bookedNano) this.faults.push(`${this.bookedNano} nano acknowledged, ${covered} found`)
  }

  async ask({ atMs, tokens }: { readonly atMs: number; readonly tokens: number }): Promise<string> {
    await this.mesh.clock.sleep(atMs)
    const { node } = this.#machines.consumer
    if (!node) return 'dead'
    const answer = async (): Promise<string> => {
      const messages = [{ role: 'user' as const, content: 'hello' }]
      const request = { model: 'm', messages, sampling: { tokensMax: tokens } }
      const events = node.inference?.infer(request, new AbortController().signal)
      for (;;) {
        const next = await events?.next()
        if (!next || next.done) return next?.value.finish ?? 'not a consumer'
      }
    }
    const died = new Promise<string>((resolve) => this.#deaths.add(() => resolve('dead')))
    return Promise.race([died, answer().catch((error: unknown) => asMeshError(error).message)])
  }

  coveredNano(): bigint {
    return this.#machines.provider.node?.channels().map(coveredNano)[0] ?? 0n
  }

  unpaidNano(): bigint {
    return this.#machines.provider.node?.channels().map(unpaidNano)[0] ?? 0n
  }

  get settledNano(): bigint {
    return this.mesh.chain.settledOf(this.escrow, payout)
  }

  #lastSignedNano = 0n

  #hear(who: Who, life: Life, event: NodeEvent): void {
    if (life.isOver) return
    if (event.type === 'voucher-booked' && who === 'provider' && event.amountNano > this.bookedNano) {
      this.bookedNano = event.amountNano
    }
    if (event.type === 'voucher-signed') {
      if (event.amountNano < this.#lastSignedNano) {
        this.faults.push(`signed ${event.amountNano} after ${this.#lastSignedNano}`)
      }
      this.#lastSignedNano = event.amountNano
    }
  }
}

let draws = 0
const evenly: Random = {
  next: () => 0.5,
  bytes: (length) => {
    draws += 1
    return new Uint8Array(length).fill(draws)
  },
  fork: () => evenly,
}

/** What a disk schedules with, on a clock that a test moves. */
function onClock(clock: ManualClock): Scheduler {
  return {
    now: () => clock.now(),
    at: (atMs, act) => {
      let isOver = false
      void clock.sleep(atMs - clock.now()).then(() => {
        if (!isOver) act()
      })
      return {
        cancel: () => {
          isOver = true
        },
      }
    },
  }
}

test('no history of kills and failing disks loses a voucher, counts one twice, or costs more than the window', async () => {
  let fails = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(ask, { minLength: 1, maxLength: 5 }),
      fc.array(strike, { minLength: 1, maxLength: 4 }),
      fc.nat({ max: 8 }),
      fc.nat(),
      async (asks, struck, syncMs, seed) => {
        const run = new Run(seed, syncMs)
        const { clock } = run.mesh
        for (const who of ['settler', 'provider', 'consumer'] as const) await clock.finish(run.start(who))
        await clock.finish(
          Promise.all([...asks.map((each) => run.ask(each)), ...struck.map((each) => run.strike(each))]),
        )
        await clock.advance(60_000)
        expect(run.faults).toEqual([])
        expect(run.unpaidNano()).toBeLessThanOrEqual(windowNano)
        // the last faults show, and a first answer may be a refusal that says what is owed
        const last: string[] = []
        for (let turn = 0; turn < 6; turn += 1) {
          last.push(await clock.finish(run.ask({ atMs: 0, tokens: 80 })))
          await clock.advance(60_000)
        }
        expect(last.slice(4)).toEqual(['length', 'length'])
        expect(run.faults).toEqual([])
        expect(run.unpaidNano()).toBeLessThanOrEqual(0n)
        expect(run.settledNano).toBe(run.coveredNano())
        fails += run.fails
      },
    ),
    { numRuns: 25 },
  )
  expect(fails).toBeGreaterThan(10)
})
