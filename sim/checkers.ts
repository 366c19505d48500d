// What must hold in every run whatever happens in it. Each finding is a violation: it names the check, the time and the values.

import { type Config, configOf } from '../node/config.ts'
import type { InferenceEvent } from '../node/inference.ts'
import { declaredModelKeyOf, type PeerId } from '../protocol/ids.ts'
import { costNano, type Nano } from '../protocol/money.ts'
import { answerOf } from './model/engine/tokens.ts'
import type { PeerSpec, Plan, PlannedRequest } from './plan.ts'
import type { Violation } from './record.ts'
import type { Audit, AuditedChannel, Heard } from './world.ts'

/** A run that goes wrong goes wrong everywhere: these are enough to see how. */
const violationsMax = 100

export class Checkers {
  readonly violations: Violation[] = []
  readonly #specs: ReadonlyMap<string, PeerSpec>
  readonly #nameOf: (peer: PeerId) => string
  readonly #configs = new Map<string, Config>()
  readonly #slots = new Map<string, number>()
  readonly #windows = new Map<string, Nano>()
  /** Payee → escrow → what it had settled when last looked at. */
  readonly #settled = new Map<AuditedChannel['payee'], Map<AuditedChannel['escrow'], Nano>>()
  /** Requests that began at a consumer that has not died since, and how often each has finished. */
  readonly #finishes = new Map<
    string,
    { readonly peer: string; readonly sinceMs: number; readonly asked: Set<string>; count: number }
  >()

  constructor(plan: Plan, nameOf: (peer: PeerId) => string) {
    this.#specs = new Map(plan.peers.map((spec) => [spec.name, spec]))
    this.#nameOf = nameOf
    for (const spec of plan.peers) if (spec.provider) this.#windows.set(spec.name, windowNanoOf(spec))
  }

