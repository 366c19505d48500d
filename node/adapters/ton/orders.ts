// What a wallet is asked to send for an escrow's owner, as data: it can be sent, shown before it is sent, or put into a link.

import type { Cell, StateInit } from '@ton/core'
import {
  cancelUnlockBody,
  type Escrow,
  finalizeBody,
  type Reservation,
  reserveBody,
  type SettleTransfer,
  startUnlockBody,
  topUpBody,
} from '../../../contracts/escrow.ts'
import type { Address } from '../../../protocol/ids.ts'
import { formatGram, type Nano } from '../../../protocol/money.ts'

export interface Order {
  readonly to: Address
  readonly amountNano: Nano
  /** False where nothing may run at `to` yet: the coins stay there. */
  readonly bounce: boolean
  readonly body?: Cell | undefined
  readonly init?: StateInit | undefined
  /** What it does there, for people. */
  readonly meaning: string
}

/** Goes with an order to an escrow for its gas, some twenty times what is used; what is left of it joins the deposit. */
export const orderNano: Nano = 10_000_000n

export function transferOrder(to: Address, amountNano: Nano): Order {
  return { to, amountNano, bounce: false, meaning: 'a plain transfer, no message' }
}

/** Opens the escrow where it is not open yet. */
export function depositOrder(escrow: Escrow, to: Address, amountNano: Nano): Order {
  const meaning = 'opens the escrow with its code and terms, and deposits the amount; one that is open is topped up'
  return { to, amountNano, bounce: false, init: escrow.init, meaning }
}

export function topUpOrder(to: Address, amountNano: Nano): Order {
  return { to, amountNano, bounce: true, body: topUpBody(), meaning: 'top_up: adds the amount to the deposit' }
}

export function reserveOrder(to: Address, reservation: Reservation): Order {
  const { payee, amountNano, until } = reservation
  const meaning = `reserve: sets ${formatGram(amountNano)} GRAM aside for ${payee} until ${dateOf(until)}`
  return { to, amountNano: orderNano, bounce: true, body: reserveBody(reservation), meaning }
}

export function settleOrder(transfer: SettleTransfer): Order {
  return { ...transfer, meaning: 'settle_internal: pays a voucher its due; what is not used for gas comes back' }
}

export function startUnlockOrder(to: Address): Order {
  const meaning = 'start_unlock: begins to close the escrow; providers settle until finalize'
  return { to, amountNano: orderNano, bounce: true, body: startUnlockBody(), meaning }
}

export function cancelUnlockOrder(to: Address): Order {
  const meaning = 'cancel_unlock: the escrow stays open'
  return { to, amountNano: orderNano, bounce: true, body: cancelUnlockBody(), meaning }
}

export function finalizeOrder(to: Address): Order {
  const meaning = 'finalize: pays everything above the rent reserve to the owner, and voids unsettled vouchers'
  return { to, amountNano: orderNano, bounce: true, body: finalizeBody(), meaning }
}

export function dateOf(unixSec: number): string {
  return new Date(unixSec * 1_000).toISOString()
}
