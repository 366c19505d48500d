// The hub's door: consumers pay it one increment ahead, and it promises providers as much out of its own escrow, so that many
// consumers are settled with once and many providers by one payer. It sees no prompt. docs/protocol.md §11.

import { counted } from '../../protocol/counted.ts'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import type { Tab } from '../../protocol/frames.ts'
import {
  decodeToHub,
  encodeHubFrame,
  type HubGranted,
  type HubTerms,
  type HubWant,
  verifyGrant,
} from '../../protocol/hub.ts'
import { type Address, hubKey, type PeerId } from '../../protocol/ids.ts'
import { formatGram } from '../../protocol/money.ts'
import { type Voucher, verifyVoucher } from '../../protocol/voucher.ts'
import type { Config } from '../config.ts'
import type { EscrowState, Ports, Stream } from '../ports.ts'
import type { Accounts } from '../provider/accounts.ts'
import type { Account, Book } from '../settlement/book.ts'
import { coveredNano } from '../settlement/channel.ts'
import { within } from '../waits.ts'
import type { Ledger, PayeeId, Payer } from './ledger.ts'
import type { Liquidity } from './liquidity.ts'

export interface HubParts {
  readonly config: Config
  /** Where consumers' vouchers pay. */
  readonly payout: Address
  readonly accounts: Accounts
  readonly book: Book
  readonly ledger: Ledger
  readonly liquidity: Liquidity
  readonly ports: Pick<Ports, 'clock' | 'identity' | 'network' | 'observe'>
}

export class Hub {
  readonly #parts: HubParts
  readonly #streams = new Set<Stream>()

  constructor(parts: HubParts) {
    this.#parts = parts
  }

