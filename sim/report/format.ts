// Numbers as a reader wants them: three figures, the unit that fits, and no more digits than are known.

import type { Unit } from '../metrics.ts'

export function formatValue(value: number, unit: Unit | ''): string {
  switch (unit) {
    case 'share':
      return formatShare(value)
    case 'ms':
      return formatMs(value)
    case 's':
      return formatMs(value * 1000)
    case 'GRAM':
      return `${significant(value)} GRAM`
    case 'nano':
      return formatNano(value)
    case 'nano/Mtoken':
      return `${significant(value / 1e9)} GRAM/M`
    case 'bytes':
      return formatBytes(value)
    case 'bytes/s':
      return `${formatBytes(value)}/s`
    case 'count':
    case 'tokens':
      return Number.isInteger(value) ? grouped(value) : significant(value)
    case 'per s':
      return `${significant(value)}/s`
    case 'tokens/s':
      return `${significant(value)} tokens/s`
    case 'hops':
      return `${value.toFixed(2)} hops`
    case 'ratio':
    case '':
      return significant(value)
  }
}

/** A share near 1 keeps the digits that tell it from 1. */
export function formatShare(share: number): string {
  if (share === 0 || share === 1) return `${share * 100} %`
  const missing = Math.min(share, 1 - share) * 100
  const digits = missing <= 0 ? 1 : Math.min(4, Math.max(1, -Math.floor(Math.log10(missing))))
  return `${(share * 100).toFixed(digits)} %`
}

export function formatMs(ms: number): string {
  const size = Math.abs(ms)
  if (size === 0) return '0 ms'
  if (size < 1000) return `${significant(ms)} ms`
  if (size < 120_000) return `${significant(ms / 1000)} s`
  if (size < 7_200_000) return `${significant(ms / 60_000)} min`
  if (size < 172_800_000) return `${significant(ms / 3_600_000)} h`
  return `${significant(ms / 86_400_000)} d`
}

/** Where in the run: `20:05`, or `1:20:05`. */
export function formatAt(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const two = (part: number) => String(part).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

export function formatNano(nano: number): string {
  return Math.abs(nano) >= 1e5 ? `${significant(nano / 1e9)} GRAM` : `${significant(nano)} nano`
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, Math.abs(bytes))) / 3)))
  return `${significant(bytes / 1000 ** power)} ${units[power]}`
}

/** Three significant figures; whole numbers keep all of theirs. */
export function significant(value: number): string {
  const size = Math.abs(value)
  if (!Number.isFinite(value)) return String(value)
  if (size >= 1000) return grouped(Math.round(value))
  if (size !== 0 && size < 1e-4) return value.toExponential(2)
  return String(Number(value.toPrecision(3)))
}

/** Thin spaces between thousands. */
export function grouped(value: number): string {
  const [whole = '', fraction] = String(value).split('.')
  if (whole.includes('e')) return whole
  const parts = whole.replace(/\B(?=(\d{3})+$)/g, '\u2009')
  return fraction === undefined ? parts : `${parts}.${fraction}`
}
