// The frames of /silkmesh/infer/1.0.0: codec, size limits, legal fields. docs/protocol.md §4.

import { codeOfWire, type ErrorCode, failures } from './errors.ts'
import type { Address, ModelKey } from './ids.ts'
import { limits } from './limits.ts'
import { type WireDelta, type WireEnd, type WireFail, WireFrame, type WireOpen, type WireTab } from './mesh.js'
import type { Nano, Price } from './money.ts'
import { decodeReceipt, encodeReceipt, type Receipt } from './receipt.ts'
import type { Said, Task } from './task.ts'
import {
  decodeSaid,
  decodeTask,
  decodeVector,
  encodeSaid,
  encodeTask,
  encodeVector,
  saidLimits,
  taskLimits,
} from './task-wire.ts'
import type { Voucher } from './voucher.ts'
import {
  boundedCount,
  decodeAddress,
  decodeBounded,
  decodeModelKey,
  decodePrice,
  decodeVoucher,
  encodeAccount,
  encodeModelKey,
  encodeVoucher,
  exactBytes,
  optional,
  owned,
  printable,
  violation,
} from './wire.ts'

export type { ChatMessage, Role, Sampling } from './task.ts'

/** consumer → provider: one request. */
export interface Open extends Task {
  readonly type: 'open'
  /** 32 hex digits, unique a consumer. */
  readonly requestId: string
  readonly modelKey: ModelKey
  /** The provider must charge no more than this, or refuse. */
  readonly priceMax: Price
  readonly escrow: Address
  /** From receipt of this frame; the provider ends the request by then. */
  readonly deadlineMs: number
  readonly best: Voucher | undefined
  /** Paid through a hub: `escrow` is the hub's, and vouchers come with grants. */
  readonly isHub?: true | undefined
  readonly resumeText: string
  readonly resumeTokenIds: readonly number[]
  /** What the consumer can pay for: the answer ends with `length` before it would have more tokens. */
  readonly tokensBudget?: number | undefined
}

/** The provider's view of the pair. */
export interface Tab {
  readonly globalId: number
  readonly epoch: number
  /** Where vouchers must pay. */
  readonly payee: Address
  /** Everything delivered to this consumer in this epoch. */
  readonly owedNano: Nano
  /** The best voucher it holds: lets a consumer that lost its records recover them. */
  readonly best: Voucher | undefined
}

export interface Accept {
  readonly type: 'accept'
  readonly price: Price
  readonly promptTokens: number
  readonly cachedTokens: number
  /** Completion tokens the provider delivers beyond what vouchers cover. */
  readonly creditTokens: number
  readonly tab: Tab
}

export type EndReason = 'stop' | 'length' | 'cancelled'

export type ConsumerFrame = Open | { readonly type: 'voucher'; readonly voucher: Voucher } | { readonly type: 'cancel' }

export interface DeltaFrame extends Said {
  readonly type: 'delta'
  /** Of its first token, from 0; gaps and repeats are violations. */
  readonly index: number
}

export type ProviderFrame =
  | Accept
  | { readonly type: 'tab'; readonly tab: Tab }
  | { readonly type: 'queued'; readonly position: number; readonly etaMs: number | undefined }
  | DeltaFrame
  | {
      readonly type: 'embedding'
      /** Of the input, from 0; each once and in order. */
      readonly index: number
      readonly vector: Float32Array
    }
  | { readonly type: 'end'; readonly finish: EndReason; readonly receipt: Receipt }
  | Fail

export interface Fail {
  readonly type: 'fail'
  readonly code: ErrorCode
  readonly message: string
  readonly retryAfterMs: number | undefined
}

export type Frame = ConsumerFrame | ProviderFrame

const endReasons: readonly EndReason[] = ['stop', 'length', 'cancelled']

/** Throws `RangeError` never: a caller's values were bounded where they came in. */
export function encodeFrame(frame: Frame): Uint8Array {
  return WireFrame.encode(wireOf(frame))
}

/** What a provider may receive. Throws `MeshError` `protocol-violation` and nothing else. */
export function decodeConsumerFrame(bytes: Uint8Array): ConsumerFrame {
  const frame = decodeFrame(bytes, limits.openBytesMax)
  if (frame.type === 'open') return frame
  if (bytes.length > limits.frameBytesMax) {
    throw violation(`${frame.type} frame of ${bytes.length} bytes, at most ${limits.frameBytesMax}`)
  }
  if (frame.type === 'voucher' || frame.type === 'cancel') return frame
  throw violation(`a consumer sent a ${frame.type} frame`)
}

/** What a consumer may receive. Throws `MeshError` `protocol-violation` and nothing else. */
export function decodeProviderFrame(bytes: Uint8Array): ProviderFrame {
  const frame = decodeFrame(bytes, limits.frameBytesMax)
  if (frame.type === 'open' || frame.type === 'voucher' || frame.type === 'cancel') {
    throw violation(`a provider sent a ${frame.type} frame`)
  }
  return frame
}

const decodeLimits = {
  open: { ...taskLimits, resumeTokenIds: limits.resumeTokenIdsMax },
  delta: saidLimits,
}

