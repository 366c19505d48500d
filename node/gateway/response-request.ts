// /v1/responses: OpenAI's newer endpoint, as a chat. Nothing is kept between requests, so what refers to an earlier one is refused.

import { limits } from '../../protocol/limits.ts'
import type { ChatMessage, Sampling } from '../../protocol/task.ts'
import { hints, readStreamOptions } from './chat-request.ts'
import type { Asked, Endpoint } from './endpoint.ts'
import {
  absent,
  exactly,
  type Fields,
  type Rule,
  readBody,
  readFields,
  readFlag,
  readList,
  readText,
  readWhole,
  readWord,
  requireEmpty,
  rulesOf,
  show,
  unsupported,
  wrong,
} from './fields.ts'
import { readContent, requireAnswered, requireSize, roles } from './messages.ts'
import { type Echo, ResponseWriter, responseOf } from './response-answer.ts'
import { affinityOf, type RequestHeaders, readRouting, routingNames } from './routing.ts'
import { readSampling } from './sampling.ts'
import { flatFunction, readCallId, readFormat, readToolCall, readTools } from './tools.ts'

export const responseEndpoint: Endpoint = {
  path: '/v1/responses',
  names: new Map([
    ['messages', 'input'],
    ['max_tokens', 'max_output_tokens'],
    ['response_format', 'text.format'],
    ['logprobs', 'top_logprobs'],
  ]),
  read: readResponse,
}

function readResponse(given: unknown, headers: RequestHeaders): Asked {
  const body = readBody(given, rules)
  const messages = readInput(body['input'], body['instructions'])
  requireReasoningLeftAlone(body['reasoning'])
  readStreamOptions(body['stream_options'])
  const tools = readTools(body, flatFunction)
  const sampling: Sampling = {
    ...readSampling(body),
    tokensMax: readWhole('max_output_tokens', body['max_output_tokens'], 1, limits.tokensMax),
    ...readLogprobs(body),
    ...formatOf(body['text']),
  }
  const task = { messages, sampling, ...(tools && { tools }) }
  requireSize(task, 'input')
  const request = { ...readRouting(body, headers), ...task, affinity: affinityOf(body, messages) }
  const echo = echoOf(body)
  return {
    requests: [request],
    isStreaming: readFlag('stream', body['stream']) ?? false,
    whole: (runs, createdS) => responseOf(runs, createdS, echo),
    writer: (createdS) => new ResponseWriter(createdS, echo),
  }
}

const isFalse: Rule = { isNeutral: (value) => value === false, expected: 'false: nothing is stored here' }

const rules = rulesOf(
  {
    input: 'read',
    instructions: 'read',
    max_output_tokens: 'read',
    temperature: 'read',
    top_p: 'read',
    top_logprobs: 'read',
    include: 'read',
    text: 'read',
    tools: 'read',
    tool_choice: 'read',
    parallel_tool_calls: 'read',
    reasoning: 'read',
    stream: 'read',
    stream_options: 'read',
    store: isFalse,
    background: exactly(false),
    truncation: exactly('disabled'),
    service_tier: exactly('auto', 'default'),
    previous_response_id: absent,
    conversation: absent,
    prompt: absent,
    max_tool_calls: absent,
    context_management: absent,
    moderation: absent,
  },
  ['read', routingNames],
  ['hint', hints],
)

function readInput(value: unknown, instructions: unknown): readonly ChatMessage[] {
  const messages: ChatMessage[] = []
  /** Of each message, the item it came from. */
  const origins: string[] = []
  const add = (param: string, message: ChatMessage): void => {
    messages.push(message)
    origins.push(param)
  }
  if (instructions !== undefined && instructions !== null) {
    add('instructions', { role: 'system', content: readText('instructions', instructions) })
  }
  if (typeof value === 'string') {
    add('input', { role: 'user', content: readText('input', value) })
    return messages
  }
  for (const [at, entry] of readList('input', value, limits.messagesMax - 1, 'items').entries()) {
    const param = `input[${at}]`
    const item = readFields(param, entry, 'an object such as a message')
    const message = readItem(param, item)
    if (!message) continue
    const last = messages.at(-1)
    // What a model said and the tools it called in one turn are one message of a chat.
    if (item['type'] === 'function_call' && last?.role === 'assistant') {
      const toolCalls = [...(last.toolCalls ?? []), ...(message.toolCalls ?? [])]
      if (toolCalls.length > limits.toolCallsMax) {
        throw wrong(param, entry, `at most ${limits.toolCallsMax} function calls in one turn`)
      }
      messages[messages.length - 1] = { ...last, toolCalls }
    } else add(param, message)
  }
  if (messages.length === 0) throw wrong('input', value, 'at least one message')
  requireAnswered(messages, (at) => `${origins[at]}.call_id`)
  return messages
}

