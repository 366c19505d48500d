// From a model's tokens to what it says: text without stop strings, its reasoning, its calls; and what its next token must fit.

import type { TokenLogprob, ToolCallDelta, Tools } from '../../../protocol/task.ts'
import { type CallSyntax, hasParameters } from './call-syntax.ts'
import type { ThoughtSyntax } from './chat-format.ts'
import type { GrammarState, Grammars } from './grammar.ts'
import { JsonScan } from './json-scan.ts'
import { firstOf, suspectLength, type TokenTexts } from './text.ts'

/** What an answer may consist of. A grammar is the text of one that was compiled. */
export interface AnswerPlan {
  /** The caller's: they end the answer, and count in its text only. */
  readonly stops: readonly string[]
  /** The chat format's: they end the answer wherever they are said. */
  readonly ends: readonly string[]
  readonly thought?: ThoughtSyntax | undefined
  readonly opensInThought?: boolean | undefined
  /** Texts that are no part of what is said. */
  readonly frames?: readonly string[] | undefined
  readonly calls?:
    | {
        readonly syntax: CallSyntax
        readonly tools: Tools
        /** From after the trigger, where it is said in a text without a grammar. */
        readonly grammar: string
      }
    | undefined
  /** Of the whole answer, where it must have a form. */
  readonly grammar?:
    | {
        /** A thought may come first. */
        readonly start: string
        readonly thought: string
        readonly afterThought: string
      }
    | undefined
}

/** Ids and what they say travel together: whatever was released can be resumed from, and its text is exactly its ids'. */
export interface Released {
  readonly text: string
  readonly reasoning: string
  readonly toolCalls: readonly ToolCallDelta[]
  readonly tokenIds: readonly number[]
  /** One a token, where they were given. */
  readonly logprobs: readonly TokenLogprob[]
  /** A stop string was met. It is not in `text`; the tokens that made it are in `tokenIds`. */
  readonly stopped: boolean
}

export interface Token {
  readonly tokenId: number
  readonly logprob?: TokenLogprob | undefined
}

interface Unit extends Token {
  /** What is left to be read of it. A control token has its name here, and shows nothing. */
  said: string
  readonly isControl: boolean
  /** Delivered by another provider: read again for where it leads, not told again. */
  readonly isResumed: boolean
  isPartlyTaken: boolean
}

type Stage = 'answer' | 'thought' | 'head' | 'arguments' | 'tail' | 'next' | 'done'
type Sink = (text: string, unit: Unit) => void

interface Outgoing {
  text: string
  reasoning: string
  readonly toolCalls: ToolCallDelta[]
  readonly tokenIds: number[]
  readonly logprobs: TokenLogprob[]
}

const nothing: Released = { text: '', reasoning: '', toolCalls: [], tokenIds: [], logprobs: [], stopped: false }

/**
 * Where it stands follows from the tokens alone: whoever reads the same ones goes on the same way. Tokens whose text could
 * be the beginning of something that is not shown are held back whole.
 */
export class AnswerReader {
  readonly #texts: TokenTexts
  /** The name of a control token, which has no text of its own. */
  readonly #controlName: (tokenId: number) => string
  readonly #plan: AnswerPlan
  readonly #grammars: Pick<Grammars, 'start'> | undefined
  readonly #newCallId: () => string
  readonly #held: Unit[] = []
  #out: Outgoing = emptyOutgoing()
  #stage: Stage
  #grammar: GrammarState | undefined
  #stopped = false
  /** Blanks around what is not shown are not shown either. */
  #trimsText: boolean
  #trimsReasoning = true
  #hasText = false
  #callIndex = -1
  #callName = ''
  #scan = new JsonScan()

  constructor(
    texts: TokenTexts,
    plan: AnswerPlan,
    options: {
      readonly controlName?: (tokenId: number) => string
      readonly grammars?: Pick<Grammars, 'start'>
      readonly newCallId?: () => string
    } = {},
  ) {
    this.#texts = texts
    this.#plan = { ...plan, stops: plan.stops.filter((stop) => stop !== '') }
    this.#controlName = options.controlName ?? (() => '')
    this.#grammars = options.grammars
    this.#newCallId = options.newCallId ?? (() => '')
    this.#stage = plan.opensInThought === true ? 'thought' : 'answer'
    this.#trimsText = plan.grammar !== undefined
    if (plan.grammar) this.#follow(plan.opensInThought ? plan.grammar.thought : plan.grammar.start)
  }

