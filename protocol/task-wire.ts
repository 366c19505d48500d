// The codec of tasks and of what a model says: bounds and legal fields of both. docs/protocol.md §4.

import { limits } from './limits.ts'
import type { WireDelta, WireOpen, WireSampling, WireTools } from './mesh.js'
import type {
  AnswerFormat,
  ChatMessage,
  Role,
  Said,
  Sampling,
  Task,
  TokenLogprob,
  ToolCall,
  ToolCallDelta,
  ToolChoice,
  Tools,
} from './task.ts'
import { boundedCount, boundedText, optional, owned, violation } from './wire.ts'

const roles: readonly string[] = ['system', 'user', 'assistant', 'tool'] satisfies Role[]
const choices = ['auto', 'none', 'required'] as const
const namedChoice = choices.length + 1

/** How many of each the generated decoder takes at most. */
export const taskLimits = {
  messages: limits.messagesMax,
  sampling: { stop: limits.stopsMax, logitBias: limits.logitBiasMax },
  tools: { list: limits.toolsMax },
  inputs: limits.inputsMax,
}
export const saidLimits = {
  tokenIds: limits.deltaTokensMax,
  toolCalls: limits.toolCallsMax,
  logprobs: limits.deltaTokensMax,
}

type WireTask = Pick<WireOpen, 'messages' | 'sampling' | 'tools' | 'text' | 'inputs'>

export function encodeTask({ inputs, messages, sampling, text, tools }: Task): WireTask {
  return {
    messages: messages.map(({ role, content, toolCalls, toolCallId }) => ({
      role,
      content,
      toolCalls: [...(toolCalls ?? [])],
      toolCallId: toolCallId ?? '',
    })),
    sampling: encodeSampling(sampling),
    ...(tools && { tools: encodeTools(tools) }),
    ...optional('text', text),
    inputs: [...(inputs ?? [])],
  }
}

export function decodeTask(wire: WireTask): Task {
  const { inputs, messages, text } = wire
  const given = [messages.length > 0, text !== undefined, inputs.length > 0].filter(Boolean).length
  if (given > 1) throw violation(`${given} of messages, text and inputs, expected one of them`)
  return {
    messages: messages.map(decodeMessage),
    sampling: decodeSampling(wire.sampling ?? { stop: [], logitBias: [] }),
    ...(wire.tools && { tools: decodeTools(wire.tools) }),
    ...optional('text', text),
    ...(inputs.length > 0 && { inputs }),
  }
}

function decodeMessage({ content, role, toolCallId, toolCalls }: WireOpen['messages'][number]): ChatMessage {
  if (!roles.includes(role)) throw violation(`role "${role.slice(0, 40)}", expected ${roles.join(', ')}`)
  if (toolCalls.length > limits.toolCallsMax) {
    throw violation(`${toolCalls.length} tool calls, at most ${limits.toolCallsMax}`)
  }
  return {
    role: role as Role,
    content,
    ...(toolCalls.length > 0 && { toolCalls: toolCalls.map(decodeToolCall) }),
    ...(toolCallId !== '' && { toolCallId: boundedText('tool call id', toolCallId, limits.toolCallIdCharsMax) }),
  }
}

function decodeToolCall(call: ToolCall): ToolCall {
  return {
    id: boundedText('tool call id', call.id, limits.toolCallIdCharsMax),
    name: boundedText('tool name', call.name, limits.toolNameCharsMax),
    arguments: call.arguments,
  }
}

function encodeTools({ choice, isParallel, list }: Tools): WireTools {
  const number = typeof choice === 'string' ? choices.indexOf(choice) + 1 : namedChoice
  return {
    list: list.map(({ name, description, parameters }) => ({ name, description, parameters })),
    choice: number,
    name: typeof choice === 'string' ? '' : choice.name,
    parallel: isParallel,
  }
}

function decodeTools({ choice, list, name, parallel }: WireTools): Tools {
  const tools = list.map((tool) => ({
    name: boundedText('tool name', tool.name, limits.toolNameCharsMax),
    description: tool.description,
    parameters: tool.parameters,
  }))
  const word = choices[choice - 1]
  if (!word && choice !== namedChoice) throw violation(`tool choice ${choice}, expected 1 to ${namedChoice}`)
  if (!word && !tools.some((tool) => tool.name === name)) {
    throw violation(`tool choice "${name.slice(0, limits.toolNameCharsMax)}" is not one of the tools`)
  }
  const decoded: ToolChoice = word ?? { name }
  return { list: tools, choice: decoded, isParallel: parallel }
}

/** The smallest positive number of the wire's 32-bit float: a smaller one would become 0, which is no legal `topP`. */
const leastFloat = 2 ** -149

function encodeSampling(sampling: Sampling): WireSampling {
  const { format, logitBias, stop, topP } = sampling
  return {
    ...optional('temperature', sampling.temperature),
    ...optional('topP', topP && Math.max(topP, leastFloat)),
    ...optional('topK', sampling.topK),
    ...optional('minP', sampling.minP),
    ...optional('presencePenalty', sampling.presencePenalty),
    ...optional('frequencyPenalty', sampling.frequencyPenalty),
    ...optional('repetitionPenalty', sampling.repetitionPenalty),
    logitBias: (logitBias ?? []).map(({ tokenId, bias }) => ({ tokenId, bias })),
    ...optional('seed', sampling.seed),
    stop: [...(stop ?? [])],
    ...optional('tokensMax', sampling.tokensMax),
    ...(format && { format: optional('schema', format.schema) }),
    ...optional('logprobs', sampling.logprobs),
  }
}

