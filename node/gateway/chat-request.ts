// /v1/chat/completions: its request, read into ours. A parameter is honoured, known to change nothing, or refused by its name.

import { limits } from '../../protocol/limits.ts'
import type { Sampling } from '../../protocol/task.ts'
import { ChatWriter, chatCompletion } from './chat-answer.ts'
import { type Asked, type Endpoint, runsMax } from './endpoint.ts'
import {
  absent,
  emptyList,
  exactly,
  type Fields,
  readBody,
  readFields,
  readFlag,
  readWhole,
  requireEmpty,
  rulesOf,
  show,
  unsupported,
  wrong,
} from './fields.ts'
import { readMessages, requireSize } from './messages.ts'
import { affinityOf, type RequestHeaders, readRouting, routingNames } from './routing.ts'
import { readSampling, samplingNames, seedOf } from './sampling.ts'
import { nestedFunction, readFormat, readTools } from './tools.ts'

export const chatEndpoint: Endpoint = {
  path: '/v1/chat/completions',
  names: new Map(),
  read: readChat,
}

function readChat(given: unknown, headers: RequestHeaders): Asked {
  const body = readBody(given, rules)
  const messages = readMessages(body['messages'])
  const tools = readTools(body, nestedFunction)
  const sampling: Sampling = {
    ...readSampling(body),
    tokensMax: readTokensMax(body),
    ...readLogprobs(body),
    ...formatOf(body),
  }
  const choices = readWhole('n', body['n'], 1, runsMax) ?? 1
  const task = { messages, sampling, ...(tools && { tools }) }
  requireSize(task, 'messages')
  const shared = { ...readRouting(body, headers), ...task, affinity: affinityOf(body, messages) }
  const includeUsage = readStreamOptions(body['stream_options'])
  return {
    requests: Array.from({ length: choices }, (_, choice) => ({ ...shared, sampling: seedOf(sampling, choice) })),
    isStreaming: readFlag('stream', body['stream']) ?? false,
    whole: chatCompletion,
    writer: (createdS) => new ChatWriter(createdS, includeUsage),
  }
}

/** Labels for a hosted service's bookkeeping and caches. */
export const hints: readonly string[] = [
  'user',
  'metadata',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
]

const rules = rulesOf(
  {
    messages: 'read',
    n: 'read',
    max_tokens: 'read',
    max_completion_tokens: 'read',
    logprobs: 'read',
    top_logprobs: 'read',
    response_format: 'read',
    tools: 'read',
    tool_choice: 'read',
    parallel_tool_calls: 'read',
    stream: 'read',
    stream_options: 'read',
    store: 'hint',
    functions: emptyList,
    function_call: exactly('none', 'auto'),
    modalities: {
      isNeutral: (value) => Array.isArray(value) && value.length === 1 && value[0] === 'text',
      expected: '["text"]',
    },
    reasoning_effort: exactly('none'),
    verbosity: exactly('medium'),
    service_tier: exactly('auto', 'default'),
    audio: absent,
    prediction: absent,
    web_search_options: absent,
    moderation: absent,
  },
  ['read', [...samplingNames, ...routingNames]],
  ['hint', hints],
)

function readTokensMax(body: Fields): number | undefined {
  const older = readWhole('max_tokens', body['max_tokens'], 1, limits.tokensMax)
  const newer = readWhole('max_completion_tokens', body['max_completion_tokens'], 1, limits.tokensMax)
  if (older !== undefined && newer !== undefined && older !== newer) {
    throw wrong('max_tokens', older, `the same as max_completion_tokens (${newer}), or only one of the two`)
  }
  return newer ?? older
}

function readLogprobs(body: Fields): Pick<Sampling, 'logprobs'> {
  const top = readWhole('top_logprobs', body['top_logprobs'], 0, limits.logprobsMax)
  if (readFlag('logprobs', body['logprobs'])) return { logprobs: top ?? 0 }
  if (top) throw wrong('top_logprobs', top, '"logprobs": true beside it')
  return {}
}

function formatOf(body: Fields): Pick<Sampling, 'format'> {
  const format = readFormat('response_format', body['response_format'], (fields) => {
    requireEmpty('response_format', fields, ['type', 'json_schema'])
    const param = 'response_format.json_schema'
    return [param, readFields(param, fields['json_schema'], 'an object with name and schema')]
  })
  return format ? { format } : {}
}

export function readStreamOptions(value: unknown): boolean {
  if (value === undefined || value === null) return false
  const fields = readFields('stream_options', value, 'an object')
  for (const [name, option] of Object.entries(fields)) {
    // Asked for, obfuscation would be a promise about traffic that this gateway does not keep.
    if (name === 'include_usage' || option === null || (name === 'include_obfuscation' && option === false)) continue
    const param = `stream_options.${name.slice(0, 80)}`
    throw unsupported(param, `${param} ${show(option)} is not supported`)
  }
  return readFlag('stream_options.include_usage', fields['include_usage']) ?? false
}