  /** What the next token must fit, if anything. */
  get grammar(): GrammarState | undefined {
    return this.#grammar
  }

  /** All calls are made: nothing that could follow would be shown. */
  get isDone(): boolean {
    return this.#stage === 'done'
  }

  push(token: Token, isResumed = false): Released {
    const text = this.#texts.push(token.tokenId)
    const name = text === '' ? this.#controlName(token.tokenId) : ''
    this.#held.push({ ...token, said: text || name, isControl: name !== '', isResumed, isPartlyTaken: false })
    while (!this.#stopped && this.#step()) {
      // until nothing more can be told from what is held
    }
    return this.#release()
  }

  /** The end of the answer: everything still held. */
  flush(): Released {
    const rest = this.#texts.rest()
    const isThought = this.#stage === 'thought'
    if (isThought || this.#stage === 'answer') {
      this.#take(this.#said().length, isThought ? this.#toReasoning : this.#toText)
      if (isThought) this.#out.reasoning += rest
      else this.#out.text += rest
    } else {
      this.#take(this.#said().length)
    }
    return this.#release()
  }

  #release(): Released {
    if (this.#held[0]?.isPartlyTaken) return nothing // its text must not go out before its id
    const out = this.#out
    this.#out = emptyOutgoing()
    return { ...out, stopped: this.#stopped }
  }

  /** True where a further step may tell more. */
  #step(): boolean {
    switch (this.#stage) {
      case 'answer':
        return this.#answer()
      case 'thought':
        return this.#thought()
      case 'head':
        return this.#head()
      case 'arguments':
        return this.#arguments()
      case 'tail':
        return this.#tail()
      case 'next':
        return this.#next()
      case 'done':
        this.#take(this.#said().length)
        return false
    }
  }

