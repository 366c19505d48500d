// The modelled disk keeps the store's contract, over real crashes of its own.

import { Kernel } from '../../sim/kernel.ts'
import { Life } from '../../sim/life.ts'
import { diskFaults, ModelDisk } from '../../sim/model/store.ts'
import { seededRandom } from '../../sim/random.ts'
import { driven } from '../sim/driven.ts'
import { type StoreUnderTest, storeContract } from './store.contract.ts'

const entryBytesMax = 65_536
let disks = 0

function make(syncMs: number, tornWrites: boolean): () => Promise<StoreUnderTest> {
  return async () => {
    disks += 1
    const kernel = new Kernel()
    const random = seededRandom(disks)
    const disk = new ModelDisk({ scheduler: kernel, random, spec: { syncMs, tornWrites }, entryBytesMax })
    let life = new Life()
    return {
      store: driven(kernel, disk.mount(life)),
      entryBytesMax,
      faults: Object.fromEntries(diskFaults.map((fault) => [fault, () => disk.fail(fault)])),
      reopen: async () => {
        life.end()
        disk.crash()
        life = new Life()
        return driven(kernel, disk.mount(life))
      },
    }
  }
}

storeContract('modelled', make(4, true), diskFaults)
storeContract('modelled, which syncs at once', make(0, false), diskFaults)
