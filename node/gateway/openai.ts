// OpenAI's chat request, read into ours. A parameter is honoured, known to change nothing, or refused by its name.

import { type ErrorCode, MeshError } from '../../protocol/errors.ts'
import type { ChatMessage, Role, Sampling } from '../../protocol/frames.ts'
import { limits } from '../../protocol/limits.ts'
import { type Nano, nanoMax, parseGram } from '../../protocol/money.ts'
import type { InferenceRequest } from '../inference.ts'

export interface ChatCall {
  readonly request: InferenceRequest
  readonly stream: boolean
  readonly includeUsage: boolean
}

/** A refusal that names the parameter, for OpenAI's `param`. */
export class ParameterError extends MeshError {
  readonly param: string

  constructor(code: ErrorCode, param: string, message: string) {
    super(code, message)
    this.param = param
  }
}

/** Reads a decoded JSON body. Throws `ParameterError`, or `MeshError` `bad-request` where the body is no object. */
export function parseChatRequest(body: unknown): ChatCall {
  if (!isRecord(body)) throw new MeshError('bad-request', `the body is ${show(body)}, expected a JSON object`)
  for (const [name, value] of Object.entries(body)) {
    if (value !== null && !honoured.has(name) && !hints.has(name)) requireNeutral(name, value)
  }
  const model = body['model']
  if (typeof model !== 'string' || model === '' || model.length > limits.modelNameCharsMax) {
    throw wrong('model', model, `a name or key of 1 to ${limits.modelNameCharsMax} characters`)
  }
  const messages = readMessages(body['messages'])
  const sampling = readSampling(body)
  const promptBytes = messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0)
  if (promptBytes > promptBytesMax) {
    throw new ParameterError('too-large', 'messages', `messages of ${promptBytes} bytes, at most ${promptBytesMax}`)
  }
  return {
    request: { model, messages, sampling, costNanoMax: readCost(body['max_cost']) },
    stream: readFlag('stream', body['stream']),
    includeUsage: readStreamOptions(body['stream_options']),
  }
}

/** The wire's bound less 64 KiB for the framing of the messages, the stop texts and the voucher. */
const promptBytesMax = limits.openBytesMax - 65_536

const honoured: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'temperature',
  'top_p',
  'seed',
  'stop',
  'max_tokens',
  'max_completion_tokens',
  'stream',
  'stream_options',
  'max_cost',
])

/** Labels for a hosted service's bookkeeping and caches. None changes a token of the answer, so any value passes. */
const hints: ReadonlySet<string> = new Set([
  'user',
  'metadata',
  'store',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'parallel_tool_calls', // says how to call tools, which are refused on their own
])

interface Neutral {
  readonly is: (value: unknown) => boolean
  readonly expected: string
}

const exactly = (...values: readonly unknown[]): Neutral => ({
  is: (value) => values.includes(value),
  expected: values.map(show).join(' or '),
})
const emptyList: Neutral = { is: (value) => Array.isArray(value) && value.length === 0, expected: '[]' }
const absent: Neutral = { is: () => false, expected: 'it left out' }

/** What no engine here can do, with the values that ask for nothing: clients send those unasked (LangChain, Continue). */
const neutral: ReadonlyMap<string, Neutral> = new Map([
  ['n', exactly(1)],
  ['presence_penalty', exactly(0)],
  ['frequency_penalty', exactly(0)],
  ['repetition_penalty', exactly(1)],
  ['top_k', exactly(0, -1)],
  ['min_p', exactly(0)],
  ['logit_bias', { is: (value) => isRecord(value) && Object.keys(value).length === 0, expected: '{}' }],
  ['logprobs', exactly(false)],
  ['top_logprobs', exactly(0)],
  ['response_format', { is: (value) => isRecord(value) && value['type'] === 'text', expected: '{"type": "text"}' }],
  ['tools', emptyList],
  ['tool_choice', exactly('none', 'auto')],
  ['functions', emptyList],
  ['function_call', exactly('none', 'auto')],
  [
    'modalities',
    { is: (value) => Array.isArray(value) && value.length === 1 && value[0] === 'text', expected: '["text"]' },
  ],
  ['reasoning_effort', exactly('none')],
  ['verbosity', exactly('medium')],
  ['service_tier', exactly('auto', 'default')],
  ['audio', absent],
  ['prediction', absent],
  ['web_search_options', absent],
  ['moderation', absent],
])

function requireNeutral(name: string, value: unknown): void {
  const rule = neutral.get(name)
  if (!rule) {
    throw new ParameterError('bad-request', name.slice(0, 80), `${show(name)} is not a parameter of this endpoint`)
  }
  if (!rule.is(value)) {
    throw new ParameterError('unsupported', name, `${name} ${show(value)} is not supported, expected ${rule.expected}`)
  }
}

function readMessages(value: unknown): readonly ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > limits.messagesMax) {
    throw wrong('messages', value, `a list of 1 to ${limits.messagesMax} messages`)
  }
  return value.map((message: unknown, at) => readMessage(`messages[${at}]`, message))
}

const roles: ReadonlyMap<unknown, Role> = new Map([
  ['system', 'system'],
  ['developer', 'system'],
  ['user', 'user'],
  ['assistant', 'assistant'],
])

