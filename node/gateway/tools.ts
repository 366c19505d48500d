// Tools and answer formats: what a model may call, and what its answer must parse as.

import { limits } from '../../protocol/limits.ts'
import type { AnswerFormat, Tool, ToolCall, ToolChoice, Tools } from '../../protocol/task.ts'
import {
  type Fields,
  readFields,
  readFlag,
  readJsonText,
  readList,
  readName,
  readText,
  requireEmpty,
  show,
  unsupported,
  wrong,
} from './fields.ts'

/** `functionOf` finds a tool's function in an entry of the list: inside it or the entry itself, as the endpoint has it. */
export function readTools(body: Fields, functionOf: FunctionOf): Tools | undefined {
  const { parallel_tool_calls: parallel, tool_choice: choice, tools } = body
  const isParallel = readFlag('parallel_tool_calls', parallel) ?? true
  if (tools === undefined || tools === null || (Array.isArray(tools) && tools.length === 0)) {
    if (choice === undefined || choice === null || choice === 'none' || choice === 'auto') return undefined
    throw wrong('tool_choice', choice, 'tools to choose from')
  }
  const list = readList('tools', tools, limits.toolsMax, 'tools').map((tool, at) =>
    readTool(`tools[${at}]`, tool, functionOf),
  )
  const names = list.map(({ name }) => name)
  const twice = names.findIndex((name, at) => names.indexOf(name) < at)
  if (twice !== -1) throw wrong(`tools[${twice}]`, names[twice], 'a name that no other tool has')
  return { list, choice: readChoice(choice, names, functionOf), isParallel }
}

export type FunctionOf = (param: string, entry: Fields) => readonly [param: string, fields: Fields]

/** `{"type": "function", "function": {"name": …}}` */
export const nestedFunction: FunctionOf = (param, entry) => {
  requireEmpty(param, entry, ['type', 'function'])
  return [`${param}.function`, readFields(`${param}.function`, entry['function'], 'an object with a name')]
}

/** `{"type": "function", "name": …}` */
export const flatFunction: FunctionOf = (param, entry) => [param, entry]

function readTool(param: string, value: unknown, functionOf: FunctionOf): Tool {
  const entry = readFields(param, value, 'an object with type and a function')
  requireFunction(param, entry)
  const [inner, fields] = functionOf(param, entry)
  requireEmpty(inner, fields, ['type', 'name', 'description', 'parameters', 'strict'])
  // Where a model can call tools at all, a grammar holds its arguments to the schema: strict or not.
  readFlag(`${inner}.strict`, fields['strict'])
  const { description, parameters } = fields
  return {
    name: readName(`${inner}.name`, fields['name'], limits.toolNameCharsMax),
    description: isGiven(description) ? readText(`${inner}.description`, description) : '',
    parameters: isGiven(parameters) ? readJsonText(`${inner}.parameters`, parameters) : '',
  }
}

function requireFunction(param: string, entry: Fields): void {
  const { type } = entry
  if (type === 'function') return
  if (typeof type !== 'string') throw wrong(`${param}.type`, type, '"function"')
  throw unsupported(`${param}.type`, `${param}.type ${show(type)} is not supported, expected "function"`)
}

function readChoice(value: unknown, names: readonly string[], functionOf: FunctionOf): ToolChoice {
  if (value === undefined || value === null) return 'auto'
  if (value === 'auto' || value === 'none' || value === 'required') return value
  const entry = readFields('tool_choice', value, 'auto, none, required, or a function of the tools')
  requireFunction('tool_choice', entry)
  const [param, { name }] = functionOf('tool_choice', entry)
  if (typeof name !== 'string' || !names.includes(name))
    throw wrong(`${param}.name`, name, 'the name of one of the tools')
  return { name }
}

/** A call that an assistant made, sent back as history. */
export function readToolCall(param: string, id: unknown, idParam: string, fields: Fields): ToolCall {
  return {
    id: readCallId(idParam, id),
    name: readName(`${param}.name`, fields['name'], limits.toolNameCharsMax),
    arguments: readText(`${param}.arguments`, fields['arguments']),
  }
}

export function readCallId(param: string, id: unknown): string {
  if (typeof id !== 'string' || id === '' || id.length > limits.toolCallIdCharsMax) {
    throw wrong(param, id, `a text of 1 to ${limits.toolCallIdCharsMax} characters`)
  }
  return id.toWellFormed()
}

/** Of an answer's format. */
const formatNameCharsMax = 64

/** `schemaOf` finds name, schema and strict: inside the format or the format itself, as the endpoint has it. */
export function readFormat(
  param: string,
  value: unknown,
  schemaOf: (format: Fields) => readonly [param: string, fields: Fields],
): AnswerFormat | undefined {
  if (!isGiven(value)) return undefined
  const format = readFields(param, value, 'an object with a type')
  const { type } = format
  if (type === 'text' || type === 'json_object') {
    requireEmpty(param, format, ['type'])
    return type === 'text' ? undefined : { type: 'json' }
  }
  if (type !== 'json_schema') {
    if (typeof type !== 'string') throw wrong(`${param}.type`, type, 'text, json_object or json_schema')
    throw unsupported(
      `${param}.type`,
      `${param}.type ${show(type)} is not supported, expected text, json_object or json_schema`,
    )
  }
  const [inner, fields] = schemaOf(format)
  requireEmpty(inner, fields, ['type', 'name', 'description', 'schema', 'strict'])
  readName(`${inner}.name`, fields['name'], formatNameCharsMax)
  // A grammar holds the answer to the schema: strict or not.
  readFlag(`${inner}.strict`, fields['strict'])
  const schema = readFields(`${inner}.schema`, fields['schema'], 'a JSON schema')
  const { description } = fields
  // The description is for the model to read, which sees the schema.
  const told = isGiven(description) && { description: readText(`${inner}.description`, description) }
  return { type: 'json', schema: readJsonText(`${inner}.schema`, { ...told, ...schema }) }
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}
