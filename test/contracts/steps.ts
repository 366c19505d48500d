// What the actors around an escrow do: its owner, its client's key, four payees, settlers, strangers, the network and the validators.

import fc from 'fast-check'
import { type PriceTenths, priceTenths } from './account.ts'
import { day, gram } from './stage.ts'

export type Step =
  | { readonly do: 'deposit'; readonly nano: bigint }
  | { readonly do: 'sign'; readonly to: number; readonly nano: bigint }
  | { readonly do: 'settle'; readonly by: 'one' | 'internal'; readonly pick: Pick; readonly isLost: boolean }
  | { readonly do: 'batch'; readonly picks: readonly Pick[]; readonly workNano: bigint; readonly isLost: boolean }
  /** An external message of before is delivered: once more, late, or for the first time where it was lost. */
  | { readonly do: 'deliver'; readonly index: number }
  | {
      readonly do: 'reserve'
      readonly by: By
      readonly to: number
      readonly nano: bigint
      readonly aheadSec: number
      readonly isLost: boolean
    }
  | { readonly do: 'unlock' | 'finalize'; readonly by: By; readonly isLost: boolean }
  | { readonly do: 'cancel' }
  | { readonly do: 'pass'; readonly seconds: number }
  | { readonly do: 'reprice'; readonly tenths: PriceTenths }
  | { readonly do: 'bounce'; readonly how: number; readonly nano: bigint }
  | { readonly do: 'starve'; readonly how: number; readonly nano: bigint }
  | { readonly do: 'intrude'; readonly how: number }

export type By = 'wallet' | 'key'

/** One of the vouchers signed so far: `age` 0 is the latest. A forged one is that with another signature. */
export interface Pick {
  readonly to: number
  readonly age: number
  readonly isForged: boolean
}

export const payeeCount = 4
export const historySteps = 50

/** The same steps for the same seed, always. */
export function historyOf(seed: number, steps = historySteps): readonly Step[] {
  const [history] = fc.sample(fc.array(step, { minLength: steps, maxLength: steps }), { seed, numRuns: 1 })
  return history ?? []
}

const to = fc.nat(payeeCount - 1)
const by = fc.constantFrom<By>('wallet', 'key')
const isLost = once(10)
const age = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(5) })
const pick = fc.record({ to, age, isForged: once(8) })
const nano = (most: bigint) => fc.oneof(fc.bigInt(0n, most), fc.bigInt(0n, 8_000_000n), fc.constantFrom(1n, most))
const is = <const T>(value: T) => fc.constant(value)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: is('deposit'), nano: fc.bigInt(10_000_000n, gram) }) },
  { weight: 9, arbitrary: fc.record({ do: is('sign'), to, nano: nano(gram) }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: is('settle'), by: fc.constantFrom('one' as const, 'internal' as const), pick, isLost }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: is('batch'),
      picks: fc.array(pick, { minLength: 1, maxLength: 10 }),
      workNano: fc.oneof(fc.constant(0n), nano(gram / 2n)),
      isLost,
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: is('deliver'), index: fc.nat(20) }) },
  {
    weight: 7,
    arbitrary: fc.record({
      do: is('reserve'),
      by,
      to,
      nano: nano(gram),
      aheadSec: fc.integer({ min: -day, max: 31 * day }),
      isLost,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: is('unlock'), by, isLost }) },
  { weight: 1, arbitrary: fc.record({ do: is('cancel') }) },
  { weight: 4, arbitrary: fc.record({ do: is('finalize'), by, isLost }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: is('pass'),
      seconds: fc.oneof(
        { weight: 4, arbitrary: fc.integer({ min: 1, max: 100 }) },
        { weight: 12, arbitrary: fc.integer({ min: 60, max: 20 * day }) },
        { weight: 1, arbitrary: fc.integer({ min: 20 * day, max: 365 * day }) },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: is('reprice'), tenths: fc.constantFrom(...priceTenths) }) },
  { weight: 2, arbitrary: fc.record({ do: is('bounce'), how: fc.nat(3), nano: nano(gram / 10n) }) },
  { weight: 2, arbitrary: fc.record({ do: is('starve'), how: fc.nat(4), nano: fc.bigInt(0n, 1_000_000n) }) },
  { weight: 3, arbitrary: fc.record({ do: is('intrude'), how: fc.nat(7) }) },
)

function once(inSo: number): fc.Arbitrary<boolean> {
  return fc.oneof({ weight: inSo - 1, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })
}
