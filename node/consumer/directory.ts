// Who provides what, as far as this peer knows: filled from the DHT and direct adverts, kept current by gossip, bounded.

import { type Advert, advertGapMsMin, decodeAdvert, type Offer, staleness } from '../../protocol/advert.ts'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import {
  advertProtocol,
  declaredModelKeyOf,
  type ModelKey,
  meshKey,
  type PeerId,
  parseModelKey,
} from '../../protocol/ids.ts'
import type { Config } from '../config.ts'
import { answerOn, dialogue } from '../dialogue.ts'
import type { Ports, Verdict } from '../ports.ts'
import { every, within } from '../waits.ts'

/** A provider that offers the model asked for. */
export interface Candidate {
  readonly advert: Advert
  readonly offer: Offer
  /** Unix milliseconds of its last failure here, or undefined. */
  readonly failedAtMs: number | undefined
  /** When this advert came. */
  readonly heardAtMs?: number | undefined
}

/** A total order: what is chosen must not depend on what was heard first. */
export function byName(a: Candidate, b: Candidate): number {
  return compare(a.advert.peer, b.advert.peer) || compare(a.offer.modelKey, b.offer.modelKey)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function isOf({ name, modelKey }: Offer, model: string): boolean {
  return name === model || modelKey === model
}

/** Updated in place: adverts are most of what a peer hears. */
interface Known {
  advert: Advert
  atMs: number
  failedAtMs: number | undefined
}

interface Heard {
  sequence: number
  /** Counts adverts taken: the least was silent longest. */
  order: number
}

export class Directory {
  readonly #config: Config
  readonly #ports: Pick<Ports, 'clock' | 'random' | 'network' | 'identity' | 'observe'>
  readonly #heard: (peer: PeerId) => void
  readonly #known = new Map<PeerId, Known>()
  /** Highest sequence seen, also of peers whose advert has expired: an old advert must not come back. */
  readonly #sequences = new Map<PeerId, Heard>()
  #taken = 0
  readonly #fetching = new Map<PeerId, Promise<void>>()
  readonly #arrivals = new Set<() => void>()
  #lookSooner: () => void = () => undefined

  /** `heard` is told of each provider whose new advert was taken. */
  constructor(
    config: Config,
    ports: Pick<Ports, 'clock' | 'random' | 'network' | 'identity' | 'observe'>,
    heard: (peer: PeerId) => void = () => undefined,
  ) {
    this.#config = config
    this.#ports = ports
    this.#heard = heard
  }

  /** Looks the mesh up again and again until the signal fires; gossip fills the time between. */
  run(signal: AbortSignal): Promise<void> {
    const { clock, random, observe } = this.#ports
    const { lookupIntervalMs, lookupEmptyMs } = this.#config.discovery
    return every(
      clock,
      random,
      () => (this.#isEmpty() ? Math.min(lookupEmptyMs, lookupIntervalMs) : lookupIntervalMs),
      signal,
      () => this.lookup(meshKey, signal),
      (error) => {
        const { code, message } = asMeshError(error)
        observe({ type: 'fault', where: 'directory', code, message })
      },
      (wake) => {
        this.#lookSooner = wake
      },
    )
  }

  /** The gossip validator of the capacity topic. Decoded, bounded and verified before anything is believed. */
  validate(from: PeerId, message: Uint8Array): Verdict {
    try {
      const advert = decodeAdvert(message)
      if (advert.peer !== from) throw new MeshError('protocol-violation', `advert of ${advert.peer} sent by ${from}`)
      const reason = this.#take(advert, 'gossip')
      return reason === undefined ? 'accept' : 'ignore'
    } catch (error) {
      this.#dropped(from, asMeshError(error).message)
      return 'reject'
    }
  }

  /** Everything offered under a name or key now, in a total order. */
  candidates(model: string): readonly Candidate[] {
    const nowMs = this.#ports.clock.now()
    const candidates: Candidate[] = []
    for (const { advert, atMs: heardAtMs, failedAtMs } of this.#known.values()) {
      if (advert.validUntilMs < nowMs) continue
      for (const offer of advert.offers)
        if (isOf(offer, model)) candidates.push({ advert, offer, failedAtMs, heardAtMs })
    }
    return candidates.sort(byName)
  }

  #isOffered(model: string): boolean {
    const nowMs = this.#ports.clock.now()
    for (const { advert } of this.#known.values()) {
      if (advert.validUntilMs >= nowMs && advert.offers.some((offer) => isOf(offer, model))) return true
    }
    return false
  }

  adverts(): readonly Advert[] {
    const nowMs = this.#ports.clock.now()
    const adverts: Advert[] = []
    for (const { advert } of this.#known.values()) if (advert.validUntilMs >= nowMs) adverts.push(advert)
    return adverts
  }

  /** Nobody offers anything. */
  #isEmpty(): boolean {
    const nowMs = this.#ports.clock.now()
    for (const { advert } of this.#known.values()) {
      if (advert.validUntilMs >= nowMs && advert.offers.length > 0) return false
    }
    return true
  }

  failed(peer: PeerId, reason: string): void {
    const known = this.#known.get(peer)
    if (!known) return
    known.failedAtMs = this.#ports.clock.now()
    this.#ports.observe({ type: 'provider-lost', peer, reason })
  }

  succeeded(peer: PeerId): void {
    const known = this.#known.get(peer)
    if (known) known.failedAtMs = undefined
  }

  /** The DHT's word for who may provide the key, then each one's own signed advert. Resolves when the lookup ends. */
  async lookup(key: ModelKey, signal: AbortSignal): Promise<void> {
    const { lookupMs, lookupProvidersMax } = this.#config.discovery
    const { clock, network, identity } = this.#ports
    const fetches: Promise<void>[] = []
    await within(
      clock,
      lookupMs,
      'the lookup',
      async (stop) => {
        for await (const peer of network.findProviders(key, stop)) {
          if (peer === identity.peerId || this.#isFresh(peer)) continue
          fetches.push(this.#fetch(peer, signal))
          if (fetches.length >= lookupProvidersMax) break
        }
      },
      signal,
    ).catch((error: unknown) => {
      if (signal.aborted) throw error // running out of time is an ordinary end of a lookup
    })
    await Promise.all(fetches)
  }

  /**
   * Gossip brought its advert lately, so it need not be asked: a lookup a minute would ask every provider for every peer. One that
   * left is asked: it may be back, and its first advert has found nobody.
   */
  #isFresh(peer: PeerId): boolean {
    const known = this.#known.get(peer)
    const { advertLifeMs } = this.#config.discovery
    if (known === undefined || known.advert.offers.length === 0) return false
    return known.advert.validUntilMs - this.#ports.clock.now() >= advertLifeMs / 2
  }

  /** Resolves when the model has a candidate, or `discoverMs` later without one. */
  async discover(model: string, signal: AbortSignal): Promise<void> {
    if (this.#isOffered(model)) return
    const { clock } = this.#ports
    const stop = new AbortController()
    const both = AbortSignal.any([signal, stop.signal])
    try {
      const lookups = this.#keysOf(model).map((key) => this.lookup(key, both).catch(() => undefined))
      await within(
        clock,
        this.#config.consumer.discoverMs,
        `finding a provider of ${model}`,
        (expired) =>
          Promise.race([this.#arrived(model, expired), Promise.all(lookups).then(() => this.#arrived(model, expired))]),
        signal,
      )
    } catch (error) {
      if (signal.aborted) throw error // otherwise the caller sees that there is still no candidate
    } finally {
      stop.abort()
    }
  }

  async #arrived(model: string, signal: AbortSignal): Promise<void> {
    while (!this.#isOffered(model)) {
      signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#arrivals.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        this.#arrivals.add(wake)
        signal.addEventListener('abort', wake)
      })
    }
  }

  #keysOf(model: string): readonly ModelKey[] {
    const isKey = /^[0-9a-f]{64}$/.test(model)
    return [isKey ? parseModelKey(model) : declaredModelKeyOf(model), meshKey]
  }

  /** One fetch a peer at a time; a peer that does not answer is simply not known. */
  #fetch(peer: PeerId, signal: AbortSignal): Promise<void> {
    const running = this.#fetching.get(peer)
    if (running) return running
    const { clock, network } = this.#ports
    const asked = within(
      clock,
      this.#config.discovery.advertFetchMs,
      `asking ${peer} for its advert`,
      async (stop) => {
        const advert = decodeAdvert(await dialogue(network, peer, advertProtocol, stop, answerOn))
        if (advert.peer !== peer) throw new MeshError('protocol-violation', `advert of ${advert.peer}`)
        this.#take(advert, 'direct')
      },
      signal,
    )
      .catch((error: unknown) => {
        if (!signal.aborted) this.#dropped(peer, asMeshError(error).message)
      })
      .finally(() => this.#fetching.delete(peer))
    this.#fetching.set(peer, asked)
    return asked
  }

  /** The reason an advert was not taken, or undefined. */
  #take(advert: Advert, source: 'gossip' | 'direct'): string | undefined {
    const { clock, network, observe } = this.#ports
    const nowMs = clock.now()
    const { peer, sequence } = advert
    const known = this.#known.get(peer)
    const heard = this.#sequences.get(peer)
    const isTooSoon = source === 'gossip' && known && nowMs - known.atMs < advertGapMsMin
    const reason = isTooSoon
      ? `${nowMs - known.atMs} ms after the last one, at least ${advertGapMsMin} are expected`
      : staleness(advert, nowMs, heard?.sequence)
    if (reason) {
      this.#dropped(peer, reason)
      return reason
    }
    this.#taken += 1
    if (known && heard) {
      known.advert = advert
      known.atMs = nowMs
      heard.sequence = sequence
      heard.order = this.#taken
    } else {
      this.#makeRoom(peer)
      this.#sequences.set(peer, { sequence, order: this.#taken })
      this.#known.set(peer, { advert, atMs: nowMs, failedAtMs: known?.failedAtMs })
    }
    network.learn(peer, advert.addresses)
    observe({ type: 'advert-accepted', peer, sequence, source })
    if (this.#arrivals.size > 0) for (const wake of [...this.#arrivals]) wake()
    if (advert.offers.length === 0 && this.#isEmpty()) this.#lookSooner()
    this.#heard(peer)
    return undefined
  }

  #makeRoom(newcomer: PeerId): void {
    const { directoryPeersMax } = this.#config.discovery
    if (!this.#known.has(newcomer) && this.#known.size >= directoryPeersMax) {
      let oldest: Known | undefined
      for (const known of this.#known.values()) {
        if (!oldest || known.advert.validUntilMs < oldest.advert.validUntilMs) oldest = known
      }
      if (oldest) this.#known.delete(oldest.advert.peer)
    }
    if (!this.#sequences.has(newcomer) && this.#sequences.size >= 4 * directoryPeersMax) {
      let silent: PeerId | undefined // its advert has long expired
      let order = Number.POSITIVE_INFINITY
      for (const [peer, heard] of this.#sequences) {
        if (heard.order >= order) continue
        silent = peer
        order = heard.order
      }
      if (silent) this.#sequences.delete(silent)
    }
  }

  #dropped(peer: PeerId, reason: string): void {
    this.#ports.observe({ type: 'advert-dropped', peer, reason })
  }
}
