// What a settler holds: of each escrow and payee the best voucher, to be settled or only watched over.

import type { Address, PeerId } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { betterVoucher, type Voucher } from '../../protocol/voucher.ts'

export interface Held {
  readonly voucher: Voucher
  readonly from: PeerId
  /** Posted only when its escrow closes, or others empty it. */
  readonly isWatch: boolean
  readonly sinceMs: number
  /** Paid on chain, as last read. */
  readonly settledNano: Nano
  /** When that was. */
  readonly readAtMs: number
}

interface Shelf {
  readonly held: Map<Address, Held>
  /** Of them, those to be settled. */
  asked: number
}

export class Holdings {
  readonly #shelves = new Map<Address, Shelf>()
  #asked = 0
  #count = 0
  /** Unsettled value of those to be settled, by who handed them over. */
  readonly #pending = new Map<PeerId, Nano>()

  get asked(): number {
    return this.#asked
  }

  get watched(): number {
    return this.#count - this.#asked
  }

  pendingNano(from: PeerId): Nano {
    return this.#pending.get(from) ?? 0n
  }

  get escrowCount(): number {
    return this.#shelves.size
  }

  escrows(): readonly Address[] {
    return [...this.#shelves.keys()]
  }

  of(escrow: Address): readonly Held[] {
    return [...(this.#shelves.get(escrow)?.held.values() ?? [])]
  }

  countOf(escrow: Address): number {
    return this.#shelves.get(escrow)?.held.size ?? 0
  }

  askedOf(escrow: Address): number {
    return this.#shelves.get(escrow)?.asked ?? 0
  }

  get(escrow: Address, payee: Address): Held | undefined {
    return this.#shelves.get(escrow)?.held.get(payee)
  }

  *all(): Iterable<Held> {
    for (const { held } of this.#shelves.values()) yield* held.values()
  }

  /** The better of two of one tab stays, and stays asked for if either is. */
  add(held: Held): void {
    const { epoch, escrow, globalId, payee } = held.voucher.terms
    const before = this.get(escrow, payee)
    if (!before || before.voucher.terms.epoch < epoch || before.voucher.terms.globalId !== globalId) {
      this.#put(held)
      return
    }
    if (before.voucher.terms.epoch > epoch) return
    const isNewBetter = betterVoucher(before.voucher, held.voucher) === held.voucher
    const isWatch = before.isWatch && held.isWatch
    const settledNano = held.settledNano > before.settledNano ? held.settledNano : before.settledNano
    if (isNewBetter) this.#put({ ...held, isWatch, settledNano, sinceMs: before.sinceMs })
    else if (isWatch !== before.isWatch) this.#put({ ...before, from: held.from, isWatch })
  }

  /** The same voucher, otherwise looked at; nothing where a better one came meanwhile. */
  update(held: Held, change: Partial<Pick<Held, 'isWatch' | 'settledNano' | 'readAtMs'>>): void {
    const now = this.#same(held)
    if (now) this.#put({ ...now, ...change })
  }

  /** Lets go of this voucher; of a better one that came meanwhile not. */
  remove(held: Held): void {
    const now = this.#same(held)
    const { escrow, payee } = held.voucher.terms
    const shelf = this.#shelves.get(escrow)
    if (!now || !shelf) return
    shelf.held.delete(payee)
    this.#count -= 1
    if (!now.isWatch) this.#ask(shelf, now, -1)
    if (shelf.held.size === 0) this.#shelves.delete(escrow)
  }

  #same({ voucher }: Held): Held | undefined {
    const now = this.get(voucher.terms.escrow, voucher.terms.payee)
    return now?.voucher === voucher ? now : undefined
  }

  #put(held: Held): void {
    const { escrow, payee } = held.voucher.terms
    const shelf = this.#shelves.get(escrow) ?? { held: new Map<Address, Held>(), asked: 0 }
    this.#shelves.set(escrow, shelf)
    const before = shelf.held.get(payee)
    if (!before) this.#count += 1
    if (before && !before.isWatch) this.#ask(shelf, before, -1)
    if (!held.isWatch) this.#ask(shelf, held, 1)
    shelf.held.set(payee, held)
  }

  #ask(shelf: Shelf, { from, settledNano, voucher }: Held, by: 1 | -1): void {
    shelf.asked += by
    this.#asked += by
    const pendingNano = this.pendingNano(from) + BigInt(by) * (voucher.terms.amountNano - settledNano)
    if (pendingNano === 0n) this.#pending.delete(from)
    else this.#pending.set(from, pendingNano)
  }
}
