// The entries of the log of what keys spend: one JSON object each, readable by a person with any SQLite tool.

import { MeshError } from '../../protocol/errors.ts'
import type { Nano } from '../../protocol/money.ts'

/** A request may begin that costs up to `nano`. */
export interface Held {
  readonly type: 'held'
  /** Unlike that of any hold before it in the log. */
  readonly id: number
  /** An `ApiKey`'s id. */
  readonly key: string
  /** Days since 1970 in UTC. */
  readonly day: number
  readonly nano: Nano
}

/** It ended, and cost this much. */
export interface Ended {
  readonly type: 'ended'
  readonly id: number
  readonly costNano: Nano
}

/** In place of entries that were forgotten: what a key had spent, in all and on its latest days. */
export interface Summed {
  readonly type: 'summed'
  readonly key: string
  readonly countedNano: Nano
  readonly days: readonly (readonly [day: number, nano: Nano])[]
}

export type SpendEntry = Held | Ended | Summed

export function encodeSpend(entry: SpendEntry): Uint8Array {
  const text = JSON.stringify(entry, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
  return new TextEncoder().encode(text)
}

/** Throws `MeshError` `store-failed` for an entry this code did not write: money is never guessed. */
export function decodeSpend(bytes: Uint8Array): SpendEntry {
  try {
    const { type, ...fields } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Record<
      string,
      unknown
    >
    switch (type) {
      case 'held':
        return {
          type,
          id: count(fields['id']),
          key: keyId(fields['key']),
          day: count(fields['day']),
          nano: nano(fields['nano']),
        }
      case 'ended':
        return { type, id: count(fields['id']), costNano: nano(fields['costNano']) }
      case 'summed':
        return {
          type,
          key: keyId(fields['key']),
          countedNano: nano(fields['countedNano']),
          days: days(fields['days']),
        }
      default:
        throw new RangeError(`entry of type ${JSON.stringify(type)}`)
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new MeshError(
      'store-failed',
      `the log of what keys spent holds an entry that is none (${reason}); restore a copy of the home's books`,
      { cause },
    )
  }
}

function count(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new RangeError(`${JSON.stringify(value)}, expected a whole number`)
}

function keyId(value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-f]{16}$/.test(value)) return value
  throw new RangeError(`${JSON.stringify(value)}, expected the id of a key`)
}

function nano(value: unknown): Nano {
  if (typeof value === 'string' && /^\d{1,30}$/.test(value)) return BigInt(value)
  throw new RangeError(`${JSON.stringify(value)}, expected nano as a decimal string`)
}

function days(value: unknown): readonly (readonly [number, Nano])[] {
  if (!Array.isArray(value)) throw new RangeError(`${JSON.stringify(value)}, expected a list of days`)
  return value.map((entry: unknown) => {
    if (!Array.isArray(entry)) throw new RangeError(`${JSON.stringify(entry)}, expected a day and its nano`)
    return [count(entry[0]), nano(entry[1])]
  })
}
