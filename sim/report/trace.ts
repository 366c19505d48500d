// A run as Chrome trace events, for Perfetto or chrome://tracing: a process a peer, requests as slices, faults above all.

import type { RequestRecord, RunRecord } from '../record.ts'

export interface TraceOptions {
  /** More are thinned out evenly; failures and failovers stay. */
  readonly requestsMax?: number
  /** What went wrong when, such as an attempt that failed; shown at its peer. */
  readonly marks?: readonly Mark[]
}

export interface Mark {
  readonly peer: string
  readonly atMs: number
  readonly name: string
  readonly detail: string
}

interface TraceEvent {
  readonly ph: 'X' | 'i' | 'C' | 'M' | 's' | 'f'
  readonly name: string
  readonly pid: number
  readonly tid: number
  /** Microseconds. */
  readonly ts?: number
  readonly dur?: number
  readonly cat?: string
  readonly id?: number
  readonly s?: 'g' | 'p' | 't'
  readonly bp?: 'e'
  readonly cname?: string
  readonly args?: Readonly<Record<string, unknown>>
}

/** A viewer in a browser stays quick with some hundred thousand events; a request makes up to seven. */
const requestsMaxDefault = 50_000
const meshPid = 1

/** One JSON text in pieces. */
export function* traceOf(run: RunRecord, options: TraceOptions = {}): Generator<string> {
  const { requestsMax = requestsMaxDefault, marks = [] } = options
  const kept = thinned(run.requests, requestsMax)
  const note = kept.length < run.requests.length ? `${kept.length} of ${run.requests.length} requests` : 'all requests'
  yield `{"displayTimeUnit":"ms","otherData":${JSON.stringify({ scenario: run.manifest.scenario, seed: run.manifest.seed, shown: note })},"traceEvents":[\n`
  let separator = ''
  for (const event of eventsOf(run, kept, marks)) {
    yield separator + JSON.stringify(event)
    separator = ',\n'
  }
  yield '\n]}\n'
}

function* eventsOf(run: RunRecord, requests: readonly RequestRecord[], marks: readonly Mark[]): Generator<TraceEvent> {
  yield* named(meshPid, 'mesh', 0)
  const bandLane = lanes()
  for (const { label, fromMs, toMs } of run.bands.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const at = { name: label, pid: meshPid, tid: bandLane(fromMs, toMs), ts: fromMs * 1000, cat: 'fault' }
    yield toMs > fromMs ? { ph: 'X', ...at, dur: (toMs - fromMs) * 1000, cname: 'bad' } : { ph: 'i', ...at, s: 'g' }
  }
  for (const { check, atMs, message } of run.violations) {
    yield { ph: 'i', s: 'g', name: `violation: ${check}`, pid: meshPid, tid: 0, ts: atMs * 1000, args: { message } }
  }
  for (const { atMs, metric, subject, value } of run.series) {
    if (subject === '') yield { ph: 'C', name: metric, pid: meshPid, tid: 0, ts: atMs * 1000, args: { value } }
  }
  const pids = new Map<string, number>()
  for (const { name, roles } of run.peers) {
    pids.set(name, meshPid + 1 + pids.size)
    yield* named(meshPid + pids.size, `${name} (${roles.join(', ')})`, roles.includes('provider') ? 1 : 2)
  }
  const laneOf = new Map<string, (fromMs: number, toMs: number) => number>()
  const laneAt = (peer: string, fromMs: number, toMs: number): number => {
    const lane = laneOf.get(peer) ?? lanes()
    laneOf.set(peer, lane)
    return lane(fromMs, toMs)
  }
  for (const request of requests) {
    const [consumer, provider] = [pids.get(request.consumer), pids.get(request.provider)]
    if (consumer !== undefined) {
      yield* asked(request, consumer, laneAt(request.consumer, request.arrivalMs, request.endMs))
    }
    if (provider !== undefined && request.firstTokenMs !== undefined) {
      yield* served(request, provider, laneAt(request.provider, request.firstTokenMs, request.endMs))
    }
  }
  for (const { peer, atMs, name, detail } of marks) {
    const pid = pids.get(peer)
    if (pid !== undefined) yield { ph: 'i', s: 'p', name, pid, tid: 0, ts: atMs * 1000, args: { detail } }
  }
}

