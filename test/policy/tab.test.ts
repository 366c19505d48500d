// The consumer's side of a channel: what it agrees to owe, what it signs, what it finds again after a crash.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type TabStream, Tabs } from '../../node/consumer/tab.ts'
import type { NodeEvent } from '../../node/events.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Tab as Claim } from '../../protocol/frames.ts'
import type { Nano } from '../../protocol/money.ts'
import { signVoucher, type Voucher, verifyVoucher } from '../../protocol/voucher.ts'
import { ManualClock, quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { addressOfNumber, identityOf, peerOf } from './peers.ts'

const own = identityOf(1)
const escrow = addressOfNumber(0xe5)
const provider = peerOf(2)
const payee = addressOfNumber(0x22)
const windowNano = 64n
const globalId = -239
const id = { globalId, epoch: 0, peer: provider, payee }

async function tabsOn(store: MemoryStore): Promise<{ tabs: Tabs; events: NodeEvent[] }> {
  const events: NodeEvent[] = []
  const ports = { clock: new ManualClock(), identity: own, store, observe: (event: NodeEvent) => events.push(event) }
  const tabs = new Tabs(escrow, ports)
  await tabs.recover()
  return { tabs, events }
}

function claimOf(owedNano: Nano, change: Partial<Claim> = {}): Claim {
  return { globalId, epoch: 0, payee, owedNano, best: undefined, ...change }
}

function voucherOf(amountNano: Nano, signer = own, terms = {}): Voucher {
  return signVoucher({ globalId, escrow, epoch: 0, payee, amountNano, ...terms }, signer.sign)
}

function accepted(tabs: Tabs, claim = claimOf(0n), settledNano = 0n): TabStream {
  const stream = tabs.stream(provider)
  stream.accepted(claim, windowNano, settledNano)
  return stream
}

/** A stream that was used and ended as it should: this much is owed and signed. */
async function spent(tabs: Tabs, nano: Nano, claim = claimOf(0n)): Promise<void> {
  const stream = accepted(tabs, claim)
  stream.prepay(nano)
  await stream.signLast()
  stream.close(true)
}

const overcharged = (count: () => unknown): void =>
  expect(count).toThrow(expect.objectContaining({ code: 'overcharged' }))

function refused(tabs: Tabs, claim: Claim, settledNano = 0n): void {
  const stream = tabs.stream(provider)
  overcharged(() => stream.accepted(claim, windowNano, settledNano))
  stream.close(true)
}

describe('signing', () => {
  test('covers everything owed, for this chain, escrow, epoch and payee', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    const stream = accepted(tabs, claimOf(0n, { epoch: 3 }))
    stream.prepay(10n)
    stream.received(5n)
    const voucher = await stream.sign()
    expect(voucher?.terms).toEqual({ globalId, escrow, epoch: 3, payee, amountNano: 15n })
    expect(voucher && verifyVoucher(voucher, own.publicKey)).toBe(true)
  })

  test('gives nothing where nothing is unpaid', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    const stream = accepted(tabs)
    expect(await stream.sign()).toBeUndefined()
    stream.prepay(10n)
    await stream.sign()
    expect(await stream.sign()).toBeUndefined()
  })

  test('hands a voucher out only when it is on disk', async () => {
    const store = new MemoryStore()
    const { tabs } = await tabsOn(store)
    store.hold()
    const stream = accepted(tabs)
    stream.prepay(10n)
    const handedOut: unknown[] = []
    void stream.sign().then((voucher) => handedOut.push(voucher))
    await quiet()
    expect(handedOut).toEqual([])
    expect(tabs.best(id)).toBeUndefined()
    store.flush()
    await quiet()
    expect(handedOut).toHaveLength(1)
    expect(tabs.best(id)?.terms.amountNano).toBe(10n)
  })

  test('fails where the disk does, and the debt stays', async () => {
    const store = new MemoryStore()
    const { tabs } = await tabsOn(store)
    await spent(tabs, 10n)
    const stream = accepted(tabs, claimOf(10n))
    stream.received(5n)
    const failure = new MeshError('store-failed', 'disk full')
    store.fail(failure)
    await expect(stream.sign()).rejects.toBe(failure)
    expect(tabs.best(id)?.terms.amountNano).toBe(10n)
    expect(stream.unpaidNano()).toBe(5n)
    store.fail(undefined)
    expect((await stream.sign())?.terms.amountNano).toBe(15n)
  })

  test('never signs less after more', async () => {
    const store = new MemoryStore()
    const { tabs } = await tabsOn(store)
    await spent(tabs, 10n)
    store.hold()
    const first = accepted(tabs, claimOf(10n))
    first.received(20n)
    const more = first.sign()
    first.close(true)
    const second = accepted(tabs, claimOf(10n)) // the provider forgave the 20
    second.received(5n)
    const less = second.sign()
    store.flush()
    expect((await more)?.terms.amountNano).toBe(30n)
    expect(await less).toBeUndefined()
  })
})

