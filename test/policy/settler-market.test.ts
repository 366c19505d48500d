// Providers and settlers of one mesh: who is chosen, how a fee is paid and refused, what an idle settler costs, and who
// settles while a provider is away.

import { describe, expect, test } from 'vitest'
import type { Overrides } from '../../node/config.ts'
import type { NodeEvent } from '../../node/events.ts'
import { unsettledOf } from '../../node/node.ts'
import type { EscrowState, PayeeState, Posted } from '../../node/ports.ts'
import { type Address, type PeerId, settleProtocol, settlerKey, settlerProtocol } from '../../protocol/ids.ts'
import {
  decodeSettleReply,
  decodeSettleRequest,
  encodeSettleReply,
  encodeSettleRequest,
} from '../../protocol/settlement.ts'
import { encodeSettlerAdvert } from '../../protocol/settler-advert.ts'
import { signVoucher, type Voucher } from '../../protocol/voucher.ts'
import { MemoryStore } from '../memory-store.ts'
import { countingEngine, MemoryChain, MemoryMesh, type Peer, type PeerOptions } from './memory-mesh.ts'
import { addressOfNumber, escrowOf, identityOf, peerOf } from './peers.ts'

const payout = addressOfNumber(0x22)
const consumerEscrow = addressOfNumber(0xe1)
const feeEscrow = addressOfNumber(0xe2)
const globalId = -239
const brisk: Overrides = {
  settlement: {
    thresholdNano: 1n,
    intervalMs: 1_000,
    settlerTrustMs: 5_000,
    watchMs: 2_000,
    watchHandoverMs: 2_000,
    retryMsMax: 2_000,
  },
  discovery: { lookupIntervalMs: 5_000 },
}

/** A node's own way to the chain: nothing answers once the node was killed, which the call of a number can do. */
class OwnChain extends MemoryChain {
  isCut = false
  /** The call at which the node dies, and whether the chain hears of it. */
  fatal: { readonly call: number; readonly isHeard: boolean; readonly die: () => void } | undefined
  #calls = 0

  override escrow(address: Address): Promise<EscrowState> {
    return this.#answer(() => super.escrow(address))
  }

  override postSettle(escrow: Address, vouchers: readonly Voucher[]): Promise<Posted> {
    return this.#answer(() => super.postSettle(escrow, vouchers))
  }

  override payee(escrow: Address, payee: Address): Promise<PayeeState> {
    return this.#answer(() => super.payee(escrow, payee))
  }

  async #answer<T>(ask: () => Promise<T>): Promise<T> {
    if (this.isCut) return new Promise(() => undefined)
    this.#calls += 1
    const isLast = this.#calls === this.fatal?.call
    if (isLast && !this.fatal?.isHeard) return this.#die()
    const answer = await ask()
    return isLast ? this.#die() : answer
  }

  #die(): Promise<never> {
    this.fatal?.die()
    return new Promise(() => undefined)
  }
}

class Stage {
  readonly mesh = new MemoryMesh()
  readonly #chains = new Map<PeerId, OwnChain>()
  #consumer: Peer | undefined

