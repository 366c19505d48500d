// What an engine says, in frames worth sending: what follows closely is put together, and what is too large taken apart.

import { limits } from '../../protocol/limits.ts'
import type { TokenLogprob, ToolCallDelta } from '../../protocol/task.ts'
import type { Delta } from '../ports.ts'

/** Of one frame. */
export interface DeltaBounds {
  readonly tokensMax: number
  readonly bytesMax: number
}

/**
 * A payer signs at half the window at the latest, so a delta of more than half could wait for a voucher that never comes.
 * What is put together has a quarter at most: the voucher for one is on its way while the next is made.
 */
export function boundsOf(creditTokens: number): { readonly sent: DeltaBounds; readonly merged: DeltaBounds } {
  const tokensOf = (parts: number): number =>
    Math.min(limits.deltaTokensMax, Math.max(1, Math.floor(creditTokens / parts)))
  const bytesMax = limits.deltaBytesMax
  return { sent: { tokensMax: tokensOf(2), bytesMax }, merged: { tokensMax: tokensOf(4), bytesMax } }
}

/**
 * A frame takes some 0.3 ms of all processes that it passes, and an engine that is not on a GPU wants their core: with eight
 * answers at once tokens of 64 ms travel together.
 */
const framesPerSecondMax = 125
/** Longer than this between two frames would show as a stutter. */
const gapMsMax = 100

/** How far apart the frames of one stream are at least, with so many streams decoded at once. Pure. */
export function frameGapMs(coalesceMs: number, streams: number): number {
  if (coalesceMs === 0) return 0
  return Math.max(coalesceMs, Math.min(gapMsMax, Math.ceil((streams * 1_000) / framesPerSecondMax)))
}

