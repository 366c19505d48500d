// What the engine process does for the node: counts prompts and decodes generations on its slots.

import { randomInt } from 'node:crypto'
import type { Token } from 'node-llama-cpp'
import { MeshError } from '../../../protocol/errors.ts'
import type { Finish } from '../../ports.ts'
import { decode } from './decode.ts'
import { failureOf } from './failure.ts'
import type { Loaded } from './load.ts'
import { decodeAheadTokens, type FromEngine, type ToEngine } from './messages.ts'
import { type Slot, Slots } from './slots.ts'
import { type Released, TextStream } from './text.ts'

/** Tokens that follow each other faster travel together: a message costs about as much as a token of a tiny model. */
const coalesceMs = 10
/** llama.cpp takes the largest 32-bit number for "draw one". */
const seedModulus = 0xffff_ffff

type Send = (message: FromEngine) => void
type Message<Type extends ToEngine['type']> = ToEngine & { readonly type: Type }

interface Running {
  readonly cancel: AbortController
  readonly window: Window
}

export class DecodeService {
  readonly #loaded: Loaded
  readonly #send: Send
  readonly #slots: Slots
  readonly #running = new Map<number, Running>()

  constructor(loaded: Loaded, send: Send) {
    this.#loaded = loaded
    this.#send = send
    this.#slots = new Slots(loaded.sequences)
  }

  handle(message: Exclude<ToEngine, { type: 'start' | 'stop' }>): void {
    if (message.type === 'prepare') this.#prepare(message)
    else if (message.type === 'generate') void this.#generate(message)
    else if (message.type === 'taken') this.#running.get(message.id)?.window.taken(message.tokens)
    else this.#running.get(message.id)?.cancel.abort()
  }

  #prepare({ id, messages, tokensMax, resumeTokenIds }: Message<'prepare'>): void {
    const { ready, format, vocabularyTokens } = this.#loaded
    const { name, contextTokens } = ready.model
    try {
      const strange = resumeTokenIds.find((tokenId) => tokenId >= vocabularyTokens)
      if (strange !== undefined) {
        throw new MeshError('bad-request', `token id ${strange} to resume from, ${name} has ${vocabularyTokens}`)
      }
      const tokenIds = [...format.tokenize(messages), ...resumeTokenIds]
      if (tokenIds.length + Math.max(1, tokensMax ?? 1) > contextTokens) {
        const answer = tokensMax === undefined ? '' : ` and ${tokensMax} for the answer`
        throw new MeshError(
          'context-exceeded',
          `prompt of ${tokenIds.length} tokens${answer}, ${name} holds ${contextTokens}`,
        )
      }
      this.#send({ type: 'prepared', id, tokenIds, cachedTokens: this.#slots.cachedTokens(tokenIds) })
    } catch (error) {
      this.#send({ type: 'failed', id, failure: failureOf(error) })
    }
  }

  async #generate(message: Message<'generate'>): Promise<void> {
    const { id, tokenIds } = message
    const running: Running = { cancel: new AbortController(), window: new Window() }
    const { signal } = running.cancel
    this.#running.set(id, running)
    let slot: Slot | undefined
    try {
      slot = await this.#slots.take(tokenIds, signal)
      const finish = await this.#decode(message, slot, running)
      if (finish) this.#send({ type: 'finished', id, finish })
    } catch (error) {
      if (!signal.aborted) this.#send({ type: 'failed', id, failure: failureOf(error) })
      // What the sequence holds after a failed evaluation is not known: nothing of it is reused.
      await slot?.sequence.clearHistory().catch(() => undefined)
    } finally {
      this.#running.delete(id)
      if (slot) this.#slots.release(slot)
    }
  }

  /** `undefined` when it was cancelled. */
  async #decode(
    { id, tokenIds, sampling }: Message<'generate'>,
    slot: Slot,
    { cancel, window }: Running,
  ): Promise<Finish | undefined> {
    const { model, format, ready, prefillChunkTokens } = this.#loaded
    const room = ready.model.contextTokens - tokenIds.length
    const stops = [...(sampling.stop ?? []), ...format.stopTexts]
    const text = new TextStream((ids) => model.detokenize(ids as Token[]), tokenIds, stops)
    const outbox = new Outbox((released) => this.#send({ type: 'delta', id, ...deltaOf(released) }))
    const deliver = (released: Released): void => {
      window.released(released.tokenIds.length)
      outbox.push(released)
    }
    const tokens = decode(
      slot.sequence,
      {
        tokenIds,
        tokensMax: Math.min(sampling.tokensMax ?? room, room),
        temperature: sampling.temperature ?? 1,
        topP: sampling.topP ?? 1,
        seed: Math.abs(Math.trunc(sampling.seed ?? randomInt(2 ** 31))) % seedModulus,
        stopTokenIds: format.stopTokenIds,
        prefillChunkTokens,
      },
      cancel.signal,
    )
    try {
      for (;;) {
        const next = await tokens.next()
        if (next.done) {
          if (next.value === undefined) return undefined
          deliver(text.flush())
          return next.value
        }
        const released = text.push(next.value)
        deliver(released)
        if (released.stopped) return 'stop'
        if (window.full) {
          outbox.flush()
          await window.opened(cancel.signal)
        }
      }
    } finally {
      await tokens.return(undefined)
      if (cancel.signal.aborted) outbox.drop()
      else outbox.flush()
    }
  }
}

function deltaOf({ text, tokenIds }: Released): { readonly text: string; readonly tokenIds: readonly number[] } {
  return { text, tokenIds }
}

/** How far the decoder may run ahead of what the node's caller took. */
class Window {
  #outstanding = 0
  #open: (() => void) | undefined

  get full(): boolean {
    return this.#outstanding >= decodeAheadTokens
  }

  released(tokens: number): void {
    this.#outstanding += tokens
  }

  taken(tokens: number): void {
    this.#outstanding -= tokens
    if (!this.full) this.#open?.()
  }

  /** Resolves when tokens were taken, or the signal fired. */
  async opened(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#open = resolve
    signal.addEventListener('abort', this.#open)
    await promise
    signal.removeEventListener('abort', this.#open)
    this.#open = undefined
  }
}

/** The first token goes out at once, the others together with what follows within `coalesceMs`. */
class Outbox {
  readonly #send: (released: Released) => void
  #text = ''
  #tokenIds: number[] = []
  #sentMs = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(send: (released: Released) => void) {
    this.#send = send
  }

  push({ text, tokenIds }: Released): void {
    if (text === '' && tokenIds.length === 0) return
    this.#text += text
    this.#tokenIds.push(...tokenIds)
    const waitMs = this.#sentMs + coalesceMs - performance.now()
    if (waitMs <= 0) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), waitMs)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#text === '' && this.#tokenIds.length === 0) return
    this.#send({ text: this.#text, tokenIds: this.#tokenIds, stopped: false })
    this.#text = ''
    this.#tokenIds = []
    this.#sentMs = performance.now()
  }

  drop(): void {
    clearTimeout(this.#timer)
    this.#tokenIds = []
    this.#text = ''
  }
}
