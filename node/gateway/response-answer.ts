// The answers of /v1/responses: a whole response, or the events that build one.

import type { MeshError } from '../../protocol/errors.ts'
import type { Said, TokenLogprob, ToolCall, ToolCallDelta } from '../../protocol/task.ts'
import type { InferenceResult } from '../inference.ts'
import { accountOf, callIdOf, errorFields, event, logprobOf, sumOf } from './answer.ts'
import { type Accepted, type Gathered, requireHeld, type StreamWriter } from './endpoint.ts'
import { reasoningTokensOf } from './gather.ts'

/** What of the request an answer repeats, as it was sent. */
export type Echo = Readonly<Record<string, unknown>>

export function responseOf([run]: readonly Gathered[], createdS: number, echo: Echo): string {
  if (!run) throw new TypeError('an answer of no run')
  const { logprobs, reasoning, reasoningTokens, result, text, toolCalls } = run
  const status = statusOf(result)
  const output = [
    ...(reasoning === '' ? [] : [reasoningItem(result.requestId, reasoning, status)]),
    ...(text === '' && toolCalls.length > 0 ? [] : [messageItem(result.requestId, text, logprobs, status)]),
    ...toolCalls.map((call, at) => callItem(result.requestId, at, call, status)),
  ]
  const envelope = envelopeOf(result, createdS, echo)
  return JSON.stringify({ ...envelope, ...endOf(result, reasoningTokens), output, silkmesh: accountOf([result]) })
}

type Status = 'in_progress' | 'completed' | 'incomplete'

function statusOf({ finish }: InferenceResult): Status {
  return finish === 'stop' ? 'completed' : 'incomplete'
}

function envelopeOf({ modelName, requestId }: Accepted | InferenceResult, createdS: number, echo: Echo): object {
  return {
    id: `resp_${requestId}`,
    object: 'response',
    created_at: createdS,
    status: 'in_progress',
    error: null,
    incomplete_details: null,
    model: modelName,
    output: [],
    usage: null,
    ...echo,
  }
}

function endOf(result: InferenceResult, reasoningTokens: number): object {
  const status = statusOf(result)
  const { cachedTokens, completionTokens, promptTokens } = sumOf([result])
  return {
    status,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    usage: {
      input_tokens: promptTokens,
      input_tokens_details: { cached_tokens: cachedTokens },
      output_tokens: completionTokens,
      output_tokens_details: { reasoning_tokens: reasoningTokens },
      total_tokens: promptTokens + completionTokens,
    },
  }
}

function reasoningItem(requestId: string, text: string, status: Status): object {
  const content = status === 'in_progress' ? [] : [reasoningPart(text)]
  return { id: `rs_${requestId}`, type: 'reasoning', status, summary: [], content }
}

function reasoningPart(text: string): object {
  return { type: 'reasoning_text', text }
}

function messageItem(requestId: string, text: string, logprobs: readonly TokenLogprob[], status: Status): object {
  const content = status === 'in_progress' ? [] : [textPart(text, logprobs)]
  return { id: `msg_${requestId}`, type: 'message', status, role: 'assistant', content }
}

function textPart(text: string, logprobs: readonly TokenLogprob[]): object {
  return { type: 'output_text', text, annotations: [], logprobs: logprobs.map(logprobOf) }
}

function callItem(requestId: string, at: number, call: ToolCall, status: Status): object {
  const { arguments: given, id, name } = call
  return { id: callItemId(requestId, at), type: 'function_call', status, call_id: id, name, arguments: given }
}

function callItemId(requestId: string, at: number): string {
  return `fc_${requestId}_${at}`
}

/** An item of the output in the making. */
interface Item {
  readonly id: string
  /** In the output. */
  readonly at: number
  /** How OpenAI names the events about its text. */
  readonly kind: 'reasoning_text' | 'output_text' | 'function_call_arguments'
  text: string
  readonly logprobs: TokenLogprob[]
  /** As it stands in the output. */
  readonly shown: (status: Status) => object
  /** Its one part of content; a call has none. */
  readonly part: (() => object) | undefined
}

/** An answer has one text and one reasoning at most; a number is the tool call of that index. */
type Slot = 'reasoning' | 'message' | number

export class ResponseWriter implements StreamWriter {
  readonly #createdS: number
  readonly #echo: Echo
  #accepted: Accepted | undefined
  /** In the order of the output. */
  readonly #items = new Map<Slot, Item>()
  #reasoningTokens = 0
  #sequence = 0
  /** Of texts: the last event repeats them all. */
  #heldChars = 0
  /** Written, and not yet taken. */
  #events = ''