const textParts: readonly string[] = ['input_text', 'output_text', 'text']

/** Undefined for reasoning, which is not said again: the templates of reasoning models have it so. */
function readItem(param: string, item: Fields): ChatMessage | undefined {
  const { type } = item
  switch (type) {
    case undefined:
    case 'message':
      return readMessage(param, item)
    case 'function_call': {
      requireEmpty(param, item, ['type', 'id', 'call_id', 'name', 'arguments', 'status', 'parsed_arguments'])
      return {
        role: 'assistant',
        content: '',
        toolCalls: [readToolCall(param, item['call_id'], `${param}.call_id`, item)],
      }
    }
    case 'function_call_output': {
      requireEmpty(param, item, ['type', 'id', 'call_id', 'output', 'status'])
      const toolCallId = readCallId(`${param}.call_id`, item['call_id'])
      return { role: 'tool', content: readContent(`${param}.output`, item['output'], textParts), toolCallId }
    }
    case 'reasoning':
      return undefined
    default:
      if (typeof type !== 'string') throw wrong(`${param}.type`, type, 'message, function_call or function_call_output')
      throw unsupported(`${param}.type`, `${param}.type ${show(type)} is not supported`)
  }
}

function readMessage(param: string, item: Fields): ChatMessage {
  requireEmpty(param, item, ['type', 'role', 'content', 'id', 'status', 'phase'])
  const role = roles.get(item['role'])
  if (!role || role === 'tool') throw wrong(`${param}.role`, item['role'], 'system, developer, user or assistant')
  return { role, content: readContent(`${param}.content`, item['content'], textParts) }
}

function requireReasoningLeftAlone(value: unknown): void {
  if (value === undefined || value === null) return
  const fields = readFields('reasoning', value, 'an object')
  const { effort, ...others } = fields
  requireEmpty('reasoning', effort === 'none' ? others : fields, [])
}

const logprobsIncluded = 'message.output_text.logprobs'
/** Reasoning comes back in the open, and may be sent again; there is nothing to encrypt it for. */
const reasoningIncluded = 'reasoning.encrypted_content'

function readLogprobs(body: Fields): Pick<Sampling, 'logprobs'> {
  const top = readWhole('top_logprobs', body['top_logprobs'], 0, limits.logprobsMax)
  const include = body['include'] ?? []
  if (!Array.isArray(include)) throw wrong('include', include, 'a list')
  for (const [at, name] of include.entries()) {
    if (name === logprobsIncluded || name === reasoningIncluded) continue
    if (typeof name !== 'string') throw wrong(`include[${at}]`, name, `"${logprobsIncluded}"`)
    throw unsupported(`include[${at}]`, `include[${at}] ${show(name)} is not supported, expected "${logprobsIncluded}"`)
  }
  if (!top && !include.includes(logprobsIncluded)) return {}
  return { logprobs: top ?? 0 }
}

function formatOf(value: unknown): Pick<Sampling, 'format'> {
  if (value === undefined || value === null) return {}
  const text = readFields('text', value, 'an object with a format')
  requireEmpty('text', text, ['format', 'verbosity'])
  const verbosity = readWord('text.verbosity', text['verbosity'], ['low', 'medium', 'high'])
  if (verbosity !== undefined && verbosity !== 'medium') {
    throw unsupported('text.verbosity', `text.verbosity ${verbosity} is not supported, expected medium`)
  }
  const format = readFormat('text.format', text['format'], (fields) => ['text.format', fields])
  return format ? { format } : {}
}

/** OpenAI's answer repeats what was asked. */
function echoOf(body: Fields): Echo {
  const text = body['text'] ?? { format: { type: 'text' } }
  return {
    background: false,
    instructions: body['instructions'] ?? null,
    max_output_tokens: body['max_output_tokens'] ?? null,
    metadata: body['metadata'] ?? {},
    parallel_tool_calls: body['parallel_tool_calls'] ?? true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    temperature: body['temperature'] ?? 1,
    text,
    tool_choice: body['tool_choice'] ?? 'auto',
    tools: body['tools'] ?? [],
    top_p: body['top_p'] ?? 1,
    truncation: 'disabled',
  }
}
