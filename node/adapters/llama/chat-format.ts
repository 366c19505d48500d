// How a model wants its messages: from a chat to prompt tokens, what ends its answer, how it thinks and how it calls tools.

import type { ChatHistoryItem, ChatModelFunctions, ChatModelResponse, LlamaModel, LlamaText } from 'node-llama-cpp'
import { MeshError } from '../../../protocol/errors.ts'
import type { ChatMessage, Task, ToolCall } from '../../../protocol/task.ts'
import { type CallSyntax, callSyntaxOf, type Piece } from './call-syntax.ts'

type Library = typeof import('node-llama-cpp')
type Wrapper = InstanceType<Library['ChatWrapper']>
type ContextState = ReturnType<Wrapper['generateContextState']>
type Text = string | LlamaText

/** The texts between which a model thinks. Without `prefix` it thinks from the beginning and no second time. */
export interface ThoughtSyntax {
  readonly prefix: string | undefined
  readonly suffix: string
}

export interface ChatFormat {
  /** Such as `ChatML`. */
  readonly name: string
  /** False where the model brings no template and a general one stands in. */
  readonly fromModel: boolean
  /**
   * Never empty. Throws `MeshError` `bad-request` where the model's template refuses the messages, `unsupported` for tools
   * that it has no way to call.
   */
  tokenize(task: Task): readonly number[]
  readonly stopTokenIds: ReadonlySet<number>
  readonly stopTexts: readonly string[]
  readonly thought: ThoughtSyntax | undefined
  /** Whether an answer begins inside a thought: after the result of a call, and otherwise. */
  opensInThought(isAfterTool: boolean): boolean
  /** How it calls tools; `undefined` where it does so in a way that is not supported here. */
  readonly calls: CallSyntax | undefined
  /** Texts around what is said that are no part of it. */
  readonly frames: readonly string[]
}

/**
 * Harmony, of gpt-oss, names a channel before each message. Its calls are in a channel of their own, which no grammar here
 * follows.
 */
const framesOf: Readonly<Record<string, readonly string[]>> = {
  Harmony: [
    '<|start|>assistant',
    '<|channel|>final<|message|>',
    '<|channel|>commentary<|message|>',
    '<|channel|>final',
    '<|end|>',
  ],
}

export function chatTemplateOf(model: LlamaModel): string {
  return model.fileInfo.metadata.tokenizer?.chat_template ?? ''
}

export function chatFormatOf(library: Library, model: LlamaModel): ChatFormat {
  const wrapper = library.resolveChatWrapper(model) ?? new library.GeneralChatWrapper()
  const { settings } = wrapper
  const stateOf = (chatHistory: ChatHistoryItem[], availableFunctions?: ChatModelFunctions): ContextState =>
    wrapper.generateContextState({ chatHistory, ...(availableFunctions && { availableFunctions }) })
  const probe: ChatHistoryItem[] = [
    { type: 'user', text: 'hello' },
    { type: 'model', response: [] },
  ]
  const plain = stateOf(probe)

  const stopTokenIds = new Set<number>()
  const stopTexts: string[] = []
  for (const trigger of plain.stopGenerationTriggers) {
    const text = library.LlamaText(trigger)
    const tokenIds = text.tokenize(model.tokenizer)
    const [tokenId] = tokenIds
    const isText = text.values.every((value) => typeof value === 'string')
    if (!isText && tokenIds.length === 1 && tokenId !== undefined) stopTokenIds.add(tokenId)
    else if (isText || tokenIds.length > 1) stopTexts.push(text.toString())
  }

  const pieces = (text: Text): readonly Piece[] => piecesOf(library, model, text)
  const textOf = (text: Text): string =>
    pieces(text)
      .map((piece) => piece.text)
      .join('')
  const { prefix, reopenAfterFunctionCalls, suffix } = settings.segments?.thought ?? {}
  const isOpenedByTemplate = typeof prefix === 'object' && !library.isLlamaText(prefix)
  const thoughtEnd = suffix === undefined ? '' : textOf(suffix).trim()
  const thought: ThoughtSyntax | undefined =
    thoughtEnd === '' || prefix === undefined
      ? undefined
      : { prefix: isOpenedByTemplate ? undefined : textOf(prefix).trim(), suffix: thoughtEnd }
  const opensOnStart = isOpenedByTemplate || settings.segments?.thought?.openOnResponseStart === true
  const opensInThought = (isAfterTool: boolean): boolean =>
    thought !== undefined && (isAfterTool ? reopenAfterFunctionCalls === true : opensOnStart)

  const isStaged = isStagedState(plain) || isStagedState(stateOf(probe, { probe: { description: 'a probe' } }))
  const endTexts = [...model.iterateAllTokens()]
    .filter((token) => model.isEogToken(token))
    .map((token) => model.detokenize([token], true))
  const calls = isStaged ? undefined : callSyntaxOf(settings.functions, pieces, endTexts)
  const direct = plain.noPrefixTrigger?.type === 'response' ? plain.noPrefixTrigger.inject : undefined

  return {
    name: wrapper.wrapperName,
    fromModel: chatTemplateOf(model).trim() !== '',
    stopTokenIds,
    stopTexts,
    thought,
    opensInThought,
    calls,
    frames: framesOf[wrapper.wrapperName] ?? [],
    tokenize({ messages, sampling, tools }) {
      const isCalling = tools !== undefined && tools.choice !== 'none' && tools.list.length > 0
      if (isCalling && !calls) {
        throw new MeshError('unsupported', `tools are not supported with chats of the format ${wrapper.wrapperName}`, {
          param: 'tools',
        })
      }
      const functions: ChatModelFunctions | undefined = isCalling
        ? Object.fromEntries(
            tools.list.map(({ description, name, parameters }) => [
              name,
              {
                ...(description !== '' && { description }),
                ...(parameters !== '' && { params: schemaOf(name, parameters) }),
              },
            ]),
          )
        : undefined
      const history = historyOf(messages)
      const last = history.at(-1)
      const isAfterTool = messages.at(-1)?.role === 'tool'
      const response: ChatModelResponse['response'] = last?.type === 'model' && isAfterTool ? last.response : []
      if (!isAfterTool) history.push({ type: 'model', response })
      if (opensInThought(isAfterTool)) {
        response.push({ type: 'segment', segmentType: 'thought', text: '', ended: false })
      }
      try {
        const { contextText } = stateOf(history, functions)
        // What must have a form from its first token has no room for a choice of channel.
        const begun = sampling.format && direct ? library.LlamaText([contextText, direct]) : contextText
        const tokenIds = begun.tokenize(model.tokenizer)
        // A model without a beginning token and a template that adds nothing: something must be evaluated.
        return tokenIds.length > 0 ? tokenIds : model.tokenize('\n')
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        throw new MeshError('bad-request', `the model's chat template refuses these messages: ${reason}`, {
          cause: error,
          param: 'messages',
        })
      }
    },
  }
}

