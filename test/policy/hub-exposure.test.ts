// Whatever crashes, and whatever is lost on the way: a consumer has never signed more than one increment beyond what its hub has
// granted, and a hub has never granted what was not signed for.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { configOf } from '../../node/config.ts'
import { Hub } from '../../node/consumer/hub.ts'
import { decodeRecord } from '../../node/records.ts'
import { feeNano } from '../../protocol/hub.ts'
import type { Nano } from '../../protocol/money.ts'
import { paidNano } from '../../protocol/voucher.ts'
import { quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { MemoryMesh } from './memory-mesh.ts'
import { addressOfNumber, identityOf, peerOf } from './peers.ts'

const consumer = identityOf(1)
const [hubNumber, hubEscrow, hubPayout] = [9, addressOfNumber(0x42), addressOfNumber(0x41)]
const escrow = addressOfNumber(0x51)
const feePpm = 5_000
const incrementNanoMax = 1_000n

interface Step {
  readonly act: 'ask' | 'write' | 'cut' | 'mute' | 'hub crashes' | 'consumer crashes' | 'time'
  readonly pick: number
  readonly nano: Nano
}

class World {
  readonly mesh = new MemoryMesh()
  hubStore = new MemoryStore()
  #store = new MemoryStore()
  #hub = this.#newHub()
  readonly faults: string[] = []

  async start(): Promise<void> {
    this.mesh.escrow(1, { address: escrow })
    this.mesh.escrow(hubNumber, { address: hubEscrow })
    await this.#startHub()
    this.#store.hold()
  }

  async take({ act, nano, pick }: Step): Promise<void> {
    switch (act) {
      case 'ask':
        this.ask(pick, nano).catch(() => undefined) // the hub may be gone
        break
      case 'write':
        if (pick % 2 === 0) this.#store.flush(1 + (pick % 3))
        else this.hubStore.flush(1 + (pick % 3))
        break
      case 'cut':
        this.mesh.cut(peerOf(hubNumber))
        break
      case 'mute':
        this.mesh.mute(pick % 2 === 0 ? peerOf(hubNumber) : consumer.peerId)
        break
      case 'hub crashes':
        this.mesh.kill(peerOf(hubNumber))
        this.hubStore = this.hubStore.crash(pick % (1 + this.hubStore.waiting))
        await this.#startHub()
        break
      case 'consumer crashes':
        this.mesh.kill(consumer.peerId)
        this.#store = this.#store.crash(pick % (1 + this.#store.waiting))
        this.#hub = this.#newHub()
        await this.#hub.recover()
        this.#store.hold()
        break
      case 'time':
        await this.mesh.clock.advance(1 + (pick % 5_000))
        break
    }
    await quiet()
    await this.check()
  }

  /** One prompt at the payee of this number; what was granted in all. */
  async ask(pick: number, nano: Nano): Promise<Nano> {
    const payee = addressOfNumber(0x31 + (pick % 2))
    const way = await this.#hub.way()
    if (!way) throw new Error('no way')
    const { epoch, globalId } = way.escrow
    const id = { globalId, epoch, peer: peerOf(20 + (pick % 2)), payee }
    const tab = way.tabs.stream(id.peer)
    try {
      const best = way.tabs.best(id)
      tab.accepted({ ...id, best, owedNano: best ? paidNano(best) : 0n }, 64n)
      tab.prepay(nano)
      const voucher = (await tab.sign()) ?? way.tabs.best(id)
      return voucher ? paidNano(voucher) : 0n
    } finally {
      tab.close(true)
    }
  }

  /** The network is well, and both disks write. */
  async heal(): Promise<void> {
    this.mesh.cut(peerOf(hubNumber))
    for (let at = 0; at < 20; at += 1) {
      this.flush()
      await quiet()
    }
    await this.mesh.clock.advance(10_000)
  }

  flush(): void {
    this.#store.flush()
    this.hubStore.flush()
  }

  /** By what is on the hub's disk: what is not was shown to nobody. */
  async books(): Promise<{ charged: Nano; covered: Nano; granted: Nano; promised: Nano }> {
    const largest = new Map<string, { grantNano: Nano; totalNano: Nano }>()
    let charged = 0n
    let covered = 0n
    for (const entry of await this.hubStore.read('hub')) {
      const { charged: each, voucher } = decodeRecord('hub', entry)
      if (each && each.owedNano > charged) charged = each.owedNano
      largest.set(voucher.terms.payee, { grantNano: paidNano(voucher), totalNano: voucher.terms.amountNano })
    }
    for (const entry of await this.hubStore.read('hub-book')) {
      const { amountNano } = decodeRecord('hub-book', entry).voucher.terms
      if (amountNano > covered) covered = amountNano
    }
    const sums = [...largest.values()]
    const granted = sums.reduce((sum, { grantNano }) => sum + grantNano, 0n)
    return { charged, covered, granted, promised: sums.reduce((sum, { totalNano }) => sum + totalNano, 0n) }
  }

  get signedNano(): Nano {
    return this.#hub.signedNano
  }

  async check(): Promise<void> {
    const { charged, covered, granted, promised } = await this.books()
    const most = incrementNanoMax + feeNano(incrementNanoMax, feePpm)
    if (this.signedNano - charged > most) this.faults.push(`signed ${this.signedNano}, charged ${charged}`)
    if (covered - charged > most) this.faults.push(`the hub holds ${covered} for ${charged}`)
    if (charged > covered) this.faults.push(`granted for ${charged}, covered ${covered}`)
    if (promised !== granted) this.faults.push(`promised ${promised}, granted ${granted}`)
    if (granted + feeNano(granted, feePpm) > charged) this.faults.push(`granted ${granted}, charged ${charged}`)
  }

  async #startHub(): Promise<void> {
    const roles = { hub: { escrow: hubEscrow, payout: hubPayout } }
    await this.mesh.start({ number: hubNumber, roles, config: { hub: { feePpm } }, store: this.hubStore })
    this.hubStore.hold()
  }

  #newHub(): Hub {
    const { chain, clock } = this.mesh
    const network = this.mesh.networkOf(consumer)
    const config = configOf({ consumer: { cooldownMs: 0, hubIncrementNanoMax: incrementNanoMax } })
    const ports = { chain, clock, identity: consumer, network, store: this.#store, observe: () => undefined }
    const own = { address: escrow, globalId: -239, epoch: 0 }
    return new Hub(peerOf(hubNumber), config.consumer, ports, async () => own)
  }
}

const steps = fc.array(
  fc.record({
    act: fc.constantFrom<Step['act']>(
      ...(['ask', 'ask', 'ask', 'write', 'write', 'write', 'write', 'time'] as const),
      ...(['cut', 'mute', 'hub crashes', 'consumer crashes'] as const),
    ),
    pick: fc.nat(1_000),
    nano: fc.bigInt({ min: 1n, max: incrementNanoMax }),
  }),
  { minLength: 20, maxLength: 60 },
)

test('one increment at most is signed and not granted, nothing is granted that was not signed, whatever crashes', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      const world = new World()
      await world.start()
      for (const step of taken) await world.take(step)
      await world.heal()
      for (const pick of [0, 1]) {
        const asking = world.ask(pick, 100n)
        let isDone = false
        const done = (): void => {
          isDone = true
        }
        asking.then(done, done)
        while (!isDone) {
          world.flush()
          await quiet()
        }
        expect(await asking).toBeGreaterThanOrEqual(100n)
      }
      await world.check()
      expect(world.faults).toEqual([])
      const { charged, granted } = await world.books()
      expect(granted).toBeGreaterThanOrEqual(200n)
      expect(charged).toBeLessThanOrEqual(world.signedNano)
    }),
    { numRuns: 40 },
  )
})
