// How a model writes a call of a tool: the texts around its name and its arguments, and the grammar they make.

import type { Tool, Tools } from '../../../protocol/task.ts'
import { literal } from './grammar.ts'
import { type JsonRules, UnsupportedKeyword } from './json-grammar.ts'

/** A part of a template's text; special parts are tokenised as control tokens where the model has them. */
export interface Piece {
  readonly text: string
  readonly isSpecial: boolean
}

export interface CallSyntax {
  /** What begins the first call, and is said nowhere else. */
  readonly trigger: string
  /** Between the trigger and the name. */
  readonly rest: string
  /** Between the name and the arguments; never empty. */
  argumentsPrefix(name: string): string
  suffix(name: string): string
  /** Between a call's suffix and the name of the next; `undefined` where an answer has one call. */
  readonly between: string | undefined
  /** After the last call. */
  readonly end: string
  /** What stands for the arguments of a tool without parameters. */
  readonly noArguments: string
}

interface Settings<Text> {
  readonly call: {
    readonly prefix: Text
    readonly paramsPrefix: Text
    readonly suffix: Text
    readonly emptyCallParamsPlaceholder?: unknown
  }
  readonly parallelism?: {
    readonly call: { readonly sectionPrefix: Text; readonly betweenCalls?: Text; readonly sectionSuffix?: Text }
  }
}

/** `endTexts`: of the tokens that end an answer, which no grammar can hold. */
export function callSyntaxOf<Text>(
  settings: Settings<Text>,
  read: (text: Text) => readonly Piece[],
  endTexts: readonly string[],
): CallSyntax | undefined {
  const textOf = (text: Text | undefined): string =>
    text === undefined
      ? ''
      : read(text)
          .map((piece) => piece.text)
          .join('')
  const { emptyCallParamsPlaceholder: empty, paramsPrefix, prefix, suffix } = settings.call
  const section = settings.parallelism?.call
  const opening = [...(section ? read(section.sectionPrefix) : []), ...read(prefix)].filter(({ text }) => text !== '')
  const whole = opening.map((piece) => piece.text).join('')
  const trigger = triggerOf(opening)
  if (trigger === '' || textOf(paramsPrefix) === '') return undefined
  const cut = (text: string): string => {
    const ends = endTexts.filter((end) => end !== '' && text.includes(end)).map((end) => text.indexOf(end))
    return ends.length === 0 ? text : text.slice(0, Math.min(...ends))
  }
  const named = (text: string, name: string): string => text.replaceAll('{{functionName}}', name)
  const isLast = cut(textOf(suffix)) !== textOf(suffix)
  return {
    trigger,
    rest: whole.slice(whole.indexOf(trigger) + trigger.length),
    argumentsPrefix: (name) => named(textOf(paramsPrefix), name),
    suffix: (name) => named(cut(textOf(suffix)), name),
    between: section && !isLast ? textOf(section.betweenCalls) + textOf(prefix) : undefined,
    end: cut(textOf(section?.sectionSuffix)).trimEnd(),
    noArguments: empty === undefined || empty === '' ? '' : JSON.stringify(empty),
  }
}

/** The first control token, or all of an opening in plain text. */
function triggerOf(opening: readonly Piece[]): string {
  const first = opening.find((piece) => piece.text.trim() !== '')
  if (first?.isSpecial) return first.text.trim().split(/\s/)[0] ?? ''
  return opening
    .map((piece) => piece.text)
    .join('')
    .trim()
}

/** From after the trigger to the end of the answer. Loose: arguments are any JSON objects. */
export function callsAfterTrigger(syntax: CallSyntax, tools: Tools, rules: JsonRules, isLoose: boolean): string {
  const { choice, isParallel, list } = tools
  const callable = typeof choice === 'object' ? list.filter(({ name }) => name === choice.name) : list
  const calls = callable.map((tool) => {
    const text = `${tool.name}${syntax.argumentsPrefix(tool.name)}`
    return `${literal(text)} ${argumentsOf(tool, syntax, rules, isLoose)} ${literal(syntax.suffix(tool.name))}`
  })
  const call = rules.add(calls.join(' | '))
  const more = isParallel && syntax.between !== undefined ? `(${literal(syntax.between)} ${call})*` : ''
  // Models differ in the blanks after a control token; between the literal parts they do not.
  const blanks = /^\s*/.exec(syntax.rest)?.[0] ?? ''
  const end = syntax.end === '' ? '' : literal(syntax.end)
  return `[ \\n]{0,4} ${literal(syntax.rest.slice(blanks.length))} ${call} ${more} ${end}`
}

/** Where a grammar cannot hold a tool's schema, it lets more through: the tool itself has to check what it is given. */
function argumentsOf({ parameters }: Tool, syntax: CallSyntax, rules: JsonRules, isLoose: boolean): string {
  if (!hasParameters(parameters)) return literal(syntax.noArguments)
  if (isLoose) return rules.anyObject()
  try {
    return rules.schema({ type: 'object', ...JSON.parse(parameters) }, false)
  } catch (error) {
    if (!(error instanceof UnsupportedKeyword)) throw error
    return rules.anyObject()
  }
}

export function hasParameters(parameters: string): boolean {
  return parameters.trim() !== ''
}
