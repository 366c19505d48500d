// A gateway as its clients see it: plain HTTP and server-sent events, as any OpenAI client speaks them.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createParser } from 'eventsource-parser'
import { MeshError } from '../../protocol/errors.ts'

export interface GatewayAddress {
  readonly baseUrl: string
  readonly apiKey: string
}

/** What `silkmesh up` leaves in its home while it runs. */
export const gatewayFile = 'gateway.json'

export function runningGateway(home: string): GatewayAddress {
  const path = join(home, gatewayFile)
  if (!existsSync(path)) {
    throw new MeshError(
      'bad-request',
      `no gateway runs for home ${home}; start one with \`silkmesh up\`, or pass --url and --key`,
    )
  }
  return JSON.parse(readFileSync(path, 'utf8')) as GatewayAddress
}

/** The last object of an answer: what it cost and who gave it. */
export interface AnswerSummary {
  readonly provider: string
  readonly costNano: string
  readonly failovers: number
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number }
}

export interface Question {
  readonly model: string
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly maxTokens: number | undefined
}

/** Streams one answer. Throws `MeshError` with the gateway's own code and message. */
export async function ask(
  gateway: GatewayAddress,
  question: Question,
  onText: (text: string) => void,
  signal: AbortSignal,
): Promise<AnswerSummary> {
  const response = await request(gateway, '/chat/completions', signal, {
    model: question.model,
    messages: question.messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(question.maxTokens === undefined ? {} : { max_tokens: question.maxTokens }),
  })
  let summary: AnswerSummary | undefined
  let failure: MeshError | undefined
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === '[DONE]') return
      const chunk = JSON.parse(data) as Chunk
      if (chunk.error) failure = new MeshError('internal', chunk.error.message)
      const text = chunk.choices?.[0]?.delta?.content
      if (text) onText(text)
      if (chunk.silkmesh) {
        summary = {
          provider: chunk.silkmesh.provider,
          costNano: chunk.silkmesh.cost_nano,
          failovers: chunk.silkmesh.failovers,
          usage: {
            promptTokens: chunk.usage?.prompt_tokens ?? summary?.usage.promptTokens ?? 0,
            completionTokens: chunk.usage?.completion_tokens ?? summary?.usage.completionTokens ?? 0,
          },
        }
      }
    },
  })
  const decoder = new TextDecoder()
  for await (const bytes of response.body ?? []) parser.feed(decoder.decode(bytes as Uint8Array, { stream: true }))
  if (failure) throw failure
  if (!summary) throw new MeshError('internal', 'the gateway ended the stream without an account of it')
  return summary
}

export async function modelNames(gateway: GatewayAddress, signal: AbortSignal): Promise<readonly string[]> {
  const response = await request(gateway, '/models', signal)
  const { data } = (await response.json()) as { data: { id: string }[] }
  return data.map(({ id }) => id)
}

interface Chunk {
  readonly error?: { readonly message: string }
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[]
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
  readonly silkmesh?: { readonly provider: string; readonly cost_nano: string; readonly failovers: number }
}

async function request(gateway: GatewayAddress, path: string, signal: AbortSignal, body?: unknown): Promise<Response> {
  let response: Response
  try {
    response = await fetch(`${gateway.baseUrl}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${gateway.apiKey}`, 'content-type': 'application/json' },
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  } catch (error) {
    if (signal.aborted) throw error
    throw new MeshError('unreachable', `no gateway answers at ${gateway.baseUrl}; is \`silkmesh up\` running?`, {
      cause: error,
    })
  }
  if (response.ok) return response
  const text = await response.text()
  let message = `the gateway answered ${response.status}`
  try {
    message = (JSON.parse(text) as { error: { message: string } }).error.message
  } catch {
    // not the error shape: the status has to do
  }
  throw new MeshError('internal', message)
}