  async #start(options: PeerOptions): Promise<Peer> {
    const chain = new OwnChain(this.mesh.chain)
    this.#chains.set(peerOf(options.number), chain)
    return this.mesh.start({ ...options, chain })
  }

  /** It does nothing more, and nobody reaches it. What was on its disk. */
  kill({ identity, store }: Peer): MemoryStore {
    this.mesh.kill(identity.peerId)
    const chain = this.#chains.get(identity.peerId)
    if (chain) chain.isCut = true
    return store.crash()
  }

  /** Advertises this fee; its fees go to an account of its own. */
  settler(number: number, settlement: Overrides['settlement'] = {}, store?: MemoryStore): Promise<Peer> {
    return this.#start({
      number,
      roles: { settler: { payout: addressOfNumber(number), globalId } },
      config: { settlement: { ...brisk.settlement, ...settlement } },
      ...(store && { store }),
    })
  }

  async provider(settlement: Overrides['settlement'] = {}, store?: MemoryStore, hasEscrow = true): Promise<Peer> {
    if (hasEscrow) this.mesh.escrow(2, { address: feeEscrow })
    return this.#start({
      number: 2,
      roles: { provider: { payout, escrow: hasEscrow ? feeEscrow : undefined } },
      engine: countingEngine(),
      config: { ...brisk, settlement: { ...brisk.settlement, settler: 'market', ...settlement } },
      ...(store && { store }),
    })
  }

  /** One answer, worth some sixteen thousand nano. */
  async ask(): Promise<void> {
    this.#consumer ??= await this.mesh.start({
      number: 1,
      roles: { consumer: { escrow: this.mesh.escrow(1, { address: consumerEscrow }) } },
    })
    const messages = [{ role: 'user', content: 'hello' }] as const
    const { inference } = this.#consumer.node
    const events = inference?.infer({ model: 'm', messages, sampling: {} }, new AbortController().signal)
    const all = async (): Promise<void> => {
      while (!(await events?.next())?.done);
    }
    await this.mesh.clock.finish(all())
  }

  fatal({ identity }: Peer, fatal: OwnChain['fatal']): void {
    const chain = this.#chains.get(identity.peerId)
    if (chain) chain.fatal = fatal
  }

  /** Everything that the consumer signed. */
  vouchedNano(): bigint {
    return this.#consumer ? (of(this.#consumer, 'voucher-signed').at(-1)?.amountNano ?? 0n) : 0n
  }

  settledNano(payee = payout, escrow = consumerEscrow): bigint {
    return this.mesh.chain.settledOf(escrow, payee)
  }

  unlock(): void {
    const state = this.mesh.chain.escrows.get(consumerEscrow) ?? escrowOf(identityOf(1))
    this.mesh.chain.escrows.set(consumerEscrow, { ...state, unlockAtMs: this.mesh.clock.now() + 86_400_000 })
  }
}

function of<T extends NodeEvent['type']>({ events }: Peer, type: T): readonly (NodeEvent & { type: T })[] {
  return events.filter((event): event is NodeEvent & { type: T } => event.type === type)
}

/** Takes everything and settles nothing. */
function idleSettler(mesh: MemoryMesh, number: number, feePpm: number): PeerId {
  const identity = identityOf(number)
  const network = mesh.networkOf(identity)
  network.handle(settlerProtocol, async (stream) => {
    const nowMs = mesh.clock.now()
    const advert = {
      peer: identity.peerId,
      sequence: nowMs,
      validUntilMs: nowMs + 100_000,
      payout: addressOfNumber(number),
      feePpm,
      valueNanoMin: 0n,
      globalId,
      placesFree: 100,
      isWatching: true,
      addresses: [],
      agent: '',
    }
    await stream.send(encodeSettlerAdvert(advert, identity.publicKey, identity.sign))
    await stream.close()
  })
  network.handle(settleProtocol, async (stream) => {
    for await (const frame of stream.frames) {
      const accepted = decodeSettleRequest(frame).vouchers.length
      await stream.send(encodeSettleReply({ accepted, code: undefined, message: '' }))
      await stream.close()
    }
  })
  void network.provide(settlerKey, new AbortController().signal)
  return identity.peerId
}

