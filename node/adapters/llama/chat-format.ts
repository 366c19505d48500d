// How a model wants its messages: from a chat to prompt tokens, and what ends its answer besides its end token.

import type { ChatHistoryItem, LlamaModel } from 'node-llama-cpp'
import { MeshError } from '../../../protocol/errors.ts'
import type { ChatMessage } from '../../../protocol/frames.ts'

export interface ChatFormat {
  /** Such as `ChatML`. */
  readonly name: string
  /** False where the model brings no template and a general one stands in. */
  readonly fromModel: boolean
  /** Never empty. Throws `MeshError` `bad-request` where the model's template refuses the messages. */
  tokenize(messages: readonly ChatMessage[]): readonly number[]
  readonly stopTokenIds: ReadonlySet<number>
  readonly stopTexts: readonly string[]
}

export function chatTemplateOf(model: LlamaModel): string {
  return model.fileInfo.metadata.tokenizer?.chat_template ?? ''
}

export function chatFormatOf(library: typeof import('node-llama-cpp'), model: LlamaModel): ChatFormat {
  const wrapper = library.resolveChatWrapper(model) ?? new library.GeneralChatWrapper()
  const state = (messages: readonly ChatMessage[]): ReturnType<typeof wrapper.generateContextState> =>
    wrapper.generateContextState({ chatHistory: [...messages.map(historyItemOf), { type: 'model', response: [] }] })

  const stopTokenIds = new Set<number>()
  const stopTexts: string[] = []
  for (const trigger of state([{ role: 'user', content: 'hello' }]).stopGenerationTriggers) {
    const text = library.LlamaText(trigger)
    const tokenIds = text.tokenize(model.tokenizer)
    const [tokenId] = tokenIds
    const isText = text.values.every((value) => typeof value === 'string')
    if (!isText && tokenIds.length === 1 && tokenId !== undefined) stopTokenIds.add(tokenId)
    else if (isText || tokenIds.length > 1) stopTexts.push(text.toString())
  }

  return {
    name: wrapper.wrapperName,
    fromModel: chatTemplateOf(model).trim() !== '',
    stopTokenIds,
    stopTexts,
    tokenize(messages) {
      try {
        const tokenIds = state(messages).contextText.tokenize(model.tokenizer)
        // A model without a beginning token and a template that adds nothing: something must be evaluated.
        return tokenIds.length > 0 ? tokenIds : model.tokenize('\n')
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        throw new MeshError('bad-request', `the model's chat template refuses these messages: ${reason}`, {
          cause: error,
        })
      }
    },
  }
}

/** Contents are tokenised as plain text: a control token written out in a message stays text. */
function historyItemOf({ role, content }: ChatMessage): ChatHistoryItem {
  switch (role) {
    case 'system':
      return { type: 'system', text: content }
    case 'user':
      return { type: 'user', text: content }
    case 'assistant':
      return { type: 'model', response: [content] }
    case 'tool':
      throw new MeshError('unsupported', 'messages of the role tool are not supported by this engine')
  }
}
