// What an answer may consist of, from its task and its model: the grammars it follows and what is told apart in it.

import { MeshError } from '../../../protocol/errors.ts'
import type { Task } from '../../../protocol/task.ts'
import type { AnswerPlan } from './answer.ts'
import { callsAfterTrigger } from './call-syntax.ts'
import type { ChatFormat } from './chat-format.ts'
import { endlessGrammar, type Grammars, literal } from './grammar.ts'
import { JsonRules, UnsupportedKeyword } from './json-grammar.ts'

/** Blanks that models put before what has a form. */
const blanks = '[ \\n]{0,4}'

/** Throws `MeshError` `unsupported` or `bad-request` where the form that is asked for cannot be held. */
export async function planOf(
  task: Pick<Task, 'sampling' | 'tools' | 'text'>,
  isAfterTool: boolean,
  format: ChatFormat,
  grammars: Grammars,
): Promise<AnswerPlan> {
  try {
    return await compiled(draft(task, isAfterTool, format, false), grammars)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    if (task.sampling.format) throw unsupportedFormat(error.message, error)
    // Schemas of tools that are too much for llama.cpp: the names still hold, and arguments are JSON.
    return await compiled(draft(task, isAfterTool, format, true), grammars)
  }
}

function draft(
  { sampling, text, tools }: Pick<Task, 'sampling' | 'tools' | 'text'>,
  isAfterTool: boolean,
  format: ChatFormat,
  isLoose: boolean,
): AnswerPlan {
  const stops = sampling.stop ?? []
  const rules = new JsonRules()
  const json = sampling.format ? jsonOf(sampling.format.schema, rules) : undefined
  if (text !== undefined) {
    const grammar = json === undefined ? undefined : rules.text(`${blanks} ${json}`)
    return { stops, ends: [], ...(grammar && { grammar: { start: grammar, thought: '', afterThought: '' } }) }
  }
  const { calls: syntax, frames, stopTexts: ends, thought } = format
  const common = { stops, ends, thought, frames, opensInThought: format.opensInThought(isAfterTool) }
  const isCalling = tools !== undefined && tools.choice !== 'none' && tools.list.length > 0 && syntax !== undefined
  const after = isCalling ? callsAfterTrigger(syntax, tools, rules, isLoose) : undefined
  const mustCall = isCalling && tools.choice !== 'auto'
  if (isCalling && json !== undefined && !mustCall && /^\s*[[{]/.test(syntax.trigger)) {
    throw new MeshError('unsupported', 'this model writes calls as JSON: response_format cannot be told from them', {
      param: 'response_format',
    })
  }
  const calls = isCalling && after !== undefined && { calls: { syntax, tools, grammar: rules.text(after) } }
  const forms = [
    ...(isCalling && after !== undefined && (mustCall || json !== undefined)
      ? [`${literal(syntax.trigger)} ${after}`]
      : []),
    ...(json !== undefined && !mustCall ? [json] : []),
  ]
  if (forms.length === 0) return { ...common, ...calls }
  const thinks = thought?.prefix === undefined ? [] : [literal(thought.prefix)]
  return {
    ...common,
    ...calls,
    grammar: {
      start: rules.text(`${blanks} (${[...thinks, ...forms].join(' | ')})`),
      thought: endlessGrammar,
      afterThought: rules.text(`${blanks} (${forms.join(' | ')})`),
    },
  }
}

async function compiled(plan: AnswerPlan, grammars: Grammars): Promise<AnswerPlan> {
  const { calls, grammar } = plan
  const texts = [calls && !grammar && calls.grammar, grammar?.start, grammar?.thought, grammar?.afterThought]
  for (const text of texts) if (typeof text === 'string' && text !== '') await grammars.compile(text)
  return plan
}

function jsonOf(schema: string | undefined, rules: JsonRules): string {
  if (schema === undefined) return rules.anyObject()
  let parsed: unknown
  try {
    parsed = JSON.parse(schema)
  } catch (error) {
    throw new MeshError('bad-request', 'the schema of response_format is no JSON', {
      cause: error,
      param: 'response_format',
    })
  }
  try {
    return rules.schema(parsed, true)
  } catch (error) {
    throw error instanceof UnsupportedKeyword ? unsupportedFormat(error.message, error) : error
  }
}

function unsupportedFormat(reason: string, cause: unknown): MeshError {
  return new MeshError('unsupported', `response_format: ${reason}`, { cause, param: 'response_format' })
}