function* asked(request: RequestRecord, pid: number, tid: number): Generator<TraceEvent> {
  const { number, arrivalMs, firstTokenMs = request.endMs, endMs, outcome, code, failovers } = request
  const isBad = outcome === 'failed' || outcome === 'lost'
  yield {
    ph: 'X',
    name: `request ${number}${failovers > 0 ? `, ${failovers} failover${failovers > 1 ? 's' : ''}` : ''}${isBad ? `, ${outcome}` : ''}`,
    cat: 'request',
    pid,
    tid,
    ts: arrivalMs * 1000,
    dur: (endMs - arrivalMs) * 1000,
    ...(isBad ? { cname: 'terrible' } : failovers > 0 ? { cname: 'bad' } : {}),
    args: {
      provider: request.provider,
      model: request.model,
      outcome,
      code,
      promptTokens: request.promptTokens,
      completionTokens: request.completionTokens,
      costNano: request.costNano.toString(),
      attempts: request.attempts,
      failovers,
    },
  }
  const wait = { ph: 'X', name: 'to the first token', cat: 'request', pid, tid, ts: arrivalMs * 1000 } as const
  yield { ...wait, dur: (firstTokenMs - arrivalMs) * 1000 }
  if (request.firstTokenMs === undefined) return
  yield { ...wait, name: 'tokens', ts: firstTokenMs * 1000, dur: (endMs - firstTokenMs) * 1000 }
  yield { ph: 's', name: 'served by', cat: 'served', id: number, pid, tid, ts: firstTokenMs * 1000 }
}

function* served(request: RequestRecord, pid: number, tid: number): Generator<TraceEvent> {
  const { number, firstTokenMs = request.endMs, endMs, consumer } = request
  const at = { pid, tid, ts: firstTokenMs * 1000 }
  yield {
    ph: 'X',
    name: `request ${number}`,
    cat: 'serving',
    ...at,
    dur: (endMs - firstTokenMs) * 1000,
    args: { consumer, completionTokens: request.completionTokens },
  }
  yield { ph: 'f', bp: 'e', name: 'served by', cat: 'served', id: number, ...at }
}

function* named(pid: number, name: string, order: number): Generator<TraceEvent> {
  yield { ph: 'M', name: 'process_name', pid, tid: 0, args: { name } }
  yield { ph: 'M', name: 'process_sort_index', pid, tid: 0, args: { sort_index: order } }
}

/** Slices of one thread may not overlap: each gets the first lane that is free, so a peer shows as many as it needs. */
function lanes(): (fromMs: number, toMs: number) => number {
  const freeAtMs: number[] = []
  return (fromMs, toMs) => {
    const free = freeAtMs.findIndex((atMs) => atMs <= fromMs)
    const lane = free < 0 ? freeAtMs.length : free
    freeAtMs[lane] = toMs
    return lane + 1
  }
}

function thinned(requests: readonly RequestRecord[], max: number): readonly RequestRecord[] {
  const byArrival = requests.toSorted((a, b) => a.arrivalMs - b.arrivalMs || a.number - b.number)
  if (byArrival.length <= max) return byArrival
  const isTold = ({ outcome, failovers }: RequestRecord) => outcome !== 'ok' || failovers > 0
  const told = byArrival.filter(isTold).slice(0, max)
  const step = Math.ceil((byArrival.length - told.length) / Math.max(1, max - told.length))
  let seen = 0
  let left = max
  return byArrival.filter((request) => {
    if (left === 0 || !(isTold(request) || seen++ % step === 0)) return false
    left -= 1
    return true
  })
}
