/** The TVM stack in toncenter's JSON: what a get-method is given and what it returns. */
import type { TupleItem } from '@ton/core'
import { ApiError } from './errors.ts'
import { decodeBoc } from './message.ts'

/** Deepest nesting of tuples that is answered, and most items that are taken. */
export const stackDepthMax = 64
export const stackItemsMax = 255

/** `["num","0x1f"]`, `["cell","<base64>"]`, `["slice","<base64>"]` and their `tvm.` spellings. */
export function decodeStack(value: unknown): TupleItem[] {
  if (!Array.isArray(value)) throw refused('stack', 'an array of [type, value] pairs', value)
  if (value.length > stackItemsMax) throw refused('stack', `at most ${stackItemsMax} items`, value.length)
  return value.map((item: unknown, index) => decodeItem(item, `stack[${index}]`))
}

export function encodeStack(stack: readonly TupleItem[]): unknown[] {
  return stack.map(encodeItem)
}

function encodeItem(item: TupleItem): unknown {
  switch (item.type) {
    case 'int':
      return ['num', item.value < 0n ? `-0x${(-item.value).toString(16)}` : `0x${item.value.toString(16)}`]
    case 'nan':
      return ['num', 'NaN']
    case 'null':
      return ['list', { '@type': 'tvm.list', elements: [] }]
    case 'cell':
    case 'slice':
    case 'builder':
      return [item.type, { bytes: item.cell.toBoc().toString('base64') }]
    case 'tuple':
      return ['tuple', { '@type': 'tvm.tuple', elements: item.items.map((element) => encodeElement(element, 1)) }]
  }
}

function decodeItem(item: unknown, name: string): TupleItem {
  if (!Array.isArray(item) || item.length !== 2) throw refused(name, 'a pair [type, value]', item)
  const [type, value]: unknown[] = item
  switch (type) {
    case 'num':
    case 'int':
      return { type: 'int', value: decodeInt(value, name) }
    case 'cell':
    case 'tvm.Cell':
      return { type: 'cell', cell: decodeCell(value, name) }
    case 'slice':
    case 'tvm.Slice':
      return { type: 'slice', cell: decodeCell(value, name) }
    case 'builder':
    case 'tvm.Builder':
      return { type: 'builder', cell: decodeCell(value, name) }
    case 'null':
      return { type: 'null' }
    default:
      throw refused(name, 'type num, cell, slice, builder or null', type)
  }
}

// A TVM integer has 257 bits: 78 decimal digits or 65 hexadecimal ones.
const INTEGER = /^-?(0x[0-9a-f]{1,65}|[0-9]{1,78})$/i

function decodeInt(value: unknown, name: string): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  if (typeof value !== 'string' || !INTEGER.test(value)) throw refused(name, 'an integer of at most 257 bits', value)
  const negative = value.startsWith('-')
  const magnitude = BigInt(negative ? value.slice(1) : value)
  const int = negative ? -magnitude : magnitude
  if (int !== BigInt.asIntN(257, int)) throw refused(name, 'an integer of at most 257 bits', value)
  return int
}

function decodeCell(value: unknown, name: string) {
  const boc = typeof value === 'object' && value !== null && 'bytes' in value ? value.bytes : value
  if (typeof boc !== 'string') throw refused(name, 'a base64 bag of cells', value)
  return decodeBoc(Buffer.from(boc, 'base64'), () => refused(name, 'a base64 bag of cells with one root', boc))
}

function encodeElement(item: TupleItem, depth: number): unknown {
  if (depth > stackDepthMax) throw new ApiError(500, `the result nests tuples deeper than ${stackDepthMax}`)
  switch (item.type) {
    case 'int':
      return { '@type': 'tvm.stackEntryNumber', number: { '@type': 'tvm.numberDecimal', number: String(item.value) } }
    case 'nan':
      return { '@type': 'tvm.stackEntryNumber', number: { '@type': 'tvm.numberDecimal', number: 'NaN' } }
    case 'null':
      return { '@type': 'tvm.stackEntryList', list: { '@type': 'tvm.list', elements: [] } }
    case 'cell':
      return {
        '@type': 'tvm.stackEntryCell',
        cell: { '@type': 'tvm.cell', bytes: item.cell.toBoc().toString('base64') },
      }
    case 'slice':
    case 'builder':
      return {
        '@type': 'tvm.stackEntrySlice',
        slice: { '@type': 'tvm.slice', bytes: item.cell.toBoc().toString('base64') },
      }
    case 'tuple':
      return {
        '@type': 'tvm.stackEntryTuple',
        tuple: { '@type': 'tvm.tuple', elements: item.items.map((element) => encodeElement(element, depth + 1)) },
      }
  }
}

function refused(name: string, expected: string, value: unknown): ApiError {
  return new ApiError(422, `Validation error: ${name}: expected ${expected}, got ${brief(value)}`)
}

/** A value as it may be quoted in an error: never longer than a line. */
export function brief(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(JSON.stringify(value))
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
