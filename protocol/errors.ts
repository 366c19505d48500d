// The closed table of failures: wire number, HTTP status, and what the caller should do about it.

import { type PeerId, type ProtocolId, speakerOf } from './ids.ts'

/**
 * What helps: `retry` the same provider, `elsewhere` another provider, `later` any provider after a while,
 * `never` without changing the request.
 */
export type Remedy = 'retry' | 'elsewhere' | 'later' | 'never'

interface Failure {
  /** The number on the wire; never reused. docs/protocol.md §8. */
  readonly wire: number
  readonly http: number
  readonly remedy: Remedy
  /** The next step, for a person. */
  readonly advice: string
}

export const failures = {
  internal: { wire: 1, http: 500, remedy: 'elsewhere', advice: 'this is a fault of the node; its log has the details' },
  'bad-request': { wire: 2, http: 400, remedy: 'never', advice: 'correct the request' },
  'unknown-model': { wire: 3, http: 404, remedy: 'elsewhere', advice: 'GET /v1/models lists what the mesh serves now' },
  'context-exceeded': { wire: 4, http: 400, remedy: 'never', advice: 'shorten the prompt or lower max_tokens' },
  unsupported: {
    wire: 5,
    http: 400,
    remedy: 'elsewhere',
    advice: 'leave the parameter out, or give it a supported value',
  },
  busy: { wire: 6, http: 503, remedy: 'elsewhere', advice: 'try again shortly, or elsewhere' },
  draining: { wire: 7, http: 503, remedy: 'elsewhere', advice: 'the provider takes nothing new now' },
  'price-changed': { wire: 8, http: 409, remedy: 'elsewhere', advice: 'ask for the current advert and decide again' },
  'escrow-unusable': {
    wire: 9,
    http: 402,
    remedy: 'never',
    advice: 'see `silkmesh wallet`: deposit, or cancel the unlock of an escrow that is closing',
  },
  'credit-exhausted': { wire: 10, http: 402, remedy: 'elsewhere', advice: 'pay what was delivered, then go on' },
  'voucher-invalid': { wire: 11, http: 402, remedy: 'never', advice: 'sign for this chain, escrow, epoch and payee' },
  'engine-failed': { wire: 12, http: 502, remedy: 'elsewhere', advice: "see the provider's log" },
  'protocol-violation': { wire: 13, http: 502, remedy: 'elsewhere', advice: 'the other peer broke the protocol' },
  timeout: { wire: 14, http: 504, remedy: 'elsewhere', advice: 'the other peer took too long' },
  unreachable: { wire: 15, http: 502, remedy: 'elsewhere', advice: 'the peer could not be dialled or went away' },
  cancelled: { wire: 16, http: 499, remedy: 'never', advice: 'the caller ended the request' },
  'no-provider': { wire: 17, http: 503, remedy: 'later', advice: 'try again shortly, or another model' },
  'over-budget': { wire: 18, http: 402, remedy: 'never', advice: 'raise the budget or ask for fewer tokens' },
  overcharged: { wire: 19, http: 502, remedy: 'elsewhere', advice: 'the provider asked for more than was agreed' },
  'chain-unavailable': { wire: 20, http: 503, remedy: 'elsewhere', advice: 'check the chain endpoint' },
  'store-failed': { wire: 21, http: 503, remedy: 'never', advice: 'check the disk; nothing is served until it writes' },
  unauthorized: { wire: 22, http: 401, remedy: 'never', advice: 'send Authorization: Bearer <key>' },
  forbidden: {
    wire: 23,
    http: 403,
    remedy: 'never',
    advice: 'use the address the gateway printed, and a key that may do this',
  },
  'not-found': { wire: 24, http: 404, remedy: 'never', advice: 'check the name or id' },
  'too-large': { wire: 25, http: 413, remedy: 'never', advice: 'send a smaller body' },
  'rate-limited': { wire: 26, http: 429, remedy: 'later', advice: 'slow down' },
} as const satisfies Record<string, Failure>

export type ErrorCode = keyof typeof failures

const byWire = new Map<number, ErrorCode>(
  (Object.keys(failures) as ErrorCode[]).map((code) => [failures[code].wire, code]),
)

/** An unknown number is a newer peer's failure: treated as `internal`, whose remedy is to go elsewhere. */
export function codeOfWire(wire: number): ErrorCode {
  return byWire.get(wire) ?? 'internal'
}

/** A peer was reached that has another role, or an older version. */
export function notSpoken(peer: PeerId, protocol: ProtocolId, cause?: unknown): MeshError {
  return new MeshError('unreachable', `${peer} does not speak ${protocol}: it is not ${speakerOf[protocol]}`, { cause })
}

export interface MeshErrorOptions {
  readonly cause?: unknown
  readonly retryAfterMs?: number | undefined
  readonly param?: string | undefined
  readonly next?: string | undefined
}

/** A failure with a code from the table. `message` names the value and the expectation. */
export class MeshError extends Error {
  override readonly name = 'MeshError'
  readonly code: ErrorCode
  /** Known only where the other side stated it. */
  readonly retryAfterMs: number | undefined
  /** The parameter of the request that is at fault, by its name in OpenAI's API. Never on the wire. */
  readonly param: string | undefined
  /** The next step, where a better one is known than the table's. Never on the wire. */
  readonly next: string | undefined

  constructor(code: ErrorCode, message: string, options: MeshErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryAfterMs = options.retryAfterMs
    this.param = options.param
    this.next = options.next
  }

  get remedy(): Remedy {
    return failures[this.code].remedy
  }
}

/** Whatever was thrown, as a `MeshError`; what is not one already gets `fallback` and keeps its cause. */
export function asMeshError(error: unknown, fallback: ErrorCode = 'unreachable'): MeshError {
  if (error instanceof MeshError) return error
  if (error instanceof Error && error.name === 'AbortError') {
    return new MeshError('cancelled', 'the request was cancelled', { cause: error })
  }
  return new MeshError(fallback, error instanceof Error ? error.message : String(error), { cause: error })
}
