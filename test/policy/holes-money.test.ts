// Holes that a review of the money's way found, each as the attack or the accident that shows it.

import { expect, test } from 'vitest'
import { configOf } from '../../node/config.ts'
import { Debts } from '../../node/consumer/debts.ts'
import { Tabs } from '../../node/consumer/tab.ts'
import type { EscrowState, Generation } from '../../node/ports.ts'
import { Accounts } from '../../node/provider/accounts.ts'
import { coveredNano } from '../../node/settlement/channel.ts'
import { MeshError } from '../../protocol/errors.ts'
import { decodeConsumerFrame, encodeFrame } from '../../protocol/frames.ts'
import { decodeFromHub, encodeHubFrame } from '../../protocol/hub.ts'
import { type Address, hubProtocol, inferProtocol } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { costNano, type Price, type Usage } from '../../protocol/money.ts'
import { signVoucher, type Voucher } from '../../protocol/voucher.ts'
import { quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { ask, countingEngine, MemoryChain, MemoryMesh } from './memory-mesh.ts'
import { Payer } from './payer.ts'
import { addressOfNumber, identityOf } from './peers.ts'
import { Scripted, story, storyEngine } from './scripted.ts'

const payout = addressOfNumber(0x22)
const price: Price = { promptNano: 20_000_000n, completionNano: 160_000_000n, cachedNano: 2_000_000n }

function costOf(usage: Partial<Usage>): bigint {
  return costNano({ promptTokens: 0, cachedTokens: 0, completionTokens: 0, ...usage }, price)
}

test('prompts that are paid at once are prefilled as far as the escrow covers them together', async () => {
  const mesh = new MemoryMesh()
  const started: Generation[] = []
  const engine = countingEngine({ started: (generation) => started.push(generation) })
  const { identity } = await mesh.start({ number: 2, roles: { provider: { payout } }, engine })
  const promptNano = costOf({ promptTokens: 3_000 })
  const escrow = mesh.escrow(1, { freeNano: promptNano + costOf({ completionTokens: 65 }) })
  const content = 'x'.repeat(3_000)
  const task = { escrow, messages: [{ role: 'user' as const, content }], sampling: { tokensMax: 1 } }
  const payers: Payer[] = []
  for (let at = 0; at < 4; at += 1) payers.push(await Payer.open(mesh, 1, identity.peerId, task, false))
  expect(payers.flatMap((payer) => payer.of('accept')).length).toBe(4)
  for (const [at, payer] of payers.entries()) {
    const terms = { globalId: -239, escrow, epoch: 0, payee: payout, amountNano: BigInt(at + 1) * promptNano }
    await payer.send({ type: 'voucher', voucher: signVoucher(terms, identityOf(1).sign) })
    await quiet()
  }
  await mesh.clock.advance(60_000)
  expect(started.length).toBe(1)
  expect(payers.flatMap((payer) => payer.of('fail')).map(({ code }) => code)).toEqual([
    'escrow-unusable',
    'escrow-unusable',
    'escrow-unusable',
  ])
})

test('text beyond the largest delta a token is refused', async () => {
  const mesh = new MemoryMesh()
  const free = 'x'.repeat(limits.deltaBytesMax)
  new Scripted(mesh, 2, async (talk) => {
    await talk.accepted()
    await talk.deltas(3)
    for (let at = 0; at < 100; at += 1) {
      void talk.send({ type: 'delta', index: talk.sent, text: free, tokens: 0, tokenIds: [] })
    }
  })
  const roles = { consumer: { escrow: mesh.escrow(1) } }
  const consumer = await mesh.start({ number: 1, roles, config: { consumer: { attemptsMax: 1 } } })
  let bytes = 0
  const answer = ask(consumer, {}, (event) => {
    if (event.type === 'delta') bytes += event.text.length
  })
  await expect(mesh.clock.finish(answer)).rejects.toMatchObject({ code: 'protocol-violation' })
  expect(bytes).toBe(3 * free.length + story(3).length)
})

test('a debt that its provider will never take keeps no other from being paid', async () => {
  const mesh = new MemoryMesh()
  const payer = identityOf(1)
  const escrow = mesh.escrow(1)
  const provider = identityOf(2)
  const taken: Voucher[] = []
  mesh.networkOf(provider).handle(inferProtocol, async (stream) => {
    for await (const bytes of stream.frames) {
      const frame = decodeConsumerFrame(bytes)
      if (frame.type !== 'voucher') continue
      const { terms } = frame.voucher
      if (terms.epoch === 1) taken.push(frame.voucher)
      const tab = { globalId: -239, epoch: 1, payee: payout, owedNano: terms.amountNano, best: frame.voucher }
      const why = { code: 'voucher-invalid' as const, message: 'voucher for epoch 0', retryAfterMs: undefined }
      await stream.send(encodeFrame(terms.epoch === 1 ? { type: 'tab', tab } : { type: 'fail', ...why }))
      await stream.close()
    }
  })
  const ports = { clock: mesh.clock, identity: payer, store: new MemoryStore(), observe: () => undefined }
  const tabs = new Tabs(escrow, ports)
  for (const epoch of [0, 1]) {
    const broken = tabs.stream(provider.peerId) // of an epoch that is over, and of the one since
    broken.accepted({ globalId: -239, epoch, payee: payout, owedNano: 0n, best: undefined }, 64n)
    broken.prepay(7n)
    await broken.sign()
    broken.received(5n)
    broken.close(false)
  }
  const debts = new Debts(configOf({}), { clock: mesh.clock, network: mesh.networkOf(payer) }, () => [tabs])
  await mesh.clock.finish(debts.pay(provider.peerId))
  expect(taken.map(({ terms }) => terms.amountNano)).toEqual([12n])
})

test('a request whose time is over by a clock set ahead ends as that, and no provider is blamed', async () => {
  const mesh = new MemoryMesh()
  const config = configOf({})
  const first = new Scripted(mesh, 3, async (talk) => {
    await talk.accepted()
    await talk.deltas(1)
    mesh.clock.leap(config.consumer.requestMs + 1)
    await talk.send({ type: 'fail', code: 'engine-failed', message: '', retryAfterMs: undefined })
  })
  const provider = await mesh.start({ number: 2, roles: { provider: { payout } }, engine: storyEngine() })
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
  const answer = ask(consumer, { preferences: { order: [first.peerId] } })
  await expect(mesh.clock.finish(answer)).rejects.toMatchObject({ code: 'timeout' })
  const lost = consumer.events.flatMap((event) => (event.type === 'provider-lost' ? [event.peer] : []))
  expect(lost).not.toContain(provider.identity.peerId)
})

test('strangers whose escrows are read take few of the turns at the chain', async () => {
  const mesh = new MemoryMesh()
  const { clock } = mesh
  let reading = 0
  let most = 0
  class SlowChain extends MemoryChain {
    override async escrow(address: Address): Promise<EscrowState> {
      reading += 1
      most = Math.max(most, reading)
      await clock.sleep(1_000)
      reading -= 1
      return super.escrow(address)
    }
  }
  const chain = new SlowChain(mesh.chain)
  const limits = { escrowCheckMs: 10_000, escrowTrustMs: 60_000, unlockDelayMsMin: 1, silentNanoMax: 0n }
  const accounts = new Accounts(payout, limits, { clock, chain })
  const known = mesh.escrow(1)
  const payer = identityOf(1).peerId
  await clock.finish(accounts.of(known, payer))
  const asked = Array.from({ length: 50 }, (_, at) => accounts.of(addressOfNumber(100 + at), payer))
  const strangers = Promise.allSettled(asked)
  const renewed = accounts.of(known, payer, true)
  await clock.finish(renewed)
  const answers = await clock.finish(strangers)
  expect(answers.filter(({ status }) => status === 'rejected').length).toBe(50)
  expect(most).toBe(9)
})

test('an escrow that cannot be read keeps no other from being settled', async () => {
  const mesh = new MemoryMesh()
  const silent = mesh.escrow(1)
  class PartlyDown extends MemoryChain {
    isDown = false

    override async escrow(address: Address): Promise<EscrowState> {
      if (this.isDown && address === silent) throw new MeshError('chain-unavailable', 'no answer')
      return super.escrow(address)
    }
  }
  const chain = new PartlyDown(mesh.chain)
  const config = { settlement: { intervalMs: 1_000, thresholdNano: 5n } }
  const provider = await mesh.start({
    number: 2,
    roles: { provider: { payout } },
    engine: countingEngine(),
    config,
    chain,
  })
  const other = mesh.escrow(3, { address: addressOfNumber(0xe6) })
  for (const [number, escrow, amountNano] of [
    [1, silent, 1n], // not due yet
    [3, other, 7n],
    [1, silent, 7n],
  ] as const) {
    const { sign } = identityOf(number)
    const voucher = signVoucher({ globalId: -239, escrow, epoch: 0, payee: payout, amountNano }, sign)
    const stream = await mesh.networkOf(identityOf(number)).open(provider.identity.peerId, inferProtocol)
    await stream.send(encodeFrame({ type: 'voucher', voucher }))
    for await (const _answer of stream.frames);
    chain.isDown = number === 1 && amountNano === 7n
  }
  await mesh.clock.advance(10_000)
  expect(mesh.chain.settledOf(silent, payout)).toBe(0n)
  expect(mesh.chain.settledOf(other, payout)).toBe(7n)
  expect(provider.events).toContainEqual(expect.objectContaining({ type: 'fault', where: 'collector' }))
})

test('a voucher of a hub that is settled before its provider has seen it shuts no other consumer out', async () => {
  const mesh = new MemoryMesh()
  const [hubEscrow, hubPayout] = [addressOfNumber(0x42), addressOfNumber(0x41)]
  mesh.escrow(9, { address: hubEscrow })
  const hub = await mesh.start({ number: 9, roles: { hub: { escrow: hubEscrow, payout: hubPayout } } })
  const provider = await mesh.start({ number: 2, roles: { provider: { payout } }, engine: countingEngine() })
  const consumer = await mesh.start({
    number: 1,
    roles: { consumer: { escrow: mesh.escrow(1) } },
    config: { consumer: { hub: hub.identity.peerId } },
  })
  await mesh.clock.finish(ask(consumer))
  const other = identityOf(7)
  const escrow = mesh.escrow(7, { address: addressOfNumber(0x57) })
  const stream = await mesh.networkOf(other).open(hub.identity.peerId, hubProtocol)
  const terms = { globalId: -239, escrow, epoch: 0, payee: hubPayout, amountNano: 2_000n }
  const voucher = signVoucher(terms, other.sign)
  await stream.send(encodeHubFrame({ type: 'hello', escrow, best: undefined }))
  await stream.send(encodeHubFrame({ type: 'want', payee: payout, creditNano: 1_000n, voucher, held: undefined }))
  for await (const bytes of stream.frames) {
    const frame = decodeFromHub(bytes)
    if (frame.type !== 'granted') continue
    await mesh.chain.postSettle(hubEscrow, [frame.voucher])
    break
  }
  await mesh.clock.advance(60_000)
  const { costNano: nano } = await mesh.clock.finish(ask(consumer))
  expect(nano).toBeGreaterThan(0n)
  const [channel] = provider.node.channels()
  expect(channel?.escrow).toBe(hubEscrow)
  expect(channel && coveredNano(channel)).toBe(2n * nano + 1_000n)
})

test('a lone provider that is owed a whole window is paid it, and then serves the same request', async () => {
  const mesh = new MemoryMesh()
  const provider = new Scripted(mesh, 2, async (talk) => {
    const { owedNano, payee, talks } = provider
    if (talks.length === 1) {
      await talk.accepted()
      await talk.deltas(10)
      provider.owedNano += costOf({ completionTokens: 54 }) // sent, and lost with the stream
      talk.stream.reset(new MeshError('internal', 'the connection broke'))
    } else if (talks.length === 2) {
      await talk.send({ type: 'tab', tab: { globalId: -239, epoch: 0, payee, owedNano, best: undefined } })
      await talk.send({
        type: 'fail',
        code: 'credit-exhausted',
        message: 'a window is unpaid',
        retryAfterMs: undefined,
      })
      await talk.stream.close()
    } else {
      await talk.accepted()
      await talk.deltas(20)
      await talk.end('stop')
    }
  })
  const escrow = mesh.escrow(1)
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } } })
  await expect(mesh.clock.finish(ask(consumer))).rejects.toBeInstanceOf(MeshError)
  const { failovers, finish } = await mesh.clock.finish(ask(consumer))
  expect([finish, failovers, provider.talks.length]).toEqual(['stop', 1, 3])
  await mesh.clock.advance(1_000)
  expect(provider.paidNano).toBe(provider.owedNano)
})

