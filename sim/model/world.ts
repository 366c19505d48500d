// The `model` tier: a virtual world over the modelled network, on the kernel's own time. Equal plans run equal, to the bit.

import { Kernel } from '../kernel.ts'
import { type VirtualTime, VirtualWorld } from '../virtual-world.ts'
import type { World } from '../world.ts'
import { ModelNetwork } from './network/network.ts'

export function createModelWorld(): World {
  const time = new KernelTime()
  return new VirtualWorld({
    tier: 'model',
    time,
    network: (plan, random) => new ModelNetwork({ scheduler: time, random, plan: plan.network }),
  })
}

/** How much virtual time passes between two looks whether the work is done without an event to notice it. */
const stretchMs = 60_000

export class KernelTime extends Kernel implements VirtualTime {
  async drive<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    let isDone = false
    const done = (): void => {
      isDone = true
    }
    work.then(done, done)
    while (!isDone) {
      await this.run(this.now() + stretchMs, () => isDone, signal)
      signal?.throwIfAborted()
      if (!isDone && this.waiting === 0) throw new Error('nothing is left to happen, and the work is not done')
    }
    return work
  }

  figures(): Readonly<Record<string, number>> {
    return { events: this.events }
  }
}
