import { describe, expect, it, vi } from 'vitest'
import { fanOut, humanLog, jsonLog, prometheus } from '../../node/adapters/telemetry.ts'
import type { NodeEvent } from '../../node/events.ts'
import type { Address, ModelKey, PeerId } from '../../protocol/ids.ts'

const peer = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp' as PeerId
const escrow = `0:${'ab'.repeat(32)}` as Address
const model = 'cd'.repeat(32) as ModelKey
const request = '0123456789abcdef'.repeat(2)
const usage = { promptTokens: 10, cachedTokens: 4, completionTokens: 32 }
const ended = { request, code: undefined, usage, costNano: 12_345n, elapsedMs: 1_500 } as const

/** One of each: the keys are checked against the union by the compiler. */
const each: { readonly [T in NodeEvent['type']]: Extract<NodeEvent, { type: T }> } = {
  'advert-published': { type: 'advert-published', sequence: 3, models: ['tiny'] },
  'advert-accepted': { type: 'advert-accepted', peer, sequence: 3, source: 'gossip' },
  'advert-dropped': { type: 'advert-dropped', peer, reason: 'expired' },
  'provider-lost': { type: 'provider-lost', peer, reason: 'advert expired' },
  'request-started': { type: 'request-started', request, model: 'tiny' },
  'provider-chosen': {
    type: 'provider-chosen',
    request,
    peer,
    model,
    attempt: 1,
    candidates: 3,
    reason: 'least-price',
    considered: [],
  },
  'attempt-queued': { type: 'attempt-queued', request, peer, position: 2, etaMs: 4_000 },
  'first-token': { type: 'first-token', request, peer, elapsedMs: 120 },
  'hedge-started': { type: 'hedge-started', request, peer, first: peer, elapsedMs: 900 },
  'hedge-won': { type: 'hedge-won', request, peer, loser: peer, isSecond: true, elapsedMs: 950 },
  'attempt-failed': { type: 'attempt-failed', request, peer, code: 'timeout', message: 'silent', tokensDelivered: 7 },
  'voucher-signed': { type: 'voucher-signed', request, peer, payee: escrow, amountNano: 100n },
  'request-finished': { type: 'request-finished', ...ended, peer, outcome: 'stop', failovers: 2 },
  'hub-left': { type: 'hub-left', peer, code: 'timeout', message: 'no answer' },
  'hub-granted': { type: 'hub-granted', peer, payee: escrow, incrementNano: 5n, feeNano: 1n },
  'tab-recovered': { type: 'tab-recovered', peer, amountNano: 5n },
  'request-admitted': { type: 'request-admitted', request, peer, model, promptTokens: 10, active: 1 },
  'request-queued': { type: 'request-queued', request, peer, position: 2, etaMs: 4_000 },
  'request-refused': { type: 'request-refused', request, peer, code: 'busy', message: 'full' },
  'request-served': { type: 'request-served', ...ended, peer, outcome: 'length' },
  'serving-changed': { type: 'serving-changed', state: 'closed', untilMs: Date.UTC(2026, 10, 6, 22) },
  'voucher-booked': { type: 'voucher-booked', peer, escrow, amountNano: 100n, owedNano: 120n },
  'credit-paused': { type: 'credit-paused', request, peer, unpaidNano: 9n },
  'settle-started': { type: 'settle-started', escrow, vouchers: 2, amountNano: 60_000_000n },
  'settle-posted': {
    type: 'settle-posted',
    escrow,
    vouchers: 2,
    amountNano: 60_000_000n,
    claims: [],
    messageHash: 'ee'.repeat(32),
  },
  'settle-confirmed': {
    type: 'settle-confirmed',
    escrow,
    payee: escrow,
    settledNano: 60_000_000n,
    paidNano: 59_000_000n,
    transaction: 'ff'.repeat(32),
    feeNano: 2_500_000n,
  },
  'settle-failed': { type: 'settle-failed', escrow, code: 'chain-unavailable', message: 'no answer' },
  'ledger-mismatch': {
    type: 'ledger-mismatch',
    escrow,
    left: 'the books',
    leftNano: 4n,
    right: 'the ledger',
    rightNano: 5n,
    message: 'covered by vouchers: the books say 4 nano, the ledger says 5',
  },
  'channel-closed': { type: 'channel-closed', peer, escrow, lostNano: 5n },
  'vouchers-handed-over': { type: 'vouchers-handed-over', settler: peer, vouchers: 4, amountNano: 7n },
  'settle-decided': {
    type: 'settle-decided',
    escrow,
    isDue: false,
    reason: 'fee spike',
    unsettledNano: 9n,
    feeNano: 8n,
  },
  'unlock-seen': { type: 'unlock-seen', escrow, unlockAtMs: 1_800_000_000_000, vouchers: 2 },
  'settler-advertised': { type: 'settler-advertised', sequence: 1, feePpm: 5_000, placesFree: 7 },
  'settler-heard': { type: 'settler-heard', peer, feePpm: 5_000 },
  'settler-dropped': { type: 'settler-dropped', peer, reason: 'expired 3 ms ago' },
  'settler-chosen': { type: 'settler-chosen', settler: peer, feePpm: 5_000, candidates: 3, score: 0.75 },
  'settler-judged': { type: 'settler-judged', settler: peer, isInTime: false, score: 0.25 },
  'settle-fee-counted': { type: 'settle-fee-counted', peer, feeNano: 3n, unpaidNano: 4n },
  'settle-fee-signed': { type: 'settle-fee-signed', settler: peer, amountNano: 4n },
  'settle-fee-taken': { type: 'settle-fee-taken', peer, amountNano: 4n, addedNano: 3n },
  'node-started': { type: 'node-started', peer, roles: ['provider'] },
  'keys-not-sealed': { type: 'keys-not-sealed', path: '/home/a' },
  'node-stopping': { type: 'node-stopping', peer },
  'chain-endpoint': { type: 'chain-endpoint', endpoint: 'http://127.0.0.1:1/', state: 'behind', detail: 'block 3' },
  fault: { type: 'fault', where: 'book', code: 'store-failed', message: 'disk full' },
}
const all = Object.values(each)
const atMs = Date.UTC(2026, 10, 5, 12, 30, 15)

