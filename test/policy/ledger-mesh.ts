// A consumer and a provider in memory whose ledgers are looked at: answers, faults, settlements, at any time.

import { asMeshError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
import { MemoryStore } from '../memory-store.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'

export const payout: Address = addressOfNumber(0x22)

export interface Ask {
  readonly atMs: number
  readonly letters: number
  readonly tokens: number
  /** Left after this many events. */
  readonly leaveAfter: number | undefined
}

export type Who = 'consumer' | 'provider'

export class LedgerMesh {
  readonly mesh = new MemoryMesh()
  readonly escrow: Address
  readonly outcomes: string[] = []
  consumer: Peer | undefined
  provider: Peer | undefined
  readonly #diskMs: number
  readonly #linesMax: number
  readonly #deaths = new Map<() => void, Peer>()

  constructor(diskMs = 0, linesMax = 10_000) {
    this.escrow = this.mesh.escrow(1)
    this.#diskMs = diskMs
    this.#linesMax = linesMax
  }

  newStore(logs: ReadonlyMap<string, readonly Uint8Array[]> = new Map()): MemoryStore {
    return new MemoryStore(logs, 65_536, () =>
      this.#diskMs === 0 ? Promise.resolve() : this.mesh.clock.sleep(this.#diskMs),
    )
  }

  async start(who: Who, store = this.newStore()): Promise<Peer> {
    const ledger = { linesMax: this.#linesMax }
    const peer =
      who === 'provider'
        ? await this.mesh.start({
            number: 2,
            roles: { provider: { payout } },
            engine: countingEngine({ pause: () => this.mesh.clock.sleep(5), deltaTokens: [1, 3, 2] }),
            config: {
              ledger,
              settlement: { thresholdNano: 20_000n, intervalMs: 100, confirmMs: 1_000, confirmPollMs: 50 },
            },
            store,
          })
        : await this.mesh.start({
            number: 1,
            roles: { consumer: { escrow: this.escrow } },
            config: { ledger, consumer: { attemptsMax: 1 } },
            store,
          })
    this[who] = peer
    return peer
  }

  /** Ends between two instructions; the disk keeps the oldest `durable` of what was not acknowledged. */
  crash(who: Who, durable = 0): MemoryStore | undefined {
    const peer = this[who]
    if (!peer) return undefined
    this[who] = undefined
    for (const [tell, dead] of this.#deaths) if (dead === peer) tell()
    this.mesh.kill(peer.identity.peerId)
    return peer.store.crash(durable)
  }

  async stop(who: Who): Promise<MemoryStore | undefined> {
    const peer = this[who]
    if (!peer) return undefined
    await this.mesh.clock.finish(peer.node.stop())
    this[who] = undefined
    return peer.store.crash()
  }

  /** Resolves when it is answered, or when its consumer dies. */
  async ask({ atMs, leaveAfter, letters, tokens }: Ask): Promise<void> {
    await this.mesh.clock.sleep(atMs)
    const { consumer } = this
    if (!consumer) return
    const messages = [{ role: 'user', content: 'x'.repeat(letters) }] as const
    const leaving = new AbortController()
    const answer = async (): Promise<string> => {
      const events = consumer.node.inference?.infer(
        { model: 'm', messages, sampling: { tokensMax: tokens } },
        leaving.signal,
      )
      for (let seen = 0; ; seen += 1) {
        const next = await events?.next()
        if (!next || next.done) return next?.value.finish ?? 'not a consumer'
        if (seen === leaveAfter) leaving.abort()
      }
    }
    const died = new Promise<void>((resolve) => this.#deaths.set(resolve, consumer))
    const outcome = await Promise.race([died, answer().catch((error: unknown) => asMeshError(error).message)])
    if (outcome !== undefined) this.outcomes.push(outcome)
  }

  async asked(letters: number, tokens: number): Promise<void> {
    await this.mesh.clock.finish(this.ask({ atMs: 0, letters, tokens, leaveAfter: undefined }))
  }
}
