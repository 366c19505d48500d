// A server of OpenAI's API in front of a real engine, as vLLM, llama-server or OpenAI itself speaks it: something for the
// OpenAI engine to speak to. It refuses what the engine behind cannot do and what a server of its kind refuses.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Dialect } from '../../node/adapters/openai-engine.ts'
import type { Delta, Engine, Generation, Model, Prompt } from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'
import { type ChatMessage, featuresOf, type Sampling, type Task, type Tools } from '../../protocol/task.ts'

export interface TestUpstream {
  readonly url: string
  stop(): Promise<void>
}

interface WireCall {
  readonly id: string
  readonly function: { readonly name: string; readonly arguments: string }
}

/** What the engine before it sends. */
interface Body {
  readonly messages?: readonly {
    readonly role: ChatMessage['role']
    readonly content: string | null
    readonly tool_calls?: readonly WireCall[]
    readonly tool_call_id?: string
  }[]
  readonly prompt?: string
  readonly input?: readonly string[]
  /** Of llama-server's /tokenize. */
  readonly content?: string
  readonly tools?: readonly {
    readonly function: { readonly name: string; readonly description?: string; readonly parameters: unknown }
  }[]
  readonly tool_choice?: 'auto' | 'required'
  readonly parallel_tool_calls?: boolean
  readonly response_format?: { readonly json_schema?: { readonly schema: unknown } }
  readonly json_schema?: unknown
  readonly temperature?: number
  readonly top_p?: number
  readonly top_k?: number
  readonly min_p?: number
  readonly presence_penalty?: number
  readonly frequency_penalty?: number
  readonly repetition_penalty?: number
  readonly repeat_penalty?: number
  readonly logit_bias?: Readonly<Record<string, number>> | readonly (readonly [number, number])[]
  readonly logprobs?: boolean | number
  readonly top_logprobs?: number
  readonly seed?: number
  readonly stop?: readonly string[]
  readonly max_tokens?: number
  readonly timings_per_token?: boolean
  readonly stream_options?: { readonly continuous_usage_stats?: boolean }
}