  /** Serves /silkmesh/hub/1.0.0. Rejects only where the stream is to be reset. */
  async serve(stream: Stream): Promise<void> {
    const { config, ports } = this.#parts
    const { consumersMax, idleMs } = config.hub
    const frames = stream.frames[Symbol.asyncIterator]()
    try {
      if (this.#streams.size >= consumersMax)
        throw new MeshError('busy', `${counted(consumersMax, 'consumer is', 'consumers are')} connected`)
      this.#streams.add(stream)
      const first = await within(ports.clock, config.provider.openMs, 'the hello', () => frames.next())
      if (first.done) return await stream.close()
      const hello = decodeToHub(first.value)
      if (hello.type !== 'hello') throw new MeshError('protocol-violation', 'a want before the hello')
      const { escrow } = hello
      if (!escrow) {
        await this.#tell(stream)
        return await stream.close()
      }
      await this.#greet(stream, escrow, hello.best)
      for (;;) {
        const next = await within(ports.clock, idleMs, 'a want', () => frames.next())
        if (next.done) break
        const want = decodeToHub(next.value)
        if (want.type !== 'want') throw new MeshError('protocol-violation', 'a second hello')
        await this.#answer(stream, escrow, want)
      }
    } catch (error) {
      const { code, message } = asMeshError(error, 'internal')
      await stream.send(encodeHubFrame({ type: 'fail', code, message, retryAfterMs: undefined })).catch(() => undefined)
    } finally {
      this.#streams.delete(stream)
    }
    await stream.close()
  }

  /** Announces in the DHT that a hub is here, until the signal fires. */
  async announce(signal: AbortSignal): Promise<void> {
    const { network, observe } = this.#parts.ports
    await network.provide(hubKey, signal).catch((error: unknown) => {
      const { code, message } = asMeshError(error)
      observe({ type: 'fault', where: 'announcing the hub', code, message })
    })
  }

  /** The consumers' streams end: they pay directly from then on. */
  stop(): void {
    for (const stream of this.#streams) stream.reset(new MeshError('draining', 'this hub is shutting down'))
  }

  /** What it asks, to a stranger. */
  async #tell(stream: Stream): Promise<void> {
    const { liquidity, payout } = this.#parts
    const own = await liquidity.own()
    const tab = { globalId: own.globalId, epoch: 0, payee: payout, owedNano: 0n, best: undefined }
    await stream.send(encodeHubFrame(this.#terms(own, tab)))
  }

  async #greet(stream: Stream, address: Address, best: Voucher | undefined): Promise<void> {
    const { accounts, book, ledger, liquidity, payout } = this.#parts
    const account = await accounts.of(address, stream.peer)
    const own = await liquidity.own()
    const { epoch, globalId } = account.escrow
    if (best && best.terms.epoch === epoch) await book.accept(best, account, stream.peer)
    const payer = payerOf(account, stream.peer)
    await ledger.durable()
    const channel = book.channel(account, stream.peer)
    ledger.atLeast(payer, channel.baseNano) // paid for on chain before these books begin
    const tab = { globalId, epoch, payee: payout, owedNano: ledger.chargedNano(payer), best: channel.best }
    await stream.send(encodeHubFrame(this.#terms(own, tab)))
  }

  #terms({ address: escrow, epoch }: EscrowState, tab: Tab): HubTerms {
    const { feePpm, incrementNanoMax } = this.#parts.config.hub
    return { type: 'terms', escrow, epoch, feePpm, incrementNanoMax, tab }
  }

  /** A want that cannot be met is refused, and the next may be. */
  async #answer(stream: Stream, escrow: Address, want: HubWant): Promise<void> {
    try {
      await stream.send(encodeHubFrame(await this.#granted(stream.peer, escrow, want)))
    } catch (error) {
      const { code, message } = asMeshError(error, 'internal')
      if (code === 'protocol-violation') throw error
      await stream.send(encodeHubFrame({ type: 'fail', code, message, retryAfterMs: undefined }))
    }
  }

  async #granted(consumer: PeerId, escrow: Address, want: HubWant): Promise<HubGranted> {
    const { accounts, book, config, ledger, liquidity, ports } = this.#parts
    const { feePpm, incrementNanoMax } = config.hub
    const account = await accounts.of(escrow, consumer)
    await book.accept(want.voucher, account, consumer) // it is owed whatever becomes of the want
    const payer = payerOf(account, consumer)
    const own = await liquidity.own()
    const id = { globalId: own.globalId, escrow: own.address, epoch: own.epoch, payee: want.payee }
    if (want.held) this.#returned(want.held, id, payer)
    const asked = ledger.incrementTo(id, consumer, want.creditNano, feePpm)
    const { incrementNano } = asked
    if (incrementNano > incrementNanoMax) {
      throw new MeshError(
        'over-budget',
        `${formatGram(incrementNano)} GRAM in one increment, at most ${formatGram(incrementNanoMax)} are granted`,
      )
    }
    if (incrementNano > 0n) ledger.paid(id, await liquidity.reserve(want.payee, incrementNano))
    // no await from here to the grant: what is checked and what is counted are the same
    const now = ledger.incrementTo(id, consumer, want.creditNano, feePpm)
    if (now.incrementNano <= 0n) {
      const voucher = ledger.granted(id, consumer)
      if (!voucher) throw new MeshError('bad-request', 'nothing was asked for, and nothing was granted before')
      const owedNano = ledger.chargedNano(payer)
      await ledger.durable()
      return { type: 'granted', voucher, owedNano }
    }
    const neededNano = ledger.chargedNano(payer) + now.incrementNano + now.feeNano
    const channel = book.channel(account, consumer)
    if (coveredNano(channel) < neededNano) {
      throw new MeshError(
        'credit-exhausted',
        `${formatGram(neededNano)} GRAM are needed in all, ${formatGram(coveredNano(channel))} were signed`,
      )
    }
    if (account.coverNano < neededNano) {
      throw new MeshError(
        'escrow-unusable',
        `escrow ${escrow} can pay this hub ${formatGram(account.coverNano)} GRAM in all, ${formatGram(neededNano)} would be owed`,
      )
    }
    liquidity.assertFree(own, now.incrementNano)
    book.delivered(account, consumer, now.incrementNano + now.feeNano)
    const voucher = await ledger.grant(id, payer, now)
    ports.observe({ type: 'hub-granted', peer: consumer, payee: want.payee, ...now })
    return { type: 'granted', voucher, owedNano: neededNano }
  }

  /** Only what this hub itself signed, for this very consumer and payee. */
  #returned(held: Voucher, { epoch, escrow, globalId, payee }: PayeeId, payer: Payer): void {
    const { config, ledger, ports } = this.#parts
    const { grant, terms } = held
    const isThis =
      terms.globalId === globalId && terms.escrow === escrow && terms.epoch === epoch && terms.payee === payee
    const { publicKey } = ports.identity
    const isOwn = grant?.consumer === payer.peer && verifyVoucher(held, publicKey) && verifyGrant(held, publicKey)
    if (!isThis || !isOwn) throw new MeshError('voucher-invalid', 'what is held is no voucher and grant of this hub')
    ledger.returned(held, payer, config.hub.feePpm)
  }
}

function payerOf({ escrow }: Account, peer: PeerId): Payer {
  return { peer, escrow: escrow.address, epoch: escrow.epoch }
}
