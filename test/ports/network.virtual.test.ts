// The libp2p network keeps the network's contract on the simulated internet too, in virtual time.

import { afterAll } from 'vitest'
import { identityOf } from '../../sim/identity.ts'
import { Libp2pSimulation } from '../../sim/libp2p/network.ts'
import { livingNetwork } from '../../sim/libp2p/port.ts'
import { openSimulation } from '../../sim/libp2p/simulation.ts'
import { clockOf, Life } from '../../sim/life.ts'
import type { Place } from '../../sim/plan.ts'
import { seededRandom } from '../../sim/random.ts'
import { networkContract } from './network.contract.ts'

const place: Place = { region: 'here', nat: 'open', upBitsPerSecond: 1e8, downBitsPerSecond: 1e8 }
const plan = { latency: { regions: ['here'], oneWayMs: [[10]], jitter: 0.1 }, loss: 0.01, relay: false }

const simulation = await openSimulation()
afterAll(() => simulation.close())
const { time } = simulation

let meshes = 0

networkContract('libp2p in virtual time', async (count, shape) => {
  meshes += 1
  const seed = `mesh ${meshes}`
  const network = new Libp2pSimulation({
    scheduler: time,
    random: seededRandom(seed),
    plan,
    bootstraps: [],
    start: simulation.startLibp2p,
    settings: { gossipHeartbeatMs: 200 },
  })
  const life = new Life()
  const start = async () => {
    const running = []
    for (let at = 0; at < count; at += 1) {
      const name = `peer-${at}`
      const before = shape === 'line' ? running.at(-1) : running[0]
      const identity = identityOf(seed, name)
      const peer = await network.run({ name, group: 'peers', place }, identity, {
        bootstrap: before?.network.addresses() ?? [],
        dhtMode: shape === 'line' ? 'client' : 'server', // clients do not introduce each other
      })
      running.push({ ...peer, identity })
    }
    return running
  }
  const running = await time.drive(start())
  return {
    peers: running.map((peer) => ({
      network: livingNetwork(peer.network, peer.host, life, network.tally),
      identity: peer.identity,
    })),
    clock: clockOf(time, life),
    drive: (work) => time.drive(work),
    stop: async () => {
      await time.drive(Promise.all(running.map(({ identity }) => network.detach(identity.peerId, 'stop'))))
    },
  }
})
