// /v1/completions: texts to go on with, as they are, without a chat template.

import { limits } from '../../protocol/limits.ts'
import type { Sampling } from '../../protocol/task.ts'
import { hints, readStreamOptions } from './chat-request.ts'
import { CompletionWriter, textCompletion } from './completion-answer.ts'
import { type Asked, type Endpoint, runsMax } from './endpoint.ts'
import { exactly, type Fields, readBody, readFlag, readText, readWhole, rulesOf, unsupported, wrong } from './fields.ts'
import { requireSize } from './messages.ts'
import { affinityOf, type RequestHeaders, readRouting, routingNames } from './routing.ts'
import { readSampling, samplingNames, seedOf } from './sampling.ts'

export const completionEndpoint: Endpoint = {
  path: '/v1/completions',
  names: new Map([['messages', 'prompt']]),
  read: readCompletion,
}

/** OpenAI's, which clients of this endpoint count on. */
const tokensMaxDefault = 16

function readCompletion(given: unknown, headers: RequestHeaders): Asked {
  const body = readBody(given, rules)
  const prompts = readPrompts(body['prompt'])
  const choices = readWhole('n', body['n'], 1, runsMax) ?? 1
  if (prompts.length * choices > runsMax) {
    throw wrong('n', choices, `at most ${runsMax} answers together, here of ${prompts.length} prompts`)
  }
  readBestOf(body, choices)
  const sampling: Sampling = {
    ...readSampling(body),
    tokensMax: readWhole('max_tokens', body['max_tokens'], 1, limits.tokensMax) ?? tokensMaxDefault,
    ...readLogprobs(body['logprobs']),
  }
  const routing = readRouting(body, headers)
  const includeUsage = readStreamOptions(body['stream_options'])
  return {
    // All choices of the first prompt, then all of the second, as OpenAI numbers them.
    requests: prompts.flatMap((text) => {
      const task = { messages: [], text, sampling }
      requireSize(task, 'prompt')
      const shared = { ...routing, ...task, affinity: affinityOf(body, text) }
      return Array.from({ length: choices }, (_, choice) => ({ ...shared, sampling: seedOf(sampling, choice) }))
    }),
    isStreaming: readFlag('stream', body['stream']) ?? false,
    whole: textCompletion,
    writer: (createdS) => new CompletionWriter(createdS, includeUsage),
  }
}

const rules = rulesOf(
  {
    prompt: 'read',
    n: 'read',
    best_of: 'read',
    max_tokens: 'read',
    logprobs: 'read',
    stream: 'read',
    stream_options: 'read',
    echo: exactly(false),
    suffix: exactly(''),
  },
  ['read', [...samplingNames, ...routingNames]],
  ['hint', hints],
)

function readPrompts(value: unknown): readonly string[] {
  if (typeof value === 'string') return [readPrompt('prompt', value)]
  if (!Array.isArray(value) || value.length === 0) throw wrong('prompt', value, 'a text or a list of texts')
  if (value.every((each) => typeof each === 'number' || Array.isArray(each))) {
    // A number means one thing in each vocabulary, and a provider of the name may have any.
    throw unsupported('prompt', 'prompt is token ids, which is not supported, expected a text or a list of texts')
  }
  if (value.length > runsMax) throw wrong('prompt', value, `at most ${runsMax} texts`)
  return value.map((text: unknown, at) => readPrompt(`prompt[${at}]`, text))
}

function readPrompt(param: string, value: unknown): string {
  const text = readText(param, value)
  if (text === '') throw wrong(param, value, 'a text of at least one character')
  return text
}

/** Asking for the best of as many as are returned asks for nothing. */
function readBestOf(body: Fields, choices: number): void {
  const bestOf = body['best_of']
  if (bestOf === undefined || bestOf === null || bestOf === choices) return
  throw unsupported('best_of', `best_of ${String(bestOf)} is not supported, expected it left out`)
}

function readLogprobs(value: unknown): Pick<Sampling, 'logprobs'> {
  const logprobs = readWhole('logprobs', value, 0, limits.logprobsMax)
  return logprobs === undefined ? {} : { logprobs }
}
