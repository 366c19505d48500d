// The settlers that a provider knows of: heard by gossip, found in the DHT, and chosen by what they ask and what they did.

import { advertGapMsMin, staleness } from '../../protocol/advert.ts'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { type PeerId, settlerKey, settlerProtocol } from '../../protocol/ids.ts'
import { decodeSettlerAdvert, type SettlerAdvert } from '../../protocol/settler-advert.ts'
import type { Config } from '../config.ts'
import { answerOn, dialogue } from '../dialogue.ts'
import type { Ports, Verdict } from '../ports.ts'
import { every, within } from '../waits.ts'

/** Settlers remembered; the longest expired goes first. */
const settlersMax = 1_024
/** Asked for their advert after one lookup. */
const lookupMax = 16
/** A record of one failure at even fees is as bad as asking this much more: half of what the network takes. */
const failurePpm = 7_000
/** Nothing known of a settler counts like this many hand-overs in time of twice as many. */
const priorInTime = 1
const priorTotal = 2

interface Known {
  readonly advert: SettlerAdvert
  readonly atMs: number
}

/** What a settler did with what it took, older things counting less. */
interface Deeds {
  readonly inTime: number
  readonly total: number
  readonly atMs: number
}

type MarketPorts = Pick<Ports, 'clock' | 'random' | 'network' | 'identity' | 'observe'>

export class Market {
  readonly #config: Config
  readonly #ports: MarketPorts
  readonly #known = new Map<PeerId, Known>()
  readonly #sequences = new Map<PeerId, number>()
  readonly #deeds = new Map<PeerId, Deeds>()
  /** Not asked before then: it refused, or nobody was there. */
  readonly #restUntilMs = new Map<PeerId, number>()
  readonly #chosen = { settle: '', watch: '' }

  constructor(config: Config, ports: MarketPorts) {
    this.#config = config
    this.#ports = ports
  }

  /** Looks settlers up again and again until the signal fires; gossip fills the time between. */
  run(signal: AbortSignal): Promise<void> {
    const { clock, random, observe } = this.#ports
    const { lookupEmptyMs, lookupIntervalMs } = this.#config.discovery
    return every(
      clock,
      random,
      () => (this.adverts().length === 0 ? Math.min(4 * lookupEmptyMs, lookupIntervalMs) : lookupIntervalMs),
      signal,
      () => this.#lookup(signal),
      (error) => {
        const { code, message } = asMeshError(error)
        observe({ type: 'fault', where: 'the market of settlers', code, message })
      },
    )
  }