async function scraped(events: readonly NodeEvent[]): Promise<ReadonlyMap<string, number>> {
  const { observe, metrics } = prometheus()
  for (const event of events) observe(event)
  const lines = (await metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

describe('prometheus', () => {
  it('counts a request from its start to its end', async () => {
    const running = await scraped([each['request-started']])
    expect(running.get('silkmesh_requests_in_flight')).toBe(1)
    const done = await scraped([
      each['request-started'],
      each['provider-chosen'],
      each['first-token'],
      each['request-finished'],
    ])
    expect(Object.fromEntries(done)).toMatchObject({
      silkmesh_requests_in_flight: 0,
      'silkmesh_requests_total{outcome="stop",code="none"}': 1,
      silkmesh_attempts_total: 1,
      silkmesh_failovers_total: 2,
      'silkmesh_bought_tokens_total{kind="prompt"}': 6,
      'silkmesh_bought_tokens_total{kind="cached"}': 4,
      'silkmesh_bought_tokens_total{kind="completion"}': 32,
      silkmesh_spent_nano_total: 12_345,
      silkmesh_request_first_token_seconds_sum: 0.12,
      'silkmesh_request_duration_seconds_sum{outcome="stop"}': 1.5,
      'silkmesh_request_duration_seconds_bucket{le="2.5",outcome="stop"}': 1,
      'silkmesh_request_duration_seconds_bucket{le="1",outcome="stop"}': 0,
    })
  })

  it('counts what was served, earned and settled', async () => {
    const seen = await scraped([
      each['request-admitted'],
      each['request-served'],
      each['request-refused'],
      each['settle-confirmed'],
    ])
    expect(Object.fromEntries(seen)).toMatchObject({
      silkmesh_serving: 0,
      'silkmesh_served_total{outcome="length",code="none"}': 1,
      'silkmesh_refused_total{code="busy"}': 1,
      silkmesh_earned_nano_total: 12_345,
      'silkmesh_settles_total{step="confirmed"}': 1,
      silkmesh_settled_nano_total: 60_000_000,
      silkmesh_paid_nano_total: 59_000_000,
      silkmesh_settle_fees_nano_total: 2_500_000,
    })
  })

  it('names no peer, request, model or text in a label, so that nobody can add a series', async () => {
    const few = await scraped(all)
    const others = all.map((event) => ({
      ...event,
      ...('peer' in event && event.peer !== undefined && { peer: 'other' as PeerId }),
      ...('request' in event && { request: 'other' }),
      ...('model' in event && { model: 'other' as ModelKey }),
      ...('reason' in event && { reason: 'other' }),
      ...('message' in event && { message: 'other' }),
      ...('where' in event && { where: 'other' }),
      ...('escrow' in event && { escrow: 'other' as Address }),
    }))
    const many = await scraped([...all, ...(others as NodeEvent[])])
    expect([...many.keys()].toSorted()).toEqual([...few.keys()].toSorted())
    expect([...few.keys()].every((name) => name.startsWith('silkmesh_'))).toBe(true)
  })

  it('keeps two nodes of one process apart', async () => {
    const first = prometheus()
    const second = prometheus()
    first.observe(each['advert-published'])
    expect(await second.metrics()).not.toContain('result="published"} 1')
  })
})

describe('jsonLog', () => {
  it('writes one line of JSON an event, amounts as decimal strings', () => {
    const lines: string[] = []
    const observe = jsonLog(
      (line) => lines.push(line),
      () => atMs,
    )
    for (const event of all) observe(event)
    expect(lines).toHaveLength(all.length)
    expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true)
    const parsed: { readonly type: string }[] = lines.map((line) => JSON.parse(line))
    expect(parsed.find(({ type }) => type === 'request-finished')).toEqual({
      time: '2026-11-05T12:30:15.000Z',
      type: 'request-finished',
      request,
      usage,
      costNano: '12345',
      elapsedMs: 1_500,
      peer,
      outcome: 'stop',
      failovers: 2,
    })
  })

  it('keeps an amount above 2^53 exact', () => {
    const lines: string[] = []
    jsonLog((line) => lines.push(line))({ type: 'tab-recovered', peer, amountNano: 18_446_744_073_709_551_615n })
    expect(lines[0]).toContain('"amountNano":"18446744073709551615"')
  })
})

describe('humanLog', () => {
  const said = (...events: readonly NodeEvent[]): string[] => {
    const lines: string[] = []
    const observe = humanLog(
      (line) => lines.push(line),
      () => atMs,
    )
    for (const event of events) observe(event)
    return lines
  }

  it('writes a short line with the time, the outcome and the cost', () => {
    expect(said(each['request-finished'])).toEqual([
      '12:30:15  request …abcdef stop: 10 + 32 tokens, 0.000012345 GRAM, 1500 ms, 2 failovers\n',
    ])
  })

  it('tells a settlement from its beginning to its end by amounts', () => {
    expect(said(each['settle-started'], each['settle-posted'], each['settle-confirmed'])).toEqual([
      '12:30:15  settling 2 vouchers of …ababab, 0.06 GRAM\n',
      `12:30:15  posted 0.06 GRAM of …ababab to the chain, its confirmation comes next: message ${'ee'.repeat(32)}\n`,
      `12:30:15  settled 0.06 GRAM of …ababab, paid 0.059 to …ababab: transaction ${'ff'.repeat(32)}\n`,
    ])
  })

  const unsaid = [
    each['voucher-signed'],
    each['voucher-booked'],
    each['credit-paused'],
    each['advert-accepted'],
    each['hub-granted'],
    each['settler-advertised'],
    each['settler-heard'],
    each['settle-fee-counted'],
  ]

  it('leaves out what happens every few tokens, or as often as somebody advertises', () => {
    expect(said(...unsaid)).toEqual([])
  })

  it('says something of everything else, in one line each', () => {
    const lines = said(...all)
    expect(lines).toHaveLength(all.length - unsaid.length)
    expect(lines.every((line) => line.length < 320 && line.indexOf('\n') === line.length - 1)).toBe(true)
    expect(lines.join('')).not.toMatch(/undefined|\[object/)
  })

  it('says once why an advert is refused, until that changes, the peer is heard, or an hour is over', () => {
    let nowMs = 0
    const lines: string[] = []
    const log = humanLog(
      (line) => lines.push(line),
      () => nowMs,
    )
    const refused = (reason: string, of = peer) => log({ type: 'advert-dropped', peer: of, reason })
    const told = (work: () => void): number => {
      const before = lines.length
      work()
      return lines.length - before
    }
    expect(told(() => refused('expired 20 ms ago'))).toBe(1)
    expect(told(() => refused('expired 2020 ms ago'))).toBe(0)
    expect(told(() => refused('expired 2020 ms ago', '12D3KooWother' as PeerId))).toBe(1)
    expect(told(() => refused('it could not be dialled'))).toBe(1)
    expect(told(() => refused('expired 4020 ms ago'))).toBe(0)
    expect(told(() => log(each['settler-dropped']))).toBe(1)
    expect(told(() => log(each['settler-dropped']))).toBe(0)
    log(each['advert-accepted'])
    expect(told(() => refused('expired 20 ms ago'))).toBe(1)
    nowMs += 3_600_000
    expect(told(() => refused('expired 20 ms ago'))).toBe(1)
  })

  it('remembers of no more peers than it can hold', () => {
    const lines: string[] = []
    const log = humanLog((line) => lines.push(line))
    const refused = (peer: string) => log({ type: 'advert-dropped', peer: peer as PeerId, reason: 'expired' })
    for (let number = 0; number <= 1_024; number += 1) refused(`peer ${number}`)
    const before = lines.length
    refused('peer 1024')
    expect(lines.length).toBe(before)
    refused('peer 0') // the oldest, which was let go
    expect(lines.length).toBe(before + 1)
  })

  it('lets no control character of another peer reach the terminal, and bounds its words', () => {
    const message = `\u001b[2J\u0007\n\u202e${'x'.repeat(10_000)}`
    const [line] = said({ ...each['attempt-failed'], message })
    expect(line?.slice(0, -1)).not.toMatch(/\p{C}/u)
    expect(line?.length).toBeLessThan(320)
  })
})

describe('fanOut', () => {
  const broken = (reason: string) => () => {
    throw new Error(reason)
  }

  /** What it would warn this process of, which else prints it. */
  function warned(work: () => void): readonly string[] {
    const emitting = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    try {
      work()
      return emitting.mock.calls.map(([message, name]) => `${String(name)}: ${String(message)}`)
    } finally {
      emitting.mockRestore()
    }
  }

  it('tells everyone, also after one that throws', () => {
    const seen: string[] = []
    const observe = fanOut(
      (event) => seen.push(`first ${event.type}`),
      broken('broken'),
      (event) => seen.push(`last ${event.type}`),
    )
    const warnings = warned(() => {
      observe(each['node-stopping'])
      observe(each['node-stopping'])
    })
    expect(seen).toEqual(['first node-stopping', 'last node-stopping', 'first node-stopping', 'last node-stopping'])
    expect(warnings).toEqual(['SilkmeshWarning: an observer failed on node-stopping: Error: broken'])
  })

  it('warns of a broken observer once, and of the next one too', () => {
    const warnings = warned(() => {
      const observe = fanOut(broken('one'), broken('two'))
      observe(each['node-stopping'])
      observe(each.fault)
    })
    expect(warnings).toEqual([
      'SilkmeshWarning: an observer failed on node-stopping: Error: one',
      'SilkmeshWarning: an observer failed on node-stopping: Error: two',
    ])
  })
})
