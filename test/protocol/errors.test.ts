// The closed table of failures.

import { describe, expect, test } from 'vitest'
import { asMeshError, codeOfWire, type ErrorCode, failures, MeshError } from '../../protocol/errors.ts'

const codes = Object.keys(failures) as ErrorCode[]

describe('the table', () => {
  test('gives every code its own number, never 0', () => {
    const numbers = codes.map((code) => failures[code].wire)
    expect(new Set(numbers).size).toBe(codes.length)
    expect(numbers).not.toContain(0)
  })

  // Numbers are never reused: one that is in use somewhere must keep its meaning.
  test('keeps the numbers of version 1', () => {
    expect(codes.map((code) => `${failures[code].wire} ${code}`)).toEqual([
      '1 internal',
      '2 bad-request',
      '3 unknown-model',
      '4 context-exceeded',
      '5 unsupported',
      '6 busy',
      '7 draining',
      '8 price-changed',
      '9 escrow-unusable',
      '10 credit-exhausted',
      '11 voucher-invalid',
      '12 engine-failed',
      '13 protocol-violation',
      '14 timeout',
      '15 unreachable',
      '16 cancelled',
      '17 no-provider',
      '18 over-budget',
      '19 overcharged',
      '20 chain-unavailable',
      '21 store-failed',
      '22 unauthorized',
      '23 forbidden',
      '24 not-found',
      '25 too-large',
      '26 rate-limited',
    ])
  })

  test.each(codes)('%s has an HTTP status of a failure and advice', (code) => {
    const { http, advice } = failures[code]
    expect(Number.isInteger(http)).toBe(true)
    expect(http).toBeGreaterThanOrEqual(400)
    expect(http).toBeLessThanOrEqual(599)
    expect(advice).not.toBe('')
  })

  test.each(codes)('%s is found again by its number', (code) => {
    expect(codeOfWire(failures[code].wire)).toBe(code)
  })

  test.each([0, 27, 9_999, 4_294_967_295, -1])('%i is internal: a newer failure, to be had elsewhere', (wire) => {
    expect(codeOfWire(wire)).toBe('internal')
    expect(failures.internal.remedy).toBe('elsewhere')
  })
})

describe('whatever was thrown', () => {
  test('is left alone where it is a MeshError already', () => {
    const error = new MeshError('busy', 'full', { retryAfterMs: 5 })
    expect(asMeshError(error, 'internal')).toBe(error)
  })

  test('is cancelled where a signal fired', () => {
    const { reason } = AbortSignal.abort()
    expect(asMeshError(reason)).toMatchObject({ code: 'cancelled', cause: reason })
  })

  test.each([
    ['an error', new Error('disk full'), 'disk full'],
    ['a text', 'disk full', 'disk full'],
    ['nothing', undefined, 'undefined'],
  ])('%s gets the fallback and stays as the cause', (_, thrown, message) => {
    const error = asMeshError(thrown, 'store-failed')
    expect([error.code, error.message, error.cause]).toEqual(['store-failed', message, thrown])
  })

  test('is unreachable where nobody says otherwise', () => {
    expect(asMeshError(new Error('reset')).code).toBe('unreachable')
  })

  test('has the remedy of its code', () => {
    expect(new MeshError('busy', 'full').remedy).toBe('elsewhere')
    expect(new MeshError('over-budget', 'spent').remedy).toBe('never')
  })
})
