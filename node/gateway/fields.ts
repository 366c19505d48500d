// Readers of decoded JSON: each takes a parameter's name with its value and gives it back typed, or refuses it by that name.

import { MeshError } from '../../protocol/errors.ts'
import { type Nano, parseGram } from '../../protocol/money.ts'

export type Fields = Readonly<Record<string, unknown>>

/**
 * What becomes of a parameter: `read` by its endpoint; a `hint`, a label that changes no token of the answer, so any value
 * passes; or what nothing here can do, with the values that ask for nothing: clients send those unasked.
 */
export type Rule = 'read' | 'hint' | { readonly isNeutral: (value: unknown) => boolean; readonly expected: string }

export const exactly = (...values: readonly unknown[]): Rule => ({
  isNeutral: (value) => values.includes(value),
  expected: values.map(show).join(' or '),
})

export const emptyList: Rule = { isNeutral: (value) => Array.isArray(value) && value.length === 0, expected: '[]' }

export const absent: Rule = { isNeutral: () => false, expected: 'it left out' }

export function rulesOf(
  rules: Readonly<Record<string, Rule>>,
  ...named: readonly (readonly [rule: Rule, names: readonly string[]])[]
): ReadonlyMap<string, Rule> {
  return new Map([
    ...Object.entries(rules),
    ...named.flatMap(([rule, names]) => names.map((name) => [name, rule] as const)),
  ])
}

/** The body as an object all of whose parameters are known. Throws `MeshError` naming the first that is not. */
export function readBody(body: unknown, rules: ReadonlyMap<string, Rule>): Fields {
  if (!isFields(body)) throw new MeshError('bad-request', `the body is ${show(body)}, expected a JSON object`)
  for (const [name, value] of Object.entries(body)) {
    const rule = rules.get(name)
    if (value === null || rule === 'read' || rule === 'hint') continue
    const param = name.slice(0, nameCharsMax)
    if (!rule) throw new MeshError('bad-request', `${show(name)} is not a parameter of this endpoint`, { param })
    if (!rule.isNeutral(value)) {
      throw unsupported(param, `${name} ${show(value)} is not supported, expected ${rule.expected}`)
    }
  }
  return body
}

/** Of a name that a client made up, in an error. */
const nameCharsMax = 80

/** Nothing but what is known may be set in an object inside the body: an empty value asks for nothing. */
export function requireEmpty(param: string, fields: Fields, known: readonly string[]): void {
  for (const [name, value] of Object.entries(fields)) {
    const isEmpty = value === null || value === '' || (Array.isArray(value) && value.length === 0)
    if (isEmpty || known.includes(name)) continue
    const field = `${param}.${name.slice(0, nameCharsMax)}`
    throw unsupported(field, `${field} is not supported, expected it left out`)
  }
}

export function readFields(param: string, value: unknown, expectation: string): Fields {
  if (!isFields(value)) throw wrong(param, value, expectation)
  return value
}

export function readList(param: string, value: unknown, countMax: number, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > countMax) {
    throw wrong(param, value, `a list of 1 to ${countMax} ${what}`)
  }
  return value
}

/** Half a surrogate pair (an emoji cut in two) has no UTF-8: replaced, so that what is sent is what is counted. */
export function readText(param: string, value: unknown): string {
  if (typeof value !== 'string') throw wrong(param, value, 'a text')
  return value.toWellFormed()
}

export function readName(param: string, value: unknown, charsMax: number): string {
  if (typeof value !== 'string' || value.length > charsMax || !/^[\w-]+$/.test(value)) {
    throw wrong(param, value, `1 to ${charsMax} letters, digits, _ or -`)
  }
  return value
}

export function readFlag(param: string, value: unknown): boolean | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'boolean') throw wrong(param, value, 'true or false')
  return value
}

export function readNumber(param: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw wrong(param, value, `a number from ${min} to ${max}`)
  }
  return value
}

export function readWhole(param: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw wrong(param, value, `a whole number from ${min} to ${max}`)
  }
  return value
}

export function readWord<Word extends string>(param: string, value: unknown, words: readonly Word[]): Word | undefined {
  if (value === undefined || value === null) return undefined
  const found = words.find((word) => word === value)
  if (found === undefined) throw wrong(param, value, words.join(' or '))
  return found
}

/** GRAM, as a decimal text or a JSON number written without an exponent. */
export function readGram(param: string, value: unknown): Nano | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' || typeof value === 'number') {
    try {
      return parseGram(typeof value === 'number' ? decimalOf(value) : value)
    } catch {
      // Not a decimal: refused below, by its name.
    }
  }
  throw wrong(param, value, 'GRAM as a decimal such as "0.25"')
}

/** JavaScript writes what is below a millionth as 1e-7. */
function decimalOf(value: number): string {
  const decimal = value.toFixed(9)
  return Number(decimal) === value ? decimal : String(value)
}

/** Deeper than any schema in use; what writes JSON back is recursive. */
const depthMax = 100

/** An object as JSON text. */
export function readJsonText(param: string, value: unknown): string {
  const fields = readFields(param, value, 'an object')
  let level: readonly unknown[] = [fields]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === depthMax) throw wrong(param, value, `at most ${depthMax} levels of nesting`)
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []))
  }
  return JSON.stringify(fields).toWellFormed()
}

export function wrong(param: string, value: unknown, expectation: string): MeshError {
  return new MeshError('bad-request', `${param} is ${show(value)}, expected ${expectation}`, { param })
}

export function unsupported(param: string, message: string): MeshError {
  return new MeshError('unsupported', message, { param })
}

/** Never recursive: a caller's nesting must not reach the stack. */
export function show(value: unknown): string {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
