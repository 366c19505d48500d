// What the engine process does for the node: counts prompts, decodes generations on its slots, embeds texts.

import { randomBytes, randomInt } from 'node:crypto'
import type { LlamaContextSequence, Token } from 'node-llama-cpp'
import { MeshError } from '../../../protocol/errors.ts'
import type { Task } from '../../../protocol/task.ts'
import type { Finish } from '../../ports.ts'
import { type AnswerPlan, AnswerReader, type Released } from './answer.ts'
import { decode } from './decode.ts'
import { failureOf } from './failure.ts'
import { copyBeginning } from './internals.ts'
import type { Loaded } from './load.ts'
import type { FromEngine, ToEngine } from './messages.ts'
import { Outbox, Window } from './outbox.ts'
import { planOf } from './plan.ts'
import { Sampler } from './sampler.ts'
import { type Slot, Slots } from './slots.ts'
import { TokenTexts } from './text.ts'
import { Turnstile } from './turnstile.ts'
import { bytesOfToken, type Vocabulary, vocabularyOf } from './vocabulary.ts'

/** Where nothing but a stop string can be in the making, what was resumed is read again this far back: the longest stop has fewer. */
const rereadTokens = 512
/** Reading resumed tokens again pauses for others this often. */
const rereadTurnTokens = 256

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
  readonly #turnstile = new Turnstile()
  readonly #running = new Map<number, Running>()
  #vocabulary: Vocabulary | undefined
  #embedding: Promise<unknown> = Promise.resolve()

  constructor(loaded: Loaded, send: Send) {
    this.#loaded = loaded
    this.#send = send
    this.#slots = new Slots(loaded.sequences)
  }

  handle(message: Exclude<ToEngine, { type: 'start' | 'stop' }>): void {
    if (message.type === 'prepare') void this.#answer(message.id, () => this.#prepare(message))
    else if (message.type === 'generate') void this.#generate(message)
    else if (message.type === 'embed') void this.#embed(message)
    else if (message.type === 'vocabulary') void this.#answer(message.id, () => this.#tellVocabulary(message))
    else if (message.type === 'taken') this.#running.get(message.id)?.window.taken(message.tokens)
    else this.#running.get(message.id)?.cancel.abort()
  }

  async #answer(id: number, work: () => Promise<void> | void): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#send({ type: 'failed', id, failure: failureOf(error) })
    }
  }

  async #prepare({ id, resumeTokenIds, task }: Message<'prepare'>): Promise<void> {
    const { format, ready } = this.#loaded
    const { name, contextTokens } = ready.model
    if (task.inputs) {
      const promptTokens = await this.#inputTokens(task.inputs)
      this.#send({ type: 'prepared', id, tokenIds: [], promptTokens, cachedTokens: 0 })
      return
    }
    const { logitBias = [], tokensMax } = task.sampling
    this.#checkTokenIds('to resume from', resumeTokenIds, undefined)
    this.#checkTokenIds(
      'of logit_bias',
      logitBias.map(({ tokenId }) => tokenId),
      'logit_bias',
    )
    const prompt = task.text === undefined ? format.tokenize(task) : this.#tokenizeText(task.text)
    await this.#planOf(task, task.messages.at(-1)?.role === 'tool')
    const tokenIds = [...prompt, ...resumeTokenIds]
    if (tokenIds.length + Math.max(1, tokensMax ?? 1) > contextTokens) {
      const answer = tokensMax === undefined ? '' : ` and ${tokensMax} for the answer`
      throw new MeshError(
        'context-exceeded',
        `prompt of ${tokenIds.length} tokens${answer}, ${name} holds ${contextTokens}`,
      )
    }
    const cachedTokens = this.#slots.cachedTokens(tokenIds)
    this.#send({ type: 'prepared', id, tokenIds, promptTokens: tokenIds.length, cachedTokens })
  }

  #planOf(task: Pick<Task, 'sampling' | 'tools' | 'text'>, isAfterTool: boolean): Promise<AnswerPlan> {
    const { format, grammars } = this.#loaded
    return planOf(task, isAfterTool, format, grammars)
  }

  #checkTokenIds(what: string, tokenIds: readonly number[], param: string | undefined): void {
    const { ready, vocabularyTokens } = this.#loaded
    const strange = tokenIds.find((tokenId) => tokenId >= vocabularyTokens)
    if (strange === undefined) return
    throw new MeshError('bad-request', `token id ${strange} ${what}, ${ready.model.name} has ${vocabularyTokens}`, {
      param,
    })
  }

  /** Control tokens written out in it are control tokens: whoever writes a whole prompt writes its template too. */
  #tokenizeText(text: string): readonly number[] {
    const { model } = this.#loaded
    const tokens = model.tokenize(text, true)
    const { bos, shouldPrependBosToken } = model.tokens
    if (bos !== null && shouldPrependBosToken && tokens[0] !== bos) return [bos, ...tokens]
    return tokens.length > 0 ? tokens : bos === null ? model.tokenize('\n') : [bos]
  }

  async #inputTokens(inputs: readonly string[]): Promise<number> {
    const { embedder, ready } = this.#loaded
    const { contextTokens, name } = ready.model
    let sum = 0
    for (const [index, input] of inputs.entries()) {
      const tokens = await embedder.tokensOf(input)
      if (tokens > contextTokens) {
        throw new MeshError('context-exceeded', `input ${index} of ${tokens} tokens, ${name} holds ${contextTokens}`)
      }
      sum += tokens
    }
    return sum
  }

  /** One after the other, over all requests: they share a context. */
  async #embed({ id, inputs }: Message<'embed'>): Promise<void> {
    const cancel = new AbortController()
    this.#running.set(id, { cancel, window: new Window() })
    await this.#answer(id, async () => {
      for (const input of inputs) {
        const vector = this.#embedding.then(() =>
          cancel.signal.aborted ? undefined : this.#loaded.embedder.vectorOf(input),
        )
        this.#embedding = vector.catch(() => undefined)
        const done = await vector
        if (!done) return
        this.#send({ type: 'vector', id, vector: done })
      }
      this.#send({ type: 'finished', id, finish: 'stop' })
    })
    this.#running.delete(id)
  }

  #tellVocabulary({ id }: Message<'vocabulary'>): void {
    const known = this.#knownVocabulary()
    this.#send({ type: 'vocabulary', id, bytes: known?.bytes, ends: known?.ends })
  }

  #knownVocabulary(): Vocabulary | undefined {
    this.#vocabulary ??= vocabularyOf(this.#loaded.model)
    return this.#vocabulary
  }

  async #generate(message: Message<'generate'>): Promise<void> {
    const { id, tokenIds } = message
    const running: Running = { cancel: new AbortController(), window: new Window() }
    const { signal } = running.cancel
    this.#running.set(id, running)
    let slot: Slot | undefined
    try {
      const reader = await this.#readerOf(message, signal)
      slot = await this.#slots.take(tokenIds, signal)
      await this.#share(slot)
      const finish = await this.#decode(message, reader, slot, running)
      if (finish) this.#send({ type: 'finished', id, finish })
    } catch (error) {
      if (!signal.aborted) this.#send({ type: 'failed', id, failure: failureOf(error) })
      // What the sequence holds after a failed evaluation is not known: nothing of it is reused.
      if (slot) await this.#clear(slot.sequence).catch(() => undefined)
    } finally {
      this.#running.delete(id)
      if (slot) this.#slots.release(slot)
    }
  }

  /** The donor may be at work: a copy that does not come out as it should is dropped, and the prompt evaluated. */
  async #share({ donor, sequence }: Slot): Promise<void> {
    if (!donor) return
    const copied = this.#turnstile.hold(() => copyBeginning(sequence, donor.sequence, donor.tokens))
    if (!(await copied.catch(() => false))) await this.#clear(sequence)
  }

  #clear(sequence: LlamaContextSequence): Promise<void> {
    return this.#turnstile.hold(() => sequence.clearHistory())
  }

  /** Where the answer stands after what was resumed. */
  async #readerOf(
    { isAfterTool, resumedTokens, sampling, text, tokenIds, tools }: Message<'generate'>,
    signal: AbortSignal,
  ): Promise<AnswerReader> {
    const { grammars, model, ready } = this.#loaded
    const plan = await this.#planOf({ sampling, tools, text }, isAfterTool)
    const promptTokens = tokenIds.length - resumedTokens
    const hasParts = plan.grammar || plan.calls || plan.thought || (plan.frames?.length ?? 0) > 0
    const begin = hasParts ? promptTokens : Math.max(promptTokens, tokenIds.length - rereadTokens)
    const detokenize = (ids: readonly number[]): string => model.detokenize(ids as Token[])
    const reader = new AnswerReader(new TokenTexts(detokenize, tokenIds.slice(0, begin)), plan, {
      grammars,
      controlName: hasParts ? (tokenId) => this.#controlName(tokenId) : () => '',
      newCallId: () => `call_${randomBytes(12).toString('hex')}`,
    })
    for (const [index, tokenId] of tokenIds.slice(begin).entries()) {
      if (index % rereadTurnTokens === rereadTurnTokens - 1) {
        await new Promise((resolve) => setImmediate(resolve))
        signal.throwIfAborted()
      }
      if (reader.grammar && !reader.grammar.accept(tokenId)) {
        throw new MeshError(
          'bad-request',
          `token ${index} of ${resumedTokens} to resume from, ${tokenId}, is not one that ${ready.model.name} may say here`,
        )
      }
      reader.push({ tokenId }, true)
    }
    return reader
  }

  #controlName(tokenId: number): string {
    const { model } = this.#loaded
    const { control, unknown } = model.getTokenAttributes(tokenId as Token)
    return control || unknown ? model.detokenize([tokenId as Token], true) : ''
  }

  #bytesOf(tokenId: number): Uint8Array {
    const known = this.#knownVocabulary()
    if (known) return bytesOfToken(known, tokenId)
    return Buffer.from(this.#loaded.model.detokenize([tokenId as Token]))
  }

  /** `undefined` when it was cancelled. */
  async #decode(
    { id, resumedTokens, sampling, text, tokenIds }: Message<'generate'>,
    reader: AnswerReader,
    slot: Slot,
    { cancel, window }: Running,
  ): Promise<Finish | undefined> {
    const { model, format, ready, prefillChunkTokens } = this.#loaded
    const room = ready.model.contextTokens - tokenIds.length
    const outbox = new Outbox((said) => this.#send({ type: 'delta', id, said }))
    const deliver = (released: Released): void => {
      window.released(released.tokenIds.length)
      outbox.push(released)
    }
    const sampler = new Sampler(model, sampling, {
      seed: sampling.seed ?? randomInt(2 ** 31),
      answerTokenIds: tokenIds.slice(tokenIds.length - resumedTokens),
      contextTokens: ready.model.contextTokens,
      bytesOf: (tokenId) => this.#bytesOf(tokenId),
    })
    const tokens = decode(
      slot.sequence,
      {
        tokenIds,
        tokensMax: Math.min(sampling.tokensMax ?? room, room),
        stopTokenIds: text === undefined ? format.stopTokenIds : new Set(),
        prefillChunkTokens,
      },
      sampler,
      this.#turnstile,
      cancel.signal,
    )
    try {
      for (;;) {
        if (reader.isDone) return 'stop'
        sampler.constrain(reader.grammar)
        const next = await tokens.next()
        if (next.done) {
          if (next.value === undefined) return undefined
          deliver(reader.flush())
          return next.value
        }
        const released = reader.push(next.value)
        deliver(released)
        if (released.stopped) return 'stop'
        if (window.full) {
          outbox.flush()
          await window.opened(cancel.signal)
        }
      }
    } finally {
      await tokens.return(undefined)
      sampler.dispose()
      if (cancel.signal.aborted) outbox.drop()
      else outbox.flush()
    }
  }
}
