// How a request was routed, as the gateway tells it and the command prints it.

import { describe, expect, test } from 'vitest'
import { linesOf } from '../../node/cli/explain.ts'
import type { ConsideredProvider } from '../../node/events.ts'
import { requestLog } from '../../node/gateway/explain.ts'
import { type KeyRing, keyRing, makeKey } from '../../node/gateway/keys.ts'
import { declaredModelKeyOf, type PeerId } from '../../protocol/ids.ts'
import { ask, gatewayOf, HandClock, key, saying } from './scripted.ts'

const one = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp' as PeerId
const two = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5' as PeerId
const id = (number: number) => number.toString(16).padStart(2, '0').repeat(16)

function considered(peer: PeerId, change: Partial<ConsideredProvider> = {}): ConsideredProvider {
  return {
    peer,
    standing: 'free slot',
    costNano: 68_000n,
    completionNano: 160_000_000n,
    networkMs: 40,
    waitMs: 10,
    prefillMs: 250,
    firstTokenMs: 300,
    decodeTokensPerSecond: 55,
    slotsFree: 3,
    queued: 0,
    cachedTokens: 512,
    success: 0.667,
    score: 70_210,
    ...change,
  }
}

/** A log of one request that failed at its first provider. */
function failedOver(clock = new HandClock()) {
  const log = requestLog(clock, 4)
  const request = id(0xab)
  const choice = { request, model: declaredModelKeyOf('m'), candidates: 2 }
  const others = considered(two, { standing: 'would queue', score: 91_000 })
  log.observe({ type: 'request-started', request, model: 'm' })
  log.observe({
    type: 'provider-chosen',
    ...choice,
    peer: one,
    attempt: 1,
    reason: 'free slot, balanced of 2: 0.000068 GRAM, 300 ms to a first token',
    considered: [considered(one), others],
  })
  clock.advance(5_000)
  log.observe({ type: 'attempt-failed', request, peer: one, code: 'timeout', message: 'silent', tokensDelivered: 0 })
  log.observe({ type: 'provider-lost', peer: one, reason: 'silent' })
  log.observe({
    type: 'provider-chosen',
    ...choice,
    peer: two,
    attempt: 2,
    reason: 'would queue',
    considered: [others],
  })
  clock.advance(700)
  log.observe({ type: 'first-token', request, peer: two, elapsedMs: 5_700 })
  log.observe({
    type: 'request-finished',
    request,
    peer: two,
    outcome: 'stop',
    code: undefined,
    usage: { promptTokens: 700, cachedTokens: 512, completionTokens: 40 },
    costNano: 61_000n,
    elapsedMs: 6_000,
    failovers: 1,
  })
  return { log, request }
}