function decodeFrame(bytes: Uint8Array, bytesMax: number): Frame {
  return decodeBounded('frame', bytes, bytesMax, () => {
    const wire = WireFrame.decode(bytes, { limits: decodeLimits })
    if (wire.delta) return decodeDelta(wire.delta)
    if (wire.voucher) return { type: 'voucher', voucher: decodeVoucher(wire.voucher) }
    if (wire.open) return decodeOpen(wire.open)
    if (wire.cancel) return { type: 'cancel' }
    if (wire.accept) {
      const { price, promptTokens, cachedTokens, creditTokens, tab } = wire.accept
      return {
        type: 'accept',
        price: decodePrice(price),
        promptTokens: boundedCount('prompt tokens', promptTokens, limits.tokensMax),
        cachedTokens: boundedCount('cached tokens', cachedTokens, promptTokens),
        creditTokens: boundedCount('credit tokens', creditTokens, limits.tokensMax),
        tab: decodeTab(tab),
      }
    }
    if (wire.queued) {
      return {
        type: 'queued',
        position: boundedCount('queue position', wire.queued.position, 1_000_000),
        etaMs: wire.queued.etaMs,
      }
    }
    if (wire.tab) return { type: 'tab', tab: decodeTab(wire.tab) }
    if (wire.embedding) {
      const index = boundedCount('embedding', wire.embedding.index, limits.inputsMax - 1)
      return { type: 'embedding', index, vector: decodeVector(wire.embedding.vector) }
    }
    if (wire.end) return decodeEnd(wire.end)
    if (wire.fail) return decodeFail(wire.fail)
    throw violation('frame of an unknown type')
  })
}

function decodeOpen(wire: WireOpen): Open {
  return {
    type: 'open',
    requestId: Buffer.from(exactBytes('request id', wire.requestId, 16)).toString('hex'),
    modelKey: decodeModelKey(wire.modelKey),
    ...decodeTask(wire),
    priceMax: decodePrice(wire.priceMax),
    escrow: decodeAddress('escrow', wire.escrow),
    deadlineMs: boundedCount('deadline', wire.deadlineMs, limits.deadlineMsMax),
    best: wire.best && decodeVoucher(wire.best),
    ...(wire.hub && { isHub: true }),
    resumeText: wire.resumeText,
    resumeTokenIds: wire.resumeTokenIds,
    ...optional('tokensBudget', wire.tokensBudget && boundedCount('token budget', wire.tokensBudget, limits.tokensMax)),
  }
}

function decodeDelta(wire: WireDelta): ProviderFrame {
  return { type: 'delta', index: boundedCount('delta index', wire.index, limits.tokensMax), ...decodeSaid(wire) }
}

function decodeEnd(wire: WireEnd): ProviderFrame {
  const finish = endReasons[wire.finish - 1]
  if (!finish) throw violation(`finish ${wire.finish}, expected 1 to ${endReasons.length}`)
  return { type: 'end', finish, receipt: decodeReceipt(wire.receipt) }
}

export function decodeFail(wire: WireFail): Fail {
  return {
    type: 'fail',
    code: codeOfWire(wire.code),
    message: printable(wire.message.slice(0, limits.reasonCharsMax)),
    retryAfterMs: wire.retryAfterMs,
  }
}

export function decodeTab(wire: WireTab | undefined): Tab {
  if (!wire) throw violation('tab is missing')
  return {
    globalId: wire.globalId,
    epoch: wire.epoch,
    payee: decodeAddress('payee', wire.payee),
    owedNano: wire.owedNano,
    best: wire.best && decodeVoucher(wire.best),
  }
}

export function encodeTab(tab: Tab): WireTab {
  const { globalId, epoch, payee, owedNano, best } = tab
  return { globalId, epoch, payee: encodeAccount(payee), owedNano, ...(best && { best: encodeVoucher(best) }) }
}

function wireOf(frame: Frame): Partial<WireFrame> {
  switch (frame.type) {
    case 'open':
      return { open: encodeOpen(frame) }
    case 'voucher':
      return { voucher: encodeVoucher(frame.voucher) }
    case 'cancel':
      return { cancel: {} }
    case 'accept': {
      const { price, promptTokens, cachedTokens, creditTokens, tab } = frame
      return { accept: { price, promptTokens, cachedTokens, creditTokens, tab: encodeTab(tab) } }
    }
    case 'tab':
      return { tab: encodeTab(frame.tab) }
    case 'queued':
      return { queued: { position: frame.position, ...optional('etaMs', frame.etaMs) } }
    case 'delta':
      return { delta: { index: frame.index, ...encodeSaid(frame) } }
    case 'embedding':
      return { embedding: { index: frame.index, vector: encodeVector(frame.vector) } }
    case 'end':
      return { end: { finish: endReasons.indexOf(frame.finish) + 1, receipt: encodeReceipt(frame.receipt) } }
    case 'fail':
      return { fail: failOf(frame) }
  }
}

export function failOf({ code, message, retryAfterMs }: Fail): WireFail {
  return {
    code: failures[code].wire,
    message: message.slice(0, limits.reasonCharsMax),
    ...optional('retryAfterMs', retryAfterMs),
  }
}

function encodeOpen(open: Open): WireOpen {
  return {
    requestId: owned(Buffer.from(open.requestId, 'hex')),
    modelKey: encodeModelKey(open.modelKey),
    ...encodeTask(open),
    priceMax: open.priceMax,
    escrow: encodeAccount(open.escrow),
    deadlineMs: open.deadlineMs,
    ...(open.best && { best: encodeVoucher(open.best) }),
    ...optional('hub', open.isHub),
    resumeText: open.resumeText,
    resumeTokenIds: [...open.resumeTokenIds],
    ...optional('tokensBudget', open.tokensBudget),
  }
}