  /** The largest that any provider lets one payer owe. */
  get windowNano(): Nano {
    return [...this.#windows.values()].reduce((largest, window) => (window > largest ? window : largest), 0n)
  }

  slots(name: string, slots: number): void {
    this.#slots.set(name, slots)
  }

  heard({ peer, atMs, event }: Heard): void {
    switch (event.type) {
      case 'request-started':
        this.#finishes.set(event.request, { peer, sinceMs: atMs, asked: new Set(), count: 0 })
        break
      case 'provider-chosen':
        this.#finishes.get(event.request)?.asked.add(this.#nameOf(event.peer))
        break
      case 'request-finished': {
        const request = this.#finishes.get(event.request)
        if (!request) break
        request.count += 1
        if (request.count > 1) {
          this.#found('request-ends-once', atMs, `${event.request} of ${peer} finished ${request.count} times`)
        }
        const { requestMs } = this.#configOf(peer).consumer
        const tookMs = atMs - request.sinceMs
        // its deadline ends it, and the provider then has a while to account for what it delivered
        if (tookMs > requestMs + this.#configOf(peer).consumer.cancelMs + 1_000) {
          this.#found('request-deadline', atMs, `${event.request} of ${peer} took ${tookMs} ms, at most ${requestMs}`)
        }
        break
      }
      case 'request-admitted': {
        const slots = this.#slots.get(peer)
        if (slots !== undefined && event.active > slots) {
          this.#found('sequences-within-slots', atMs, `${peer} decodes ${event.active} at once, it has ${slots} slots`)
        }
        break
      }
      case 'credit-paused':
        this.#exposed(peer, event.unpaidNano, atMs)
        break
      case 'voucher-booked':
        this.#exposed(peer, event.owedNano - event.amountNano, atMs)
        break
      case 'fault':
        if (event.code === 'internal')
          this.#found('no-internal-fault', atMs, `${peer}: ${event.where}: ${event.message}`)
        break
      case 'attempt-failed':
      case 'request-refused':
        if (event.code === 'internal') this.#found('no-internal-fault', atMs, `${peer}: ${event.message}`)
        break
    }
  }

  /** Its requests end with it. */
  died(peer: string): void {
    for (const [id, request] of this.#finishes) if (request.peer === peer) this.#finishes.delete(id)
  }

  /**
   * Tokens `from` on of one answer. Returns how many of them are not what this model says to this prompt; from a peer that
   * is honest that is a violation.
   */
  delta(
    { consumer, model }: PlannedRequest,
    digest: string,
    from: number,
    { tokenIds }: Extract<InferenceEvent, { type: 'delta' }>,
    provider: PeerId | undefined,
    atMs: number,
  ): number {
    const key = declaredModelKeyOf(model)
    const tokenIdAt = answerOf(key, digest)
    const wrong = tokenIds.filter((id, at) => id !== tokenIdAt(from + at)).length
    const name = provider === undefined ? '' : this.#nameOf(provider)
    if (wrong > 0 && this.#specs.get(name)?.adversary === undefined) {
      this.#found(
        'tokens-once',
        atMs,
        `${wrong} of tokens ${from}–${from + tokenIds.length} that ${consumer} got from ${name} are not those of this answer: lost, repeated or wrong`,
      )
    }
    return wrong
  }

  /** Where one that misbehaves was asked, its consumer may have given up on it. */
  failedAfterHealing(number: number, consumer: string, id: string | undefined, message: string, atMs: number): void {
    const asked = id === undefined ? [] : [...(this.#finishes.get(id)?.asked ?? [])]
    if (asked.some((name) => this.#specs.get(name)?.adversary !== undefined)) return
    this.#found('healed', atMs, `request ${number} of ${consumer} failed although all faults were over: ${message}`)
  }

  audited(audit: Audit, atMs: number): void {
    const { depositedNano, inEscrowsNano, paidOutNano, feesNano } = audit
    if (depositedNano !== inEscrowsNano + paidOutNano + feesNano) {
      this.#found(
        'conservation',
        atMs,
        `${depositedNano} nano were deposited; ${inEscrowsNano} in escrows, ${paidOutNano} paid out and ${feesNano} of fees are ${inEscrowsNano + paidOutNano + feesNano}`,
      )
    }
    for (const channel of audit.channels) this.#audited(channel, atMs)
  }

  /** What nodes' ledgers, their books and the chain tell differently. */
  ledgers(differences: readonly string[], atMs: number): void {
    for (const message of differences) this.#found('ledger-agrees', atMs, message)
  }

  /** When everything has come to rest. */
  ended(atMs: number): void {
    for (const [id, { peer, count }] of this.#finishes) {
      if (count === 0) this.#found('request-ends-once', atMs, `${id} of ${peer} never finished`)
    }
  }

  stuck(message: string, atMs: number): void {
    this.#found('comes-to-rest', atMs, message)
  }

  rejected(message: string, atMs: number): void {
    this.#found('no-unhandled-rejection', atMs, message)
  }

  #audited(
    { consumer, provider, escrow, payee, settledNano, coveredNano, owedNano, depositNano }: AuditedChannel,
    atMs: number,
  ): void {
    const settled = this.#settled.get(payee) ?? new Map<AuditedChannel['escrow'], Nano>()
    const before = settled.get(escrow) ?? 0n
    const pair = (): string => `${consumer} to ${provider}`
    if (settledNano < before) {
      this.#found('settled-never-falls', atMs, `${pair()}: ${settledNano} nano settled, it was ${before}`)
    }
    this.#settled.set(payee, settled.set(escrow, settledNano))
    if (coveredNano !== undefined && settledNano > coveredNano) {
      this.#found(
        'settled-within-vouchers',
        atMs,
        `${pair()}: ${settledNano} nano settled, vouchers cover ${coveredNano}`,
      )
    }
    if (settledNano > depositNano) {
      this.#found(
        'settled-within-deposit',
        atMs,
        `${pair()}: ${settledNano} nano settled of a deposit of ${depositNano}`,
      )
    }
    if (this.#specs.get(consumer)?.hub) return // of many payers: each is looked at when it pays
    if (owedNano !== undefined && coveredNano !== undefined) this.#exposed(provider, owedNano - coveredNano, atMs)
  }

  #exposed(provider: string, unpaidNano: Nano, atMs: number): void {
    const windowNano = this.#windows.get(provider)
    if (windowNano !== undefined && unpaidNano > windowNano) {
      this.#found(
        'exposure-within-window',
        atMs,
        `${provider}: ${unpaidNano} nano unpaid by one payer, the window is ${windowNano}`,
      )
    }
  }

  #configOf(peer: string): Config {
    const known = this.#configs.get(peer) ?? configOf(this.#specs.get(peer)?.config ?? {})
    this.#configs.set(peer, known)
    return known
  }

  #found(check: string, atMs: number, message: string): void {
    if (this.violations.length < violationsMax) this.violations.push({ check, atMs, message })
  }
}

/** Credit in nano at the highest price this provider may ask; adaptive prices rise to twice the base. */
function windowNanoOf({ config }: PeerSpec): Nano {
  const { completionPriceNano, promptPriceNano, cachedPriceNano, creditTokens, pricing } = configOf(config).provider
  const completionNano = pricing === 'adaptive' ? 2n * completionPriceNano : completionPriceNano
  const price = { promptNano: promptPriceNano, completionNano, cachedNano: cachedPriceNano }
  return costNano({ promptTokens: 0, cachedTokens: 0, completionTokens: creditTokens }, price)
}