describe('the log of requests', () => {
  test('tells each step with its time since the start', () => {
    const { log, request } = failedOver()
    const { steps, ...about } = log.explain(request)
    expect(about).toMatchObject({ object: 'silkmesh.request', id: request, model: 'm' })
    expect(steps.map(({ at_ms, type }) => [at_ms, type])).toEqual([
      [0, 'chosen'],
      [5_000, 'failed'],
      [5_000, 'chosen'],
      [5_700, 'first_token'],
      [5_700, 'finished'],
    ])
    expect(steps[0]).toMatchObject({ considered: [{ provider: one, cost_nano: '68000' }, { provider: two }] })
  })

  test('and where a provider had no slot yet, what that one said', () => {
    const { log, request } = failedOver()
    log.observe({ type: 'attempt-queued', request, peer: one, position: 3, etaMs: 2_500 })
    log.observe({ type: 'attempt-queued', request, peer: two, position: 1, etaMs: undefined })
    expect(log.explain(request).steps.slice(-2)).toEqual([
      { at_ms: 5_700, type: 'queued', provider: one, position: 3, eta_ms: 2_500 },
      { at_ms: 5_700, type: 'queued', provider: two, position: 1, eta_ms: null },
    ])
    expect(linesOf(log.explain(request)).slice(-2)).toEqual([
      '    5700 ms  waits for a slot at …c6iDEp, place 3: it said for about 2500 ms',
      '    5700 ms  waits for a slot at …SUKPH5, place 1: it did not say for how long',
    ])
  })

  test('knows a request by its id, the id of its answer, the beginning of it, and the last one', () => {
    const { log, request } = failedOver()
    for (const text of [request, `chatcmpl-${request}`, `resp_${request}`, request.slice(0, 8), 'last']) {
      expect(log.explain(text).id).toBe(request)
    }
  })

  test('does not guess', () => {
    const { log, request } = failedOver()
    for (const text of [request.slice(0, 7), id(0xcd), '']) {
      expect(() => log.explain(text)).toThrow(expect.objectContaining({ code: 'not-found' }))
    }
    log.observe({ type: 'request-started', request: `${request.slice(0, 8)}${id(1).slice(8)}`, model: 'm' })
    expect(() => log.explain(request.slice(0, 8))).toThrow(expect.objectContaining({ code: 'not-found' }))
  })

  test('forgets the oldest beyond its bound, and steps of what it does not know', () => {
    const log = requestLog(new HandClock(), 2)
    for (const number of [1, 2, 3]) log.observe({ type: 'request-started', request: id(number), model: 'm' })
    log.observe({ type: 'first-token', request: id(1), peer: one, elapsedMs: 1 })
    expect(() => log.explain(id(1))).toThrow(/the last 2 are known, at most 2 are kept/)
    expect(log.explain(id(2)).steps).toEqual([])
  })

  test('keeps 128 steps of a request and no more', () => {
    const log = requestLog(new HandClock(), 1)
    log.observe({ type: 'request-started', request: id(1), model: 'm' })
    for (let step = 0; step < 200; step += 1)
      log.observe({ type: 'first-token', request: id(1), peer: one, elapsedMs: 1 })
    expect(log.explain(id(1)).steps).toHaveLength(128)
  })
})

describe('GET /v1/silkmesh/requests/{id}', () => {
  const path = `/v1/silkmesh/requests/${id(0xab)}`

  test('tells it to the owner', async () => {
    const { log } = failedOver()
    const response = await ask(gatewayOf(saying(), { requestLog: log }), path)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual(JSON.parse(JSON.stringify(log.explain('last'))))
  })

  test('and to no holder of another key', async () => {
    const { key: guest, secret } = makeKey('7'.repeat(64), { name: 'guest', createdAtMs: 0 })
    const apiKeys: KeyRing = { ...keyRing([key]), find: (shown) => (shown === secret ? guest : undefined) }
    const headers = { authorization: `Bearer ${secret}` }
    const response = await ask(gatewayOf(saying(), { apiKeys, requestLog: failedOver().log }), path, { headers })
    expect(response.status).toBe(403)
  })

  test('is not found where it is not known, or where nothing is kept', async () => {
    const { log } = failedOver()
    expect((await ask(gatewayOf(saying(), { requestLog: log }), '/v1/silkmesh/requests/nothing')).status).toBe(404)
    expect((await ask(gatewayOf(saying()), path)).status).toBe(404)
  })
})

test('the command prints each choice with a table of those considered, the chosen one marked', () => {
  const { log } = failedOver()
  const lines = linesOf(log.explain('last'))
  expect(lines[1]).toBe(
    '       0 ms  attempt 1 at …c6iDEp, one of 2 that serve it: free slot, balanced of 2: 0.000068 GRAM, 300 ms to a first token',
  )
  expect(lines[3]).toMatch(/^ +→ +…c6iDEp +free slot +0\.000068 +300 +40 +10 +250 +55 +3 +512 +67 % +70210$/)
  expect(lines[4]).toMatch(/^ +…SUKPH5 +would queue /)
  expect(lines.at(-1)).toBe(
    '    5700 ms  stop at …SUKPH5: 700 prompt tokens, 512 of them cached, 40 completion tokens, 0.000061 GRAM, 1 failover',
  )
})
