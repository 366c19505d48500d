// The messages of a chat, read into ours, and how large a task may be.

import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import type { ChatMessage, Role, Task } from '../../protocol/task.ts'
import { type Fields, readFields, readList, readText, requireEmpty, show, unsupported, wrong } from './fields.ts'
import { readCallId, readToolCall } from './tools.ts'

export function readMessages(value: unknown): readonly ChatMessage[] {
  const messages = readList('messages', value, limits.messagesMax, 'messages').map((message, at) =>
    readMessage(`messages[${at}]`, message),
  )
  requireAnswered(messages, (at) => `messages[${at}].tool_call_id`)
  return messages
}

/** A tool's result without its call is something no chat template can say. */
export function requireAnswered(messages: readonly ChatMessage[], paramOf: (at: number) => string): void {
  const called = new Set<string>()
  for (const [at, { toolCallId, toolCalls }] of messages.entries()) {
    for (const { id } of toolCalls ?? []) called.add(id)
    if (toolCallId !== undefined && !called.has(toolCallId)) {
      throw wrong(paramOf(at), toolCallId, 'the id of a tool call in a message before')
    }
  }
}

export const roles: ReadonlyMap<unknown, Role> = new Map([
  ['system', 'system'],
  ['developer', 'system'],
  ['user', 'user'],
  ['assistant', 'assistant'],
  ['tool', 'tool'],
])

function readMessage(param: string, value: unknown): ChatMessage {
  const message = readFields(param, value, 'an object with role and content')
  const role = roles.get(message['role'])
  if (message['role'] === 'function')
    throw unsupported(`${param}.role`, `${param}.role "function" is not supported, expected "tool"`)
  if (!role) throw wrong(`${param}.role`, message['role'], 'system, developer, user, assistant or tool')
  const known = ['role', 'content']
  const content = () => readContent(`${param}.content`, message['content'], chatParts)
  if (role === 'tool') {
    requireEmpty(param, message, [...known, 'tool_call_id', 'name']) // which tool, the call says as well
    return { role, content: content(), toolCallId: readCallId(`${param}.tool_call_id`, message['tool_call_id']) }
  }
  if (role !== 'assistant') {
    requireEmpty(param, message, known)
    return { role, content: content() }
  }
  // Of an answer sent back: reasoning is not said again, as the templates of reasoning models have it, and annotations
  // are other servers' marks on their text.
  requireEmpty(param, message, [...known, 'tool_calls', 'annotations', 'reasoning_content', 'reasoning'])
  const toolCalls = readToolCalls(`${param}.tool_calls`, message['tool_calls'])
  if (!toolCalls) return { role, content: content() }
  const isSilent = message['content'] === undefined || message['content'] === null
  return { role, content: isSilent ? '' : content(), toolCalls }
}

function readToolCalls(param: string, value: unknown): ChatMessage['toolCalls'] {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return undefined
  return readList(param, value, limits.toolCallsMax, 'tool calls').map((entry, at) => {
    const each = `${param}[${at}]`
    const call = readFields(each, entry, 'an object with id and function')
    if (call['type'] !== undefined && call['type'] !== 'function') {
      throw unsupported(`${each}.type`, `${each}.type ${show(call['type'])} is not supported, expected "function"`)
    }
    requireEmpty(each, call, ['id', 'type', 'function', 'index'])
    const fields = readFields(`${each}.function`, call['function'], 'an object with name and arguments')
    requireEmpty(`${each}.function`, fields, ['name', 'arguments'])
    return readToolCall(`${each}.function`, call['id'], `${each}.id`, fields)
  })
}

export const chatParts: readonly string[] = ['text']

export function readContent(param: string, content: unknown, types: readonly string[]): string {
  if (typeof content === 'string') return readText(param, content)
  if (!Array.isArray(content)) throw wrong(param, content, 'a text or a list of text parts')
  if (content.length > limits.messagesMax) throw wrong(param, content, `at most ${limits.messagesMax} parts`)
  // One line a part, as vLLM and llama-server put them together.
  return content.map((part: unknown, at) => readPart(`${param}[${at}]`, part, types)).join('\n')
}

function readPart(param: string, value: unknown, types: readonly string[]): string {
  const part: Fields = readFields(param, value, `{"type": "${types[0]}", "text": …}`)
  const { type } = part
  const expected = types.map(show).join(' or ')
  if (typeof type !== 'string') throw wrong(`${param}.type`, type, expected)
  if (!types.includes(type)) {
    throw unsupported(`${param}.type`, `${param}.type ${show(type)} is not supported, expected ${expected}`)
  }
  const text = readText(`${param}.text`, part['text'])
  // Marks of a cache and of an answer of ours change no token; anything else about a part would.
  requireEmpty(param, part, ['type', 'text', 'cache_control', 'prompt_cache_breakpoint', 'annotations', 'logprobs'])
  return text
}

/** The wire's bound less 64 KiB for the framing of the messages, the stop texts and the voucher. */
export const taskBytesMax = limits.openBytesMax - 65_536

/** Throws `too-large`, naming `param`, for what no frame can carry. */
export function requireSize(task: Task, param: string): void {
  const { format, logitBias = [] } = task.sampling
  const calls = task.messages.flatMap(({ toolCalls }) => toolCalls ?? [])
  const texts = [
    ...task.messages.flatMap(({ content, toolCallId = '' }) => [content, toolCallId]),
    ...calls.flatMap((call) => [call.id, call.name, call.arguments]),
    ...(task.tools?.list ?? []).flatMap((tool) => [tool.name, tool.description, tool.parameters]),
    ...(task.inputs ?? []),
    task.text ?? '',
    format?.schema ?? '',
  ]
  const framing = (calls.length + logitBias.length) * framingBytes
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), framing)
  if (bytes > taskBytesMax) {
    throw new MeshError('too-large', `${param} of ${bytes} bytes, at most ${taskBytesMax}`, { param })
  }
}

/** Of a tool call around its texts, and of a token's bias. */
const framingBytes = 16
