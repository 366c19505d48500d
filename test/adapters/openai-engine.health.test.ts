// The engine over an OpenAI API notices when its server goes away, comes back, and has other models.

import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import type { OpenAiEngine } from '../../node/adapters/openai-engine.ts'
import {
  type Answers,
  able,
  ask,
  chatPath,
  end,
  plain,
  prepare,
  reply,
  type ScriptedServer,
  startBefore,
  streaming,
  word,
} from './openai-fixture.ts'

const chatting: Answers = { ...plain, [chatPath]: streaming(word('a'), end()) }
const healthMs = 5

function models(...ids: readonly string[]): Answers {
  return { '/v1/models': (response) => reply(response, { data: ids.map((id) => ({ id })) }) }
}

/** The next time that the engine says something changed. */
function changeOf(engine: OpenAiEngine): Promise<void> {
  return new Promise((resolve) => engine.onChange(resolve))
}

async function closed({ server }: ScriptedServer): Promise<void> {
  const over = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await over
}

test('says that it is down while its server does not answer, and fails at once', async () => {
  const notes: string[] = []
  const { engine, server } = await startBefore(chatting, { healthMs, onNote: (note) => notes.push(note) })
  const prompt = await prepare(engine)
  expect(engine.isReady).toBe(true)
  const change = changeOf(engine)
  await closed(server)
  await change
  expect(engine.isReady).toBe(false)
  expect(engine.models.map(({ name }) => name)).toEqual(['tiny'])
  const down = { code: 'engine-failed', message: expect.stringMatching(/ is down: .*ECONNREFUSED/) }
  await expect(prepare(engine)).rejects.toMatchObject(down)
  await expect(engine.generate(prompt, new AbortController().signal).next()).rejects.toMatchObject(down)
  expect(notes).toEqual([expect.stringMatching(/ is down: /)])
})

test.each<[string, Answers]>([
  ['answers 500', { '/v1/models': (response) => reply(response, { error: { message: 'no' } }, 500) }],
  ['is loading', { '/v1/models': (response) => reply(response, { error: { message: 'Loading model' } }, 503) }],
  ['hangs', { '/v1/models': () => undefined }],
  ['answers with a page', { '/v1/models': (response) => response.end('<html>') }],
])('takes a server that %s for one that is down', async (_, answers) => {
  const { engine, server } = await startBefore(chatting, { healthMs, answerMsMax: 200 })
  const change = changeOf(engine)
  server.become({ ...chatting, ...answers })
  await change
  expect(engine.isReady).toBe(false)
})

test('asks the server at once when a request failed', async () => {
  const { engine, server } = await startBefore(chatting, { healthMs: 3_600_000 })
  const change = changeOf(engine)
  const prompt = await prepare(engine)
  await closed(server)
  await expect(engine.generate(prompt, new AbortController().signal).next()).rejects.toMatchObject({
    code: 'engine-failed',
  })
  await change
  expect(engine.isReady).toBe(false)
})

test('asks a server that came back what it can do now', async () => {
  const { engine, server } = await startBefore(chatting, { healthMs })
  const down = changeOf(engine)
  server.become({ '/v1/models': (response) => reply(response, {}, 500) })
  await down
  const up = changeOf(engine)
  server.become({ ...plain, ...able })
  await up
  expect(engine.isReady).toBe(true)
  expect(engine.models[0]?.features).toContain('tools')
})

test('serves a model no longer that the server has no more, and again when it is back', async () => {
  const { engine, server } = await startBefore({ ...chatting, ...models('a', 'b') }, { healthMs })
  const prompt = await prepare(engine)
  const gone = changeOf(engine)
  server.become({ ...chatting, ...models('b', 'c') })
  await gone
  expect(engine.models.map(({ name }) => name)).toEqual(['b'])
  expect(engine.isReady).toBe(true)
  await expect(engine.generate(prompt, new AbortController().signal).next()).rejects.toMatchObject({
    code: 'unknown-model',
  })
  const back = changeOf(engine)
  server.become({ ...chatting, ...models('c', 'b', 'a') })
  await back
  expect(engine.models.map(({ name }) => name)).toEqual(['b', 'a'])
})

test('serves a model that counted too many no longer, until the server has been away', async () => {
  const miscounting = streaming(word('a'), word('b'), end(), { choices: [], usage: { completion_tokens: 1 } })
  const { engine, server } = await startBefore({ ...chatting, [chatPath]: miscounting }, { healthMs: 3_600_000 })
  const disowned = changeOf(engine)
  await expect(ask(engine)).rejects.toMatchObject({ code: 'engine-failed' })
  await disowned
  expect(engine.models).toEqual([])
  expect(engine.isReady).toBe(true)
  server.become({ ...chatting })
  await expect(ask(engine)).rejects.toMatchObject({
    code: 'engine-failed',
    message: expect.stringContaining('2 chunks for 1 tokens'),
  })
})

test('asks no more once it is stopped', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const { engine } = await startBefore(chatting)
    const before = vi.getTimerCount() // the HTTP client has some of its own
    await engine.stop()
    expect(vi.getTimerCount()).toBe(before - 1)
    expect(engine.isReady).toBe(false)
  } finally {
    vi.useRealTimers()
  }
})
