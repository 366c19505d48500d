// What a modelled model says: one character a token, each a pure function of model, prompt and place, so that a lost, repeated
// or wrong token shows.

import { createHash } from 'node:crypto'
import type { ChatMessage } from '../../../protocol/frames.ts'
import type { ModelKey } from '../../../protocol/ids.ts'
import { quantile } from '../../random.ts'

/** The id of completion token `at`, from 0, counted over the whole answer: tokens of earlier providers included. */
export function tokenIdAt(modelKey: ModelKey, digest: PromptDigest, at: number): number {
  return answerOf(modelKey, digest)(at)
}

/** 16 hex digits over roles and contents. */
export type PromptDigest = string

export function promptDigest(messages: readonly ChatMessage[]): PromptDigest {
  const hash = createHash('sha256')
  for (const { role, content } of messages) hash.update(`${role} ${content.length} `).update(content, 'utf16le')
  return hash.digest('hex').slice(0, 16)
}

/** One character. */
export function tokenText(id: number): string {
  return String.fromCharCode(id)
}

/** A prompt has as many tokens as its contents have UTF-16 units; an empty one still has the one that begins it. */
export function promptTokensOf(messages: readonly ChatMessage[]): number {
  return Math.max(
    1,
    messages.reduce((sum, { content }) => sum + content.length, 0),
  )
}

/** `tokenIdAt` for many places of one answer. */
export function answerOf(modelKey: ModelKey, digest: PromptDigest): (at: number) => number {
  const first = word(digest, 0) ^ word(modelKey, 0)
  const second = word(digest, 8) ^ word(modelKey, 8)
  return (at) => alphabet[mix32(mix32(first + Math.imul(at, 0x9e3779b9)) ^ second) & 63] ?? 0
}

/**
 * How long an answer is that nobody bounded. Quantiles of tokens generated in the Azure LLM inference trace 2023,
 * conversations (Azure/AzurePublicDataset, CC-BY 4.0).
 */
export function drawnTokensOf(digest: PromptDigest): number {
  return Math.round(quantile(answerTokens, mix32(word(digest, 0) ^ word(digest, 8)) / 2 ** 32))
}

const answerTokens: readonly (readonly [number, number])[] = [
  [0.01, 16],
  [0.05, 41],
  [0.1, 54],
  [0.25, 85],
  [0.5, 129],
  [0.75, 395],
  [0.9, 424],
  [0.95, 451],
  [0.99, 601],
]

/** 64 characters that survive JSON, HTML and a terminal; an id is its character's code. */
const alphabet = Uint8Array.from('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .', (character) =>
  character.charCodeAt(0),
)

function word(hex: string, from: number): number {
  return Number.parseInt(hex.slice(from, from + 8), 16) | 0
}

/** MurmurHash3's finalizer: every bit of the input reaches every bit of the output. Unsigned. */
export function mix32(value: number): number {
  let mixed = value | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