describe('tokens', () => {
  test('are taken up to the window beyond what was signed, and not one nano more', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    const stream = accepted(tabs)
    stream.prepay(10n)
    stream.received(windowNano)
    overcharged(() => stream.received(1n))
    expect(stream.unpaidNano()).toBe(10n + windowNano)
    await stream.sign()
    stream.received(windowNano)
    overcharged(() => stream.received(1n))
  })

  test('of two streams share one window', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    const [first, second] = [accepted(tabs), accepted(tabs)]
    first.received(40n)
    second.received(24n)
    overcharged(() => first.received(1n))
    overcharged(() => second.received(1n))
  })

  test('of streams at two prices are to be signed by the window of the cheaper, while it is open', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    const dear = tabs.stream(provider)
    dear.accepted(claimOf(0n), 8n * windowNano)
    expect(dear.leastWindowNano()).toBe(8n * windowNano)
    const cheap = accepted(tabs)
    expect([dear.leastWindowNano(), cheap.leastWindowNano()]).toEqual([windowNano, windowNano])
    cheap.close(true)
    expect(dear.leastWindowNano()).toBe(8n * windowNano)
  })

  test('count only once the tab is stated', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    const stream = tabs.stream(provider)
    expect(() => stream.received(1n)).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
    stream.accepted(claimOf(0n), windowNano)
    expect(() => stream.accepted(claimOf(0n), windowNano)).toThrow(
      expect.objectContaining({ code: 'protocol-violation' }),
    )
  })
})

describe('a claim', () => {
  test('of what was owed passes, one nano more does not', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    refused(tabs, claimOf(11n))
    accepted(tabs, claimOf(10n))
  })

  test('of less is taken: the provider forgives', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    const stream = accepted(tabs, claimOf(4n))
    stream.prepay(10n)
    expect((await stream.sign())?.terms.amountNano).toBe(14n)
  })

  test('of what was signed passes, though some was forgiven: nothing new is paid for it', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 100n)
    accepted(tabs, claimOf(20n)).close(true)
    refused(tabs, claimOf(101n))
    expect(await accepted(tabs, claimOf(100n)).sign()).toBeUndefined()
  })

  test('of a provider never met must be what the chain has paid', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    refused(tabs, claimOf(1n))
    refused(tabs, claimOf(101n), 100n)
    const stream = accepted(tabs, claimOf(100n), 100n)
    stream.prepay(5n)
    expect((await stream.sign())?.terms.amountNano).toBe(105n)
  })

  test('may name a window once after a stream that broke', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    accepted(tabs, claimOf(10n)).close(false)
    refused(tabs, claimOf(11n + windowNano))
    accepted(tabs, claimOf(10n + windowNano)).close(true)
    refused(tabs, claimOf(11n + windowNano))
  })

  test('may name the rest of that window later: a provider can be slow to notice', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    accepted(tabs, claimOf(10n)).close(false)
    accepted(tabs, claimOf(50n)).close(true) // 40 of the 64
    refused(tabs, claimOf(75n))
    accepted(tabs, claimOf(74n)).close(true)
    refused(tabs, claimOf(75n))
  })

  test('counts one window for streams that broke together: they had one', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    const streams = [accepted(tabs, claimOf(10n)), accepted(tabs, claimOf(10n))]
    for (const stream of streams) stream.close(false)
    refused(tabs, claimOf(11n + windowNano))
    accepted(tabs, claimOf(10n + windowNano))
  })

  test('may name a window after a stream that broke before its accept', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    tabs.stream(provider).close(false)
    refused(tabs, claimOf(11n + windowNano))
    accepted(tabs, claimOf(10n + windowNano)).close(true)
    refused(tabs, claimOf(11n + windowNano))
  })

  test('that was refused heals: the stream broke, so a window more passes the next time', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    const stream = tabs.stream(provider)
    overcharged(() => stream.accepted(claimOf(11n), windowNano))
    stream.close(false)
    accepted(tabs, claimOf(11n))
  })

  test('may name nothing after a stream that was refused', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    tabs.stream(provider).close(true)
    refused(tabs, claimOf(11n))
  })

  test('may count tokens under way on another stream, and does not change what is owed then', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    const first = accepted(tabs, claimOf(10n))
    refused(tabs, claimOf(11n + windowNano))
    const second = accepted(tabs, claimOf(10n + windowNano))
    second.prepay(1n)
    expect((await second.sign())?.terms.amountNano).toBe(11n)
    first.received(5n)
    expect((await first.sign())?.terms.amountNano).toBe(16n)
  })

  test('may count as much under way as the dearest stream allows', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    const dear = tabs.stream(provider)
    dear.accepted(claimOf(0n), 8n * windowNano)
    const cheap = tabs.stream(provider)
    cheap.accepted(claimOf(8n * windowNano), windowNano)
    overcharged(() => tabs.stream(provider).accepted(claimOf(8n * windowNano + 1n), windowNano))
  })

  test('may count another stream whose accept is still under way', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    const slow = tabs.stream(provider)
    const stream = accepted(tabs, claimOf(30n))
    stream.prepay(1n)
    expect((await stream.sign())?.terms.amountNano).toBe(11n)
    slow.close(true)
  })

  test('after a provider’s own crash may reach a window beyond what was signed', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 100n)
    const stream = accepted(tabs, claimOf(20n)) // it lost count of 80, so tokens for 80 and a window come unpaid
    stream.close(false)
    refused(tabs, claimOf(101n + windowNano))
    accepted(tabs, claimOf(100n + windowNano))
  })
})

