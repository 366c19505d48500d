// The live view: on loopback, told by server-sent events, and never in the run's way.

import { request } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { type LiveSample, type LiveView, serveLive } from '../../sim/report/serve.ts'

let view: LiveView | undefined
afterEach(async () => {
  await view?.close()
  view = undefined
})

const sample = (virtualMs: number): LiveSample => ({
  virtualMs,
  totalMs: 60_000,
  events: virtualMs * 10,
  requestsActive: 3,
  requestsDone: 10,
  requestsFailed: 1,
})

/** Messages as they arrive: `event`, or `message` where it has no name, and its data. */
async function* messagesOf(url: string): AsyncGenerator<{ event: string; data: unknown }> {
  const { body } = await fetch(`${url}events`)
  let text = ''
  for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
      yield { event: field('event') ?? 'message', data: JSON.parse(field('data') ?? 'null') }
    }
  }
}

test('tells a page the past, each sample as it comes, and the end', async () => {
  view = await serveLive({ port: 0, title: 'churn' })
  view.push(sample(1000))
  const messages = messagesOf(view.url)
  const next = async () => (await messages.next()).value
  expect(await next()).toMatchObject({ event: 'history', data: [{ virtualMs: 1000, requestsDone: 10 }] })
  view.push(sample(2000))
  expect(await next()).toMatchObject({ event: 'message', data: { virtualMs: 2000, events: 20_000 } })
  const closing = view.close()
  view = undefined
  expect(await next()).toMatchObject({ event: 'end' })
  expect(await messages.next()).toMatchObject({ done: true })
  await closing
})

test('turns open pages to the report once there is one, and serves it to those that come later', async () => {
  view = await serveLive({ port: 0, title: 'churn' })
  const messages = messagesOf(view.url)
  expect((await messages.next()).value).toMatchObject({ event: 'history' })
  view.finished('<!doctype html><title>the report</title>')
  expect((await messages.next()).value).toEqual({ event: 'end', data: { hasReport: true } })
  expect(await (await fetch(view.url)).text()).toBe('<!doctype html><title>the report</title>')
})

test('serves a page that asks nobody else, with the question as text', async () => {
  view = await serveLive({ port: 0, title: 'churn', question: 'Is <b>this</b> safe?' })
  const page = await (await fetch(view.url)).text()
  expect(page).toContain('<h1>Is &#60;b&#62;this&#60;/b&#62; safe?</h1>')
  expect(page).toMatch(/default-src 'none';.* connect-src 'self'/)
  expect(page).not.toMatch(/https?:\/\//)
})

test('listens on loopback only, and knows no other name for itself', async () => {
  view = await serveLive({ port: 0, title: 'churn' })
  const { hostname, port } = new URL(view.url)
  expect(hostname).toBe('127.0.0.1')
  const status = await new Promise((resolve, reject) => {
    request({ host: hostname, port, headers: { host: 'evil.example' } }, ({ statusCode }) => resolve(statusCode))
      .on('error', reject)
      .end()
  })
  expect(status).toBe(403)
  expect((await fetch(`${view.url}nothing`)).status).toBe(404)
  expect((await fetch(view.url, { method: 'POST' })).status).toBe(405)
})

test('keeps a bounded past that still reaches back to the beginning', async () => {
  view = await serveLive({ port: 0, title: 'churn' })
  for (let at = 0; at < 5000; at += 1) view.push(sample(at))
  const { value } = await messagesOf(view.url).next()
  const history = value?.data as LiveSample[]
  expect(history.length).toBeLessThanOrEqual(600)
  expect(history[0]?.virtualMs).toBe(0)
  expect(history.at(-1)?.virtualMs).toBe(4999)
  expect(await (await fetch(`${view.url}sample`)).json()).toMatchObject({ virtualMs: 4999 })
})

test('names the port that is taken', async () => {
  view = await serveLive({ port: 0, title: 'churn' })
  const port = Number(new URL(view.url).port)
  await expect(serveLive({ port, title: 'second' })).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`)
})
