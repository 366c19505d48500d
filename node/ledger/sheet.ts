// What the books of one role tell the ledger.

import type { Nano } from '../../protocol/money.ts'
import type { Held } from './audit.ts'
import type { Account, AccountId, RequestNote, Role, Why } from './entries.ts'
import type { Journal, Line } from './journal.ts'

export class Sheet {
  readonly #journal: Journal
  readonly #role: Role

  constructor(journal: Journal, role: Role) {
    this.#journal = journal
    this.#role = role
  }

  /** Throws where nothing more may be signed. */
  assertSound(): void {
    this.#journal.assertSound()
  }

  /** Around a write that raises what a voucher covers: the ledger knows before, and after. `write` resolves with what is covered. */
  async raise(id: AccountId, write: () => Promise<Nano>): Promise<void> {
    const account = this.#account(id)
    const marking = this.#journal.raising(account)
    let coveredNano: Nano | undefined
    try {
      if (marking) await marking
      coveredNano = await write()
    } finally {
      this.#journal.raised(account, coveredNano)
    }
  }

  /** The account begins where the chain is: that much was paid by what is not known here. */
  opened(id: AccountId, baseNano: Nano): void {
    if (baseNano > 0n) this.#journal.opened(this.#account(id), baseNano)
  }

  adopted(id: AccountId, coveredNano: Nano): void {
    this.#journal.adopted(this.#account(id), coveredNano)
  }

  adjusted(id: AccountId, nano: Nano, why: Why): void {
    this.#journal.adjusted(this.#account(id), nano, why)
  }

  granted(id: AccountId, nano: Nano): void {
    this.#journal.granted(this.#account(id), nano)
  }

  /** Covered by vouchers on disk, all together. */
  durableNano(id: AccountId): Nano {
    return this.#journal.durableNano(this.#account(id))
  }

  settled(id: AccountId, settledNano: Nano): void {
    this.#journal.settled(this.#account(id), settledNano)
  }

  closed(id: AccountId): void {
    this.#journal.closed(this.#account(id))
  }

  request(id: AccountId, note: RequestNote): Line {
    return this.#journal.request(this.#account(id), note)
  }

  watch(view: () => Iterable<AccountId & Omit<Held, 'account'>>): void {
    const held = (each: AccountId & Omit<Held, 'account'>): Held => ({
      account: this.#account(each),
      countedNano: each.countedNano,
      coveredNano: each.coveredNano,
    })
    this.#journal.watch(this.#role, () => [...view()].map(held))
  }

  #account({ epoch, escrow, globalId, payee, peer }: AccountId): Account {
    return { role: this.#role, globalId, escrow, epoch, payee, peer }
  }
}
