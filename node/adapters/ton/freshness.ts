// What of the chain has been seen already: a server that shows an older state than that is not believed.

import { isRecord } from './server.ts'

/** Masterchain blocks a server may be behind the newest one that any server showed: some ten seconds. */
export const lagBlocksMax = 25

/** Accounts whose last reading is remembered; the one unread longest is forgotten first. */
const accountsMax = 10_000

/** What must not be undercut by an answer to a question asked now. */
export interface Seen {
  readonly account: string | undefined
  readonly accountSeqno: number
  readonly seqno: number
}

export class Freshness {
  readonly #seqnoOfAccount = new Map<string, number>()
  #seqno = 0

  /** Taken before a request is sent: answers that overtake each other are none the worse for it. */
  seen(request: string): Seen {
    const account = accountOf(request)
    return {
      account,
      accountSeqno: account === undefined ? 0 : (this.#seqnoOfAccount.get(account) ?? 0),
      seqno: this.#seqno,
    }
  }

  /**
   * Why the reply is not to be believed; undefined, and remembered, where it is. Replies that name no block, such as lists
   * of transactions, pass: nobody concludes from what they lack.
   */
  staleness(reply: unknown, { account, accountSeqno, seqno }: Seen): { cause: string; isLagging: boolean } | undefined {
    const shown = masterchainSeqnoOf(reply)
    if (shown === undefined) return undefined
    if (shown < seqno - lagBlocksMax) {
      return { cause: `it shows block ${shown}, and block ${seqno} was seen already`, isLagging: true }
    }
    if (account !== undefined && shown < accountSeqno) {
      return { cause: `it shows ${account} at block ${shown}, and it was seen at ${accountSeqno}`, isLagging: false }
    }
    this.#seqno = Math.max(this.#seqno, shown)
    if (account !== undefined) this.#remember(account, shown)
    return undefined
  }

  #remember(account: string, shown: number): void {
    const seqno = Math.max(shown, this.#seqnoOfAccount.get(account) ?? 0)
    this.#seqnoOfAccount.delete(account)
    this.#seqnoOfAccount.set(account, seqno)
    const [oldest] = this.#seqnoOfAccount.keys()
    if (this.#seqnoOfAccount.size > accountsMax && oldest !== undefined) this.#seqnoOfAccount.delete(oldest)
  }
}

/** `block_id` of an account's state and of a get-method's result, `last` of the chain's own. */
function masterchainSeqnoOf(reply: unknown): number | undefined {
  const result = isRecord(reply) ? reply['result'] : undefined
  if (!isRecord(result)) return undefined
  for (const block of [result['block_id'], result['last']]) {
    if (!isRecord(block) || block['workchain'] !== -1) continue
    const seqno = block['seqno']
    if (typeof seqno === 'number' && Number.isSafeInteger(seqno) && seqno >= 0) return seqno
  }
  return undefined
}

function accountOf(request: string): string | undefined {
  const parsed: unknown = JSON.parse(request) // our own words
  const params = isRecord(parsed) ? parsed['params'] : undefined
  const address = isRecord(params) ? params['address'] : undefined
  return typeof address === 'string' ? address : undefined
}
