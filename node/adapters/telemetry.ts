// What listens to a node: Prometheus metrics, JSON lines for machines, short lines for people. All read `NodeEvent`s.

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { counted } from '../../protocol/counted.ts'
import type { Usage } from '../../protocol/money.ts'
import { formatGram, formatPercent } from '../../protocol/money.ts'
import type { NodeEvent } from '../events.ts'
import type { Observe } from '../ports.ts'
import { repeats } from './repeats.ts'

/** Tells each of them everything; one that throws is named once in a process warning and disturbs nobody. */
export function fanOut(...observers: readonly Observe[]): Observe {
  const failed = new Set<Observe>()
  return (event) => {
    for (const observe of observers) {
      try {
        observe(event)
      } catch (error) {
        if (failed.has(observe)) continue
        failed.add(observe)
        process.emitWarning(`an observer failed on ${event.type}: ${String(error)}`, 'SilkmeshWarning')
      }
    }
  }
}

/** One line of JSON an event, amounts as decimal strings. `write` gets the line with its newline. */
export function jsonLog(write: (line: string) => void, now: () => number = Date.now): Observe {
  const decimal = (_name: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)
  return (event) => write(`${JSON.stringify({ time: new Date(now()).toISOString(), ...event }, decimal)}\n`)
}

/** A short line for what a person wants to see pass by; what happens every few tokens is left to the metrics. */
export function humanLog(write: (line: string) => void, now: () => number = Date.now): Observe {
  const isRepeat = repeats(now)
  return (event) => {
    const line = describe(event)
    if (isRepeat(event) || line === undefined) return
    // Parts of it are other peers' texts: no control character of theirs reaches the terminal.
    write(`${new Date(now()).toISOString().slice(11, 19)}  ${line.replace(/\p{C}/gu, ' ').slice(0, lineCharsMax)}\n`)
  }
}

const lineCharsMax = 300

/** Seconds: from a cached answer on one machine to a long one over the world. */
const latencyBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/**
 * Counters of one node under a registry of its own. Labels come from closed sets only (outcomes, codes of the error
 * table, kinds of token): a peer cannot add a time series by being new.
 */
