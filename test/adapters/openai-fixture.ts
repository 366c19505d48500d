// Scripted servers of OpenAI's API: what they answer is a test's, path by path, once the engine before them has started.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterEach } from 'vitest'
import { type OpenAiEngine, type OpenAiEngineOptions, startOpenAiEngine } from '../../node/adapters/openai-engine.ts'
import type { Delta, Finish, Generation, Prompt } from '../../node/ports.ts'
import { declaredModelKeyOf } from '../../protocol/ids.ts'
import type { Sampling } from '../../protocol/task.ts'

export type Body = Readonly<Record<string, unknown>>
/** Answers one path. The body is parsed JSON, empty for a GET. */
export type Answer = (response: ServerResponse, body: Body, request: IncomingMessage) => void
export type Answers = Readonly<Record<string, Answer>>

export const never = new AbortController().signal
export const chatPath = '/v1/chat/completions'
const servers: Server[] = []
const engines: OpenAiEngine[] = []
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

export function reply(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** A stream of these events, complete with its closing mark. */
export function streaming(...events: readonly unknown[]): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const event of events) response.write(`data: ${JSON.stringify(event)}\n\n`)
    response.end('data: [DONE]\n\n')
  }
}

export const word = (content: string, usage?: number): unknown => ({
  choices: [{ delta: { content }, finish_reason: null }],
  usage: usage === undefined ? null : { completion_tokens: usage },
})
export const end = (finish_reason = 'stop'): unknown => ({ choices: [{ delta: {}, finish_reason }] })
export const usage = (completion_tokens: number): unknown => ({ choices: [], usage: { completion_tokens } })

export const plain: Answers = { '/v1/models': (response) => reply(response, { data: [{ id: 'tiny' }] }) }
export const vllm: Answers = {
  '/v1/models': (response) => reply(response, { data: [{ id: 'tiny', max_model_len: 2048 }] }),
  '/tokenize': (response, { messages, prompt }) =>
    reply(response, messages ? { count: 33 } : prompt ? { count: String(prompt).length } : { error: 'no' }),
}
export const llamaServer: Answers = {
  ...plain,
  '/tokenize': (response, { content }) => reply(response, { tokens: [...String(content ?? '')].map((_, at) => at) }),
  '/apply-template': (response, { tools }) => reply(response, { prompt: tools ? '<s>hello tools' : '<s>hello' }),
  '/props': (response) =>
    reply(response, {
      default_generation_settings: {
        n_ctx: 1024,
        params: { top_k: 40, min_p: 0.05, presence_penalty: 0, frequency_penalty: 0, repeat_penalty: 1 },
      },
    }),
}

/** How an engine finds it at its start: it can chat and nothing else. */
const chatting: Answers = { [chatPath]: chat(streaming(word('ok'), end())) }

/** Refuses what it cannot do, as a strict server does. */
function chat(answer: Answer): Answer {
  const known = ['model', 'messages', 'stream', 'temperature', 'max_tokens']
  return (response, body, request) => {
    const beyond = Object.keys(body).find((name) => !known.includes(name))
    if (beyond) reply(response, { error: { message: `unknown parameter ${beyond}` } }, 400)
    else answer(response, body, request)
  }
}

const token = { token: 'ok', bytes: [111, 107], logprob: -0.1, top_logprobs: [{ token: 'ok', logprob: -0.1 }] }

/** How an engine finds it at its start: it can do everything, and says no to values out of range. */
export const able: Answers = {
  [chatPath]: (response, body, request) => {
    const bad = { presence_penalty: 9, frequency_penalty: 9, min_p: 9, top_k: -9, repetition_penalty: -1 }
    if (Object.entries(bad).some(([name, value]) => body[name] === value)) {
      return reply(response, { error: { message: 'out of range' } }, 400)
    }
    const call = { index: 0, id: 'a', function: { name: 'report', arguments: '{}' } }
    const events = body['tools']
      ? [{ choices: [{ delta: { tool_calls: [call] } }] }]
      : body['response_format']
        ? [word('{"silkmesh":'), word(' "established"}')]
        : body['logit_bias']
          ? [word('xxxx')]
          : body['logprobs']
            ? [{ choices: [{ delta: { content: 'ok' }, logprobs: { content: [token] } }] }]
            : [word('hello')]
    streaming(...events, end())(response, body, request)
  },
  '/v1/completions': streaming({ choices: [{ text: 'ok', logprobs: { content: [token] } }] }, end()),
  '/v1/embeddings': (response) => reply(response, { data: [{ index: 0, embedding: [1, 2] }] }),
}

export interface ScriptedServer {
  readonly url: string
  readonly server: Server
  /** From now on these are its answers. */
  become(answers: Answers): void
}

export async function serve(answers: Answers, port = 0): Promise<ScriptedServer> {
  let current = answers
  const server = createServer((request, response) => {
    const answer = current[request.url ?? '']
    if (!answer) reply(response, { error: { message: 'no such path' } }, 404)
    else if (request.method === 'GET') answer(response, {}, request)
    else json(request).then((body) => answer(response, body as Body, request))
  }).listen(port, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const become = (next: Answers): void => {
    current = next
  }
  return { url, server, become }
}

export interface Started {
  readonly engine: OpenAiEngine
  readonly server: ScriptedServer
}

/** An engine before a scripted server, which answers `atStart` while it starts: by default it can chat and nothing else. */
export async function startBefore(
  answers: Answers,
  options: Partial<OpenAiEngineOptions> = {},
  atStart: Answers = chatting,
): Promise<Started> {
  const server = await serve({ ...answers, ...atStart })
  const engine = await startOpenAiEngine({ baseUrl: server.url, slots: 2, ...options })
  engines.push(engine)
  server.become({ ...atStart, ...answers })
  return { engine, server }
}

export async function start(
  answers: Answers,
  options: Partial<OpenAiEngineOptions> = {},
  atStart?: Answers,
): Promise<OpenAiEngine> {
  return (await startBefore(answers, options, atStart)).engine
}

export async function completion(answer: Answer, dialect: Answers = plain, options: Partial<OpenAiEngineOptions> = {}) {
  return await start({ ...dialect, [chatPath]: answer }, options)
}

export function prepare(
  engine: OpenAiEngine,
  sampling: Sampling = {},
  content = 'hello',
  task: Partial<Generation> = {},
): Promise<Prompt> {
  const model = engine.models[0]?.key ?? declaredModelKeyOf('tiny')
  return engine.prepare({ model, messages: [{ role: 'user', content }], sampling, resumeTokenIds: [], ...task }, never)
}

export async function ask(
  engine: OpenAiEngine,
  sampling: Sampling = {},
  task: Partial<Generation> = {},
): Promise<{ deltas: Delta[]; finish: Finish }> {
  const generation = engine.generate(await prepare(engine, sampling, 'hello', task), never)
  const deltas: Delta[] = []
  for (;;) {
    const next = await generation.next()
    if (next.done) return { deltas, finish: next.value }
    deltas.push(next.value)
  }
}
