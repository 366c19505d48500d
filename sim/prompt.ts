// The text of planned prompts: one character a modelled token; requests of one conversation begin alike.

import type { ChatMessage } from '../protocol/frames.ts'
import type { PlannedRequest } from './plan.ts'

export function messagesOf({ conversation, promptTokens }: PlannedRequest): readonly ChatMessage[] {
  const turn = `${conversation} asks and goes on asking. `
  return [{ role: 'user', content: turn.repeat(Math.ceil(promptTokens / turn.length)).slice(0, promptTokens) }]
}