function decodeSampling(wire: WireSampling): Sampling {
  const { format, logitBias, logprobs, seed, stop, tokensMax, topK, topP } = wire
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw violation(`top_p ${topP}, expected above 0, at most 1`)
  for (const text of stop) {
    const bytes = Buffer.byteLength(text)
    if (bytes > limits.stopBytesMax) throw violation(`stop of ${bytes} bytes, at most ${limits.stopBytesMax}`)
  }
  const decodedFormat: AnswerFormat | undefined = format && { type: 'json', ...optional('schema', format.schema) }
  return {
    temperature: numberWithin('temperature', wire.temperature, 0, 2),
    topP,
    ...optional('topK', topK),
    ...optional('minP', numberWithin('min_p', wire.minP, 0, 1)),
    ...optional('presencePenalty', numberWithin('presence penalty', wire.presencePenalty, -2, 2)),
    ...optional('frequencyPenalty', numberWithin('frequency penalty', wire.frequencyPenalty, -2, 2)),
    ...optional('repetitionPenalty', numberWithin('repetition penalty', wire.repetitionPenalty, 0.01, 10)),
    ...(logitBias.length > 0 && {
      logitBias: logitBias.map(({ tokenId, bias }) => ({ tokenId, bias: numberWithin('bias', bias, -100, 100) ?? 0 })),
    }),
    seed,
    stop,
    tokensMax: tokensMax === undefined ? undefined : boundedCount('max tokens', tokensMax, limits.tokensMax),
    ...optional('format', decodedFormat),
    ...optional(
      'logprobs',
      logprobs === undefined ? undefined : boundedCount('logprobs', logprobs, limits.logprobsMax),
    ),
  }
}

function numberWithin(what: string, value: number | undefined, min: number, max: number): number | undefined {
  if (value !== undefined && !(value >= min && value <= max)) {
    throw violation(`${what} ${value}, expected ${min} to ${max}`)
  }
  return value
}

type WireSaid = Pick<WireDelta, 'text' | 'tokens' | 'tokenIds' | 'reasoning' | 'toolCalls' | 'logprobs'>

export function encodeSaid({ logprobs, reasoning, text, tokenIds, tokens, toolCalls }: Said): WireSaid {
  return {
    text,
    tokens,
    tokenIds: [...tokenIds],
    reasoning: reasoning ?? '',
    toolCalls: (toolCalls ?? []).map((call) => ({
      index: call.index,
      ...optional('id', call.id),
      ...optional('name', call.name),
      arguments: call.arguments,
    })),
    logprobs: (logprobs ?? []).map(({ bytes, logprob, top }) => ({
      bytes: owned(bytes),
      logprob,
      top: top.map((other) => ({ bytes: owned(other.bytes), logprob: other.logprob })),
    })),
  }
}

export function decodeSaid(wire: WireSaid): Said {
  const { logprobs, reasoning, text, tokenIds, toolCalls } = wire
  const calls = toolCalls.map(decodeToolCallDelta)
  const textBytes =
    Buffer.byteLength(text) +
    Buffer.byteLength(reasoning) +
    calls.reduce((sum, call) => sum + Buffer.byteLength(call.arguments), 0)
  if (textBytes > limits.deltaBytesMax) throw violation(`delta of ${textBytes} bytes, at most ${limits.deltaBytesMax}`)
  const tokens = boundedCount('delta tokens', wire.tokens, limits.deltaTokensMax)
  if (tokenIds.length !== 0 && tokenIds.length !== tokens) {
    throw violation(`delta of ${tokens} tokens with ${tokenIds.length} ids`)
  }
  if (logprobs.length !== 0 && logprobs.length !== tokens) {
    throw violation(`delta of ${tokens} tokens with ${logprobs.length} log probabilities`)
  }
  return {
    text,
    tokens,
    tokenIds,
    ...(reasoning !== '' && { reasoning }),
    ...(calls.length > 0 && { toolCalls: calls }),
    ...(logprobs.length > 0 && { logprobs: logprobs.map(decodeLogprob) }),
  }
}

function decodeToolCallDelta(call: WireDelta['toolCalls'][number]): ToolCallDelta {
  const { id, name } = call
  return {
    index: boundedCount('tool call', call.index, limits.toolCallsMax - 1),
    ...optional('id', id === undefined ? undefined : boundedText('tool call id', id, limits.toolCallIdCharsMax)),
    ...optional('name', name === undefined ? undefined : boundedText('tool name', name, limits.toolNameCharsMax)),
    arguments: call.arguments,
  }
}

function decodeLogprob({ bytes, logprob, top }: WireDelta['logprobs'][number]): TokenLogprob {
  if (top.length > limits.logprobsMax) throw violation(`${top.length} alternatives, at most ${limits.logprobsMax}`)
  for (const each of [logprob, ...top.map((other) => other.logprob)]) {
    if (!(each <= 0)) throw violation(`log probability ${each}, at most 0`)
  }
  return {
    bytes: owned(bytes),
    logprob,
    top: top.map((other) => ({ bytes: owned(other.bytes), logprob: other.logprob })),
  }
}

/** The vector of one input as bytes, and back. Throws `protocol-violation` for what is no vector of finite numbers. */
export function encodeVector(vector: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(vector.length * 4)
  const view = new DataView(bytes.buffer)
  for (const [at, value] of vector.entries()) view.setFloat32(at * 4, value, true)
  return bytes
}

export function decodeVector(bytes: Uint8Array): Float32Array {
  const values = bytes.length / 4
  if (!Number.isInteger(values) || values === 0 || values > limits.embeddingValuesMax) {
    throw violation(`embedding of ${bytes.length} bytes, expected 4 to ${4 * limits.embeddingValuesMax}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const vector = Float32Array.from({ length: values }, (_, at) => view.getFloat32(at * 4, true))
  if (!vector.every(Number.isFinite)) throw violation('embedding with a value that is no number')
  return vector
}
