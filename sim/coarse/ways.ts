// Between consumers and providers in the coarse mode: how far, whether connected, whether anything gets through.

import type { SeededRandom } from '../random.ts'
import type { Agenda } from './agenda.ts'
import { drawOf } from './draws.ts'
import type { Consumer, Population } from './population.ts'
import type { Provider } from './provider.ts'
import { timing } from './timing.ts'

export class Ways {
  readonly #population: Population
  readonly #agenda: Agenda
  readonly #random: SeededRandom
  readonly #salt: number
  /** Pair → the lives of the two in which they were connected. */
  readonly #connected = new Map<number, number>()

  constructor(population: Population, agenda: Agenda, random: SeededRandom) {
    this.#population = population
    this.#agenda = agenda
    this.#random = random
    this.#salt = Math.floor(random.next() * 2 ** 32) | 0
  }

  #pairOf(consumer: Consumer, provider: Provider): number {
    return consumer.index * this.#population.providers.length + provider.index
  }

  connect(consumer: Consumer, provider: Provider): void {
    this.#connected.set(this.#pairOf(consumer, provider), livesOf(consumer, provider))
  }

  isConnected(consumer: Consumer, provider: Provider): boolean {
    const lives = this.#connected.get(this.#pairOf(consumer, provider))
    return lives === livesOf(consumer, provider) || this.#wasLookedUp(consumer, provider)
  }

  /** Cut off, or standing still for longer than anybody waits for a connection. */
  isAway(consumer: Consumer, provider: Provider): boolean {
    const { paths } = this.#population
    if (!paths.isWhole && paths.isCut(consumer.spot, provider.spot)) return true
    return provider.isUp && provider.frozenUntilMs - this.#agenda.nowMs > consumer.config.consumer.connectMs
  }

  /** Without jitter; through a relay where nobody can dial and no hole can be punched. */
  oneWayMs({ spot: from }: Consumer, { spot: to }: Provider): number {
    const oneWayMs = this.#population.paths.oneWayMs(from, to)
    const isRelayed = to.place.nat === 'symmetric' || (to.place.nat === 'cone' && from.place.nat === 'symmetric')
    return isRelayed ? timing.relayFactor * oneWayMs : oneWayMs
  }

  /** The same for one request: its jitter, and a packet that is lost perhaps. */
  drawnMs(consumer: Consumer, provider: Provider): number {
    const { paths } = this.#population
    const ms = this.oneWayMs(consumer, provider) * (1 + paths.jitter * (2 * this.#random.next() - 1))
    const isLost = this.#random.next() < paths.lossOf(consumer.spot, provider.spot)
    return isLost ? ms + timing.retransmitMs : ms
  }

  /** A prompt through the sender's line, and TCP's slow start where it is longer than the first window. */
  uploadMs({ spot }: Consumer, promptTokens: number, oneWayMs: number): number {
    const bytes = promptTokens + timing.openBytes
    const windows = Math.max(0, Math.ceil(Math.log2(bytes / timing.firstWindowBytes + 1)) - 1)
    return (8_000 * bytes) / spot.place.upBitsPerSecond + windows * 2 * oneWayMs
  }

  /**
   * It was dialled for its advert: the first lookup names so many providers, and only so many connections are kept. Later ones
   * name providers that gossip has told of, and nobody asks those.
   */
  #wasLookedUp(consumer: Consumer, provider: Provider): boolean {
    const { discovery, network } = consumer.config
    const dialled = Math.min(network.connectionsMax, discovery.lookupProvidersMax)
    const { length } = this.#population.providers
    return dialled >= length || drawOf(this.#salt, consumer.index, provider.index) < dialled / length
  }
}

/** Another number whenever one of the two has begun a new life. */
function livesOf(consumer: Consumer, provider: Provider): number {
  return consumer.epoch + provider.epoch
}
