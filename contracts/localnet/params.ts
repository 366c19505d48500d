/** The parameters of one call, from a query string or a JSON body: decoded and bounded before anything uses them. */
import { Address, type Cell } from '@ton/core'
import { ApiError } from './errors.ts'
import { decodeBoc } from './message.ts'
import { brief } from './stack.ts'

/** SQLite and the chain's own `int64` both end here. */
export const int64Max = 2n ** 63n - 1n

export class Params {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  /** The value as it came; null, an absent one and an empty string are all "not given". */
  raw(name: string): unknown {
    const value = Object.hasOwn(this.#values, name) ? this.#values[name] : undefined
    return value === null || value === '' ? undefined : value
  }

  get names(): readonly string[] {
    return Object.keys(this.#values)
  }

  text(name: string): string {
    const value = this.raw(name)
    if (typeof value !== 'string') throw this.refused(name, 'a string')
    return value
  }

  /** In any form: raw, friendly, base64 or base64url. */
  address(name: string): Address {
    return parseAddress(this.text(name))
  }

  int(name: string, range: { readonly min: number; readonly max: number; readonly default?: number }): number {
    const value = this.raw(name)
    if (value === undefined && range.default !== undefined) return range.default
    const int = typeof value === 'string' && /^-?[0-9]{1,16}$/.test(value) ? Number(value) : value
    if (typeof int !== 'number' || !Number.isSafeInteger(int) || int < range.min || int > range.max) {
      throw this.refused(name, `an integer from ${range.min} to ${range.max}`)
    }
    return int
  }

  optionalInt(name: string, range: { readonly min: number; readonly max: number }): number | undefined {
    return this.raw(name) === undefined ? undefined : this.int(name, range)
  }

  /** A logical time; as a number too, which JSON writers that know no bigint send. */
  optionalLt(name: string): bigint | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value
    if (typeof text !== 'string' || !/^[0-9]{1,19}$/.test(text) || BigInt(text) > int64Max) {
      throw this.refused(name, 'a logical time (an integer from 0 to 2^63-1)')
    }
    return BigInt(text)
  }

  lt(name: string): bigint {
    const lt = this.optionalLt(name)
    if (lt === undefined) throw this.refused(name, 'a logical time')
    return lt
  }

  nano(name: string): bigint {
    const value = this.raw(name)
    if (typeof value !== 'string' || !/^[0-9]{1,27}$/.test(value)) {
      throw this.refused(name, 'an amount in nano as a decimal string')
    }
    return BigInt(value)
  }

  /** 32 bytes in hex, base64 or base64url. */
  optionalHash(name: string): Buffer | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    if (typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value)) return Buffer.from(value, 'hex')
    // '+' arrives as a space from a query string that was not escaped
    const base64 = typeof value === 'string' ? value.replaceAll(' ', '+') : ''
    if (/^[0-9a-z+/_-]{43}=?$/i.test(base64)) return Buffer.from(base64, 'base64')
    throw this.refused(name, '32 bytes in hex or base64')
  }

  hash(name: string): Buffer {
    const hash = this.optionalHash(name)
    if (hash === undefined) throw this.refused(name, '32 bytes in hex or base64')
    return hash
  }

  bytes(name: string): Buffer {
    const text = this.text(name)
    if (!/^[0-9a-z+/_-]*={0,2}$/i.test(text)) throw this.refused(name, 'base64')
    return Buffer.from(text, 'base64')
  }

  optionalCell(name: string): Cell | undefined {
    return this.raw(name) === undefined ? undefined : this.cell(name)
  }

  cell(name: string): Cell {
    return decodeBoc(this.bytes(name), () => this.refused(name, 'a base64 bag of cells with one root'))
  }

  flag(name: string, byDefault: boolean): boolean {
    switch (this.raw(name)) {
      case undefined:
        return byDefault
      case true:
      case 'true':
      case '1':
        return true
      case false:
      case 'false':
      case '0':
        return false
      default:
        throw this.refused(name, 'true or false')
    }
  }

  refused(name: string, expected: string): ApiError {
    return new ApiError(422, `Validation error: ${name}: expected ${expected}, got ${brief(this.raw(name))}`)
  }
}

export function parseAddress(text: string): Address {
  try {
    return Address.parse(text.replaceAll(' ', '+'))
  } catch {
    throw new ApiError(416, `Incorrect address: ${brief(text)}`)
  }
}
