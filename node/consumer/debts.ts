// Pays what broken streams left: tokens that arrived after the last voucher are still owed, wherever their provider went.

import { MeshError } from '../../protocol/errors.ts'
import { decodeProviderFrame, encodeFrame } from '../../protocol/frames.ts'
import { inferProtocol, type PeerId } from '../../protocol/ids.ts'
import type { Config } from '../config.ts'
import type { Ports } from '../ports.ts'
import { within } from '../waits.ts'
import type { Debt, Tabs } from './tab.ts'

export class Debts {
  readonly #config: Config
  readonly #ports: Pick<Ports, 'clock' | 'network'>
  readonly #tabs: Tabs
  readonly #stopped = new AbortController()
  /** Providers that are being paid already. */
  readonly #trying = new Set<PeerId>()

  constructor(config: Config, ports: Pick<Ports, 'clock' | 'network'>, tabs: Tabs) {
    this.#config = config
    this.#ports = ports
    this.#tabs = tabs
  }

  /** Offers the voucher now and, until the provider takes it, again after growing pauses. */
  payLater(peer: PeerId): void {
    if (this.#trying.has(peer) || !this.#debtOf(peer)) return
    this.#trying.add(peer)
    this.#tryUntilPaid(peer)
      .catch(() => undefined) // stopped: the tab keeps it for the next start or the next request
      .finally(() => this.#trying.delete(peer))
  }

  /** Offers every debt once; resolves when each was taken or refused. */
  async payAll(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#tabs.debts().map((debt) => this.#offer(debt, signal).catch(() => undefined))) // stays on the tab
  }

  stop(): void {
    this.#stopped.abort(new MeshError('cancelled', 'the node stopped'))
  }

  async #tryUntilPaid(peer: PeerId): Promise<void> {
    const { payUpMs, payUpTriesMax } = this.#config.consumer
    for (let attempt = 0; attempt < payUpTriesMax; attempt += 1) {
      const debt = this.#debtOf(peer)
      if (!debt) return
      try {
        return await this.#offer(debt, this.#stopped.signal)
      } catch {
        await this.#ports.clock.sleep(payUpMs * 2 ** attempt, this.#stopped.signal) // not back yet
      }
    }
  }

  #debtOf(peer: PeerId): Debt | undefined {
    return this.#tabs.debts().find((debt) => debt.peer === peer)
  }

  async #offer(debt: Debt, signal: AbortSignal): Promise<void> {
    const { peer } = debt
    const voucher = await this.#tabs.signDebt(debt)
    if (!voucher) return
    await within(
      this.#ports.clock,
      this.#config.consumer.connectMs,
      `paying ${peer}`,
      async (stop) => {
        const stream = await this.#ports.network.open(peer, inferProtocol, stop)
        const giveUp = (): void => stream.reset(new MeshError('timeout', 'no answer to a voucher'))
        stop.addEventListener('abort', giveUp)
        try {
          await stream.send(encodeFrame({ type: 'voucher', voucher }))
          for await (const bytes of stream.frames) {
            const frame = decodeProviderFrame(bytes)
            if (frame.type === 'fail') throw new MeshError(frame.code, frame.message)
            return await stream.close()
          }
          throw new MeshError('protocol-violation', `${peer} closed without an answer to a voucher`)
        } finally {
          stop.removeEventListener('abort', giveUp)
        }
      },
      signal,
    )
  }
}
