// The modelled network keeps the network's contract, in virtual time.

import type { PeerId } from '../../protocol/ids.ts'
import { identityOf } from '../../sim/identity.ts'
import { Kernel } from '../../sim/kernel.ts'
import { clockOf, Life } from '../../sim/life.ts'
import { ModelNetwork } from '../../sim/model/network/network.ts'
import { seededRandom } from '../../sim/random.ts'
import { networkContract } from './network.contract.ts'

/** Virtual; a body that takes longer waits for something that never comes. */
const hourMs = 3_600_000

networkContract('model', async (count, shape) => {
  const kernel = new Kernel()
  const network = new ModelNetwork({
    scheduler: kernel,
    random: seededRandom('contract'),
    plan: { latency: { regions: ['here'], oneWayMs: [[25]], jitter: 0.1 }, loss: 0.001, relay: true },
  })
  const lives: Life[] = []
  const peers = []
  const ids: PeerId[] = []
  for (let at = 0; at < count; at += 1) {
    const identity = identityOf('contract', `peer-${at}`)
    const life = new Life()
    const before = shape === 'line' ? ids.at(-1) : ids[0]
    const port = network.attach(
      {
        identity,
        name: `peer-${at}`,
        group: 'peers',
        place: { region: 'here', upBitsPerSecond: 1e8, downBitsPerSecond: 1e8, nat: 'open' },
        dhtServer: shape !== 'line', // clients do not introduce each other
        bootstrap: before ? [before] : [],
      },
      life,
    )
    lives.push(life)
    ids.push(identity.peerId)
    peers.push({ network: port, identity })
  }
  await kernel.run(kernel.now() + 1_000)
  return {
    peers,
    clock: clockOf(kernel, new Life()),
    drive: async (work) => {
      let isDone = false
      const end = (): void => {
        isDone = true
      }
      work.then(end, end)
      await kernel.run(kernel.now() + hourMs, () => isDone)
      if (!isDone) throw new Error('it did not end within an hour of virtual time')
      return await work
    },
    stop: async () => {
      for (const life of lives) life.end()
    },
  }
})