describe('the provider’s best voucher', () => {
  test('restores a tab whose records are lost, with a window in flight', async () => {
    const { tabs, events } = await tabsOn(new MemoryStore())
    refused(tabs, claimOf(101n + windowNano, { best: voucherOf(100n) }))
    const stream = accepted(tabs, claimOf(100n + windowNano, { best: voucherOf(100n) }))
    expect(tabs.best(id)?.terms.amountNano).toBe(100n)
    expect(events).toContainEqual({ type: 'tab-recovered', peer: provider, amountNano: 100n })
    expect((await stream.sign())?.terms.amountNano).toBe(100n + windowNano)
  })

  test.each([
    ['signed by another', voucherOf(100n, identityOf(3))],
    ['for another escrow', voucherOf(100n, own, { escrow: payee })],
    ['for another payee', voucherOf(100n, own, { payee: escrow })],
    ['of another epoch', voucherOf(100n, own, { epoch: 1 })],
    ['of another chain', voucherOf(100n, own, { globalId: -3 })],
  ])('restores nothing where it is %s', async (_, best) => {
    const { tabs, events } = await tabsOn(new MemoryStore())
    refused(tabs, claimOf(100n, { best }))
    expect(events).toEqual([])
  })

  test('that is older than the own one changes nothing', async () => {
    const { tabs, events } = await tabsOn(new MemoryStore())
    await spent(tabs, 100n)
    accepted(tabs, claimOf(100n, { best: voucherOf(50n) }))
    expect(tabs.best(id)?.terms.amountNano).toBe(100n)
    expect(events).toEqual([])
  })
})

describe('a crash', () => {
  test('loses no voucher that was handed out', async () => {
    const store = new MemoryStore()
    const { tabs } = await tabsOn(store)
    await spent(tabs, 10n)
    const { tabs: after } = await tabsOn(store.crash())
    expect(after.best(id)?.terms.amountNano).toBe(10n)
    refused(after, claimOf(11n))
    accepted(after, claimOf(10n))
  })

  test('while a stream is open leaves its window in flight', async () => {
    const store = new MemoryStore()
    const { tabs } = await tabsOn(store)
    const stream = accepted(tabs)
    stream.prepay(10n)
    await stream.sign()
    const { tabs: after } = await tabsOn(store.crash())
    refused(after, claimOf(11n + windowNano))
    accepted(after, claimOf(10n + windowNano))
  })

  test('leaves the window of a stream that goes on when another one ends', async () => {
    const store = new MemoryStore()
    const { tabs } = await tabsOn(store)
    const [ending, goingOn] = [accepted(tabs), accepted(tabs)]
    goingOn.prepay(5n)
    ending.prepay(5n)
    await ending.signLast()
    ending.close(true)
    const { tabs: after } = await tabsOn(store.crash())
    accepted(after, claimOf(10n + windowNano))
  })

  test('keeps the window of a stream that broke before', async () => {
    const store = new MemoryStore()
    const { tabs } = await tabsOn(store)
    await spent(tabs, 10n)
    const [broken, last] = [accepted(tabs, claimOf(10n)), accepted(tabs, claimOf(10n))]
    broken.close(false)
    last.prepay(5n)
    await last.signLast()
    last.close(true)
    const { tabs: after } = await tabsOn(store.crash())
    accepted(after, claimOf(15n + windowNano))
  })

  test('keeps tabs of several chains, epochs, providers and payees apart', async () => {
    const store = new MemoryStore()
    const { tabs } = await tabsOn(store)
    const other = addressOfNumber(0x33)
    await spent(tabs, 10n)
    await spent(tabs, 20n, claimOf(0n, { epoch: 1 }))
    await spent(tabs, 30n, claimOf(0n, { payee: other }))
    await spent(tabs, 40n, claimOf(0n, { globalId: -3 }))
    const { tabs: after } = await tabsOn(store.crash())
    expect(after.best(id)?.terms.amountNano).toBe(10n)
    expect(after.best({ ...id, globalId: -3 })?.terms.amountNano).toBe(40n)
    expect(after.best({ ...id, epoch: 1 })?.terms.amountNano).toBe(20n)
    expect(after.best({ ...id, payee: other })?.terms.amountNano).toBe(30n)
    expect(after.best({ ...id, peer: peerOf(3) })).toBeUndefined()
  })

  test('with records that are damaged is not survived by guessing', async () => {
    const store = new MemoryStore()
    await store.append('tabs', new TextEncoder().encode('{}'))
    await expect(tabsOn(store)).rejects.toMatchObject({ code: 'store-failed' })
  })
})

