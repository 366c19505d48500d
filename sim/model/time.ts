// The kernel's time as the virtual world's.

import { Kernel } from '../kernel.ts'
import type { VirtualTime } from '../virtual-world.ts'

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
