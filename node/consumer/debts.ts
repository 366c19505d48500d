// Pays what broken streams left: tokens that arrived after the last voucher are still owed, wherever their provider went.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { decodeProviderFrame, encodeFrame } from '../../protocol/frames.ts'
import { inferProtocol, type PeerId } from '../../protocol/ids.ts'
import type { Config } from '../config.ts'
import { answerOn, dialogue } from '../dialogue.ts'
import type { Ports } from '../ports.ts'
import { within } from '../waits.ts'
import type { Debt, Tabs } from './tab.ts'

const nothingOwed = Promise.resolve(undefined)

export class Debts {
  readonly #config: Config
  readonly #ports: Pick<Ports, 'clock' | 'network'>
  readonly #tabs: () => readonly Tabs[]
  readonly #stopped = new AbortController()
  /** Payments under way. */
  readonly #paying = new Map<PeerId, Promise<MeshError | undefined>>()

  /** `tabs`: those on which can be paid now. */
  constructor(config: Config, ports: Pick<Ports, 'clock' | 'network'>, tabs: () => readonly Tabs[]) {
    this.#config = config
    this.#ports = ports
    this.#tabs = tabs
  }

  /**
   * Offers what is owed to a provider, once; resolves when that was tried, with what it failed of. Call when a stream broke, when the provider is
   * heard of again, and before it is asked for more: a debt must not look like one that the provider forgave.
   */
  pay(peer: PeerId): Promise<MeshError | undefined> {
    const underWay = this.#paying.get(peer)
    if (underWay) return underWay
    const { signal } = this.#stopped
    const offers = this.#tabs().flatMap((tabs) => tabs.debtsTo(peer).map((debt) => this.#offer(tabs, debt, signal)))
    if (offers.length === 0) return nothingOwed
    // one may be of an epoch or a payout that is over, and never taken
    const paying = Promise.allSettled(offers)
      .then((all) => all.flatMap((each) => (each.status === 'rejected' ? [asMeshError(each.reason)] : [])))
      .then(([failure]) => failure) // not there now: its next advert is the next occasion
      .finally(() => this.#paying.delete(peer))
    this.#paying.set(peer, paying)
    return paying
  }

  /** Offers every debt once; resolves when each was taken or refused. */
  async payAll(signal: AbortSignal): Promise<void> {
    const offers = this.#tabs().flatMap((tabs) => tabs.debts().map((debt) => this.#offer(tabs, debt, signal)))
    await Promise.allSettled(offers) // what is refused stays on the tab
  }

  stop(): void {
    this.#stopped.abort(new MeshError('cancelled', 'the node stopped'))
  }

  async #offer(tabs: Tabs, debt: Debt, signal: AbortSignal): Promise<void> {
    const { peer } = debt
    await within(
      this.#ports.clock,
      this.#config.consumer.connectMs,
      `paying ${peer}`,
      (stop) =>
        dialogue(this.#ports.network, peer, inferProtocol, stop, async (stream) => {
          // signed only now that somebody is there to take it: a debt that is signed for counts as paid here
          const voucher = await tabs.signDebt(debt)
          if (!voucher) return
          await stream.send(encodeFrame({ type: 'voucher', voucher }))
          const frame = decodeProviderFrame(await answerOn(stream))
          if (frame.type === 'fail') throw new MeshError(frame.code, frame.message)
          tabs.told(debt, voucher)
        }),
      signal,
    )
  }
}