/** The two as one, or undefined where one frame could not tell them as well. Pure. */
export function merged(a: Delta, b: Delta, { bytesMax, tokensMax }: DeltaBounds): Delta | undefined {
  const tokens = a.tokens + b.tokens
  if (tokens > tokensMax || bytesOf(a) + bytesOf(b) > bytesMax) return undefined
  if (!isAlike(a, b, ({ tokenIds }) => tokenIds.length) || !isAlike(a, b, ({ logprobs }) => logprobs?.length ?? 0)) {
    return undefined
  }
  if (lastKindOf(a) > firstKindOf(b)) return undefined
  const reasoning = `${a.reasoning ?? ''}${b.reasoning ?? ''}`
  const toolCalls = callsOf(a.toolCalls ?? [], b.toolCalls ?? [])
  const logprobs = [...(a.logprobs ?? []), ...(b.logprobs ?? [])]
  return {
    text: a.text + b.text,
    tokens,
    tokenIds: [...a.tokenIds, ...b.tokenIds],
    ...(reasoning !== '' && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(logprobs.length > 0 && { logprobs }),
  }
}

/** Of both all tokens are told, or of none: half of them are worth nothing. Without tokens there is nothing to tell. */
function isAlike(a: Delta, b: Delta, told: (delta: Delta) => number): boolean {
  return a.tokens === 0 || b.tokens === 0 || told(a) > 0 === told(b) > 0
}

const kinds = { reasoning: 0, text: 1, toolCalls: 2 } as const
type Kind = keyof typeof kinds

/** A frame says its parts in this order, so only what comes in it may be put together. */
function kindsOf({ reasoning, text, toolCalls }: Delta): readonly Kind[] {
  return [
    ...(reasoning ? (['reasoning'] as const) : []),
    ...(text !== '' ? (['text'] as const) : []),
    ...(toolCalls?.length ? (['toolCalls'] as const) : []),
  ]
}

function firstKindOf(delta: Delta): number {
  const [first] = kindsOf(delta)
  return first === undefined ? Number.POSITIVE_INFINITY : kinds[first]
}

function lastKindOf(delta: Delta): number {
  const last = kindsOf(delta).at(-1)
  return last === undefined ? Number.NEGATIVE_INFINITY : kinds[last]
}

/** Arguments that go on with the call before need no part of their own. */
function callsOf(before: readonly ToolCallDelta[], after: readonly ToolCallDelta[]): readonly ToolCallDelta[] {
  const calls = [...before]
  for (const call of after) {
    const last = calls.at(-1)
    const isMore = last?.index === call.index && call.id === undefined && call.name === undefined
    if (isMore) calls[calls.length - 1] = { ...last, arguments: last.arguments + call.arguments }
    else calls.push(call)
  }
  return calls
}

/** What the frame takes at most, a little generously. */
export function bytesOf({ logprobs, reasoning = '', text, tokenIds, toolCalls = [] }: Delta): number {
  const calls = toolCalls.reduce(
    (sum, call) => sum + 16 + Buffer.byteLength(`${call.id ?? ''}${call.name ?? ''}${call.arguments}`),
    0,
  )
  const probabilities = logprobs?.reduce((sum, logprob) => sum + logprobBytesOf(logprob), 0) ?? 0
  return Buffer.byteLength(text) + Buffer.byteLength(reasoning) + calls + probabilities + 5 * tokenIds.length
}

function logprobBytesOf({ bytes, top }: TokenLogprob): number {
  return top.reduce((sum, other) => sum + 16 + other.bytes.length, 16 + bytes.length)
}

/**
 * As one frame, or as several where it is too large for one. The pieces bear no ids: text cannot be told apart by token,
 * and nobody may go on between two of them.
 */
export function* piecesOf(delta: Delta, bounds: DeltaBounds): Generator<Delta> {
  const { bytesMax, tokensMax } = bounds
  if (
    delta.tokens <= tokensMax &&
    bytesOf(delta) <= bytesMax &&
    (delta.toolCalls?.length ?? 0) <= limits.toolCallsMax
  ) {
    return yield delta
  }
  const said = fragmentsOf(delta, Math.floor(bytesMax / 2))
  for (let sent = 0; ; ) {
    const tokens = Math.min(tokensMax, delta.tokens - sent)
    const { logprobs, count } = logprobsFrom(delta.logprobs, sent, tokens, Math.floor(bytesMax / 2))
    const fragment = said.next()
    const isOver = fragment.done === true
    if (isOver && sent >= delta.tokens) return
    yield { text: '', ...(isOver ? {} : fragment.value), tokens: count, tokenIds: [], ...(logprobs && { logprobs }) }
    sent += count
  }
}

/** As many as fit, of so many tokens; at least one of a token that is left. */
function logprobsFrom(
  logprobs: readonly TokenLogprob[] | undefined,
  from: number,
  tokens: number,
  bytesMax: number,
): { readonly logprobs: readonly TokenLogprob[] | undefined; readonly count: number } {
  if (!logprobs || logprobs.length === 0 || tokens === 0) return { logprobs: undefined, count: tokens }
  let count = 0
  let bytes = 0
  for (const logprob of logprobs.slice(from, from + tokens)) {
    bytes += logprobBytesOf(logprob)
    if (count > 0 && bytes > bytesMax) break
    count += 1
  }
  return { logprobs: logprobs.slice(from, from + count), count }
}

/** What was said, in parts of so many bytes at most, in the order in which a frame says it. */
function* fragmentsOf(
  { reasoning = '', text, toolCalls = [] }: Delta,
  bytesMax: number,
): Generator<Pick<Delta, 'text' | 'reasoning' | 'toolCalls'>, undefined> {
  for (const part of partsOf(reasoning, bytesMax)) yield { text: '', reasoning: part }
  for (const part of partsOf(text, bytesMax)) yield { text: part }
  for (const { arguments: all, ...call } of toolCalls) {
    const [first = '', ...rest] = partsOf(all, bytesMax)
    yield { text: '', toolCalls: [{ ...call, arguments: first }] }
    for (const part of rest) yield { text: '', toolCalls: [{ index: call.index, arguments: part }] }
  }
  return undefined
}

/** No character is cut in two: a code point has at most four bytes. */
function partsOf(text: string, bytesMax: number): readonly string[] {
  if (text === '') return []
  if (Buffer.byteLength(text) <= bytesMax) return [text]
  const parts: string[] = []
  let part = ''
  let bytes = 0
  for (const character of text) {
    const size = Buffer.byteLength(character)
    if (bytes + size > bytesMax) {
      parts.push(part)
      part = ''
      bytes = 0
    }
    part += character
    bytes += size
  }
  return [...parts, part]
}
