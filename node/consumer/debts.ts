// Pays what broken streams left: tokens that arrived after the last voucher are still owed, wherever their provider went.

import { MeshError } from '../../protocol/errors.ts'
import { decodeProviderFrame, encodeFrame } from '../../protocol/frames.ts'
import { type Address, inferProtocol } from '../../protocol/ids.ts'
import type { Config } from '../config.ts'
import type { Ports } from '../ports.ts'
import { within } from '../waits.ts'
import type { Debt, Tabs } from './tab.ts'

export class Debts {
  readonly #config: Config
  readonly #ports: Pick<Ports, 'clock' | 'network'>
  readonly #tabs: Tabs
  readonly #stopped = new AbortController()
  /** Payees somebody is already trying to pay. */
  readonly #trying = new Set<Address>()

  constructor(config: Config, ports: Pick<Ports, 'clock' | 'network'>, tabs: Tabs) {
    this.#config = config
    this.#ports = ports
    this.#tabs = tabs
  }

  /** Offers the voucher now and, until the provider takes it, again after growing pauses. */
  payLater(payee: Address): void {
    if (this.#trying.has(payee) || !this.#debtOf(payee)) return
    this.#trying.add(payee)
    this.#tryUntilPaid(payee)
      .catch(() => undefined) // stopped: the tab keeps it for the next start or the next request
      .finally(() => this.#trying.delete(payee))
  }

  /** Offers every debt once; resolves when each was taken or refused. */
  async payAll(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#tabs.debts().map((debt) => this.#offer(debt, signal).catch(() => undefined))) // stays on the tab
  }

  stop(): void {
    this.#stopped.abort(new MeshError('cancelled', 'the node stopped'))
  }

  async #tryUntilPaid(payee: Address): Promise<void> {
    const { payUpMs, payUpTriesMax } = this.#config.consumer
    for (let attempt = 0; attempt < payUpTriesMax; attempt += 1) {
      const debt = this.#debtOf(payee)
      if (!debt) return
      try {
        return await this.#offer(debt, this.#stopped.signal)
      } catch {
        await this.#ports.clock.sleep(payUpMs * 2 ** attempt, this.#stopped.signal) // not back yet
      }
    }
  }

  #debtOf(payee: Address): Debt | undefined {
    return this.#tabs.debts().find((debt) => debt.payee === payee)
  }

  async #offer({ peer, payee }: Debt, signal: AbortSignal): Promise<void> {
    const voucher = await this.#tabs.signDebt(payee)
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
