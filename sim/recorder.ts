// Turns what is seen of a run into records and time series. Listens; decides nothing.

import type { NodeEvent } from '../node/events.ts'
import type { InferenceEvent, InferenceResult } from '../node/inference.ts'
import type { PeerId } from '../protocol/ids.ts'
import type { Nano } from '../protocol/money.ts'
import { type PeerSpec, type Plan, type PlannedRequest, rolesOf } from './plan.ts'
import type { Band, PeerRecord, RequestRecord, Sample } from './record.ts'
import { Waits } from './recorder-waits.ts'
import type { Audit, Heard } from './world.ts'

/** A request while it runs. */
export interface OpenRequest {
  readonly number: number
  readonly planned: PlannedRequest
  readonly arrivalMs: number
  /** The node's own id for it, once known. */
  id: string | undefined
  provider: PeerId | undefined
  firstTokenMs: number | undefined
  /** Delivered to the caller so far. */
  tokens: number
  promptTokens: number
}

export interface Ending {
  readonly outcome: RequestRecord['outcome']
  readonly code: string
  readonly result?: InferenceResult | undefined
}

/** Counters over the whole run, all from events. */
export interface Totals {
  vouchers: number
  settledNano: Nano
  feesNano: Nano
  spentNano: Nano
  tokensCorrupted: number
  unpaidNanoMax: Nano
  attemptsFailed: number
}

interface PeerState {
  readonly spec: PeerSpec
  active: number
  queued: number
  slots: number
  priceNano: Nano | undefined
  earnedNano: Nano
  spentNano: Nano
  tokensServed: number
  isUp: boolean
}

export class Recorder {
  readonly requests: RequestRecord[] = []
  readonly series: Sample[] = []
  readonly bands: Band[] = []
  readonly totals: Totals = {
    vouchers: 0,
    settledNano: 0n,
    feesNano: 0n,
    spentNano: 0n,
    tokensCorrupted: 0,
    unpaidNanoMax: 0n,
    attemptsFailed: 0,
  }
  readonly #plan: Plan
  readonly #peers = new Map<string, PeerState>()
  readonly #nameOf: (peer: PeerId) => string
  readonly #signed = new Map<string, Nano>()
  readonly #attempts = new Map<string, number>()
  /** Attempts that failed after their first token. */
  readonly #broken = new Map<string, number>()
  /** Requests that a provider decodes now: what it says twice of one counts once. */
  readonly #decoding = new Map<string, Set<string>>()
  /** Transactions. */
  readonly #settlements = new Set<string>()
  readonly #waits: Waits
  #starting: OpenRequest | undefined
  #active = 0

