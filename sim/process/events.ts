// What a node's process prints, read back into the node's own events. Where a line is not one of them, undefined.

import type { NodeEvent } from '../../node/events.ts'

export function readEvent(line: Readonly<Record<string, unknown>>): NodeEvent | undefined {
  const { type } = line
  if (typeof type !== 'string' || !Object.hasOwn(types, type)) return undefined
  const read = Object.fromEntries(
    Object.entries(line).map(([name, value]) => [
      name,
      name.endsWith('Nano') && typeof value === 'string' ? BigInt(value) : value,
    ]),
  )
  return read as unknown as NodeEvent // printed by a node of this very version
}

/** Each of them once: a new event is a compile error here until it is listed. */
const types: Readonly<Record<NodeEvent['type'], true>> = {
  'advert-published': true,
  'advert-accepted': true,
  'advert-dropped': true,
  'provider-lost': true,
  'request-started': true,
  'provider-chosen': true,
  'attempt-queued': true,
  'first-token': true,
  'hedge-started': true,
  'hedge-won': true,
  'attempt-failed': true,
  'voucher-signed': true,
  'request-finished': true,
  'tab-recovered': true,
  'hub-left': true,
  'hub-granted': true,
  'request-admitted': true,
  'request-queued': true,
  'request-refused': true,
  'request-served': true,
  'serving-changed': true,
  'voucher-booked': true,
  'credit-paused': true,
  'settle-started': true,
  'settle-posted': true,
  'settle-confirmed': true,
  'settle-failed': true,
  'channel-closed': true,
  'vouchers-handed-over': true,
  'settle-decided': true,
  'unlock-seen': true,
  'settler-advertised': true,
  'settler-heard': true,
  'settler-dropped': true,
  'settler-chosen': true,
  'settler-judged': true,
  'settle-fee-counted': true,
  'settle-fee-signed': true,
  'settle-fee-taken': true,
  'ledger-mismatch': true,
  'chain-endpoint': true,
  'node-started': true,
  'keys-not-sealed': true,
  'node-stopping': true,
  fault: true,
}