test('a channel that could not be settled is tried again as soon as a settlement’s worth is added', async () => {
  const mesh = new MemoryMesh()
  mesh.chain.leastNano = 100n
  const config = { settlement: { intervalMs: 1_000, thresholdNano: 10_000n, watchMs: 3_600_000 } }
  const provider = await mesh.start({ number: 3, roles: { provider: { payout } }, engine: countingEngine(), config })
  const escrow = mesh.escrow(1)
  const full = mesh.chain.escrows.get(escrow)
  if (!full) throw new TypeError('no escrow')
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow } } })
  const failures = () => provider.events.filter(({ type }) => type === 'settle-failed').length
  const first = await mesh.clock.finish(ask(consumer))
  mesh.chain.escrows.set(escrow, { ...full, freeNano: 50n })
  await mesh.clock.advance(30_000)
  expect([failures(), mesh.chain.settledOf(escrow, payout)]).toEqual([1, 0n])
  mesh.chain.escrows.set(escrow, full)
  await mesh.clock.advance(30_000)
  expect(mesh.chain.settledOf(escrow, payout)).toBe(0n) // nothing says that it was filled
  const second = await mesh.clock.finish(ask(consumer))
  await mesh.clock.advance(30_000)
  expect(mesh.chain.settledOf(escrow, payout)).toBe(first.costNano + second.costNano)
})