describe('debts', () => {
  test('are what was received and not signed, and are signed outside any stream', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    await spent(tabs, 10n)
    const stream = accepted(tabs, claimOf(10n))
    stream.received(7n)
    stream.close(false)
    const [debt] = tabs.debts()
    expect(debt).toMatchObject({ peer: provider, payee, epoch: 0, globalId, unpaidNano: 7n })
    const voucher = debt && (await tabs.signDebt(debt))
    expect(voucher?.terms.amountNano).toBe(17n)
    expect(tabs.debts()).toEqual([])
  })

  test('are also vouchers that may have been lost with their stream, until they are told', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    const stream = accepted(tabs, claimOf(0n))
    stream.prepay(10n)
    const lost = await stream.sign()
    stream.close(false)
    const [debt] = tabs.debts()
    expect(debt).toMatchObject({ unpaidNano: 0n })
    expect(debt && (await tabs.signDebt(debt))).toBe(lost)
    expect(tabs.debts()).toHaveLength(1)
    if (debt && lost) tabs.told(debt, lost)
    expect(tabs.debts()).toEqual([])
  })

  test('are no vouchers that the provider then shows to have', async () => {
    const { tabs } = await tabsOn(new MemoryStore())
    const stream = accepted(tabs, claimOf(0n))
    stream.prepay(10n)
    const lost = await stream.sign()
    stream.close(false)
    accepted(tabs, { ...claimOf(10n), best: lost }).close(true)
    expect(tabs.debts()).toEqual([])
  })
})

describe('a provider that claims whatever it likes', () => {
  const step = fc.record({
    act: fc.constantFrom(
      'open',
      'accept',
      'accept',
      'deliver',
      'deliver',
      'deliver',
      'pay',
      'end',
      'break',
      'crash',
      'debts',
    ),
    pick: fc.nat({ max: 9 }),
    nano: fc.bigInt({ min: 0n, max: 90n }),
  })

  test('is paid no more than it delivered, the prompts, and a window for each stream that broke', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        let store = new MemoryStore()
        let { tabs } = await tabsOn(store)
        let open: { stream: TabStream; isAccepted: boolean }[] = []
        let [received, broken, signed] = [0n, 0n, 0n]
        const note = (voucher: Voucher | undefined): void => {
          if (!voucher) return
          expect(voucher.terms.amountNano).toBeGreaterThanOrEqual(signed)
          signed = voucher.terms.amountNano
        }
        for (const { act, pick, nano } of steps) {
          const one = open[pick % Math.max(1, open.length)]
          if (act === 'open') open.push({ stream: tabs.stream(provider), isAccepted: false })
          if (act === 'crash') {
            broken += BigInt(open.length)
            open = []
            store = store.crash()
            ;({ tabs } = await tabsOn(store))
          }
          if (act === 'debts') for (const debt of tabs.debts()) note(await tabs.signDebt(debt))
          if (!one) continue
          try {
            if (act === 'accept' && !one.isAccepted) {
              const prompt = nano % 8n
              one.stream.accepted(claimOf(signed + nano), windowNano)
              one.isAccepted = true
              one.stream.prepay(prompt)
              received += prompt
              note(await one.stream.sign())
            }
            if (act === 'deliver' && one.isAccepted) {
              one.stream.received(nano)
              received += nano
            }
            if (act === 'pay' && one.isAccepted) note(await one.stream.sign())
            if (act === 'end' && one.isAccepted) note(await one.stream.signLast())
          } catch (error) {
            expect(error).toMatchObject({ code: 'overcharged' })
          }
          if (act === 'end' || act === 'break') {
            one.stream.close(act === 'end')
            if (act === 'break') broken += 1n
            open = open.filter((other) => other !== one)
          }
          expect(signed).toBeLessThanOrEqual(received + broken * windowNano)
        }
      }),
      { numRuns: 300 },
    )
  })
})