  /** The gossip validator of the settlers' topic. */
  validate(from: PeerId, message: Uint8Array): Verdict {
    try {
      const advert = decodeSettlerAdvert(message)
      if (advert.peer !== from) throw new MeshError('protocol-violation', `advert of ${advert.peer} sent by ${from}`)
      const known = this.#known.get(from)
      if (known && this.#ports.clock.now() - known.atMs < advertGapMsMin) return 'ignore'
      return this.#take(advert) ? 'accept' : 'ignore'
    } catch (error) {
      this.#ports.observe({ type: 'settler-dropped', peer: from, reason: asMeshError(error).message })
      return 'reject'
    }
  }

  advertOf(peer: PeerId): SettlerAdvert | undefined {
    return this.adverts().find((advert) => advert.peer === peer)
  }

  /** Asks one peer for its advert, where none is known that is valid still. */
  async know(peer: PeerId, signal: AbortSignal): Promise<SettlerAdvert | undefined> {
    const known = this.advertOf(peer)
    if (known) return known
    await this.#fetch(peer, signal)
    return this.advertOf(peer)
  }

  /**
   * The best settler for vouchers of this chain: cheap first, where its record is as good. `canPay`: this provider has an
   * escrow to pay a fee from. Undefined where none will do.
   */
  choose(globalId: number, canPay: boolean, isWatch: boolean): SettlerAdvert | undefined {
    const nowMs = this.#ports.clock.now()
    const { feePpmMax } = this.#config.settlement
    const candidates = this.adverts().filter(
      (advert) =>
        advert.globalId === globalId &&
        advert.feePpm <= (canPay ? feePpmMax : 0) &&
        (isWatch ? advert.isWatching : advert.placesFree > 0) &&
        (this.#restUntilMs.get(advert.peer) ?? 0) <= nowMs,
    )
    const [best] = candidates.sort((a, b) => this.#costOf(a) - this.#costOf(b) || (a.peer < b.peer ? -1 : 1))
    if (!best) return undefined
    const purpose = isWatch ? 'watch' : 'settle'
    if (best.peer !== this.#chosen[purpose]) {
      this.#chosen[purpose] = best.peer
      const { feePpm, peer: settler } = best
      const score = this.scoreOf(settler)
      this.#ports.observe({ type: 'settler-chosen', settler, feePpm, candidates: candidates.length, score })
    }
    return best
  }

  /** It settled what it took in time, or did not. */
  judge(settler: PeerId, isInTime: boolean): void {
    const { clock, observe } = this.#ports
    const { inTime, total } = this.#deedsOf(settler)
    this.#deeds.delete(settler)
    this.#deeds.set(settler, { inTime: inTime + (isInTime ? 1 : 0), total: total + 1, atMs: clock.now() })
    const [oldest] = this.#deeds.keys()
    if (this.#deeds.size > settlersMax && oldest !== undefined) this.#deeds.delete(oldest)
    observe({ type: 'settler-judged', settler, isInTime, score: this.scoreOf(settler) })
  }

  /** It would not, or could not be reached: others are tried for as long as a settler has to settle. */
  rest(settler: PeerId): void {
    this.#restUntilMs.delete(settler)
    this.#restUntilMs.set(settler, this.#ports.clock.now() + this.#config.settlement.settlerTrustMs)
    const [oldest] = this.#restUntilMs.keys()
    if (this.#restUntilMs.size > settlersMax && oldest !== undefined) this.#restUntilMs.delete(oldest)
  }

  /** The share of hand-overs that were settled in time; a half where nothing is known. */
  scoreOf(settler: PeerId): number {
    const { inTime, total } = this.#deedsOf(settler)
    return (inTime + priorInTime) / (total + priorTotal)
  }

  #costOf({ feePpm, peer }: SettlerAdvert): number {
    return feePpm + failurePpm * (1 - this.scoreOf(peer))
  }

  #deedsOf(settler: PeerId): Deeds {
    const nowMs = this.#ports.clock.now()
    const { atMs, inTime, total } = this.#deeds.get(settler) ?? { inTime: 0, total: 0, atMs: nowMs }
    const left = 0.5 ** ((nowMs - atMs) / this.#config.settlement.recordHalfLifeMs)
    return { inTime: inTime * left, total: total * left, atMs: nowMs }
  }

  /** Those that are valid still. */
  adverts(): readonly SettlerAdvert[] {
    const nowMs = this.#ports.clock.now()
    return [...this.#known.values()].flatMap(({ advert }) => (advert.validUntilMs >= nowMs ? [advert] : []))
  }

  async #lookup(signal: AbortSignal): Promise<void> {
    const { clock, identity, network } = this.#ports
    const fetches: Promise<void>[] = []
    await within(
      clock,
      this.#config.discovery.lookupMs,
      'looking settlers up',
      async (stop) => {
        for await (const peer of network.findProviders(settlerKey, stop)) {
          if (peer === identity.peerId || this.advertOf(peer)) continue
          fetches.push(this.#fetch(peer, signal))
          if (fetches.length >= lookupMax) break
        }
      },
      signal,
    ).catch((error: unknown) => {
      if (signal.aborted) throw error // running out of time is an ordinary end of a lookup
    })
    await Promise.all(fetches)
  }

  async #fetch(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { clock, network, observe } = this.#ports
    await within(
      clock,
      this.#config.discovery.advertFetchMs,
      `asking settler ${peer} for its advert`,
      async (stop) => {
        const advert = decodeSettlerAdvert(await dialogue(network, peer, settlerProtocol, stop, answerOn))
        if (advert.peer !== peer) throw new MeshError('protocol-violation', `advert of ${advert.peer}`)
        this.#take(advert)
      },
      signal,
    ).catch((error: unknown) => {
      if (!signal.aborted) observe({ type: 'settler-dropped', peer, reason: asMeshError(error).message })
    })
  }

  #take(advert: SettlerAdvert): boolean {
    const { clock, network, observe } = this.#ports
    const { feePpm, peer, sequence } = advert
    const reason = staleness(advert, clock.now(), this.#sequences.get(peer))
    if (reason) {
      observe({ type: 'settler-dropped', peer, reason })
      return false
    }
    this.#known.delete(peer)
    this.#known.set(peer, { advert, atMs: clock.now() })
    this.#sequences.delete(peer)
    this.#sequences.set(peer, sequence)
    this.#makeRoom()
    network.learn(peer, advert.addresses)
    observe({ type: 'settler-heard', peer, feePpm })
    return true
  }

  /** What was heard longest ago goes; sequences last longer, so that an old advert does not come back. */
  #makeRoom(): void {
    const [known] = this.#known.keys()
    if (this.#known.size > settlersMax && known !== undefined) this.#known.delete(known)
    const [sequence] = this.#sequences.keys()
    if (this.#sequences.size > 4 * settlersMax && sequence !== undefined) this.#sequences.delete(sequence)
  }
}
