// A small server of OpenAI's API in vLLM's dialect, in front of a real engine: something for the OpenAI engine to speak to.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Engine, Prompt } from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { ChatMessage } from '../../protocol/frames.ts'

export interface TestUpstream {
  readonly url: string
  stop(): Promise<void>
}

interface Body {
  readonly messages: readonly ChatMessage[]
  readonly temperature?: number
  readonly top_p?: number
  readonly seed?: number
  readonly stop?: readonly string[]
  readonly max_tokens?: number
}

export async function startTestUpstream(engine: Engine): Promise<TestUpstream> {
  const server = createServer((request, response) => {
    answer(engine, request, response).catch((error: unknown) => {
      const code = error instanceof MeshError && error.code === 'context-exceeded' ? 'context_length_exceeded' : null
      if (response.headersSent) response.destroy()
      else response.writeHead(400).end(JSON.stringify({ error: { code, message: String(error) } }))
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

async function answer(engine: Engine, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [model] = engine.models
  if (!model) throw new Error('an engine without a model')
  if (request.url === '/v1/models') {
    response.end(JSON.stringify({ data: [{ id: model.name, max_model_len: model.contextTokens }] }))
    return
  }
  const body = (await json(request)) as Body
  const leave = new AbortController()
  response.on('close', () => leave.abort())
  const prompt = await engine.prepare(
    {
      model: model.key,
      messages: body.messages,
      sampling: {
        temperature: body.temperature,
        topP: body.top_p,
        seed: body.seed,
        stop: body.stop,
        tokensMax: body.max_tokens,
      },
      resumeTokenIds: [],
    },
    leave.signal,
  )
  if (request.url === '/tokenize') {
    response.end(JSON.stringify({ count: prompt.promptTokens, max_model_len: model.contextTokens, tokens: [] }))
    return
  }
  await stream(engine, prompt, response, leave.signal)
}

async function stream(engine: Engine, prompt: Prompt, response: ServerResponse, signal: AbortSignal): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  let completion_tokens = 0
  const send = (delta: object, finish_reason: string | null): void => {
    const event = { choices: [{ index: 0, delta, finish_reason }], usage: { completion_tokens } }
    response.write(`data: ${JSON.stringify(event)}\n\n`)
  }
  send({ role: 'assistant', content: '' }, null)
  const generation = engine.generate(prompt, signal)
  for (;;) {
    const next = await generation.next()
    if (next.done) {
      send({}, next.value)
      response.end('data: [DONE]\n\n')
      return
    }
    completion_tokens += next.value.tokens
    send({ content: next.value.text }, null)
  }
}