  constructor(createdS: number, echo: Echo) {
    this.#createdS = createdS
    this.#echo = echo
  }

  accepted(_run: number, accepted: Accepted): string {
    if (this.#accepted) return ''
    this.#accepted = accepted
    const response = envelopeOf(accepted, this.#createdS, this.#echo)
    this.#write('response.created', { response })
    this.#write('response.in_progress', { response })
    return this.#take()
  }

  delta(_run: number, said: Said): string {
    const { logprobs = [], reasoning = '', text, toolCalls = [] } = said
    this.#reasoningTokens += reasoningTokensOf(said)
    if (reasoning !== '') this.#say(this.#item('reasoning'), reasoning)
    if (text !== '' || logprobs.length > 0) {
      const item = this.#item('message')
      item.logprobs.push(...logprobs)
      this.#say(item, text, { logprobs: logprobs.map(logprobOf) })
    }
    for (const part of toolCalls) {
      const item = this.#item(part.index, part)
      if (part.arguments !== '') this.#say(item, part.arguments)
    }
    return this.#take()
  }

  ended(): string {
    return '' // there is one run
  }

  closing(_run: number, results: readonly InferenceResult[]): string {
    const [result] = results
    if (!result) return ''
    if (this.#items.size === 0) this.#item('message') // an answer of nothing is an empty text
    const status = statusOf(result)
    const items = [...this.#items.values()]
    for (const item of items) this.#end(item, status)
    const response = {
      ...envelopeOf(this.#accepted ?? result, this.#createdS, this.#echo),
      ...endOf(result, this.#reasoningTokens),
      output: items.map((item) => item.shown(status)),
      silkmesh: accountOf(results),
    }
    this.#write(`response.${status}`, { response })
    return this.#take()
  }

  failure(error: MeshError): string {
    const { code, message, param = null } = error
    this.#write('error', { code, message, param, error: errorFields(error) })
    return this.#take()
  }

  #item(slot: Slot, call?: ToolCallDelta): Item {
    const known = this.#items.get(slot)
    if (known) return known
    const item = this.#made(slot, this.#items.size, call)
    this.#items.set(slot, item)
    this.#write('response.output_item.added', { output_index: item.at, item: item.shown('in_progress') })
    if (item.part) this.#write('response.content_part.added', { ...place(item), part: item.part() })
    return item
  }

  #made(slot: Slot, at: number, call: ToolCallDelta | undefined): Item {
    const requestId = this.#accepted?.requestId ?? ''
    const begun = { at, text: '', logprobs: [] }
    if (slot === 'reasoning') {
      const item: Item = {
        ...begun,
        id: `rs_${requestId}`,
        kind: 'reasoning_text',
        shown: (status) => reasoningItem(requestId, item.text, status),
        part: () => reasoningPart(item.text),
      }
      return item
    }
    if (slot === 'message') {
      const item: Item = {
        ...begun,
        id: `msg_${requestId}`,
        kind: 'output_text',
        shown: (status) => messageItem(requestId, item.text, item.logprobs, status),
        part: () => textPart(item.text, item.logprobs),
      }
      return item
    }
    const { id = callIdOf(this.#accepted, slot), name = '' } = call ?? {}
    const item: Item = {
      ...begun,
      id: callItemId(requestId, slot),
      kind: 'function_call_arguments',
      shown: (status) => callItem(requestId, slot, { id, name, arguments: item.text }, status),
      part: undefined,
    }
    return item
  }

  #say(item: Item, delta: string, more: object = {}): void {
    item.text += delta
    this.#heldChars += delta.length
    requireHeld(this.#heldChars)
    this.#write(`response.${item.kind}.delta`, { ...place(item), delta, ...more })
  }

  #end(item: Item, status: Status): void {
    const isText = item.kind === 'output_text'
    this.#write(`response.${item.kind}.done`, {
      ...place(item),
      ...(item.part ? { text: item.text } : { arguments: item.text }),
      ...(isText && { logprobs: item.logprobs.map(logprobOf) }),
    })
    if (item.part) this.#write('response.content_part.done', { ...place(item), part: item.part() })
    this.#write('response.output_item.done', { output_index: item.at, item: item.shown(status) })
  }

  /** Unlike a chat's, these events have names and numbers. */
  #write(type: string, fields: object): void {
    this.#events += `event: ${type}\n${event({ type, sequence_number: this.#sequence++, ...fields })}`
  }

  #take(): string {
    const events = this.#events
    this.#events = ''
    return events
  }
}

function place(item: Item): object {
  return { item_id: item.id, output_index: item.at, ...(item.part && { content_index: 0 }) }
}