export function prometheus(): { readonly observe: Observe; readonly metrics: () => Promise<string> } {
  const registry = new Registry()
  const registers = [registry]
  const counter = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `silkmesh_${name}`, help, labelNames, registers })
  const gauge = (name: string, help: string) => new Gauge({ name: `silkmesh_${name}`, help, registers })
  const seconds = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Histogram({ name: `silkmesh_${name}`, help, labelNames, registers, buckets: latencyBuckets })

  const adverts = counter('adverts_total', 'Adverts, by what became of them', ['result'])
  const providersLost = counter('providers_lost_total', 'Providers no longer believed to serve')

  const asked = counter('requests_total', 'Requests made of the mesh, by outcome and error code', ['outcome', 'code'])
  const askedNow = gauge('requests_in_flight', 'Requests made of the mesh and not finished')
  const askedSeconds = seconds('request_duration_seconds', 'From a request to its end', ['outcome'])
  const firstToken = seconds('request_first_token_seconds', 'From a request to its first token')
  const attempts = counter('attempts_total', 'Providers tried for a request')
  const attemptsQueued = counter('attempts_queued_total', 'Providers that had no slot for a request yet')
  const attemptsFailed = counter('attempts_failed_total', 'Providers that failed a request', ['code'])
  const hedges = counter('hedges_total', 'Second providers asked because the first had not begun')
  const hedgesWon = counter('hedges_won_total', 'Of these, the ones that began first')
  const failovers = counter('failovers_total', 'Requests moved to another provider')
  const bought = counter('bought_tokens_total', 'Tokens received and paid for', ['kind'])
  const spent = counter('spent_nano_total', 'Paid for finished requests, in nano')
  const signed = counter('vouchers_signed_total', 'Vouchers signed')
  const hubLeft = counter('hub_left_total', 'Times the hub was given up for a while', ['code'])
  const granted = counter('hub_granted_nano_total', 'Promised to providers for consumers, in nano')
  const hubFees = counter('hub_fees_nano_total', 'Charged for that, in nano')
  const recovered = counter('tabs_recovered_total', 'Tabs restored from what a provider held')

  const admitted = counter('admitted_total', 'Requests of others that got a slot')
  const queued = counter('queued_total', 'Requests of others that had to wait')
  const refused = counter('refused_total', 'Requests of others that were turned away', ['code'])
  const closed = gauge('closed', '1 while a provider takes nothing new: paused, or outside its hours')
  const servedNow = gauge('serving', 'Requests of others being served')
  const servedTotal = counter('served_total', 'Requests of others, by outcome and error code', ['outcome', 'code'])
  const servedSeconds = seconds('served_duration_seconds', 'Serving one request', ['outcome'])
  const sold = counter('sold_tokens_total', 'Tokens served', ['kind'])
  const earned = counter('earned_nano_total', 'Cost of what was served, in nano')
  const booked = counter('vouchers_booked_total', 'Vouchers taken into the book')
  const paused = counter('credit_pauses_total', 'Times decoding waited for a voucher')

  const settles = counter('settles_total', 'Settlement batches, by step', ['step'])
  const settled = counter('settled_nano_total', 'Confirmed by the chain, in nano')
  const paid = counter('paid_nano_total', 'Received by payees, in nano')
  const fees = counter('settle_fees_nano_total', 'Network fees of settlements, in nano')
  const lostNano = counter('channels_closed_nano_total', 'Vouchers that were void before they were settled, in nano')
  const handedOver = counter('vouchers_handed_over_total', 'Vouchers given to another settler')
  const endpoints = counter('chain_endpoint_changes_total', 'Times an endpoint of the chain changed', ['state'])
  const unlocks = counter('unlocks_seen_total', 'Escrows that began to close while vouchers of them were held')
  const decisions = counter('settle_decisions_total', 'Times a voucher came to be settled, or came to wait', ['result'])
  const settlerAdverts = counter('settler_adverts_total', 'Adverts of settlers, by what became of them', ['result'])
  const settlersChosen = counter('settlers_chosen_total', 'Times another settler of the market was chosen')
  const settlersJudged = counter('settlers_judged_total', 'Hand-overs, by whether they were settled in time', [
    'result',
  ])
  const settlerFees = counter('settler_fees_nano_total', 'Fees between providers and settlers, in nano', ['step'])
  const faults = counter('faults_total', 'Faults of the node itself', ['code'])

  const count = (tokens: Counter<'kind'>, { promptTokens, cachedTokens, completionTokens }: Usage) => {
    tokens.inc({ kind: 'prompt' }, promptTokens - cachedTokens)
    tokens.inc({ kind: 'cached' }, cachedTokens)
    tokens.inc({ kind: 'completion' }, completionTokens)
  }

  const observe: Observe = (event) => {
    switch (event.type) {
      case 'advert-published':
        return adverts.inc({ result: 'published' })
      case 'advert-accepted':
        return adverts.inc({ result: 'accepted' })
      case 'advert-dropped':
        return adverts.inc({ result: 'dropped' })
      case 'provider-lost':
        return providersLost.inc()
      case 'request-started':
        return askedNow.inc()
      case 'provider-chosen':
        return attempts.inc()
      case 'attempt-queued':
        return attemptsQueued.inc()
      case 'first-token':
        return firstToken.observe(event.elapsedMs / 1_000)
      case 'hedge-started':
        return hedges.inc()
      case 'hedge-won':
        return hedgesWon.inc(event.isSecond ? 1 : 0)
      case 'attempt-failed':
        return attemptsFailed.inc({ code: event.code })
      case 'voucher-signed':
        return signed.inc()
      case 'request-finished':
        askedNow.dec()
        asked.inc({ outcome: event.outcome, code: event.code ?? 'none' })
        askedSeconds.observe({ outcome: event.outcome }, event.elapsedMs / 1_000)
        failovers.inc(event.failovers)
        count(bought, event.usage)
        return spent.inc(Number(event.costNano))
      case 'tab-recovered':
        return recovered.inc()
      case 'hub-left':
        return hubLeft.inc({ code: event.code })
      case 'hub-granted':
        hubFees.inc(Number(event.feeNano))
        return granted.inc(Number(event.incrementNano))
      case 'request-admitted':
        servedNow.inc()
        return admitted.inc()
      case 'request-queued':
        return queued.inc()
      case 'request-refused':
        return refused.inc({ code: event.code })
      case 'request-served':
        servedNow.dec()
        servedTotal.inc({ outcome: event.outcome, code: event.code ?? 'none' })
        servedSeconds.observe({ outcome: event.outcome }, event.elapsedMs / 1_000)
        count(sold, event.usage)
        return earned.inc(Number(event.costNano))
      case 'serving-changed':
        return closed.set(event.state === 'open' ? 0 : 1)
      case 'voucher-booked':
        return booked.inc()
      case 'credit-paused':
        return paused.inc()
      case 'settle-started':
        return settles.inc({ step: 'started' })
      case 'settle-posted':
        return settles.inc({ step: 'posted' })
      case 'settle-confirmed':
        settles.inc({ step: 'confirmed' })
        settled.inc(Number(event.settledNano))
        paid.inc(Number(event.paidNano))
        return fees.inc(Number(event.feeNano ?? 0n))
      case 'settle-failed':
        return settles.inc({ step: 'failed' })
      case 'channel-closed':
        return lostNano.inc(Number(event.lostNano))
      case 'vouchers-handed-over':
        return handedOver.inc(event.vouchers)
      case 'settle-decided':
        return decisions.inc({ result: event.isDue ? 'settle' : 'wait' })
      case 'unlock-seen':
        return unlocks.inc()
      case 'settler-advertised':
        return settlerAdverts.inc({ result: 'published' })
      case 'settler-heard':
        return settlerAdverts.inc({ result: 'accepted' })
      case 'settler-dropped':
        return settlerAdverts.inc({ result: 'dropped' })
      case 'settler-chosen':
        return settlersChosen.inc()
      case 'settler-judged':
        return settlersJudged.inc({ result: event.isInTime ? 'in time' : 'late' })
      case 'settle-fee-counted':
        return settlerFees.inc({ step: 'counted' }, Number(event.feeNano))
      case 'settle-fee-signed':
        return
      case 'settle-fee-taken':
        return settlerFees.inc({ step: 'taken' }, Number(event.addedNano))
      case 'ledger-mismatch':
        return faults.inc({ code: 'internal' })
      case 'chain-endpoint':
        return endpoints.inc({ state: event.state })
      case 'fault':
        return faults.inc({ code: event.code })
      case 'node-started':
      case 'keys-not-sealed':
      case 'node-stopping':
        return
      default:
        return unheard(event)
    }
  }
  return { observe, metrics: () => registry.metrics() }
}

