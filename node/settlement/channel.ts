// One payer's channel as its provider sees it: what was delivered, the best voucher, what the chain has paid. Pure.

import type { Address, PeerId } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { paidNano, type Voucher } from '../../protocol/voucher.ts'
import { type SettleCase, type SettlePolicy, settleOrWait } from './rule.ts'

/** The tab that vouchers of one payer to this provider are of. An escrow's address says nothing of its chain. */
export interface ChannelId {
  readonly globalId: number
  readonly escrow: Address
  readonly epoch: number
  /** This provider's payout; vouchers to one it had before are still its own to settle. */
  readonly payee: Address
}

export interface Channel extends ChannelId {
  /** Whose vouchers count: the peer and its key inside the escrow are one. */
  readonly payer: PeerId
  /** Everything delivered in this epoch, at the agreed prices. After a restart: what the best voucher covers. */
  readonly owedNano: Nano
  readonly best: Voucher | undefined
  /** What the chain had paid when this channel was first seen: covered by a voucher that is no longer known here. */
  readonly baseNano: Nano
  /** Paid on chain in this epoch, as last read. */
  readonly settledNano: Nano
  /** When the oldest value not yet settled arrived, Unix milliseconds; undefined where nothing is due. */
  readonly dueSinceMs: number | undefined
}

export type ChannelEvent =
  | { readonly type: 'delivered'; readonly costNano: Nano }
  | { readonly type: 'voucher'; readonly voucher: Voucher; readonly nowMs: number }
  /** The payer says, outside any request, that it owes this much: also where these books forgot. */
  | { readonly type: 'acknowledged'; readonly owedNano: Nano }
  | { readonly type: 'settled'; readonly settledNano: Nano }

/** What the chain has paid in this epoch was once delivered, whether or not these books remember. */
export function openChannel({ globalId, escrow, epoch, payee }: ChannelId, payer: PeerId, baseNano: Nano): Channel {
  return {
    globalId,
    escrow,
    epoch,
    payee,
    payer,
    owedNano: baseNano,
    best: undefined,
    baseNano,
    settledNano: baseNano,
    dueSinceMs: undefined,
  }
}

/** Vouchers and settled sums only ever raise a channel, so replays and reordering change nothing. */
export function step(channel: Channel, event: ChannelEvent): Channel {
  switch (event.type) {
    case 'delivered':
      return { ...channel, owedNano: channel.owedNano + event.costNano }
    case 'voucher':
      if (event.voucher.terms.amountNano <= (channel.best?.terms.amountNano ?? 0n)) return channel
      return { ...channel, best: event.voucher, dueSinceMs: channel.dueSinceMs ?? event.nowMs }
    case 'acknowledged':
      return event.owedNano > channel.owedNano ? { ...channel, owedNano: event.owedNano } : channel
    case 'settled': {
      const settledNano = event.settledNano > channel.settledNano ? event.settledNano : channel.settledNano
      const dueSinceMs = settledNano >= coveredNano(channel) ? undefined : channel.dueSinceMs
      return { ...channel, settledNano, dueSinceMs }
    }
  }
}

/** After a restart nothing is known of what was delivered beyond the best voucher: that much is forgiven. */
export function recovered(channel: Channel): Channel {
  return { ...channel, owedNano: coveredNano(channel) }
}

/** What vouchers cover. */
export function coveredNano({ baseNano, best }: Channel): Nano {
  const signedNano = best ? paidNano(best) : 0n
  return signedNano > baseNano ? signedNano : baseNano
}

/** What delivering stopped now would lose; negative where the payer is ahead. */
export function unpaidNano(channel: Channel): Nano {
  return channel.owedNano - coveredNano(channel)
}

export function unsettledNano(channel: Channel): Nano {
  const unsettled = coveredNano(channel) - channel.settledNano
  return unsettled > 0n ? unsettled : 0n
}

/** What the rule needs to know of a channel, for whoever settles it alone. */
export function caseOf(channel: Channel, nowMs: number, isWanted: boolean): SettleCase {
  const ageMs = channel.dueSinceMs === undefined ? 0 : nowMs - channel.dueSinceMs
  return { unsettledNano: unsettledNano(channel), ageMs, unlockAtMs: 0, isWanted, batch: 1 }
}

/** Settle when it is worth the fee, or old, or wanted; never what the chain would refuse. */
export function isDue(channel: Channel, policy: SettlePolicy, nowMs: number, isUrgent: boolean): boolean {
  return settleOrWait(caseOf(channel, nowMs, isUrgent), policy).isDue
}
