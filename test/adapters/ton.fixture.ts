// A local chain with a funded wallet, and a proxy before it that can lose, alter and withhold what passes.

import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Address as TonAddress } from '@ton/core'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { systemClock, systemRandom } from '../../node/adapters/system.ts'
import { createTonChain, type TonChain } from '../../node/adapters/ton/chain.ts'
import type { SenderTimeouts } from '../../node/adapters/ton/sender.ts'
import { Wallet } from '../../node/adapters/wallet.ts'
import { type Address, addressOf } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'

export const globalId = 31_337
export const gram: Nano = 1_000_000_000n

export interface LocalChain {
  readonly net: Localnet
  readonly chain: TonChain
  /** A wallet of its own for every call, with this much from the faucet. */
  wallet(fundsNano: Nano, options?: { chain?: TonChain; timeouts?: Partial<SenderTimeouts> }): Promise<Wallet>
  balanceNano(address: Address): Promise<Nano>
  close(): Promise<void>
}

/** `blockMs` 0 makes blocks as messages come. */
export async function localChain(blockMs: number): Promise<LocalChain> {
  const net = await startLocalnet({ port: 0, blockMs })
  const chain = chainAt(net.endpoint)
  const balanceNano = (address: Address): Promise<Nano> =>
    chain.endpoint.call('balance', (client) => client.getBalance(TonAddress.parseRaw(address)))
  return {
    net,
    chain,
    balanceNano,
    close: () => net.close(),
    wallet: async (fundsNano, options = {}) => {
      const seed = freshBytes()
      const wallet = new Wallet({ seed, chain, globalId, clock: systemClock, timeouts: { pollMs: 20 }, ...options })
      if (fundsNano > 0n) {
        const asked = fetch(`${net.faucetUrl}?address=${wallet.friendly}&amountNano=${fundsNano}`)
        // The faucet answers when a block has its transfer, which on a clock may be far off.
        while ((await balanceNano(wallet.address)) < fundsNano) await net.mine()
        const reply = await asked
        if (!reply.ok) throw new Error(await reply.text())
      }
      return wallet
    },
  }
}

export function chainAt(endpoint: string): TonChain {
  return createTonChain({ endpoint, requestsPerSecond: 100_000, clock: systemClock, random: systemRandom })
}

export interface Passing {
  readonly method: string
  readonly params: Record<string, unknown>
  /** Gives what the chain answers. */
  forward(): Promise<string>
  readonly response: ServerResponse
}

/** Every request goes through `handle`, which answers it, or not. */
export async function proxyTo(
  endpoint: string,
  handle: (passing: Passing) => Promise<void>,
): Promise<{ readonly endpoint: string; readonly close: () => void }> {
  const server = createServer((incoming, response) => {
    let body = ''
    incoming.on('data', (chunk) => {
      body += chunk
    })
    incoming.on('end', () => {
      const { method, params } = JSON.parse(body)
      const forward = async (): Promise<string> => {
        const answer = await fetch(endpoint, {
          method: 'POST',
          body,
          headers: { 'Content-Type': 'application/json' },
        })
        response.statusCode = answer.status
        return answer.text()
      }
      handle({ method, params, forward, response }).catch((error: unknown) => response.destroy(error as Error))
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}/`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

let fresh = 0

/** Never twice the same in one process. */
export function freshBytes(): Uint8Array {
  fresh += 1
  const bytes = new Uint8Array(32).fill(0x3c)
  new DataView(bytes.buffer).setUint32(0, fresh)
  return bytes
}

export const freshAddress = (): Address => addressOf(freshBytes())