describe('in the market', () => {
  test('the cheapest of settlers without a record settles', async () => {
    const stage = new Stage()
    const dear = await stage.settler(31, { settlerFeePpm: 4_000 })
    const cheap = await stage.settler(32, { settlerFeePpm: 1_000 })
    const provider = await stage.provider()
    await stage.mesh.clock.advance(2_000)
    await stage.ask()
    await stage.mesh.clock.advance(10_000)
    expect(of(provider, 'settler-chosen')).toEqual([expect.objectContaining({ settler: cheap.identity.peerId })])
    expect(of(cheap, 'settle-confirmed').length).toBeGreaterThan(0)
    expect(of(dear, 'settle-confirmed')).toEqual([])
    expect(unsettledOf(provider.node)).toBe(0n)
  })

  test('one that asks more than is allowed is not used, nor one of another chain: the provider posts itself', async () => {
    const stage = new Stage()
    const dear = await stage.settler(31, { settlerFeePpm: 5_001 })
    const roles = { settler: { payout: addressOfNumber(32), globalId: -3 } }
    const abroad = await stage.mesh.start({ number: 32, roles, config: brisk })
    const provider = await stage.provider()
    await stage.mesh.clock.advance(2_000)
    await stage.ask()
    await stage.mesh.clock.advance(10_000)
    expect(of(provider, 'settle-confirmed').length).toBeGreaterThan(0)
    expect([dear, abroad].flatMap((peer) => of(peer, 'settle-started'))).toEqual([])
  })

  test('a provider without an escrow uses one that asks nothing', async () => {
    const stage = new Stage()
    await stage.settler(31, { settlerFeePpm: 1 })
    const free = await stage.settler(32)
    const provider = await stage.provider({}, undefined, false)
    await stage.mesh.clock.advance(2_000)
    await stage.ask()
    await stage.mesh.clock.advance(10_000)
    expect(of(free, 'settle-confirmed').length).toBeGreaterThan(0)
    expect(of(provider, 'settle-fee-counted')).toEqual([])
  })

  test.each([
    ['without an escrow', false, {}, 'no escrow yet to pay it from'],
    ['that allows less', true, { feePpmMax: 1_000 }, 'settlement.feePpmMax allows 0.1 %'],
  ])(
    'a provider %s does not ask the one it names, says why once, and posts itself',
    async (_, hasEscrow, limit, why) => {
      const stage = new Stage()
      const dear = await stage.settler(3, { settlerFeePpm: 5_000 })
      const { peerId } = dear.identity
      const provider = await stage.provider({ settler: peerId, ...limit }, undefined, hasEscrow)
      for (let round = 0; round < 2; round += 1) {
        await stage.ask()
        await stage.mesh.clock.advance(10_000)
      }
      expect(stage.settledNano()).toBe(stage.vouchedNano())
      expect(of(dear, 'settle-posted')).toEqual([])
      expect(of(provider, 'settle-posted')).toHaveLength(2)
      const said = of(provider, 'fault').map(({ message, where }) => `${where}: ${message}`)
      expect(said).toEqual([`paying a settler: settler ${peerId} asks 0.5 %: ${why}; posting from here`])
    },
  )

  test('a settler that takes and does nothing is overruled in time, scored down, and left for another', async () => {
    const stage = new Stage()
    const idle = idleSettler(stage.mesh, 33, 0)
    const honest = await stage.settler(31, { settlerFeePpm: 2_000 })
    const provider = await stage.provider()
    await stage.mesh.clock.advance(2_000)
    await stage.ask()
    await stage.mesh.clock.advance(4_000)
    expect(stage.settledNano()).toBe(0n)
    await stage.mesh.clock.advance(6_000)
    expect(of(provider, 'settle-confirmed').length).toBeGreaterThan(0)
    expect(of(provider, 'settler-judged')).toEqual([
      expect.objectContaining({ settler: idle, isInTime: false, score: 1 / 3 }),
    ])
    await stage.ask()
    await stage.mesh.clock.advance(3_000)
    expect(of(honest, 'settle-confirmed').length).toBeGreaterThan(0)
    expect(of(provider, 'settle-fee-signed').filter(({ settler }) => settler === idle)).toEqual([])
  })
})

