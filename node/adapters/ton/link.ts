// An order as a `ton://transfer/…` link, which any wallet app opens with everything filled in: no server stands between.
// Parameters as wallet apps read them: amount in nano, bin (the body) and init (the StateInit) as base64url of their BoCs.

import { beginCell, storeStateInit, Address as TonAddress } from '@ton/core'
import type { Order } from './orders.ts'

/** A QR code of version 40, level L, holds this much. */
export const qrBytesMax = 2_953

/** `isTest` marks the address for test networks: apps on mainnet refuse to send there. */
export function transferLink({ to, amountNano, bounce, body, init }: Order, isTest: boolean): string {
  const address = TonAddress.parseRaw(to).toString({ bounceable: bounce, testOnly: isTest })
  const parameters = [
    `amount=${amountNano}`,
    ...(body ? [`bin=${body.toBoc().toString('base64url')}`] : []),
    ...(init ? [`init=${beginCell().store(storeStateInit(init)).endCell().toBoc().toString('base64url')}`] : []),
  ]
  return `ton://transfer/${address}?${parameters.join('&')}`
}
