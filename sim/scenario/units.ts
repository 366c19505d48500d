// What people write in scenarios – 1h30m, 50mbit, 0.2 GRAM, 3%/h, 0..5s – as numbers. Each throws `RangeError` saying what was expected.

import { type Nano, parseGram } from '../../protocol/money.ts'

/** From the first to the last, both included. */
export interface Range {
  readonly min: number
  readonly max: number
}

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const prefixes: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 }
const seedsMax = 100_000

/** Milliseconds, to the microsecond: `250ms`, `3.656h`, `1h30m`. */
export function durationMsOf(text: string): number {
  if (text === '0') return 0
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|min|[smhd])/g)]
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    throw new RangeError(`"${text}", expected a duration such as 250ms, 5m or 1h30m`)
  }
  const ms = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (unitMs[unit ?? ''] ?? 0), 0)
  return Math.round(ms * 1_000) / 1_000
}

/** `50mbit`, `1gbit`. */
export function bitsPerSecondOf(text: string): number {
  const [, amount, prefix] = /^(\d+(?:\.\d+)?)([kmg]?)bit$/.exec(text) ?? []
  if (amount === undefined) throw new RangeError(`"${text}", expected a bandwidth such as 50mbit or 1gbit`)
  return Math.round(Number(amount) * (prefixes[prefix ?? ''] ?? 1))
}

/** `0.2 GRAM`, `5000000 nano`, or whole nano as a number. */
export function nanoOf(value: string | number): Nano {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  const [, amount = '', unit] = /^([\d.]+) ?(GRAM|nano)$/.exec(String(value)) ?? []
  if (unit === 'nano' && /^\d{1,18}$/.test(amount)) return BigInt(amount)
  if (unit === 'GRAM') return parseGram(amount)
  throw new RangeError(`"${value}", expected an amount such as 0.2 GRAM, or whole nano`)
}

/** 0.1 or `10%`. */
export function shareOf(value: string | number): number {
  if (typeof value === 'number') return value
  const [, amount, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(value) ?? []
  if (amount === undefined) throw new RangeError(`"${value}", expected a share such as 0.1 or 10%`)
  return percent === '%' ? Number(amount) / 100 : Number(amount)
}

/** A millisecond: `0.2/s`, `6/m`, `3%/h`. */
export function perMsOf(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?%?)\/(ms|min|[smhd])$/.exec(text) ?? []
  if (amount === undefined) throw new RangeError(`"${text}", expected a rate such as 0.2/s, 6/m or 3%/h`)
  return shareOf(amount) / (unitMs[unit ?? ''] ?? 1)
}

export function numberOf(text: string | number): number {
  if (typeof text === 'number') return text
  if (!/^\d+(\.\d+)?$/.test(text)) throw new RangeError(`"${text}", expected a number`)
  return Number(text)
}

/** `a..b`, or one value for both ends. The unit may stand at the end only: `0..3%/h`, `0..5s`. */
export function rangeOf(value: string | number, parse: (part: string) => number): Range {
  const text = String(value)
  const [, first, last] = /^(.+?)\.\.(.+)$/.exec(text) ?? []
  if (first === undefined || last === undefined) return { min: parse(text), max: parse(text) }
  const unit = /[a-z%/]*$/i.exec(last)?.[0] ?? ''
  const range = { min: parse(/[a-z%]$/i.test(first) ? first : first + unit), max: parse(last) }
  if (range.min > range.max) throw new RangeError(`"${text}", expected the smaller end first`)
  return range
}

/** 42, `0..99`, `1,4,9`, or a list. */
export function seedsOf(value: number | string | readonly number[]): readonly number[] {
  if (typeof value === 'number') return [value]
  if (typeof value !== 'string') return value
  const seeds = value.split(',').flatMap((part) => {
    const { min, max } = rangeOf(part, numberOf)
    if (max - min >= seedsMax) throw new RangeError(`"${part}" are ${max - min + 1} seeds, at most ${seedsMax}`)
    return Array.from({ length: max - min + 1 }, (_, at) => min + at)
  })
  if (seeds.some((seed) => !Number.isSafeInteger(seed))) throw new RangeError(`"${value}", expected whole numbers`)
  return seeds
}
