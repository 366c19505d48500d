// Grammars that an answer must follow, in llama.cpp's notation: compiled once, walked by each answer from its own beginning.

import type { Llama, LlamaGrammar, LlamaGrammarEvaluationState, LlamaModel, Token } from 'node-llama-cpp'
import { keep } from '../../../protocol/keep.ts'
import { acceptToken } from './internals.ts'

/** Where in its grammar one answer stands. The sampler moves it with each token it draws. */
export interface GrammarState {
  readonly state: LlamaGrammarEvaluationState
  /** Moves over a token that was drawn elsewhere. False where the grammar does not allow it. */
  accept(tokenId: number): boolean
}

export interface Grammars {
  /** Throws `RangeError` where llama.cpp cannot read it. */
  compile(text: string): Promise<void>
  /** Of a grammar compiled before. `undefined` where it does not allow `begun`, the text that stands there already. */
  start(text: string, begun?: string): GrammarState | undefined
}

/** Requests of one application bring the same schemas again and again. */
const compiledMax = 128
/** A bound on what a stranger's schema makes native code parse. */
export const grammarCharsMax = 131_072

export function grammarsOf(library: typeof import('node-llama-cpp'), llama: Llama, model: LlamaModel): Grammars {
  const compiled = new Map<string, LlamaGrammar>()

  function stateOf(grammar: LlamaGrammar): GrammarState {
    const state = new library.LlamaGrammarEvaluationState({ model, grammar })
    return {
      state,
      accept(tokenId) {
        if (model.isEogToken(tokenId as Token)) return false
        try {
          acceptToken(model, state, tokenId)
          return true
        } catch {
          return false
        }
      },
    }
  }

  return {
    async compile(text) {
      const known = compiled.get(text)
      if (known) {
        keep(compiled, text, known, compiledMax)
        return
      }
      if (text.length > grammarCharsMax) {
        throw new RangeError(`grammar of ${text.length} characters, at most ${grammarCharsMax}`)
      }
      const grammar = await llama.createGrammar({ grammar: text }).catch((error: unknown) => {
        throw new RangeError(`llama.cpp cannot read the grammar: ${error instanceof Error ? error.message : error}`)
      })
      keep(compiled, text, grammar, compiledMax)
    },
    start(text, begun = '') {
      const grammar = compiled.get(text)
      if (!grammar) throw new Error('a grammar that was not compiled')
      const state = stateOf(grammar)
      if (begun === '') return state
      const tokens = model.tokenize(begun, false, 'trimLeadingSpace')
      if (model.detokenize(tokens, false) !== begun) return undefined
      return tokens.every((token) => state.accept(token)) ? state : undefined
    },
  }
}

/** A text as it stands in a grammar. */
export function literal(text: string): string {
  let escaped = ''
  for (const char of text) {
    const code = char.charCodeAt(0)
    if (char === '"' || char === '\\') escaped += `\\${char}`
    else if (code < 32 || code === 127) escaped += `\\x${code.toString(16).padStart(2, '0')}`
    else escaped += char
  }
  return `"${escaped}"`
}

/** Any text at all, and no end of the answer: for what must go on, such as a thought that an answer has to follow. */
export const endlessGrammar = 'root ::= [^\\x00]* [\\x00]'
