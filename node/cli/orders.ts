// A message before it is sent: every word of it for `--dry-run`, or as a link that the wallet app of its sender opens.

import { beginCell, storeStateInit, Address as TonAddress } from '@ton/core'
import { renderUnicodeCompact } from 'uqr'
import type { Address } from '../../protocol/ids.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import { qrBytesMax, transferLink } from '../adapters/ton/link.ts'
import { networks } from '../adapters/ton/networks.ts'
import type { Order } from '../adapters/ton/orders.ts'
import type { Terminal } from './terminal.ts'

export interface Sending {
  readonly order: Order
  readonly from: Address
  readonly globalId: number
  /** Of the sender's own transaction; undefined where it could not be told. */
  readonly feeNano: Nano | undefined
  /** What the sender holds. */
  readonly balanceNano: Nano
}

/** Prints it; the same as an object for machines. */
export function showOrder({ order, from, globalId, feeNano, balanceNano }: Sending, terminal: Terminal) {
  const { amountNano, body, bounce, init, meaning, to } = order
  const friendly = (address: Address, bounceable: boolean): string => friendlyOf(address, bounceable, globalId)
  const bodyBoc = body?.toBoc().toString('base64')
  const initCell = init && beginCell().store(storeStateInit(init)).endCell()
  terminal.ok('from', `${friendly(from, false)}, which holds ${formatGram(balanceNano)} GRAM`)
  terminal.ok('to', `${friendly(to, bounce)}  (${to})`)
  terminal.ok('amount', `${formatGram(amountNano)} GRAM`)
  terminal.ok('bounce', bounce ? 'yes: comes back if it is refused' : 'no: the coins stay there')
  terminal.ok('meaning', meaning)
  if (bodyBoc !== undefined) terminal.ok('body', bodyBoc)
  if (initCell) terminal.ok('init', `${initCell.toBoc().length} bytes, hash ${initCell.hash().toString('hex')}`)
  const isCovered = balanceNano >= amountNano
  if (!isCovered)
    terminal.warn(
      'short',
      `the wallet lacks ${formatGram(amountNano - balanceNano)} GRAM and the fee: it could not send this`,
    )
  terminal.ok('fee', feeNano === undefined ? 'not known: the wallet could not send it now' : feeText(feeNano))
  return {
    from,
    to,
    toFriendly: friendly(to, bounce),
    amountNano,
    bounce,
    meaning,
    body: bodyBoc ?? null,
    init: initCell?.toBoc().toString('base64') ?? null,
    feeNano: feeNano ?? null,
    isCovered,
  }
}

/** Prints the link and what it does, also as a QR code where that is asked for; the same as an object for machines. */
export function showLink(order: Order, sender: string, globalId: number, isQr: boolean, terminal: Terminal) {
  const { amountNano, bounce, meaning, to } = order
  const link = transferLink(order, isTest(globalId))
  const isTooLong = link.length > qrBytesMax
  terminal.ok('to', `${friendlyOf(to, bounce, globalId)}  (${to})`)
  terminal.ok('amount', `${formatGram(amountNano)} GRAM`)
  terminal.ok('meaning', meaning)
  terminal.line(`Open this link on the device of ${sender}; its wallet app asks before it sends:`)
  terminal.line(link)
  if (isQr && !isTooLong) for (const row of renderUnicodeCompact(link).split('\n')) terminal.line(row)
  if (isTooLong) terminal.line(`(${link.length} bytes: too long for a QR code, which holds ${qrBytesMax})`)
  return { link, to, amountNano, bounce, meaning, fitsQr: !isTooLong }
}

function feeText(feeNano: Nano): string {
  return `about ${formatGram(feeNano)} GRAM for the wallet's own transaction; what runs there is paid of the amount`
}

function friendlyOf(address: Address, bounceable: boolean, globalId: number): string {
  return TonAddress.parseRaw(address).toString({ bounceable, testOnly: isTest(globalId) })
}

function isTest(globalId: number): boolean {
  return globalId !== networks.mainnet.globalId
}