export async function startTestUpstream(engine: Engine, dialect: Dialect = 'vllm'): Promise<TestUpstream> {
  const server = createServer((request, response) => {
    answer(engine, dialect, request, response).catch((error: unknown) => {
      const code = error instanceof MeshError && error.code === 'context-exceeded' ? 'context_length_exceeded' : null
      if (response.headersSent) response.destroy()
      else send(response, { error: { code, message: String(error) } }, error instanceof TypeError ? 404 : 400)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(
  engine: Engine,
  dialect: Dialect,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [model] = engine.models
  if (!model) throw new Error('an engine without a model')
  const context = dialect === 'vllm' ? { max_model_len: model.contextTokens } : {}
  if (request.url === '/v1/models') return send(response, { data: [{ id: model.name, ...context }] })
  if (request.url === '/props' && dialect === 'llama-server') return send(response, propsOf(model))
  const body = (await json(request)) as Body
  const leave = new AbortController()
  response.on('close', () => leave.abort())
  const prepared = async (task: Task): Promise<Prompt> =>
    await engine.prepare({ model: model.key, ...task, resumeTokenIds: [] } satisfies Generation, leave.signal)
  switch (`${dialect} ${request.url}`) {
    case 'vllm /tokenize':
      return send(response, { count: (await prepared(taskOf(body, model))).promptTokens, tokens: [] })
    case 'llama-server /apply-template': // in place of the text itself, all that it would be made of
      return send(response, { prompt: JSON.stringify({ messages: body.messages, tools: body.tools }) })
    case 'llama-server /tokenize': {
      const content = body.content ?? ''
      const made = content.startsWith('{"messages"') ? (JSON.parse(content) as Body) : { prompt: content }
      return send(response, { tokens: Array((await prepared(taskOf(made, model))).promptTokens).fill(0) })
    }
  }
  switch (request.url) {
    case '/v1/embeddings': {
      const prompt = await prepared(taskOf(body, model))
      const data: object[] = []
      for await (const vector of engine.embed?.(prompt, leave.signal) ?? []) {
        data.push({ index: data.length, embedding: [...vector] })
      }
      return send(response, { data, usage: { prompt_tokens: prompt.promptTokens } })
    }
    case '/v1/completions':
    case '/v1/chat/completions': {
      refuseOutOfRange(body, dialect)
      return await stream(engine, await prepared(taskOf(body, model)), body, dialect, response, leave.signal)
    }
  }
  throw new TypeError(`no endpoint ${request.url}`)
}

function send(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** llama-server mends what is out of range; OpenAI knows no samplers. */
function refuseOutOfRange(body: Body, dialect: Dialect): void {
  const { frequency_penalty = 0, min_p = 0, presence_penalty = 0, repetition_penalty = 1, top_k = -1 } = body
  const isWithin =
    Math.abs(frequency_penalty) <= 2 &&
    Math.abs(presence_penalty) <= 2 &&
    min_p >= 0 &&
    min_p <= 1 &&
    repetition_penalty > 0 &&
    top_k >= -1
  const isKnown = body.min_p === undefined && body.top_k === undefined && body.repetition_penalty === undefined
  if (dialect === 'llama-server' || (isWithin && (dialect === 'vllm' || isKnown))) return
  throw new MeshError('bad-request', 'a parameter out of range')
}

function taskOf(body: Body, model: Model): Task {
  const { input, messages = [], prompt, tools } = body
  const task: Task = {
    messages: messages.map(({ content, role, tool_call_id, tool_calls }) => ({
      role,
      content: content ?? '',
      toolCalls: tool_calls?.map((call) => ({ id: call.id, ...call.function })),
      toolCallId: tool_call_id,
    })),
    sampling: samplingOf(body),
    ...(tools && { tools: toolsOf(tools, body) }),
    ...(prompt !== undefined && { text: prompt }),
    ...(input && { inputs: input }),
  }
  for (const [feature, parameter] of featuresOf(task)) {
    if (!model.features.includes(feature)) throw new MeshError('unsupported', `${parameter} is not supported`)
  }
  return task
}

function toolsOf(tools: NonNullable<Body['tools']>, { parallel_tool_calls = true, tool_choice = 'auto' }: Body): Tools {
  return {
    list: tools.map(({ function: { description = '', name, parameters } }) => ({
      name,
      description,
      parameters: JSON.stringify(parameters),
    })),
    choice: tool_choice,
    isParallel: parallel_tool_calls,
  }
}

function samplingOf(body: Body): Sampling {
  const { json_schema, logit_bias = [], logprobs, response_format, top_k } = body
  const schema = response_format?.json_schema?.schema ?? json_schema
  const pairs = Array.isArray(logit_bias) ? logit_bias : Object.entries(logit_bias)
  return {
    temperature: body.temperature,
    topP: body.top_p,
    topK: top_k === -1 ? 0 : top_k,
    minP: body.min_p,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    repetitionPenalty: body.repetition_penalty ?? body.repeat_penalty,
    seed: body.seed,
    stop: body.stop,
    tokensMax: body.max_tokens,
    logitBias: pairs.map(([tokenId, bias]) => ({ tokenId: Number(tokenId), bias: Number(bias) })),
    logprobs: typeof logprobs === 'number' ? logprobs : logprobs ? (body.top_logprobs ?? 0) : undefined,
    ...((response_format || schema !== undefined) && {
      format: { type: 'json', schema: schema === undefined ? undefined : JSON.stringify(schema) },
    }),
  }
}

function propsOf({ contextTokens, features }: Model): object {
  const params = {
    ...(features.includes('penalties') && { presence_penalty: 0, frequency_penalty: 0, repeat_penalty: 1 }),
    ...(features.includes('samplers') && { top_k: 40, min_p: 0.05 }),
  }
  return { default_generation_settings: { n_ctx: contextTokens, params } }
}

/** Counts the end token, as those servers do. */
async function stream(
  engine: Engine,
  prompt: Prompt,
  body: Body,
  dialect: Dialect,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  const isText = body.prompt !== undefined
  let tokens = 0
  const write = (event: object): boolean => response.write(`data: ${JSON.stringify(event)}\n\n`)
  const counted = (): object => {
    if (dialect === 'vllm' && body.stream_options?.continuous_usage_stats) return { usage: usageOf(prompt, tokens) }
    return dialect === 'llama-server' && body.timings_per_token ? { timings: { predicted_n: tokens } } : {}
  }
  if (!isText) write({ choices: [{ index: 0, delta: { role: 'assistant', content: '' } }], ...counted() })
  const generation = engine.generate(prompt, signal)
  for (;;) {
    const next = await generation.next()
    if (next.done) {
      // which of the two it was the engine does not say
      const isStopText = Boolean(body.stop?.length)
      if (next.value === 'stop' && !isStopText) tokens += 1
      const finish = { finish_reason: next.value, ...(isStopText && { stop_reason: 'a stop text' }) }
      write({ choices: [{ index: 0, ...(isText ? { text: '' } : { delta: {} }), ...finish }], ...counted() })
      write({ choices: [], usage: usageOf(prompt, tokens) })
      response.end('data: [DONE]\n\n')
      return
    }
    tokens += next.value.tokens
    write({ choices: [{ index: 0, finish_reason: null, ...saidOf(next.value, isText) }], ...counted() })
  }
}

function usageOf({ promptTokens }: Prompt, completion_tokens: number): object {
  return { prompt_tokens: promptTokens, completion_tokens, total_tokens: promptTokens + completion_tokens }
}

function saidOf({ logprobs, reasoning, text, toolCalls }: Delta, isText: boolean): object {
  const entry = ({ bytes, logprob }: { readonly bytes: Uint8Array; readonly logprob: number }): object => ({
    token: new TextDecoder().decode(bytes),
    bytes: [...bytes],
    logprob,
  })
  const tool_calls = toolCalls?.map(({ arguments: written, id, index, name }) => ({
    index,
    id,
    type: 'function',
    function: { name, arguments: written },
  }))
  return {
    ...(isText ? { text } : { delta: { content: text, reasoning_content: reasoning, tool_calls } }),
    ...(logprobs && {
      logprobs: { content: logprobs.map((each) => ({ ...entry(each), top_logprobs: each.top.map(entry) })) },
    }),
  }
}
