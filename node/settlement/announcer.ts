// Tells the mesh what this settler asks and takes: by gossip, by DHT, and to whoever asks.

import { asMeshError } from '../../protocol/errors.ts'
import { type Address, settlerKey, settlerTopic } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { encodeSettlerAdvert } from '../../protocol/settler-advert.ts'
import type { Config } from '../config.ts'
import type { Ports, Stream } from '../ports.ts'
import { every } from '../waits.ts'

const agent = 'silkmesh/0.1'

/** Where fees are paid, and the chain they are paid on. */
export interface SettlerAccount {
  readonly payout: Address
  readonly globalId: number
}

type AnnouncerPorts = Pick<Ports, 'clock' | 'random' | 'network' | 'identity' | 'observe'>

export class Announcer {
  readonly #config: Config
  readonly #account: SettlerAccount
  readonly #placesFree: () => number
  readonly #ports: AnnouncerPorts
  #sequence = 0

  constructor(config: Config, account: SettlerAccount, placesFree: () => number, ports: AnnouncerPorts) {
    this.#config = config
    this.#account = account
    this.#placesFree = placesFree
    this.#ports = ports
  }

  /** Announces until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, network, random, observe } = this.#ports
    const failed = (error: unknown): void => {
      const { code, message } = asMeshError(error)
      observe({ type: 'fault', where: 'announcing the settler', code, message })
    }
    const record = network.provide(settlerKey, signal).catch(failed)
    const { advertIntervalMs } = this.#config.discovery
    await every(clock, random, advertIntervalMs, signal, () => this.#publish(this.#placesFree()), failed)
    await record
  }

  /** Says that nothing is taken any more. */
  withdraw(): Promise<void> {
    return this.#publish(0)
  }

  /** Serves /silkmesh/settler/1.0.0: the current advert, then the end. */
  async serve(stream: Stream): Promise<void> {
    await stream.send(this.#encode(this.#placesFree()))
    await stream.close()
  }

  async #publish(placesFree: number): Promise<void> {
    const { network, observe } = this.#ports
    await network.publish(settlerTopic, this.#encode(placesFree))
    const { settlerFeePpm: feePpm } = this.#config.settlement
    observe({ type: 'settler-advertised', sequence: this.#sequence, feePpm, placesFree })
  }

  #encode(placesFree: number): Uint8Array {
    const { clock, identity, network } = this.#ports
    const { settlerFeePpm, settlerValueNanoMin, settlerWatches } = this.#config.settlement
    this.#sequence = Math.max(this.#sequence + 1, clock.now()) // also grows over a restart
    const advert = {
      ...this.#account,
      peer: identity.peerId,
      sequence: this.#sequence,
      validUntilMs: clock.now() + this.#config.discovery.advertLifeMs,
      feePpm: settlerFeePpm,
      valueNanoMin: settlerValueNanoMin,
      placesFree,
      isWatching: settlerWatches,
      addresses: network.addresses().slice(0, limits.addressesMax),
      agent,
    }
    return encodeSettlerAdvert(advert, identity.publicKey, (message) => identity.sign(message))
  }
}