function readMessage(param: string, message: unknown): ChatMessage {
  if (!isRecord(message)) throw wrong(param, message, 'an object with role and content')
  const role = roles.get(message['role'])
  if (message['role'] === 'tool' || message['role'] === 'function') {
    throw new ParameterError('unsupported', `${param}.role`, `${param}.role ${show(message['role'])} is not supported`)
  }
  if (!role) throw wrong(`${param}.role`, message['role'], 'system, developer, user or assistant')
  // An answer of ours sent back carries refusal: null, and other servers' answers annotations and empty tool_calls.
  requireEmpty(param, message, ['role', 'content', 'annotations'])
  return { role, content: readContent(`${param}.content`, message['content']) }
}

function readContent(param: string, content: unknown): string {
  // Half a surrogate pair (an emoji cut in two) has no UTF-8: replaced here, so that what is sent is what is counted.
  if (typeof content === 'string') return content.toWellFormed()
  if (!Array.isArray(content)) throw wrong(param, content, 'a text or a list of text parts')
  if (content.length > limits.messagesMax) throw wrong(param, content, `at most ${limits.messagesMax} parts`)
  // One line a part, as vLLM and llama-server put them together.
  return content.map((part: unknown, at) => readPart(`${param}[${at}]`, part)).join('\n')
}

function readPart(param: string, part: unknown): string {
  if (!isRecord(part)) throw wrong(param, part, '{"type": "text", "text": …}')
  if (part['type'] !== 'text') {
    const known = typeof part['type'] === 'string'
    if (!known) throw wrong(`${param}.type`, part['type'], '"text"')
    throw new ParameterError(
      'unsupported',
      `${param}.type`,
      `${param}.type ${show(part['type'])} is not supported, expected "text"`,
    )
  }
  if (typeof part['text'] !== 'string') throw wrong(`${param}.text`, part['text'], 'a text')
  // A cache mark changes no token; anything else about a part would.
  requireEmpty(param, part, ['type', 'text', 'cache_control'])
  return part['text'].toWellFormed()
}

function requireEmpty(param: string, fields: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  for (const [name, value] of Object.entries(fields)) {
    const empty = value === null || value === '' || (Array.isArray(value) && value.length === 0)
    if (empty || known.includes(name)) continue
    const field = `${param}.${name.slice(0, 80)}`
    throw new ParameterError('unsupported', field, `${field} is not supported, expected it left out`)
  }
}

function readSampling(body: Readonly<Record<string, unknown>>): Sampling {
  const topP = readNumber('top_p', body['top_p'], 0, 1)
  if (topP === 0) throw wrong('top_p', 0, 'a number above 0, at most 1')
  const older = readWhole('max_tokens', body['max_tokens'], 1, limits.tokensMax)
  const newer = readWhole('max_completion_tokens', body['max_completion_tokens'], 1, limits.tokensMax)
  if (older !== undefined && newer !== undefined && older !== newer) {
    throw wrong('max_tokens', older, `the same as max_completion_tokens (${newer}), or only one of the two`)
  }
  return {
    temperature: readNumber('temperature', body['temperature'], 0, 2),
    topP,
    seed: readWhole('seed', body['seed'], 0, 0xffff_ffff),
    stop: readStop(body['stop']),
    tokensMax: newer ?? older,
  }
}

function readStop(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length > limits.stopsMax) throw wrong('stop', value, `at most ${limits.stopsMax} texts`)
  return list.map((text, at) => {
    if (typeof text !== 'string' || text === '' || Buffer.byteLength(text) > limits.stopBytesMax) {
      const param = Array.isArray(value) ? `stop[${at}]` : 'stop'
      throw wrong(param, text, `a text of 1 to ${limits.stopBytesMax} bytes`)
    }
    return text.toWellFormed()
  })
}

function readStreamOptions(value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (!isRecord(value)) throw wrong('stream_options', value, 'an object')
  for (const [name, option] of Object.entries(value)) {
    // Asked for, obfuscation would be a promise about traffic that this gateway does not keep.
    if (name === 'include_usage' || option === null || (name === 'include_obfuscation' && option === false)) continue
    const param = `stream_options.${name.slice(0, 80)}`
    throw new ParameterError('unsupported', param, `${param} ${show(option)} is not supported`)
  }
  return readFlag('stream_options.include_usage', value['include_usage'])
}

/** GRAM, as a decimal text or a JSON number written without an exponent. */
function readCost(value: unknown): Nano | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' && typeof value !== 'number') throw wrong('max_cost', value, 'GRAM such as "0.25"')
  try {
    const nano = parseGram(String(value))
    if (nano <= nanoMax) return nano
  } catch {
    // Not a decimal: refused below, by its name.
  }
  throw wrong('max_cost', value, 'GRAM as a decimal such as "0.25"')
}

function readFlag(param: string, value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean') throw wrong(param, value, 'true or false')
  return value
}

function readNumber(param: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw wrong(param, value, `a number from ${min} to ${max}`)
  }
  return value
}

function readWhole(param: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw wrong(param, value, `a whole number from ${min} to ${max}`)
  }
  return value
}

function wrong(param: string, value: unknown, expectation: string): ParameterError {
  return new ParameterError('bad-request', param, `${param} is ${show(value)}, expected ${expectation}`)
}

/** Never recursive: a caller's nesting must not reach the stack. */
function show(value: unknown): string {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
