// Engines of the port behind OpenAI's API, spoken as vLLM speaks it: what a real node takes for a machine with a graphics card.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { configOf } from '../../node/config.ts'
import type { Engine, Generation, Model } from '../../node/ports.ts'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import type { ChatMessage } from '../../protocol/frames.ts'
import { Life } from '../life.ts'
import { createModelEngine, type Profile } from '../model/engine/engine.ts'
import type { ProviderSpec } from '../plan.ts'
import type { SeededRandom } from '../random.ts'
import { isRecord } from './child.ts'
import { wallScheduler } from './scheduler.ts'

/** The wire's longest prompt, with JSON's quotes and escapes. */
const bodyBytesMax = 2_097_152

export class EngineServer {
  readonly #engines = new Map<string, Engine>()
  readonly #server: Server
  #port = 0

  constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => refuse(response, error))
    })
    this.#server.keepAliveTimeout = 600_000 // a client that uses a connection just closed would fail
  }

  async listen(host = '127.0.0.1', port = 0): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, resolve)
    })
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new TypeError('a server without a port')
    this.#port = address.port
  }

  /** What `--engine-url` takes. An engine of this name that was served before is replaced. */
  serve(name: string, engine: Engine): string {
    this.#engines.set(name, engine)
    return `http://127.0.0.1:${this.#port}/${encodeURIComponent(name)}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, name = '', ...rest] = (request.url ?? '').split('/')
    const engine = this.#engines.get(decodeURIComponent(name))
    if (!engine) throw new MeshError('not-found', `no engine ${name}`)
    const route = `${request.method} /${rest.join('/')}`
    switch (route) {
      case 'GET /v1/models':
        return send(response, 200, { object: 'list', data: engine.models.map(listed) })
      case 'POST /tokenize': {
        const { model, messages } = readChat(await readJson(request), engine)
        const prompt = { model: model.key, messages, sampling: {}, resumeTokenIds: [] }
        const { promptTokens } = await engine.prepare(prompt, new AbortController().signal)
        return send(response, 200, { count: promptTokens, max_model_len: model.contextTokens, tokens: [] })
      }
      case 'POST /v1/chat/completions':
        return await complete(engine, readChat(await readJson(request), engine), response)
      default:
        throw new MeshError('not-found', `no endpoint ${route}`)
    }
  }
}

export interface ServedEngine {
  /** Of `join`, before those of its home. */
  readonly words: readonly string[]
  /** Ends with the provider. */
  readonly life: Life | undefined
  readonly slots: number
}

/** A provider's command, with its modelled engine served to it; without a profile it is llama.cpp with the built-in model. */
export function joinWith(
  engines: EngineServer,
  name: string,
  { model, slots }: Pick<ProviderSpec, 'model' | 'slots'>,
  profile: Profile | undefined,
  random: SeededRandom,
): ServedEngine {
  if (!profile) return { words: ['join'], life: undefined, slots: slots ?? configOf().engine.slots }
  const life = new Life()
  const engine = createModelEngine({ scheduler: wallScheduler(), profile, model, slots, life, random })
  const words = ['join', '--slots', String(engine.slots), '--engine-url', engines.serve(name, engine)]
  return { words, life, slots: engine.slots }
}

interface Chat {
  readonly model: Model
  readonly messages: readonly ChatMessage[]
  readonly body: Readonly<Record<string, unknown>>
}

/** Token by token as they come, with the count so far on each, as vLLM does when asked for continuous usage. */
async function complete(engine: Engine, { model, messages, body }: Chat, response: ServerResponse): Promise<void> {
  const left = new AbortController()
  response.on('close', () => left.abort(new MeshError('cancelled', 'the client went away')))
  const generation: Generation = {
    model: model.key,
    messages,
    sampling: typeof body['max_tokens'] === 'number' ? { tokensMax: body['max_tokens'] } : {},
    resumeTokenIds: [],
  }
  const prompt = await engine.prepare(generation, left.signal)
  const { promptTokens } = prompt
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
  let completionTokens = 0
  const chunk = (delta: object, finish: string | null): string => {
    const usage = { prompt_tokens: promptTokens, completion_tokens: completionTokens }
    const choice = { index: 0, delta, finish_reason: finish }
    return `data: ${JSON.stringify({ object: 'chat.completion.chunk', model: model.name, choices: [choice], usage })}\n\n`
  }
  const deltas = engine.generate(prompt, left.signal)
  for (;;) {
    const next = await deltas.next()
    if (next.done) {
      response.end(`${chunk({}, next.value)}data: [DONE]\n\n`)
      return
    }
    completionTokens += next.value.tokens
    // a reader that stops reading stops its engine, as it would over a real connection
    if (!response.write(chunk({ content: next.value.text }, null))) await drained(response)
  }
}

function listed({ name, contextTokens }: Model): object {
  return { id: name, object: 'model', max_model_len: contextTokens }
}

/** Only a node of ours asks: what it sends is checked as far as a mistake of its would otherwise go unnoticed. */
function readChat(body: unknown, engine: Engine): Chat {
  if (!isRecord(body)) throw new MeshError('bad-request', 'expected a JSON object')
  const model = engine.models.find(({ name }) => name === body['model'])
  if (!model) throw new MeshError('unknown-model', `model ${String(body['model'])} is not served`)
  const { messages } = body
  if (!Array.isArray(messages)) throw new MeshError('bad-request', 'messages: expected a list')
  const beyond = Object.keys(notModelled).find((name) => !(notModelled[name] ?? []).includes(body[name]))
  if (beyond !== undefined) throw new MeshError('bad-request', `${beyond}: a modelled engine cannot do this`)
  return { model, messages: messages as readonly ChatMessage[], body }
}

/** With the values that ask for nothing. */
const notModelled: Readonly<Record<string, readonly unknown[]>> = {
  tools: [undefined],
  response_format: [undefined],
  logprobs: [undefined],
  logit_bias: [undefined],
  presence_penalty: [undefined, 0],
  frequency_penalty: [undefined, 0],
  repetition_penalty: [undefined, 1],
  top_k: [undefined, -1],
  min_p: [undefined, 0],
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyBytesMax) throw new MeshError('too-large', `a body of over ${bodyBytesMax} bytes`)
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function refuse(response: ServerResponse, cause: unknown): void {
  const error = asMeshError(cause)
  if (response.headersSent) {
    response.destroy()
    return
  }
  const isLong = error.code === 'context-exceeded'
  const status = isLong || error.code === 'bad-request' ? 400 : error.code === 'busy' ? 503 : 500
  send(response, status, { error: { message: error.message, ...(isLong && { code: 'context_length_exceeded' }) } })
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve)
    response.once('close', resolve)
  })
}