  constructor(plan: Plan, nameOf: (peer: PeerId) => string) {
    this.#plan = plan
    this.#nameOf = nameOf
    this.#waits = new Waits(plan.warmupMs)
    for (const spec of plan.peers) {
      this.#peers.set(spec.name, {
        spec,
        active: 0,
        queued: 0,
        slots: spec.provider?.slots ?? 0,
        priceNano: undefined,
        earnedNano: 0n,
        spentNano: 0n,
        tokensServed: 0,
        isUp: false,
      })
    }
  }

  get active(): number {
    return this.#active
  }

  get done(): number {
    return this.requests.length
  }

  get failed(): number {
    return this.#failed
  }
  #failed = 0

  up(name: string, isUp: boolean, slots: number): void {
    const peer = this.#peers.get(name)
    if (!peer) return
    peer.isUp = isUp
    if (isUp) {
      peer.slots = slots
      return
    }
    peer.active = 0
    peer.queued = 0
    this.#decoding.delete(name)
  }

  band(band: Band): void {
    this.bands.push(band)
  }

  asked(number: number, planned: PlannedRequest, atMs: number): OpenRequest {
    this.#active += 1
    return {
      number,
      planned,
      arrivalMs: atMs,
      id: undefined,
      provider: undefined,
      firstTokenMs: undefined,
      tokens: 0,
      promptTokens: 0,
    }
  }

  /** What the node says while this runs is about this request. */
  starting<T>(request: OpenRequest, act: () => T): T {
    this.#starting = request
    try {
      return act()
    } finally {
      this.#starting = undefined
    }
  }

  progressed(request: OpenRequest, event: InferenceEvent, atMs: number): void {
    if (event.type === 'accepted') {
      request.id = event.requestId
      request.provider = event.provider
      request.promptTokens ||= event.promptTokens
      const provider = this.#peers.get(this.#nameOf(event.provider))
      if (provider) provider.priceNano = event.price.completionNano
    } else if (event.type === 'delta' && event.tokens > 0) {
      request.firstTokenMs ??= atMs
      request.tokens += event.tokens
    }
  }

  ended(request: OpenRequest, { outcome, code, result }: Ending, atMs: number): RequestRecord {
    this.#active -= 1
    if (outcome === 'failed') this.#failed += 1
    const { planned } = request
    const attempts = request.id === undefined ? 0 : (this.#attempts.get(request.id) ?? 1)
    const broken = request.id === undefined ? 0 : (this.#broken.get(request.id) ?? 0)
    if (request.id !== undefined) {
      this.#attempts.delete(request.id)
      this.#broken.delete(request.id)
    }
    const record: RequestRecord = {
      number: request.number,
      consumer: planned.consumer,
      provider: request.provider === undefined ? '' : this.#nameOf(result?.provider ?? request.provider),
      model: planned.model,
      arrivalMs: request.arrivalMs,
      firstTokenMs: request.firstTokenMs,
      endMs: atMs,
      outcome,
      code,
      promptTokens: result?.usage.promptTokens ?? request.promptTokens,
      completionTokens: result?.usage.completionTokens ?? request.tokens,
      cachedTokens: result?.usage.cachedTokens ?? 0,
      costNano: result?.costNano ?? 0n,
      attempts,
      failovers: Math.min(broken, Math.max(0, attempts - 1)),
      isMeasured:
        request.arrivalMs >= this.#plan.warmupMs &&
        request.arrivalMs < this.#plan.durationMs &&
        this.#peers.get(planned.consumer)?.spec.adversary === undefined,
    }
    this.requests.push(record)
    return record
  }

  corrupted(tokens: number): void {
    this.totals.tokensCorrupted += tokens
  }

  heard({ peer, event, atMs }: Heard): void {
    const state = this.#peers.get(peer)
    if (state) this.#noted(state, peer, event, atMs)
  }

  #noted(state: PeerState, peer: string, event: NodeEvent, atMs: number): void {
    const { totals } = this
    switch (event.type) {
      case 'request-started':
        if (this.#starting) this.#starting.id = event.request
        break
      case 'provider-chosen':
        this.#attempts.set(event.request, event.attempt)
        this.#waits.providerChosen(peer, event.peer, atMs)
        break
      case 'attempt-failed':
        totals.attemptsFailed += 1
        // the node counts every change of provider
        if (event.tokensDelivered > 0) this.#broken.set(event.request, (this.#broken.get(event.request) ?? 0) + 1)
        break
      case 'voucher-signed': {
        const key = `${peer}/${event.payee}`
        const before = this.#signed.get(key) ?? 0n
        if (event.amountNano <= before) break
        this.#signed.set(key, event.amountNano)
        totals.vouchers += 1
        totals.spentNano += event.amountNano - before
        state.spentNano += event.amountNano - before
        break
      }
      case 'request-queued':
        if (event.position > state.queued) state.queued = event.position
        this.#waits.queued(peer, event.request, atMs)
        break
      case 'request-admitted': {
        const decoding = this.#decoding.get(peer) ?? new Set()
        this.#decoding.set(peer, decoding.add(event.request))
        state.active = decoding.size
        if (state.queued > 0) state.queued -= 1
        this.#waits.admitted(peer, event.request, atMs)
        break
      }
      case 'request-served':
        state.tokensServed += event.usage.completionTokens
        state.earnedNano += event.costNano
        this.#left(state, peer, event.request)
        break
      case 'request-refused':
        this.#waits.refused(peer, event.request)
        this.#left(state, peer, event.request)
        break
      case 'credit-paused':
        if (event.unpaidNano > totals.unpaidNanoMax) totals.unpaidNanoMax = event.unpaidNano
        break
      case 'voucher-booked': {
        const unpaidNano = event.owedNano - event.amountNano
        if (unpaidNano > totals.unpaidNanoMax) totals.unpaidNanoMax = unpaidNano
        break
      }
      case 'settle-confirmed':
        totals.settledNano += event.paidNano
        totals.feesNano += event.feeNano ?? 0n
        if (event.transaction !== undefined) this.#settlements.add(event.transaction)
        break
      case 'advert-accepted':
        this.#waits.advertAccepted(peer, event.peer, event.sequence, atMs)
        break
      case 'node-started':
        if (state.spec.consumer) this.#waits.consumerStarted(peer, atMs)
        break
    }
  }

  /** What the summary has no other source for, by its names. */
  figures(): Readonly<Record<string, number | undefined>> {
    const { attemptsFailed, tokensCorrupted, vouchers } = this.totals
    return { attemptsFailed, tokensCorrupted, vouchers, settlements: this.#settlements.size, ...this.#waits.figures() }
  }

  /** Unix milliseconds at which the run began. */
  began(epochMs: number): void {
    this.#waits.began(epochMs)
  }

  #left(state: PeerState, peer: string, request: string): void {
    const decoding = this.#decoding.get(peer)
    decoding?.delete(request)
    state.active = decoding?.size ?? 0
  }

  sample(
    atMs: number,
    { feesNano, paidOutNano }: Pick<Audit, 'feesNano' | 'paidOutNano'>,
    figures: Readonly<Record<string, number>>,
  ): void {
    const put = (metric: string, value: number, subject = ''): void => {
      this.series.push({ atMs, metric, subject, value })
    }
    let up = 0
    for (const [name, peer] of this.#peers) {
      if (peer.isUp) up += 1
      if (!peer.spec.provider) continue
      put('activeRequests', peer.active, name)
      put('queuedRequests', peer.queued, name)
      put('utilisation', peer.slots > 0 ? Math.min(1, peer.active / peer.slots) : 0, name)
      if (peer.priceNano !== undefined) put('priceNano', Number(peer.priceNano), name)
      put('earnedNano', Number(peer.earnedNano), name)
    }
    put('peersUp', up)
    put('requestsActive', this.#active)
    put('requestsDone', this.requests.length - this.#failed)
    put('requestsFailed', this.#failed)
    put('spentNano', Number(this.totals.spentNano))
    put('settledNano', Number(paidOutNano))
    put('feesNano', Number(feesNano))
    put('unpaidNanoMax', Number(this.totals.unpaidNanoMax))
    put('vouchers', this.totals.vouchers)
    put('controlBytes', figures['controlBytes'] ?? 0)
  }

  peers(connections: (name: string) => readonly string[] = () => []): readonly PeerRecord[] {
    return [...this.#peers.values()].map(({ spec, slots, earnedNano, spentNano, tokensServed }) => ({
      name: spec.name,
      group: spec.group,
      region: spec.place.region,
      roles: rolesOf(spec),
      adversary: spec.adversary ?? '',
      earnedNano,
      spentNano,
      tokensServed,
      slots,
      connections: connections(spec.name),
    }))
  }
}
