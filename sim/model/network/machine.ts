// A machine on the network, the same over all lives of the peer that runs on it.

import type { Network } from '../../../node/ports.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { type Access, accessOf } from './line.ts'
import type { Spot } from './paths.ts'

/** What a machine's processes are to the network: `act` runs inside one, later where it is frozen, never after its end. */
export interface Incarnation {
  readonly machine: Machine
  act(what: () => void): void
}

export class Machine {
  readonly spot: Spot
  readonly peer: PeerId
  /** Where it is dialled, where anybody can. */
  readonly address: string
  readonly access: Access
  readonly dhtServer: boolean
  /** `refusing`: it is up and says that nobody listens. `silent`: it is off, and says nothing. */
  state: 'up' | 'refusing' | 'silent' = 'silent'
  isFrozen = false
  current: (Incarnation & Network) | undefined
  /** When its processor is done with the handshakes so far. */
  busyMs = 0
  /** When its line has taken in all that arrived on connections so far. */
  inMs = 0

  constructor(spot: Spot, peer: PeerId, dhtServer: boolean) {
    this.spot = spot
    this.peer = peer
    this.dhtServer = dhtServer
    const { index } = spot
    this.address = `/ip4/10.${(index >> 16) & 0xff}.${(index >> 8) & 0xff}.${index & 0xff}/tcp/4001/p2p/${peer}`
    this.access = accessOf(spot.place)
  }
}
