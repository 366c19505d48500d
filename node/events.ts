// Everything a node can say: one closed union. Logs, metrics, the dashboard and the simulator's checkers all listen here.

import type { ErrorCode } from '../protocol/errors.ts'
import type { Address, ModelKey, PeerId } from '../protocol/ids.ts'
import type { Nano, Usage } from '../protocol/money.ts'

/** What was known of a provider when one was chosen. */
export interface ConsideredProvider {
  readonly peer: PeerId
  /** Why not before others, if so. */
  readonly standing: string
  /** What this request would cost there. */
  readonly costNano: Nano
  readonly completionNano: Nano
  /** Predicted: the way there, the wait for a slot, the prompt, and all of it with what was late before. */
  readonly networkMs: number
  readonly waitMs: number
  readonly prefillMs: number
  readonly firstTokenMs: number
  readonly decodeTokensPerSecond: number
  readonly slotsFree: number
  readonly queued: number
  /** Prompt tokens that it probably still holds. */
  readonly cachedTokens: number
  /** Chance that it delivers, by what it did before. */
  readonly success: number
  /** By which `balanced` chooses; less is better. */
  readonly score: number
}

export type NodeEvent =
  // discovery
  | { readonly type: 'advert-published'; readonly sequence: number; readonly models: readonly string[] }
  | {
      readonly type: 'advert-accepted'
      readonly peer: PeerId
      readonly sequence: number
      readonly source: 'gossip' | 'direct'
    }
  | { readonly type: 'advert-dropped'; readonly peer: PeerId; readonly reason: string }
  | { readonly type: 'provider-lost'; readonly peer: PeerId; readonly reason: string }
  // consumer
  | { readonly type: 'request-started'; readonly request: string; readonly model: string }
  | {
      readonly type: 'provider-chosen'
      readonly request: string
      readonly peer: PeerId
      readonly model: ModelKey
      readonly attempt: number
      readonly candidates: number
      readonly reason: string
      /** The chosen one first, then the best of the others, two at most. */
      readonly considered: readonly ConsideredProvider[]
    }
  /** The provider has no slot for it yet; said once an attempt, as it was told first. */
  | {
      readonly type: 'attempt-queued'
      readonly request: string
      readonly peer: PeerId
      readonly position: number
      readonly etaMs: number | undefined
    }
  | { readonly type: 'first-token'; readonly request: string; readonly peer: PeerId; readonly elapsedMs: number }
  /** Nothing was delivered yet, so a second provider is asked, too. */
  | {
      readonly type: 'hedge-started'
      readonly request: string
      readonly peer: PeerId
      readonly first: PeerId
      readonly elapsedMs: number
    }
  /** One of the two delivered, and the other is left. */
  | {
      readonly type: 'hedge-won'
      readonly request: string
      readonly peer: PeerId
      readonly loser: PeerId
      /** It was the second, not the first. */
      readonly isSecond: boolean
      readonly elapsedMs: number
    }
  | {
      readonly type: 'attempt-failed'
      readonly request: string
      readonly peer: PeerId
      readonly code: ErrorCode
      readonly message: string
      readonly tokensDelivered: number
    }
  | {
      readonly type: 'voucher-signed'
      readonly request: string
      readonly peer: PeerId
      readonly payee: Address
      readonly amountNano: Nano
    }
  | {
      readonly type: 'request-finished'
      readonly request: string
      readonly peer: PeerId | undefined
      readonly outcome: 'stop' | 'length' | 'cancelled' | 'failed'
      readonly code: ErrorCode | undefined
      readonly usage: Usage
      readonly costNano: Nano
      readonly elapsedMs: number
      readonly failovers: number
    }
  /** Providers are paid directly for a while. */
  | { readonly type: 'hub-left'; readonly peer: PeerId; readonly code: ErrorCode; readonly message: string }
  | { readonly type: 'tab-recovered'; readonly peer: PeerId; readonly amountNano: Nano }
  // provider
  | {
      readonly type: 'request-admitted'
      readonly request: string
      readonly peer: PeerId
      readonly model: ModelKey
      readonly promptTokens: number
      readonly active: number
    }
  | {
      readonly type: 'request-queued'
      readonly request: string
      readonly peer: PeerId
      readonly position: number
      readonly etaMs: number | undefined
    }
  | {
      readonly type: 'request-refused'
      readonly request: string
      readonly peer: PeerId
      readonly code: ErrorCode
      readonly message: string
    }
  | {
      readonly type: 'request-served'
      readonly request: string
      readonly peer: PeerId
      readonly outcome: 'stop' | 'length' | 'cancelled' | 'failed'
      readonly code: ErrorCode | undefined
      readonly usage: Usage
      readonly costNano: Nano
      readonly elapsedMs: number
    }
  | {
      readonly type: 'voucher-booked'
      readonly peer: PeerId
      readonly escrow: Address
      readonly amountNano: Nano
      readonly owedNano: Nano
    }
  /** It takes requests, or takes none: paused by its operator, or outside its hours. `untilMs` is Unix milliseconds. */
  | {
      readonly type: 'serving-changed'
      readonly state: 'open' | 'paused' | 'closed'
      readonly untilMs: number | undefined
    }
  | { readonly type: 'credit-paused'; readonly request: string; readonly peer: PeerId; readonly unpaidNano: Nano }
  // settlement
  | { readonly type: 'settle-started'; readonly escrow: Address; readonly vouchers: number; readonly amountNano: Nano }
  | {
      readonly type: 'settle-posted'
      readonly escrow: Address
      readonly vouchers: number
      /** What the chain is to pay of them now. The claims say what each payee gets in all. */
      readonly amountNano: Nano
      readonly claims: readonly { readonly payee: Address; readonly amountNano: Nano }[]
      readonly messageHash: string
    }
  | {
      readonly type: 'settle-confirmed'
      readonly escrow: Address
      readonly payee: Address
      readonly settledNano: Nano
      readonly paidNano: Nano
      readonly transaction: string | undefined
      readonly feeNano: Nano | undefined
    }
  | { readonly type: 'settle-failed'; readonly escrow: Address; readonly code: ErrorCode; readonly message: string }
  /** A hub has promised a provider more, for a consumer that has paid for it. Amounts are what it added. */
  | {
      readonly type: 'hub-granted'
      readonly peer: PeerId
      readonly payee: Address
      readonly incrementNano: Nano
      readonly feeNano: Nano
    }
  /** Its owner took the escrow back; what vouchers covered and nobody settled is lost. */
  | { readonly type: 'channel-closed'; readonly peer: PeerId; readonly escrow: Address; readonly lostNano: Nano }
  | {
      readonly type: 'vouchers-handed-over'
      readonly settler: PeerId
      readonly vouchers: number
      /** They say this much in all. */
      readonly amountNano: Nano
    }
  /** Settle or wait, and why, whenever that changes. `feeNano` is about what the network would take. */
  | {
      readonly type: 'settle-decided'
      readonly escrow: Address
      readonly isDue: boolean
      readonly reason: string
      readonly unsettledNano: Nano
      readonly feeNano: Nano
    }
  /** A settler saw an escrow begin to close: it posts what it holds of it. */
  | { readonly type: 'unlock-seen'; readonly escrow: Address; readonly unlockAtMs: number; readonly vouchers: number }
  // settlers
  | {
      readonly type: 'settler-advertised'
      readonly sequence: number
      readonly feePpm: number
      readonly placesFree: number
    }
  | { readonly type: 'settler-heard'; readonly peer: PeerId; readonly feePpm: number }
  | { readonly type: 'settler-dropped'; readonly peer: PeerId; readonly reason: string }
  | {
      readonly type: 'settler-chosen'
      readonly settler: PeerId
      readonly feePpm: number
      readonly candidates: number
      readonly score: number
    }
  /** Whether it settled in time what it took. */
  | { readonly type: 'settler-judged'; readonly settler: PeerId; readonly isInTime: boolean; readonly score: number }
  /** At a provider and at its settler: the chain has paid what the settler posted. */
  | {
      readonly type: 'settle-fee-counted'
      readonly peer: PeerId
      readonly feeNano: Nano
      readonly unpaidNano: Nano
    }
  | { readonly type: 'settle-fee-signed'; readonly settler: PeerId; readonly amountNano: Nano }
  | { readonly type: 'settle-fee-taken'; readonly peer: PeerId; readonly amountNano: Nano; readonly addedNano: Nano }
  // the ledger
  /** Books and ledger, or ledger and chain, differ by what nothing under way explains: this node serves and signs no more. */
  | {
      readonly type: 'ledger-mismatch'
      readonly escrow: Address
      readonly left: string
      readonly leftNano: Nano
      readonly right: string
      readonly rightNano: Nano
      readonly message: string
    }
  // the chain's endpoint
  /** One of its servers failed, shows what is older than what was seen, is of another chain, or answers again. */
  | {
      readonly type: 'chain-endpoint'
      readonly endpoint: string
      readonly state: 'ok' | 'failing' | 'behind' | 'wrong-chain'
      readonly detail: string
    }
  // the node
  | { readonly type: 'node-started'; readonly peer: PeerId; readonly roles: readonly string[] }
  /** Whoever can read the files of this home has its keys. */
  | { readonly type: 'keys-not-sealed'; readonly path: string }
  | { readonly type: 'node-stopping'; readonly peer: PeerId }
  | { readonly type: 'fault'; readonly where: string; readonly code: ErrorCode; readonly message: string }
