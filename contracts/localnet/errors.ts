/** The two failures of the local chain: it cannot run (a user's next step), or it refuses one request (toncenter's shape). */

/** Why the local chain could not start or had to stop; the message names the value, what was expected and the next step. */
export class LocalnetError extends Error {
  override readonly name = 'LocalnetError'
  readonly code: 'busy-port' | 'locked' | 'corrupt' | 'unreadable' | 'stopped'

  constructor(code: LocalnetError['code'], message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

/** A refused request. `status` is both the HTTP status and toncenter's `code`; the texts follow toncenter's where it has one. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: ApiStatus

  constructor(status: ApiStatus, message: string) {
    super(message)
    this.status = status
  }
}

export type ApiStatus = 403 | 404 | 405 | 413 | 416 | 422 | 429 | 500 | 502 | 503
