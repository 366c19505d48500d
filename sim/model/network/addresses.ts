// Multiaddrs of modelled machines: one each, and a relay's in front where nobody can dial it.

import type { PeerId } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'
import type { Machine } from './machine.ts'

export function relayedAddressOf(machine: Machine, relay: Machine): string {
  return `${relay.address}/p2p-circuit/p2p/${machine.peer}`
}

/** Whether it is an address that somebody could have for that machine; nothing else can be dialled here. */
export function isAddressOf(text: string, machine: Machine, machineOf: (peer: PeerId) => Machine | undefined): boolean {
  if (text.length > limits.addressCharsMax) return false
  if (text === machine.address) return true
  const [relay, rest] = text.split('/p2p-circuit/p2p/')
  if (rest !== machine.peer || relay === undefined) return false
  const by = machineOf(relay.slice(relay.lastIndexOf('/') + 1) as PeerId)
  return by !== undefined && relay === by.address
}