describe('a fee', () => {
  const feePpm = 5_000

  test('is what it was said to be, of what was settled, and reaches the settler’s account', async () => {
    const stage = new Stage()
    const settler = await stage.settler(31, { settlerFeePpm: feePpm })
    const provider = await stage.provider()
    await stage.mesh.clock.advance(2_000)
    for (let round = 0; round < 3; round += 1) {
      await stage.ask()
      await stage.mesh.clock.advance(5_000)
    }
    const feeNano = of(provider, 'settle-fee-counted').reduce((sum, event) => sum + event.feeNano, 0n)
    const earnedNano = (stage.settledNano() * BigInt(feePpm)) / 1_000_000n
    expect(feeNano).toBeGreaterThan(earnedNano - 10n)
    expect(feeNano).toBeLessThanOrEqual(earnedNano)
    expect(of(settler, 'settle-fee-taken').at(-1)?.amountNano).toBe(feeNano)
    await stage.mesh.clock.advance(10_000)
    expect(stage.settledNano(addressOfNumber(31), feeEscrow)).toBe(feeNano)
    expect(unsettledOf(provider.node)).toBe(0n)
  })

  test('that is not paid ends the credit, and the refusal names what is owed', async () => {
    const stage = new Stage()
    const settler = await stage.settler(31, { settlerFeePpm: feePpm, feeCreditNano: 100n })
    stage.mesh.escrow(1, { address: consumerEscrow })
    stage.mesh.escrow(9, { address: feeEscrow })
    const network = stage.mesh.networkOf(identityOf(9))
    const give = async (amountNano: bigint, owesNothing = false) => {
      const terms = { globalId, escrow: consumerEscrow, epoch: 0, payee: payout, amountNano }
      const stream = await network.open(settler.identity.peerId, settleProtocol)
      const options = owesNothing ? {} : { escrow: feeEscrow }
      await stream.send(encodeSettleRequest([signVoucher(terms, identityOf(1).sign)], options))
      for await (const frame of stream.frames) return decodeSettleReply(frame)
      throw new Error('no reply')
    }
    expect(await give(1_000n, true)).toMatchObject({ accepted: 0, code: 'escrow-unusable' })
    expect(await give(40_000n)).toMatchObject({ accepted: 1, fee: { owedNano: 0n, payee: addressOfNumber(31) } })
    expect(await give(41_000n)).toMatchObject({ accepted: 0, code: 'busy' })
    await stage.mesh.clock.advance(3_000)
    const refused = await give(42_000n)
    expect(refused).toMatchObject({ accepted: 0, code: 'credit-exhausted', fee: { owedNano: 200n } })
    expect(refused.message).toContain('0.0000002 GRAM of fees are unpaid, at most 0.0000001 are lent')
    expect(stage.settledNano()).toBe(40_000n)
  })

  test('is asked by no settler whose account a provider of the same node has', async () => {
    const roles = { provider: { payout }, settler: { payout, globalId } }
    await expect(new MemoryMesh().start({ number: 2, roles, engine: countingEngine() })).rejects.toMatchObject({
      code: 'bad-request',
    })
  })

  const crashes = (['settler', 'provider'] as const).flatMap((side) =>
    [false, true].map((isHeard) => [side, isHeard ? 'after' : 'before', isHeard] as const),
  )
  test.each(crashes)(
    'survives a crash of the %s %s each of its calls of the chain, and is paid once',
    async (side, _, isHeard) => {
      let died = 0
      for (let call = 1; call <= 16; call += 1) {
        const stage = new Stage()
        const settler = await stage.settler(31, { settlerFeePpm: feePpm })
        const provider = await stage.provider()
        await stage.mesh.clock.advance(2_000)
        await stage.ask()
        const peer = side === 'settler' ? settler : provider
        let disk: MemoryStore | undefined
        stage.fatal(peer, { call, isHeard, die: () => (disk = stage.kill(peer)) })
        await stage.mesh.clock.advance(6_000)
        if (disk) {
          died += 1
          await (side === 'settler' ? stage.settler(31, { settlerFeePpm: feePpm }, disk) : stage.provider({}, disk))
        }
        await stage.mesh.clock.advance(20_000)
        const dueNano = (stage.settledNano() * BigInt(feePpm)) / 1_000_000n
        const paidNano = stage.settledNano(addressOfNumber(31), feeEscrow)
        expect(stage.settledNano(), `call ${call}`).toBe(stage.vouchedNano())
        expect(paidNano, `call ${call}`).toBeLessThanOrEqual(dueNano)
        // where the settler was away too long the provider posted, and nothing is due
        if (of(provider, 'settle-posted').length === 0) expect(paidNano, `call ${call}`).toBeGreaterThan(dueNano - 10n)
      }
      expect(died).toBeGreaterThan(5)
    },
  )

  test('is paid by nothing lower after the provider restored an old backup', async () => {
    const stage = new Stage()
    const settler = await stage.settler(31, { settlerFeePpm: feePpm })
    const provider = await stage.provider()
    await stage.mesh.clock.advance(2_000)
    await stage.ask()
    await stage.mesh.clock.advance(8_000)
    const before = of(settler, 'settle-fee-taken').at(-1)?.amountNano ?? 0n
    expect(before).toBeGreaterThan(0n)
    const disk = stage.kill(provider)
    const backup = new MemoryStore(new Map([['book', await disk.read('book')]])) // its fees are forgotten
    const restored = await stage.provider({}, backup)
    await stage.mesh.clock.advance(2_000)
    await stage.ask()
    await stage.mesh.clock.advance(8_000)
    for (const { amountNano } of of(restored, 'settle-fee-signed')) expect(amountNano).toBeGreaterThan(before)
    const dueNano = (stage.settledNano() * BigInt(feePpm)) / 1_000_000n
    expect(stage.settledNano(addressOfNumber(31), feeEscrow)).toBeGreaterThan(dueNano - 10n)
    expect(stage.settledNano(addressOfNumber(31), feeEscrow)).toBeLessThanOrEqual(dueNano)
  })
})

