// Loads the libp2p adapter into virtual time. One simulation a process: what it loads stays loaded, with its module state.

import type { startLibp2p } from '../../node/adapters/libp2p/network.ts'
import type { Random } from '../../node/ports.ts'
import { KernelTime } from '../model/time.ts'
import { seededRandom } from '../random.ts'
import { installVirtualRandom } from './virtual-random.ts'
import { installVirtualTime } from './virtual-time.ts'

export interface Simulation {
  readonly time: KernelTime
  readonly startLibp2p: typeof startLibp2p
  /** What code that runs on no machine draws from now on. */
  reseed(random: Random): void
  /** Puts real time and randomness back. */
  close(): void
}

export async function openSimulation(): Promise<Simulation> {
  const time = new KernelTime()
  const ambient = { random: seededRandom('ambient') as Random }
  const putTimeBack = installVirtualTime(time)
  const putRandomBack = installVirtualRandom({
    next: () => ambient.random.next(),
    bytes: (length) => ambient.random.bytes(length),
    fork: (label) => ambient.random.fork(label),
  })
  const close = (): void => {
    putRandomBack()
    putTimeBack()
  }
  try {
    const { startLibp2p } = await import('../../node/adapters/libp2p/network.ts')
    const reseed = (random: Random): void => {
      ambient.random = random
    }
    return { time, startLibp2p, reseed, close }
  } catch (error) {
    close()
    throw error
  }
}
