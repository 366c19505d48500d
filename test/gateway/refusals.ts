// What tests of refused requests share: the error itself, and JSON nested deeper than any stack.

import { MeshError } from '../../protocol/errors.ts'

/** What `read` throws; anything but a `MeshError` fails the test. */
export function refusalOf(read: () => unknown): MeshError {
  try {
    read()
  } catch (error) {
    if (error instanceof MeshError) return error
    throw error
  }
  throw new Error('accepted')
}

export function nested(levels: number): unknown {
  return JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`)
}
