// The `model` tier: a virtual world over the modelled network, on the kernel's own time. Equal plans run equal, to the bit.

import { readCosts } from '../costs.ts'
import { VirtualWorld } from '../virtual-world.ts'
import type { World } from '../world.ts'
import { ModelNetwork } from './network/network.ts'
import { KernelTime } from './time.ts'

export function createModelWorld(): World {
  const time = new KernelTime()
  return new VirtualWorld({
    tier: 'model',
    time,
    network: ({ network }, random) =>
      new ModelNetwork({
        scheduler: time,
        random,
        plan: network,
        ...(network.processorTime ? { costs: readCosts().costs } : {}),
      }),
  })
}
