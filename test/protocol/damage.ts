// Ways to damage an encoding, and the one thing a decoder may do with it.

import '../seed.ts'
import fc from 'fast-check'
import { expect } from 'vitest'
import { MeshError } from '../../protocol/errors.ts'

/** One change to some bytes, at a place given as a fraction of their length. */
type Damage =
  | { readonly kind: 'cut' | 'drop'; readonly at: number }
  | { readonly kind: 'set' | 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'repeat'; readonly at: number; readonly to: number }

const place = fc.double({ min: 0, max: 1, noNaN: true })

/** Bytes a protobuf reader must be careful with: huge lengths, endless varints, groups, unknown wire types. */
const hostile = fc.constantFrom(
  Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f),
  Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x07),
  new Uint8Array(10).fill(0xff),
  Uint8Array.of(0x0b),
  Uint8Array.of(0x0c),
  Uint8Array.of(0x0f),
  Uint8Array.of(0x80),
  Uint8Array.of(0x00),
)

const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constantFrom('cut', 'drop'), at: place }),
  fc.record({
    kind: fc.constantFrom('set', 'insert'),
    at: place,
    bytes: fc.oneof(hostile, fc.uint8Array({ minLength: 1, maxLength: 8 })),
  }),
  fc.record({ kind: fc.constant('repeat'), at: place, to: place }),
)

export const damages: fc.Arbitrary<readonly Damage[]> = fc.array(damage, { minLength: 1, maxLength: 4 })

export function damaged(bytes: Uint8Array, changes: readonly Damage[]): Uint8Array {
  let after = bytes
  for (const change of changes) after = changed(after, change)
  return after
}

function changed(before: Uint8Array, change: Damage): Uint8Array {
  const at = Math.floor(change.at * before.length)
  switch (change.kind) {
    case 'cut':
      return before.subarray(0, at)
    case 'drop':
      return Buffer.concat([before.subarray(0, at), before.subarray(at + 1)])
    case 'insert':
      return Buffer.concat([before.subarray(0, at), change.bytes, before.subarray(at)])
    case 'set':
      return Buffer.concat([before.subarray(0, at), change.bytes, before.subarray(at + change.bytes.length)])
    case 'repeat': {
      const to = Math.floor(change.to * before.length)
      return Buffer.concat([before, before.subarray(Math.min(at, to), Math.max(at, to))])
    }
  }
}

/** A decoder given anything either decodes it or throws this; never another error. */
export function expectViolationOrNothing(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    decode(bytes)
  } catch (error) {
    expectViolation(error)
  }
}

export function expectViolation(error: unknown): void {
  if (error instanceof MeshError && error.code === 'protocol-violation' && error.message !== '') return
  throw new Error(`expected a protocol-violation, got ${String(error)}`, { cause: error })
}

export function violationOf(decode: () => unknown): string {
  try {
    decode()
  } catch (error) {
    expectViolation(error)
    return error instanceof Error ? error.message : ''
  }
  return expect.unreachable('it was decoded')
}
