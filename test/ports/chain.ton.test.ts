// The real chain adapter keeps the chain's contract: TonClient, the escrow as compiled, the TVM of a local chain.

import { Address as TonAddress } from '@ton/core'
import { afterAll, beforeAll } from 'vitest'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { systemClock, systemRandom } from '../../node/adapters/system.ts'
import { createTonChain, type TonChain } from '../../node/adapters/ton/chain.ts'
import { Wallet } from '../../node/adapters/wallet.ts'
import { chainContract } from './chain.contract.ts'

const globalId = 31_337
let net: Localnet
let chain: TonChain
let wallet: Wallet

beforeAll(async () => {
  net = await startLocalnet({ port: 0, blockMs: 0 })
  chain = createTonChain({
    endpoint: net.endpoint,
    requestsPerSecond: 100_000,
    clock: systemClock,
    random: systemRandom,
  })
  wallet = new Wallet({ seed: new Uint8Array(32).fill(1), chain, globalId, clock: systemClock })
  const funded = await fetch(`${net.faucetUrl}?address=${wallet.friendly}&amountNano=1000000000000`)
  if (!funded.ok) throw new Error(await funded.text())
})

afterAll(() => net.close())

chainContract('TonClient on a local chain', async () => ({
  chain,
  globalId,
  openEscrow: async (signer, depositNano) => {
    const { escrow } = await wallet.deployAndDeposit({ signer, unlockDelaySec: 86_400 }, depositNano)
    return { address: escrow, owner: wallet.address }
  },
  topUp: async (escrow, amountNano) => {
    await wallet.topUp(escrow, amountNano)
  },
  startUnlock: async (escrow) => {
    await wallet.startUnlock(escrow)
  },
  receivedNano: (payee) => chain.endpoint.call('balance', (client) => client.getBalance(TonAddress.parseRaw(payee))),
  progress: async () => {}, // blocks are made as messages come
}))
