// What the ledger writes down: one JSON object an entry, in one append-only log, each with the running sums of its account so
// that nothing can be taken out of the middle unseen.

import { MeshError } from '../../protocol/errors.ts'
import { type Address, type PeerId, parseAddress, parsePeerId } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { integer, type Raw } from '../records.ts'

/**
 * Whose account it is. `provider` and `hub` are paid by vouchers (a hub by its consumers), `consumer` signs them, `granted` is
 * what a consumer's hub signed for it, `promised` what a hub signed to providers; `fees-earned` and `fees-paid` are what settling costs.
 */
export const roles = ['provider', 'consumer', 'granted', 'hub', 'promised', 'fees-earned', 'fees-paid'] as const
export type Role = (typeof roles)[number]

/** One escrow in one epoch, one account it pays, and the peer at the other end. */
export interface AccountId {
  readonly globalId: number
  readonly escrow: Address
  readonly epoch: number
  readonly payee: Address
  /** Undefined where many are at the other end, and the account is all there is. */
  readonly peer: PeerId | undefined
}

export interface Account extends AccountId {
  readonly role: Role
}

/** After the entry. */
export interface Sums {
  /** Delivered, or received, at the agreed prices. */
  readonly countedNano: Nano
  /** Covered by the best voucher that is on disk in the books. */
  readonly coveredNano: Nano
  /** Paid by the chain. */
  readonly settledNano: Nano
}

/** A part of one: what a request got at one provider. */
export interface RequestNote {
  readonly request: string
  /** SHA-256 of the request as opened, hex: what the receipt is about. */
  readonly digest?: string | undefined
}

export type What =
  /** From here on the books may be ahead, until an entry that is at rest. */
  | { readonly type: 'busy' }
  | ({ readonly type: 'request' } & RequestNote)
  /** A voucher outside any request. */
  | { readonly type: 'voucher' }
  /** The count changed by something else than a request, and why. */
  | { readonly type: 'adjusted'; readonly why: Why }
  | { readonly type: 'granted' }
  /** Of settling, for what the chain has paid. */
  | { readonly type: 'fee' }
  | { readonly type: 'posted'; readonly amountNano: Nano; readonly messageHash: string }
  /** What was posted did not come, or the chain refused it. */
  | { readonly type: 'failed'; readonly isRefused: boolean }
  | {
      readonly type: 'settled'
      readonly transaction?: string | undefined
      /** Of the whole transaction, which may settle others, too. */
      readonly networkFeeNano?: Nano | undefined
    }
  /** The escrow's epoch is over. */
  | { readonly type: 'closed' }
  /** In place of entries that were forgotten. */
  | { readonly type: 'carried'; readonly isClosed: boolean; readonly isBusy: boolean }

export const whys = [
  'before this ledger',
  'paid before these books',
  'claimed by the provider',
  'forgiven by the provider',
  'records taken back',
  'recovered after a crash',
  'left open at the last stop',
  'a debt that these books had forgotten',
  'accepted by hand',
] as const
export type Why = (typeof whys)[number]

export type Entry = What & {
  readonly account: Account
  readonly atMs: number
  /** What it adds to its account's count. */
  readonly nano: Nano
  readonly sums: Sums
  /** Books and ledger agree to the nano after it. */
  readonly isAtRest: boolean
}

const nowhere = parseAddress(`0:${'0'.repeat(64)}`)

/** Fees are counted by peer, over all the escrows that they are paid out of. */
export function feeAccount(peer: PeerId): AccountId {
  return { globalId: 0, escrow: nowhere, epoch: 0, payee: nowhere, peer }
}

export function isFees(role: Role): boolean {
  return role === 'fees-earned' || role === 'fees-paid'
}

export function accountKey({ epoch, escrow, globalId, payee, peer, role }: Account): string {
  return `${role}/${globalId}/${escrow}/${epoch}/${payee}/${peer ?? ''}`
}

export function encodeEntry(entry: Entry): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify(entry, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)),
  )
}

/** Throws `MeshError` `store-failed` for an entry this code did not write: money is never guessed. */
export function decodeEntry(log: string, bytes: Uint8Array): Entry {
  try {
    const raw = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Raw
    const account = raw['account'] as Raw
    const sums = raw['sums'] as Raw
    return {
      ...what(raw),
      account: {
        role: oneOf(roles, account['role']),
        globalId: integer(account, 'globalId', -0x80000000, 0x7fffffff),
        escrow: parseAddress(String(account['escrow'])),
        epoch: integer(account, 'epoch', 0, 0xffffffff),
        payee: parseAddress(String(account['payee'])),
        peer: account['peer'] === undefined ? undefined : parsePeerId(String(account['peer'])),
      },
      atMs: integer(raw, 'atMs', 0, Number.MAX_SAFE_INTEGER),
      nano: signedNano(raw['nano']),
      sums: {
        countedNano: signedNano(sums['countedNano']),
        coveredNano: signedNano(sums['coveredNano']),
        settledNano: signedNano(sums['settledNano']),
      },
      isAtRest: raw['isAtRest'] === true,
    }
  } catch (cause) {
    throw new MeshError('store-failed', `an entry of the log "${log}" cannot be read: ${String(cause)}`, { cause })
  }
}

function what(raw: Raw): What {
  switch (raw['type']) {
    case 'busy':
    case 'voucher':
    case 'granted':
    case 'fee':
    case 'closed':
      return { type: raw['type'] }
    case 'request': {
      const { digest } = raw
      return {
        type: 'request',
        request: String(raw['request']),
        ...(digest !== undefined && { digest: String(digest) }),
      }
    }
    case 'adjusted':
      return { type: 'adjusted', why: oneOf(whys, raw['why']) }
    case 'posted':
      return { type: 'posted', amountNano: signedNano(raw['amountNano']), messageHash: String(raw['messageHash']) }
    case 'failed':
      return { type: 'failed', isRefused: raw['isRefused'] === true }
    case 'settled': {
      const { networkFeeNano, transaction } = raw
      return {
        type: 'settled',
        ...(transaction !== undefined && { transaction: String(transaction) }),
        ...(networkFeeNano !== undefined && { networkFeeNano: signedNano(networkFeeNano) }),
      }
    }
    case 'carried':
      return { type: 'carried', isClosed: raw['isClosed'] === true, isBusy: raw['isBusy'] === true }
    default:
      throw new RangeError(`an entry of type ${JSON.stringify(raw['type'])}`)
  }
}

function oneOf<T extends string>(values: readonly T[], value: unknown): T {
  const found = values.find((each) => each === value)
  if (found !== undefined) return found
  throw new RangeError(`${JSON.stringify(value)}, expected one of ${values.join(', ')}`)
}

function signedNano(value: unknown): Nano {
  if (typeof value === 'string' && /^-?\d{1,30}$/.test(value)) return BigInt(value)
  throw new RangeError(`${JSON.stringify(value)}, expected nano as a decimal string`)
}
