// What one request has cost so far, and by how much the next delta raises it. Pure.

import { costNano, type Nano, type Price, type Usage } from '../../protocol/money.ts'

export interface Meter {
  readonly price: Price
  readonly usage: Usage
}

/** Of what was not agreed on yet. */
export const freePrice: Price = { promptNano: 0n, completionNano: 0n, cachedNano: 0n }

export function startMeter(price: Price, promptTokens: number, cachedTokens: number): Meter {
  return { price, usage: { promptTokens, cachedTokens, completionTokens: 0 } }
}

export function afterDelta(meter: Meter, tokens: number): Meter {
  const { usage } = meter
  return { ...meter, usage: { ...usage, completionTokens: usage.completionTokens + tokens } }
}

export function meteredNano({ usage, price }: Meter): Nano {
  return costNano(usage, price)
}

/** The value of the credit window: what a payer may owe while tokens flow. */
export function windowNano(price: Price, creditTokens: number): Nano {
  return costNano({ promptTokens: 0, cachedTokens: 0, completionTokens: creditTokens }, price)
}
