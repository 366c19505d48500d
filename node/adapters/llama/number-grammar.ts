// A grammar for the integers from one number to another.

/** JSON's safe integers have at most 16 digits; longer ones are not offered where a bound is open. */
const digitsMax = 15

/** Either bound may be infinite. */
export function integerRange(min: number, max: number): string {
  const parts: string[] = []
  if (min < 0) {
    const negative = natural(max < 0 ? -max : 1, -min)
    parts.push(`"-" (${negative})`)
  }
  if (max >= 0) parts.push(natural(Math.max(0, min), max))
  return parts.join(' | ')
}

/** From `min` ≥ 0 to `max`, by number of digits. */
function natural(min: number, max: number): string {
  const parts: string[] = []
  const last = max === Number.POSITIVE_INFINITY ? digitsMax : digitsOf(max).length
  for (let length = digitsOf(min).length; length <= last; length += 1) {
    const least = length === 1 ? 0 : 10 ** (length - 1)
    const most = 10 ** length - 1
    const from = digitsOf(Math.max(min, least))
    const to = digitsOf(Math.min(max, most))
    parts.push(sameLength(from, to))
  }
  return parts.join(' | ')
}

function sameLength(from: string, to: string): string {
  const [a = '', b = ''] = [from[0], to[0]]
  const [fromRest, toRest] = [from.slice(1), to.slice(1)]
  if (fromRest === '') return digit(a, b)
  const rest = fromRest.length
  if (a === b) return `${digit(a, a)} (${sameLength(fromRest, toRest)})`
  const isLeast = /^0+$/.test(fromRest)
  const isMost = /^9+$/.test(toRest)
  const lower = isLeast ? Number(a) : Number(a) + 1
  const upper = isMost ? Number(b) : Number(b) - 1
  const parts: string[] = []
  if (!isLeast) parts.push(`${digit(a, a)} (${sameLength(fromRest, '9'.repeat(rest))})`)
  if (lower <= upper) parts.push(`${digit(String(lower), String(upper))} [0-9]{${rest}}`)
  if (!isMost) parts.push(`${digit(b, b)} (${sameLength('0'.repeat(rest), toRest)})`)
  return parts.join(' | ')
}

function digit(from: string, to: string): string {
  return from === to ? `"${from}"` : `[${from}-${to}]`
}

function digitsOf(value: number): string {
  return BigInt(value).toString()
}