function describe(event: NodeEvent): string | undefined {
  switch (event.type) {
    case 'advert-published':
      return `advert ${event.sequence} published: ${event.models.join(', ') || 'no model'}`
    case 'advert-dropped':
      return `advert of ${short(event.peer)} dropped: ${event.reason}`
    case 'provider-lost':
      return `provider ${short(event.peer)} lost: ${event.reason}`
    case 'request-started':
      return `request ${short(event.request)} for ${event.model}`
    case 'provider-chosen':
      return `request ${short(event.request)} goes to ${short(event.peer)}, one of ${event.candidates}: ${event.reason}`
    case 'attempt-queued':
      return `request ${short(event.request)} waits at ${short(event.peer)}, place ${event.position}${event.etaMs === undefined ? '' : `, about ${event.etaMs} ms`}`
    case 'first-token':
      return `request ${short(event.request)} first token after ${event.elapsedMs} ms`
    case 'hedge-started':
      return `request ${short(event.request)} also goes to ${short(event.peer)} after ${event.elapsedMs} ms`
    case 'hedge-won':
      return `request ${short(event.request)} goes on at ${short(event.peer)}, ${short(event.loser)} is left`
    case 'attempt-failed':
      return `request ${short(event.request)} failed at ${short(event.peer)} after ${counted(event.tokensDelivered, 'token')}: ${event.code}, ${event.message}`
    case 'request-finished':
      return `request ${short(event.request)} ${ending(event)}, ${counted(event.failovers, 'failover')}`
    case 'tab-recovered':
      return `tab with ${short(event.peer)} recovered at ${formatGram(event.amountNano)} GRAM`
    case 'hub-left':
      return `hub ${short(event.peer)} is left for a while, providers are paid directly: ${event.code}, ${event.message}`
    case 'request-admitted':
      return `serving ${short(event.request)} of ${short(event.peer)}: ${counted(event.promptTokens, 'prompt token')}, ${event.active} active`
    case 'request-queued':
      return `request ${short(event.request)} of ${short(event.peer)} waits at place ${event.position}`
    case 'serving-changed':
      return `${servingWords[event.state]}${event.untilMs === undefined ? '' : ` until ${new Date(event.untilMs).toISOString()}`}`
    case 'request-refused':
      return `request ${short(event.request)} of ${short(event.peer)} refused: ${event.code}, ${event.message}`
    case 'request-served':
      return `served ${short(event.request)} of ${short(event.peer)}: ${ending(event)}`
    case 'settle-started':
      return `settling ${counted(event.vouchers, 'voucher')} of ${short(event.escrow)}, ${formatGram(event.amountNano)} GRAM`
    case 'settle-posted':
      return `posted ${formatGram(event.amountNano)} GRAM of ${short(event.escrow)} to the chain, its confirmation comes next: message ${event.messageHash}`
    case 'settle-confirmed':
      return `settled ${formatGram(event.settledNano)} GRAM of ${short(event.escrow)}, paid ${formatGram(event.paidNano)} to ${short(event.payee)}${event.transaction === undefined ? '' : `: transaction ${event.transaction}`}`
    case 'settle-failed':
      return `settlement of ${short(event.escrow)} failed: ${event.code}, ${event.message}`
    case 'channel-closed':
      return `escrow ${short(event.escrow)} was taken back by its owner; ${formatGram(event.lostNano)} GRAM of vouchers are void`
    case 'vouchers-handed-over':
      return `${counted(event.vouchers, 'voucher')} of ${formatGram(event.amountNano)} GRAM in all handed to settler ${short(event.settler)}`
    case 'settle-decided':
      return `${formatGram(event.unsettledNano)} GRAM of ${short(event.escrow)} ${event.isDue ? 'settle' : 'wait'}: ${event.reason}, the network would take ${formatGram(event.feeNano)}`
    case 'unlock-seen':
      return `escrow ${short(event.escrow)} closes at ${new Date(event.unlockAtMs).toISOString()}: ${counted(event.vouchers, 'voucher of it is', 'vouchers of it are')} held`
    case 'settler-dropped':
      return `advert of settler ${short(event.peer)} dropped: ${event.reason}`
    case 'settler-chosen':
      return `settler ${short(event.settler)} chosen of ${event.candidates}: fee ${formatPercent(event.feePpm)}, record ${event.score.toFixed(2)}`
    case 'settler-judged':
      return `settler ${short(event.settler)} settled ${event.isInTime ? 'in time' : 'too late'}: record ${event.score.toFixed(2)}`
    case 'settle-fee-signed':
      return `fees of settler ${short(event.settler)} signed for: ${formatGram(event.amountNano)} GRAM in all`
    case 'settle-fee-taken':
      return `${short(event.peer)} paid ${formatGram(event.addedNano)} GRAM of fees`
    case 'node-started':
      return `started as ${event.roles.join(', ')}: ${event.peer}`
    case 'keys-not-sealed':
      return `keys are not sealed, whoever can read ${event.path} has them: \`silkmesh identity encrypt\``
    case 'node-stopping':
      return 'stopping'
    case 'ledger-mismatch':
      return `the ledger does not add up, nothing more is served or signed: ${event.message}; \`silkmesh ledger --check\``
    case 'chain-endpoint':
      return `chain endpoint ${event.endpoint} ${event.state}: ${event.detail}`
    case 'fault':
      return `fault in ${event.where}: ${event.code}, ${event.message}`
    case 'settler-advertised':
    case 'settler-heard':
    case 'settle-fee-counted':
    case 'advert-accepted':
    case 'voucher-signed':
    case 'hub-granted':
    case 'voucher-booked':
    case 'credit-paused':
      return undefined
    default:
      return unheard(event)
  }
}

function ending(event: Extract<NodeEvent, { type: 'request-finished' | 'request-served' }>): string {
  const how = event.code === undefined ? event.outcome : `${event.outcome} (${event.code})`
  const { promptTokens, completionTokens } = event.usage
  return `${how}: ${promptTokens} + ${completionTokens} tokens, ${formatGram(event.costNano)} GRAM, ${event.elapsedMs} ms`
}

const servingWords = { open: 'serving', paused: 'paused', closed: 'outside its hours' }

/** The end tells peers and requests apart: peer ids all begin alike. */
function short(id: string): string {
  return `…${id.slice(-6)}`
}

/** A new event is a compile error here until its place in metrics and log was decided. */
function unheard(event: never): undefined {
  void event
}
