// Errors across the process border: class and code survive, the stack stays where it was.

import { MeshError } from '../../../protocol/errors.ts'
import type { Failure } from './messages.ts'

export function failureOf(error: unknown): Failure {
  if (error instanceof MeshError) return { code: error.code, message: error.message, param: error.param }
  if (error instanceof RangeError) return { code: 'range', message: error.message }
  return { code: 'engine-failed', message: error instanceof Error ? error.message : String(error) }
}

export function errorOf({ code, message, param }: Failure): MeshError | RangeError {
  return code === 'range' ? new RangeError(message) : new MeshError(code, message, { param })
}
