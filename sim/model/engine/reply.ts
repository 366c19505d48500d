// One generation of the modelled engine, from its prompt to its last delta: the place between the batch and the reader.

import type { Delta, Finish, Generation, Model, Prompt } from '../../../node/ports.ts'
import { Sequence } from './batch.ts'
import type { BlockKeys } from './blocks.ts'
import { answerOf, drawnTokensOf, mix32, promptDigest, promptTokensOf, tokenText } from './tokens.ts'

/** How far decoding may be ahead of the reader: as the built-in engine's. */
const aheadTokensMax = 32

export class Reply extends Sequence {
  readonly finish: Finish
  readonly #tokenId: (at: number) => number
  /** Tokens of this answer that the prompt brought along. */
  readonly #resumed: number
  /** Tokens from here on belong to a stop string: counted, not shown. */
  readonly #shownTokens: number
  #taken = 0
  #told = 0
  #failure: Error | undefined
  #wake: (() => void) | undefined
  /** When its reader was last told of tokens. */
  toldAtMs = Number.NEGATIVE_INFINITY
  /** The engine has tokens for it that it was not told of. */
  isHeld = false
  hasLeft = false

  constructor(prompt: Prompt, model: Model, blockTokens: number) {
    const { generation, promptTokens } = prompt
    const { messages, resumeTokenIds } = generation
    const digest = promptDigest(messages)
    const tokenId = answerOf(model.key, digest)
    const plan = planOf(generation, tokenId, drawnTokensOf(digest), model.contextTokens - promptTokens)
    super(promptTokens, plan.tokens, blockKeysOf(generation, blockTokens, tokenId))
    this.finish = plan.finish
    this.#tokenId = tokenId
    this.#resumed = resumeTokenIds.length
    this.#shownTokens = plan.shownTokens
  }

  get isDone(): boolean {
    return this.#taken === this.tokensMax
  }

  /** Its first token, its last, or as many as may wait. */
  get isUrgent(): boolean {
    return this.#told === 0 || this.produced === this.tokensMax || this.produced - this.#told >= aheadTokensMax / 2
  }

  /** What was generated is the reader's to take. */
  tell(nowMs: number): void {
    this.toldAtMs = nowMs
    this.#told = this.produced
    this.#wake?.()
  }

  fail(error: Error): void {
    this.#failure ??= error
    this.#wake?.()
  }

  /** Undefined where nothing was told since. Throws once it has failed. */
  take(): Delta | undefined {
    if (this.#failure) throw this.#failure
    const from = this.#taken
    const tokens = this.#told - from
    if (tokens === 0) return undefined
    this.#taken = this.#told
    this.isPaused = false
    const tokenIds: number[] = []
    let text = ''
    for (let at = from; at < this.#told; at += 1) {
      const id = this.#tokenId(this.#resumed + at)
      tokenIds.push(id)
      if (at < this.#shownTokens) text += tokenText(id)
    }
    return { text, tokens, tokenIds }
  }

  /** Resolves when there is something to take. */
  due(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }

  pauseWhenAhead(): void {
    if (this.produced - this.#taken >= aheadTokensMax) this.isPaused = true
  }
}

interface Plan {
  readonly tokens: number
  readonly shownTokens: number
  readonly finish: Finish
}

/** How the answer will end is known before it begins: it is a function of the prompt. */
function planOf(
  { sampling, resumeTokenIds }: Generation,
  tokenId: (at: number) => number,
  drawn: number,
  room: number,
): Plan {
  const left = Math.max(0, drawn - resumeTokenIds.length)
  const bounded = Math.min(sampling.tokensMax ?? left, room)
  const ends: Plan = {
    tokens: bounded,
    shownTokens: bounded,
    finish: sampling.tokensMax === undefined && left <= room ? 'stop' : 'length',
  }
  if (!sampling.stop?.length) return ends
  let text = ''
  for (let at = 0; at < bounded; at += 1) {
    text += tokenText(tokenId(resumeTokenIds.length + at))
    const stop = sampling.stop.find((string) => string !== '' && text.endsWith(string))
    if (stop !== undefined) return { tokens: at + 1, shownTokens: at + 1 - stop.length, finish: 'stop' }
  }
  return ends
}

/**
 * Equal beginnings have equal keys: of each full block of the prompt, of the answer's tokens that came with it, and of those
 * that will follow, which the next turn of a conversation brings back in its prompt.
 */
export function blockKeysOf(
  { messages, resumeTokenIds }: Generation,
  blockTokens: number,
  tokenId: (at: number) => number = () => 0,
): BlockKeys {
  const contents = messages.map(({ content }) => content).join('')
  const promptTokens = promptTokensOf(messages)
  const tokenAt = (at: number): number => {
    if (at < promptTokens) return at < contents.length ? contents.charCodeAt(at) : 0
    return resumeTokenIds[at - promptTokens] ?? tokenId(at - promptTokens)
  }
  const keys: number[] = []
  let low = 0x243f6a88
  let high = 0x85a308d3
  return (block) => {
    for (let next = keys.length; next <= block; next += 1) {
      for (let at = next * blockTokens; at < (next + 1) * blockTokens; at += 1) {
        const token = tokenAt(at)
        low = Math.imul(low ^ token, 0x01000193) ^ (low >>> 15)
        high = Math.imul(high + token, 0x85ebca6b) ^ (high >>> 13)
      }
      keys.push(mix32(low) + (mix32(high) >>> 11) * 2 ** 32)
    }
    return keys[block] ?? 0
  }
}