describe('a watch', () => {
  const small: Overrides['settlement'] = { thresholdNano: 10n ** 12n }

  test('settles a closing escrow while the provider is gone, and is paid for it when it is back', async () => {
    const stage = new Stage()
    const watcher = await stage.settler(31, { settlerFeePpm: 5_000 })
    const provider = await stage.provider(small)
    await stage.mesh.clock.advance(2_000)
    await stage.ask()
    await stage.mesh.clock.advance(5_000)
    expect(stage.settledNano()).toBe(0n)
    const owedNano = unsettledOf(provider.node)
    const disk = stage.kill(provider)
    stage.unlock()
    await stage.mesh.clock.advance(5_000)
    expect(of(watcher, 'unlock-seen')).toEqual([expect.objectContaining({ escrow: consumerEscrow, vouchers: 1 })])
    expect(stage.settledNano()).toBe(owedNano)
    await stage.provider(small, disk)
    await stage.mesh.clock.advance(10_000)
    expect(stage.settledNano(addressOfNumber(31), feeEscrow)).toBe((owedNano * 5_000n) / 1_000_000n)
  })

  test('outlives a crash of the settler', async () => {
    const stage = new Stage()
    const watcher = await stage.settler(31)
    const provider = await stage.provider(small)
    await stage.mesh.clock.advance(2_000)
    await stage.ask()
    await stage.mesh.clock.advance(5_000)
    const owedNano = unsettledOf(provider.node)
    stage.kill(provider)
    await stage.settler(31, {}, stage.kill(watcher))
    stage.unlock()
    await stage.mesh.clock.advance(5_000)
    expect(stage.settledNano()).toBe(owedNano)
  })

  test('hands a voucher over again only when it grew, and posts nothing while the escrow stays open', async () => {
    const stage = new Stage()
    const watcher = await stage.settler(31)
    const provider = await stage.provider(small)
    await stage.mesh.clock.advance(2_000)
    await stage.ask()
    await stage.mesh.clock.advance(60_000)
    expect(of(provider, 'vouchers-handed-over')).toHaveLength(1)
    await stage.ask()
    await stage.mesh.clock.advance(60_000)
    expect(of(provider, 'vouchers-handed-over')).toHaveLength(2)
    expect(of(watcher, 'settle-started')).toEqual([])
  })

  test('is not asked of a settler that keeps none', async () => {
    const stage = new Stage()
    await stage.settler(31, { settlerWatches: false })
    const provider = await stage.provider(small)
    await stage.mesh.clock.advance(2_000)
    await stage.ask()
    await stage.mesh.clock.advance(20_000)
    expect(of(provider, 'vouchers-handed-over')).toEqual([])
  })
})

/** Counts what is posted, and pays only the first of equal ones. */
class CountingChain extends MemoryChain {
  readonly posts: (readonly Voucher[])[] = []

  override async postSettle(escrow: Address, vouchers: readonly Voucher[]): Promise<Posted> {
    this.posts.push(vouchers)
    return super.postSettle(escrow, vouchers)
  }
}

test('two settlers with the same vouchers settle once', async () => {
  const mesh = new MemoryMesh()
  const chain = new CountingChain(mesh.chain)
  const state: EscrowState = escrowOf(identityOf(1), { address: consumerEscrow })
  chain.escrows.set(consumerEscrow, state)
  const config = { settlement: { intervalMs: 1_000 } }
  const settlers = await Promise.all(
    [31, 32].map((number) => mesh.start({ number, roles: { settler: true }, config, chain })),
  )
  const terms = { globalId, escrow: consumerEscrow, epoch: 0, payee: payout, amountNano: 1_000n }
  const voucher = signVoucher(terms, identityOf(1).sign)
  for (const settler of settlers) {
    const stream = await mesh
      .networkOf({ ...identityOf(9), peerId: peerOf(9) })
      .open(settler.identity.peerId, settleProtocol)
    await stream.send(encodeSettleRequest([voucher]))
    for await (const frame of stream.frames) expect(decodeSettleReply(frame).accepted).toBe(1)
  }
  await mesh.clock.advance(5_000)
  expect(chain.settledOf(consumerEscrow, payout)).toBe(1_000n)
  expect(state.freeNano - (chain.escrows.get(consumerEscrow)?.freeNano ?? 0n)).toBe(1_000n)
  for (const settler of settlers) await mesh.clock.finish(settler.node.stop())
})
