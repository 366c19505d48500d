// The consumer's face: what the mesh serves, and one answer a request, bounded in number.

import { counted } from '../../protocol/counted.ts'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { type Address, type PeerId, parsePeerId } from '../../protocol/ids.ts'
import type { Config } from '../config.ts'
import type {
  Inference,
  InferenceEvent,
  InferenceRequest,
  InferenceResult,
  ServedModel,
  SpendOfDay,
} from '../inference.ts'
import type { Journal } from '../ledger/journal.ts'
import { Sheet } from '../ledger/sheet.ts'
import type { Ports, Random } from '../ports.ts'
import { within } from '../waits.ts'
import { Answer } from './answer.ts'
import { Debts } from './debts.ts'
import type { Directory } from './directory.ts'
import { FirstTokens } from './hedge.ts'
import { History } from './history.ts'
import { Hub } from './hub.ts'
import type { OwnEscrow } from './session.ts'
import type { Tabs } from './tab.ts'
import { Vocabularies } from './vocabularies.ts'

/** Longer is not waited for a newer view of the own escrow. */
const patienceMs = 2_000

export class Router implements Inference {
  readonly debts: Debts
  readonly #config: Config
  readonly #escrow: Address
  readonly #ports: Ports
  readonly #routing: Random
  readonly #directory: Directory
  readonly #tabs: Tabs
  readonly #journal: Journal | undefined
  readonly #hub: Hub | undefined
  readonly #vocabularies: Vocabularies
  readonly #openRequests = new Map<PeerId, number>()
  readonly #history: History
  readonly #firstTokens = new FirstTokens()
  #ownEscrow: { readonly escrow: OwnEscrow; readonly atMs: number } | undefined
  #reading: Promise<OwnEscrow> | undefined
  #active = 0
  readonly #stopped = new AbortController()
  #isDraining = false

  constructor(config: Config, escrow: Address, ports: Ports, directory: Directory, tabs: Tabs, journal?: Journal) {
    this.#journal = journal
    this.#config = config
    this.#escrow = escrow
    this.#ports = ports
    this.#routing = ports.random.fork('routing')
    this.#directory = directory
    this.#tabs = tabs
    this.#vocabularies = new Vocabularies(ports)
    const { conversationsMax, historyHalfLifeMs: halfLifeMs } = config.consumer
    this.#history = new History(ports.clock, { halfLifeMs, conversationsMax })
    const { hub } = config.consumer
    this.#hub =
      hub === ''
        ? undefined
        : new Hub(
            parsePeerId(hub),
            config.consumer,
            ports,
            () => this.#readEscrow(false),
            tabs.spend,
            journal && new Sheet(journal, 'granted'),
          )
    this.debts = new Debts(config, ports, () => [tabs, this.#hub?.tabs].filter((each) => each !== undefined))
  }

  async recover(): Promise<void> {
    await this.#tabs.recover()
    await this.#hub?.recover()
  }

  get spendOfDay(): SpendOfDay | undefined {
    return this.#tabs.spend?.standing
  }

  /** Answers in the making. */
  get active(): number {
    return this.#active
  }

  /** No new request from now on. */
  drain(): void {
    this.#isDraining = true
  }

  /** Ends every answer in the making; what was delivered is still accounted for. */
  stopAll(): void {
    this.#vocabularies.stop()
    this.#stopped.abort(new MeshError('draining', 'this node is shutting down'))
  }

  /** Once all is paid. */
  close(): void {
    this.debts.stop()
    this.#hub?.stop()
  }

  models(): readonly ServedModel[] {
    const models = new Map<string, ServedModel>()
    for (const { offers } of this.#directory.adverts()) {
      for (const { modelKey: key, name, contextTokens, features, price, slotsFree } of offers) {
        const before = models.get(key)
        models.set(key, {
          name: before?.name ?? name,
          key,
          contextTokens: Math.max(before?.contextTokens ?? 0, contextTokens),
          providers: (before?.providers ?? 0) + 1,
          slotsFree: (before?.slotsFree ?? 0) + slotsFree,
          price: !before || price.completionNano < before.price.completionNano ? price : before.price,
          priceMax: !before || price.completionNano > before.priceMax.completionNano ? price : before.priceMax,
          features: [...new Set([...(before?.features ?? []), ...features])],
        })
      }
    }
    return [...models.values()].sort((a, b) => (`${a.name} ${a.key}` < `${b.name} ${b.key}` ? -1 : 1))
  }

  async *infer(
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<InferenceEvent, InferenceResult, undefined> {
    const { concurrentMax } = this.#config.consumer
    if (this.#isDraining) throw new MeshError('draining', 'this node is shutting down')
    this.#journal?.assertSound()
    if (this.#active >= concurrentMax) {
      throw new MeshError(
        'busy',
        `${counted(this.#active, 'request is', 'requests are')} open, at most ${concurrentMax}`,
      )
    }
    const { requestNanoMax } = this.#config.consumer
    const { spend } = this.#tabs
    const costNanoMax = spend?.ceilingNano(request.costNanoMax ?? requestNanoMax) ?? request.costNanoMax
    this.#active += 1
    try {
      const answer = new Answer(
        {
          config: this.#config,
          ports: this.#ports,
          directory: this.#directory,
          tabs: this.#tabs,
          debts: this.debts,
          vocabularies: this.#vocabularies,
          ownEscrow: (isFresh) => this.#readEscrow(isFresh),
          hub: this.#hub,
          openRequests: this.#openRequests,
          history: this.#history,
          firstTokens: this.#firstTokens,
          routing: this.#routing,
        },
        { ...request, costNanoMax },
        AbortSignal.any([signal, this.#stopped.signal]),
      )
      return yield* answer.run()
    } catch (error) {
      // the answer knows only the ceiling it was given; here it is known where that came from
      const isOfDay = error instanceof MeshError && error.code === 'over-budget' && costNanoMax !== request.costNanoMax
      throw isOfDay ? (spend?.refusal() ?? error) : error
    } finally {
      this.#active -= 1
    }
  }

  /**
   * As last read, and read anew behind the caller's back once that is `escrowCheckMs` ago: a provider refuses who pays in an
   * epoch that is over, and then it is asked for as fresh. That waits a while for a chain that does not answer.
   */
  async #readEscrow(isFresh: boolean): Promise<OwnEscrow> {
    const { clock } = this.#ports
    const known = this.#ownEscrow
    if (known && !isFresh && clock.now() - known.atMs <= this.#config.consumer.escrowCheckMs) return known.escrow
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = undefined
    })
    const reading = this.#reading
    if (!known) return reading
    reading.catch(() => undefined) // it may fail when nobody waits any more
    if (!isFresh) return known.escrow
    try {
      return await within(clock, patienceMs, 'reading the own escrow', () => reading)
    } catch (error) {
      const { code } = asMeshError(error, 'internal')
      if (code !== 'chain-unavailable' && code !== 'timeout') throw error
      return known.escrow
    }
  }

  async #readNow(): Promise<OwnEscrow> {
    const { chain, clock } = this.#ports
    const { isEscrow, globalId, epoch } = await chain.escrow(this.#escrow)
    if (!isEscrow) throw new MeshError('escrow-unusable', `no escrow runs at ${this.#escrow} on this chain`)
    const escrow = { address: this.#escrow, globalId, epoch }
    this.#ownEscrow = { escrow, atMs: clock.now() }
    return escrow
  }
}
