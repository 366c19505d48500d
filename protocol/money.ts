// Amounts and prices. All money is bigint nano (1e-9 GRAM); there is one rounding rule and it lives here.

export type Nano = bigint

/** Prices in nano per million tokens. */
export interface Price {
  readonly promptNano: Nano
  readonly completionNano: Nano
  /** For prompt tokens the provider still held from earlier; never above `promptNano`. */
  readonly cachedNano: Nano
}

/** Token counts of one request. `cachedTokens` are among `promptTokens`. */
export interface Usage {
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly completionTokens: number
}

export const noUsage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }

/** The largest amount a frame carries: an unsigned 64-bit integer, above the chain's whole supply. */
export const nanoMax: Nano = (1n << 64n) - 1n

const tokensPerPrice = 1_000_000n
const nanoPerGram = 1_000_000_000n

/**
 * The cost of a request so far. The rule: add up tokens × price exactly, then round the sum up to a whole nano, once.
 * It never falls as counts grow, so both ends can compute it after any delta and agree.
 */
export function costNano(usage: Usage, price: Price): Nano {
  const fresh = BigInt(usage.promptTokens - usage.cachedTokens)
  const exact =
    fresh * price.promptNano +
    BigInt(usage.cachedTokens) * price.cachedNano +
    BigInt(usage.completionTokens) * price.completionNano
  return (exact + tokensPerPrice - 1n) / tokensPerPrice
}

export function largest(first: Nano, ...others: readonly Nano[]): Nano {
  return others.reduce((max, nano) => (nano > max ? nano : max), first)
}

export function isWithin(price: Price, ceiling: Price): boolean {
  return (
    price.promptNano <= ceiling.promptNano &&
    price.completionNano <= ceiling.completionNano &&
    price.cachedNano <= ceiling.cachedNano
  )
}

/** `1234500000n` → `"1.2345"`. */
export function formatGram(nano: Nano): string {
  const sign = nano < 0n ? '-' : ''
  const absolute = nano < 0n ? -nano : nano
  const fraction = (absolute % nanoPerGram).toString().padStart(9, '0').replace(/0+$/, '')
  return `${sign}${absolute / nanoPerGram}${fraction === '' ? '' : `.${fraction}`}`
}

/** Millionths, as settings have them: `5000` → `"0.5 %"`. */
export function formatPercent(ppm: number): string {
  return `${ppm / 10_000} %`
}

/** `"1.2345"` → `1234500000n`. Throws `RangeError` for anything but a plain decimal, of at most nine places and `nanoMax`. */
export function parseGram(text: string): Nano {
  const match = /^(\d{1,11})(?:\.(\d{1,9}))?$/.exec(text)
  if (!match) {
    const form = `GRAM as a decimal such as 0.25, of at most nine places and at most ${formatGram(nanoMax)}`
    throw new RangeError(`"${text.slice(0, 40)}" is not an amount, expected ${form}`)
  }
  const nano = BigInt(match[1] ?? '0') * nanoPerGram + BigInt((match[2] ?? '').padEnd(9, '0'))
  if (nano > nanoMax) throw new RangeError(`${text} GRAM, at most ${formatGram(nanoMax)}`)
  return nano
}
