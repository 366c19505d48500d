// The modelled chain and the one on the real TVM keep the chain's contract, both in virtual time.

import { Kernel } from '../../sim/kernel.ts'
import { Life } from '../../sim/life.ts'
import { ModelChain, simulatedGlobalId } from '../../sim/model/chain.ts'
import { TvmChain } from '../../sim/model/tvm-chain.ts'
import { seededRandom } from '../../sim/random.ts'
import { drive, driven } from '../sim/driven.ts'
import { type ChainUnderTest, chainContract } from './chain.contract.ts'

const blockMs = 2_500

function underTest(kernel: Kernel, chain: ModelChain | TvmChain): ChainUnderTest {
  return {
    chain: driven(kernel, chain.endpoint(new Life())),
    globalId: simulatedGlobalId,
    openEscrow: async (signer, depositNano) => chain.openEscrow(signer, depositNano),
    topUp: async (escrow, amountNano) => chain.topUp(escrow, amountNano),
    startUnlock: async (escrow) => chain.startUnlock(escrow),
    receivedNano: async (payee) => chain.received(payee),
    progress: () =>
      drive(kernel, new Promise((resolve) => void kernel.at(kernel.now() + 2 * blockMs, () => resolve()))),
  }
}

const parts = { random: seededRandom(1), plan: { blockMs, tvm: false } }

chainContract('modelled', async () => {
  const scheduler = new Kernel()
  return underTest(scheduler, new ModelChain({ scheduler, ...parts }))
})

const shared = new Kernel()
const tvm = new TvmChain({ scheduler: shared, ...parts })

chainContract('the compiled contract on the TVM', async () => underTest(shared, tvm))