/** Chats whose answer goes through stages of its own, between which the template would have to be rendered again. */
function isStagedState(state: ContextState): boolean {
  return (
    state.prefixTriggers !== undefined ||
    state.noPrefixTrigger !== undefined ||
    state.rerender !== undefined ||
    state.functionCall?.initiallyEngaged === true
  )
}

function piecesOf(library: Library, model: LlamaModel, text: Text): readonly Piece[] {
  const { tokens } = model
  const special: Readonly<Record<string, string | null>> = {
    BOS: tokens.bosString,
    EOS: tokens.eosString,
    EOT: tokens.eotString,
    NL: tokens.nlString,
    SEP: tokens.sepString,
  }
  return library.LlamaText(text).values.map((value) => {
    if (typeof value === 'string') return { text: value, isSpecial: false }
    return { text: value instanceof library.SpecialToken ? (special[value.value] ?? '') : value.value, isSpecial: true }
  })
}

/**
 * An assistant's calls, their results and what it said then are one turn of the model. Contents are tokenised as plain text:
 * a control token written out in a message stays text.
 */
function historyOf(messages: readonly ChatMessage[]): ChatHistoryItem[] {
  const items: ChatHistoryItem[] = []
  let calling: { readonly response: ChatModelResponse['response']; readonly places: Map<string, number> } | undefined
  for (const { content, role, toolCallId = '', toolCalls = [] } of messages) {
    if (role === 'tool') {
      const at = calling?.places.get(toolCallId)
      const call = at === undefined ? undefined : calling?.response[at]
      if (!calling || at === undefined || typeof call !== 'object' || call.type !== 'functionCall') {
        throw new MeshError(
          'bad-request',
          `a tool message answers the call "${toolCallId}", which was not made before it`,
          {
            param: 'messages',
          },
        )
      }
      calling.response[at] = { ...call, result: resultOf(content) }
      continue
    }
    if (role === 'assistant') {
      const response: ChatModelResponse['response'] = calling?.response ?? []
      if (!calling) items.push({ type: 'model', response })
      if (content !== '' || toolCalls.length === 0) response.push(content)
      if (toolCalls.length > 0) calling ??= { response, places: new Map() }
      for (const [index, call] of toolCalls.entries()) {
        calling?.places.set(call.id, response.length)
        response.push({
          type: 'functionCall',
          name: call.name,
          params: paramsOf(call),
          result: undefined,
          startsNewChunk: index === 0,
        })
      }
      continue
    }
    calling = undefined
    items.push(role === 'system' ? { type: 'system', text: content } : { type: 'user', text: content })
  }
  return items
}

function paramsOf({ arguments: text, name }: ToolCall): unknown {
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw new MeshError('bad-request', `the arguments of a call of "${name}" are no JSON`, { param: 'messages' })
  }
}

/** Results are mostly JSON in a string: the model sees the JSON, not a string of it. */
function resultOf(content: string): unknown {
  try {
    const value: unknown = JSON.parse(content)
    return typeof value === 'object' && value !== null ? value : content
  } catch {
    return content
  }
}

type Params = NonNullable<ChatModelFunctions[string]['params']>

/** Shown to the model as it is: what the library makes of a schema is narrower than what JSON Schema can say. */
function schemaOf(name: string, parameters: string): Params {
  let schema: unknown
  try {
    schema = JSON.parse(parameters)
  } catch {
    schema = undefined
  }
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    throw new MeshError('bad-request', `the parameters of the tool "${name}" are no JSON Schema`, { param: 'tools' })
  }
  return schema as Params
}