  #answer(): boolean {
    const { calls, ends, frames = [], grammar, stops, thought } = this.#plan
    const said = this.#said()
    // Where the whole answer has a form, a call can only be its beginning; so can a thought.
    const isOpen = grammar === undefined || !this.#hasText
    const trigger = calls && isOpen ? [calls.syntax.trigger] : []
    const thinks = thought?.prefix !== undefined && isOpen ? [thought.prefix] : []
    const needles = [...stops, ...ends, ...frames, ...trigger, ...thinks]
    const found = firstOf(said, needles)
    if (!found) {
      this.#takeWhole(said.length - suspectLength(said, needles), this.#toText)
      return false
    }
    const { at, needle } = found
    if (calls && needle === trigger[0]) {
      const after = said.slice(at + needle.length)
      const begun = grammar ? this.#grammar : this.#grammars?.start(calls.grammar, after)
      if (!begun) {
        // The same words, and then no call that could be: they are text.
        this.#take(at + needle.length, this.#toText)
        return true
      }
      this.#take(at, this.#toText)
      this.#take(needle.length)
      this.#grammar = begun
      this.#stage = 'head'
      return true
    }
    this.#take(at, this.#toText)
    if (needle === thinks[0]) {
      this.#take(needle.length)
      this.#stage = 'thought'
      this.#trimsReasoning = true
      this.#follow(grammar?.thought)
      return true
    }
    if (frames.includes(needle)) {
      this.#take(needle.length)
      this.#trimsText = true
      return true
    }
    this.#take(this.#said().length)
    this.#stopped = true
    return false
  }

  #thought(): boolean {
    const { ends, grammar, thought } = this.#plan
    const said = this.#said()
    const needles = thought ? [thought.suffix, ...ends] : ends
    const found = firstOf(said, needles)
    if (!found) {
      this.#takeWhole(said.length - suspectLength(said, needles), this.#toReasoning)
      return false
    }
    this.#take(found.at, this.#toReasoning)
    if (found.needle !== thought?.suffix) {
      this.#take(this.#said().length)
      this.#stopped = true
      return false
    }
    this.#take(found.needle.length)
    this.#stage = 'answer'
    this.#trimsText = true
    this.#grammar = undefined
    if (!grammar) return true
    const after = this.#said()
    this.#grammar = this.#grammars?.start(grammar.afterThought, after)
    if (!this.#grammar) {
      // A token that closed the thought and went on with what no answer can begin with.
      this.#take(after.length, this.#toReasoning)
      this.#follow(grammar.afterThought)
    }
    return true
  }

  #head(): boolean {
    const { calls } = this.#plan
    if (!calls) return false
    const { syntax, tools } = calls
    const said = this.#said()
    const rest = this.#callIndex < 0 ? syntax.rest.trimStart() : ''
    const begun = said.trimStart()
    for (const { name, parameters } of tools.list) {
      const head = `${rest}${name}${syntax.argumentsPrefix(name)}`
      if (!begun.startsWith(head)) continue
      const isResumed = this.#take(said.length - begun.length + head.length)
      this.#callIndex += 1
      this.#callName = name
      const isEmpty = !hasParameters(parameters) && syntax.noArguments === ''
      if (!isResumed) {
        const id = this.#newCallId()
        this.#out.toolCalls.push({ index: this.#callIndex, id, name, arguments: isEmpty ? '{}' : '' })
      }
      this.#scan = new JsonScan()
      this.#stage = isEmpty ? 'tail' : 'arguments'
      return true
    }
    return false
  }

  #arguments(): boolean {
    for (let unit = this.#held[0]; unit; unit = this.#held[0]) {
      const end = unit.isControl ? undefined : this.#scan.feed(unit.said)
      this.#take(end ?? unit.said.length, this.#toArguments)
      if (end === undefined) continue
      this.#stage = 'tail'
      return true
    }
    return false
  }

  #tail(): boolean {
    const suffix = this.#plan.calls?.syntax.suffix(this.#callName) ?? ''
    const said = this.#said()
    if (said.length < suffix.length && suffix.startsWith(said)) return false
    if (said.startsWith(suffix)) this.#take(suffix.length)
    this.#stage = 'next'
    return true
  }

  #next(): boolean {
    const { syntax, tools } = this.#plan.calls ?? {}
    const between = tools?.isParallel ? syntax?.between : undefined
    const said = this.#said()
    if (between === undefined) this.#stage = 'done'
    else if (said.startsWith(between)) {
      this.#take(between.length)
      this.#stage = 'head'
    } else if (between.startsWith(said)) return false
    else this.#stage = 'done'
    return true
  }

  #follow(grammar: string | undefined): void {
    this.#grammar = grammar === undefined ? undefined : this.#grammars?.start(grammar)
  }

  #said(): string {
    return this.#held.map((unit) => unit.said).join('')
  }

  /** As many units as fit into `length`. */
  #takeWhole(length: number, sink: Sink): void {
    let whole = 0
    for (const { said } of this.#held) {
      if (whole + said.length > length) break
      whole += said.length
    }
    this.#take(whole, sink)
  }

  /** From the beginning of what is held. True where the last of it was resumed. */
  #take(length: number, sink?: Sink): boolean {
    let left = length
    let isResumed = false
    for (let unit = this.#held[0]; unit && (left > 0 || unit.said === ''); unit = this.#held[0]) {
      const part = unit.said.slice(0, left)
      left -= part.length
      isResumed = unit.isResumed
      sink?.(unit.isControl ? '' : part, unit)
      unit.said = unit.said.slice(part.length)
      if (unit.said !== '') {
        unit.isPartlyTaken = true
        break
      }
      this.#held.shift()
      if (unit.isResumed) continue
      this.#out.tokenIds.push(unit.tokenId)
      if (unit.logprob) this.#out.logprobs.push(unit.logprob)
    }
    return isResumed
  }

  readonly #toText: Sink = (part, unit) => {
    const text = this.#trimsText ? part.trimStart() : part
    if (text === '') return
    this.#trimsText = false
    this.#hasText = true
    if (!unit.isResumed) this.#out.text += text
  }

  readonly #toReasoning: Sink = (part, unit) => {
    const text = this.#trimsReasoning ? part.trimStart() : part
    if (text === '') return
    this.#trimsReasoning = false
    if (!unit.isResumed) this.#out.reasoning += text
  }

  readonly #toArguments: Sink = (part, unit) => {
    if (part === '' || unit.isResumed) return
    const last = this.#out.toolCalls.at(-1)
    if (last?.index === this.#callIndex) {
      this.#out.toolCalls[this.#out.toolCalls.length - 1] = { ...last, arguments: last.arguments + part }
    } else {
      this.#out.toolCalls.push({ index: this.#callIndex, arguments: part })
    }
  }
}

function emptyOutgoing(): Outgoing {
  return { text: '', reasoning: '', toolCalls: [], tokenIds: [], logprobs: [] }
}
