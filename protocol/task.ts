// What is asked of a model: a chat, a text to go on with, or texts to embed; and what an engine must be able to do for it.

/** `tool` is the result of a call that the model asked for. */
export type Role = 'system' | 'user' | 'assistant' | 'tool'

export interface ToolCall {
  readonly id: string
  readonly name: string
  /** JSON, as the model wrote it. */
  readonly arguments: string
}

export interface ChatMessage {
  readonly role: Role
  readonly content: string
  /** Of an assistant: the calls it asked for. */
  readonly toolCalls?: readonly ToolCall[] | undefined
  /** Of a tool: the call it answers. */
  readonly toolCallId?: string | undefined
}

export interface Tool {
  readonly name: string
  readonly description: string
  /** JSON Schema, as JSON text; empty for a tool without parameters. */
  readonly parameters: string
}

/** `required`: at least one call; a name: a call of that tool. */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string }

export interface Tools {
  readonly list: readonly Tool[]
  readonly choice: ToolChoice
  /** More than one call in one answer. */
  readonly isParallel: boolean
}

/** What the answer must parse as. `schema` is JSON Schema, as JSON text; without it any JSON object will do. */
export interface AnswerFormat {
  readonly type: 'json'
  readonly schema?: string | undefined
}

/**
 * Absent `temperature`, `topP` and `repetitionPenalty` mean 1; absent penalties, `topK` and `minP` mean 0, which is none;
 * absent `seed` means a fresh random one.
 */
export interface Sampling {
  readonly temperature?: number | undefined
  readonly topP?: number | undefined
  readonly topK?: number | undefined
  readonly minP?: number | undefined
  readonly presencePenalty?: number | undefined
  readonly frequencyPenalty?: number | undefined
  readonly repetitionPenalty?: number | undefined
  readonly logitBias?: readonly LogitBias[] | undefined
  readonly seed?: number | undefined
  readonly stop?: readonly string[] | undefined
  readonly tokensMax?: number | undefined
  readonly format?: AnswerFormat | undefined
  /** Tell each token's log probability, and that of this many likeliest alternatives. */
  readonly logprobs?: number | undefined
}

export interface LogitBias {
  readonly tokenId: number
  /** −100 to 100. */
  readonly bias: number
}

/** One of `messages`, `text` and `inputs` is given; `messages` is then empty for the other two. */
export interface Task {
  readonly messages: readonly ChatMessage[]
  readonly sampling: Sampling
  readonly tools?: Tools | undefined
  /** To be continued as it is, without a chat template. */
  readonly text?: string | undefined
  /** To be embedded, each by itself. */
  readonly inputs?: readonly string[] | undefined
}

/** Of something larger, the task alone. */
export function taskOf({ messages, sampling, tools, text, inputs }: Task): Task {
  return {
    messages,
    sampling,
    ...(tools && { tools }),
    ...(text !== undefined && { text }),
    ...(inputs && { inputs }),
  }
}

/**
 * What an engine may be unable to do. A provider advertises what its engine can; one that says nothing chats with
 * temperature, top-p, seed, stop texts and a token limit, and can do nothing else.
 */
export const features = [
  'chat',
  'text',
  'embeddings',
  'tools',
  'json',
  'logprobs',
  'penalties',
  'samplers',
  'logit-bias',
] as const

export type Feature = (typeof features)[number]

/** Of an advert that names none. */
export const featuresByDefault: readonly Feature[] = ['chat']

/** What an engine must be able to do for a task, each with the parameter that asks for it. */
export function featuresOf({ inputs, messages, sampling, text, tools }: Task): ReadonlyMap<Feature, string> {
  const needed = new Map<Feature, string>()
  const need = (isNeeded: boolean, feature: Feature, parameter: string): void => {
    if (isNeeded && !needed.has(feature)) needed.set(feature, parameter)
  }
  need(inputs !== undefined, 'embeddings', 'input')
  need(text !== undefined, 'text', 'prompt')
  need(inputs === undefined && text === undefined, 'chat', 'messages')
  need(tools !== undefined && tools.choice !== 'none', 'tools', 'tools')
  need(
    messages.some(({ role, toolCalls }) => role === 'tool' || toolCalls?.length),
    'tools',
    'messages',
  )
  need(sampling.format !== undefined, 'json', 'response_format')
  need(sampling.logprobs !== undefined, 'logprobs', 'logprobs')
  need((sampling.presencePenalty ?? 0) !== 0, 'penalties', 'presence_penalty')
  need((sampling.frequencyPenalty ?? 0) !== 0, 'penalties', 'frequency_penalty')
  need((sampling.repetitionPenalty ?? 1) !== 1, 'penalties', 'repetition_penalty')
  need((sampling.topK ?? 0) !== 0, 'samplers', 'top_k')
  need((sampling.minP ?? 0) !== 0, 'samplers', 'min_p')
  need((sampling.logitBias?.length ?? 0) > 0, 'logit-bias', 'logit_bias')
  return needed
}

/** A part of a tool call: calls are told apart by `index`; `id` and `name` come with the first part, arguments in pieces. */
export interface ToolCallDelta {
  readonly index: number
  readonly id?: string | undefined
  readonly name?: string | undefined
  readonly arguments: string
}

export interface TokenLogprob {
  /** The token's own bytes: a token may hold part of a character. */
  readonly bytes: Uint8Array
  readonly logprob: number
  /** The likeliest first. */
  readonly top: readonly { readonly bytes: Uint8Array; readonly logprob: number }[]
}

/** What a model said: new text of the answer, and all else that tokens may bring. */
export interface Said {
  /** Of the answer. */
  readonly text: string
  /** Completion tokens behind this; the end-of-generation token is never counted or delivered. */
  readonly tokens: number
  /** One a token, or empty where the engine does not tell them. */
  readonly tokenIds: readonly number[]
  /** New text of the model's reasoning, which is not part of the answer. */
  readonly reasoning?: string | undefined
  readonly toolCalls?: readonly ToolCallDelta[] | undefined
  /** One a token, where asked for. */
  readonly logprobs?: readonly TokenLogprob[] | undefined
}
