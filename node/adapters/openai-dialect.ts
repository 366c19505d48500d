// How each kind of server wants a task said: the same meaning in every dialect, and a refusal for what one has no words for.

import { MeshError } from '../../protocol/errors.ts'
import {
  type AnswerFormat,
  type ChatMessage,
  type Feature,
  featuresOf,
  type Sampling,
  type Task,
  type Tools,
} from '../../protocol/task.ts'

/** What a server does beyond OpenAI's API: how prompts are counted, how its own sampling defaults are turned off. */
export type Dialect = 'vllm' | 'llama-server' | 'openai'

/** What was established of one model of a server. */
export interface Abilities {
  readonly features: readonly Feature[]
  /** Makes a model call a tool; elsewhere the model alone decides. */
  readonly hasToolChoice: boolean
  readonly hasRepetitionPenalty: boolean
  /** Log probabilities of a text, asked for unlike those of a chat. */
  readonly hasTextLogprobs: boolean
}

/** A request's body before it is JSON. What is undefined is left out. */
export type Body = Readonly<Record<string, unknown>>

/** OpenAI's name of a parameter that asks for what the server cannot do, or undefined. */
export function parameterBeyond(task: Task, dialect: Dialect, abilities: Abilities): string | undefined {
  for (const [feature, parameter] of featuresOf(task)) {
    if (!abilities.features.includes(feature)) return parameter
  }
  const { sampling, text, tools } = task
  const isText = text !== undefined
  const hasTools = tools !== undefined && tools.choice !== 'none'
  if ((sampling.repetitionPenalty ?? 1) !== 1 && !abilities.hasRepetitionPenalty) return 'repetition_penalty'
  if (hasTools && isText) return 'tools'
  if (hasTools && tools.choice !== 'auto' && !abilities.hasToolChoice) return 'tool_choice'
  if (isText && sampling.format && dialect === 'openai') return 'response_format'
  if (isText && sampling.logprobs !== undefined && !abilities.hasTextLogprobs) return 'logprobs'
  // it answers 400: its log probabilities are of chunks, which it parses calls from
  if (hasTools && sampling.logprobs !== undefined && dialect === 'llama-server') return 'logprobs'
  return undefined
}

/** What the prompt is made of, for counting it as well as for evaluating it. Throws `bad-request` for a schema that is no JSON. */
export function promptBody({ messages, text, tools }: Task): Body {
  if (text !== undefined) return { prompt: text }
  return { messages: messages.map(messageBody), ...(tools && toolsBody(tools)) }
}

/**
 * All else of a request that streams. Absent means 1 or none on the mesh, whatever the server's or the model's own
 * defaults are, so every default is said to the servers that have others.
 */
export function samplingBody({ sampling, text }: Task, dialect: Dialect, tokensMax: number | undefined): Body {
  const { format, frequencyPenalty, logprobs, minP, presencePenalty, repetitionPenalty, stop, topK } = sampling
  const isText = text !== undefined
  const saysAll = dialect !== 'openai'
  return {
    stream: true,
    stream_options: { include_usage: true, ...(dialect === 'vllm' && { continuous_usage_stats: true }) },
    temperature: sampling.temperature ?? 1,
    top_p: sampling.topP ?? 1,
    seed: sampling.seed,
    stop: stop?.length ? stop : undefined,
    max_tokens: tokensMax,
    presence_penalty: presencePenalty ?? (saysAll ? 0 : undefined),
    frequency_penalty: frequencyPenalty ?? (saysAll ? 0 : undefined),
    logit_bias: biasBody(sampling, dialect),
    ...(logprobs !== undefined && logprobsBody(logprobs, dialect, isText)),
    ...(format && formatBody(format, dialect, isText)),
    ...(dialect === 'vllm' && {
      top_k: topK || -1,
      min_p: minP ?? 0,
      repetition_penalty: repetitionPenalty ?? 1,
    }),
    ...(dialect === 'openai' && {
      top_k: topK || undefined,
      min_p: minP || undefined,
      repetition_penalty: repetitionPenalty === 1 ? undefined : repetitionPenalty,
    }),
    ...(dialect === 'llama-server' && {
      top_k: topK ?? 0,
      min_p: minP ?? 0,
      repeat_penalty: repetitionPenalty ?? 1,
      repeat_last_n: -1, // all of the context; its default is the last 64 tokens
      timings_per_token: true, // brings the exact count so far
    }),
  }
}

function messageBody({ content, role, toolCallId, toolCalls }: ChatMessage): Body {
  const calls = toolCalls?.map(({ id, name, arguments: text }) => ({
    id,
    type: 'function',
    function: { name, arguments: text },
  }))
  return {
    role,
    content: content === '' && calls?.length ? null : content,
    ...(calls?.length && { tool_calls: calls }),
    ...(toolCallId !== undefined && { tool_call_id: toolCallId }),
  }
}

/** Naming a tool is to offer no other and to require a call: servers know the object that names one unequally well. */
function toolsBody({ choice, isParallel, list }: Tools): Body {
  if (choice === 'none' || list.length === 0) return {}
  const offered = typeof choice === 'string' ? list : list.filter(({ name }) => name === choice.name)
  return {
    tools: offered.map(({ description, name, parameters }) => ({
      type: 'function',
      function: {
        name,
        ...(description !== '' && { description }),
        parameters: parameters === '' ? { type: 'object', properties: {} } : parsed('tools', parameters),
      },
    })),
    tool_choice: typeof choice === 'string' ? choice : 'required',
    parallel_tool_calls: isParallel,
  }
}

function formatBody({ schema: text }: AnswerFormat, dialect: Dialect, isText: boolean): Body {
  // llama-server takes a json_object without a schema for any JSON
  const schema = text === undefined ? { type: 'object' } : parsed('response_format', text)
  if (dialect === 'llama-server' && isText) return { json_schema: schema }
  if (text === undefined) {
    return { response_format: { type: 'json_object', ...(dialect === 'llama-server' && { schema }) } }
  }
  return { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } } }
}

function logprobsBody(top: number, dialect: Dialect, isText: boolean): Body {
  const asked = dialect === 'llama-server' ? Math.max(1, top) : top // where 0 is none at all
  if (!isText) return { logprobs: true, top_logprobs: asked }
  return { logprobs: asked, ...(dialect === 'llama-server' && { n_probs: asked }) }
}

function biasBody({ logitBias = [] }: Sampling, dialect: Dialect): unknown {
  if (logitBias.length === 0) return undefined
  const pairs = logitBias.map(({ bias, tokenId }) => [tokenId, bias] as const)
  return dialect === 'llama-server' ? pairs : Object.fromEntries(pairs)
}

function parsed(parameter: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new MeshError('bad-request', `${parameter}: a schema that is no JSON: ${text.slice(0, 80)}`, {
      cause: error,
      param: parameter,
    })
  }
}
