/** A local chain, a funded wallet and plain HTTP, for the tests of contracts/localnet. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Address, beginCell, type Cell, external, internal, SendMode, storeMessage } from '@ton/core'
import { type KeyPair, keyPairFromSeed } from '@ton/crypto'
import { TonClient, WalletContractV5R1 } from '@ton/ton'
import { onTestFinished } from 'vitest'
import { localGlobalId } from '../../../contracts/localnet/chain.ts'
import { type Localnet, type LocalnetOptions, startLocalnet } from '../../../contracts/localnet/localnet.ts'

export const GRAM = 1_000_000_000n
const noExpiry = 0xffff_fffe

/** Ends with the test. Blocks are made at once unless the test says otherwise. */
export async function chainFor(options: Partial<LocalnetOptions> = {}): Promise<Localnet> {
  const chain = await startLocalnet({ port: 0, blockMs: 0, ...options })
  onTestFinished(() => chain.close())
  return chain
}

export function clientOf(chain: Localnet): TonClient {
  return new TonClient({ endpoint: chain.endpoint })
}

export function temporaryDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'localnet-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

export interface TestWallet {
  readonly contract: WalletContractV5R1
  readonly keys: KeyPair
  readonly address: Address
}

export function walletOf(seed: number): TestWallet {
  const keys = keyPairFromSeed(Buffer.alloc(32, seed))
  const contract = WalletContractV5R1.create({
    publicKey: keys.publicKey,
    walletId: { networkGlobalId: localGlobalId },
  })
  return { contract, keys, address: contract.address }
}

export async function fund(chain: Localnet, address: Address, amountNano: bigint) {
  const body = JSON.stringify({ address: address.toString(), amountNano: String(amountNano) })
  const response = await fetch(chain.faucetUrl, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
  })
  return { status: response.status, body: record(await response.json()) }
}

export interface Transfer {
  readonly seqno: number
  readonly to: Address
  readonly amountNano: bigint
  readonly body?: string | Cell
  readonly timeout?: number
}

export function transferBody(wallet: TestWallet, { seqno, to, amountNano, body, timeout = noExpiry }: Transfer): Cell {
  return wallet.contract.createTransfer({
    seqno,
    secretKey: wallet.keys.secretKey,
    sendMode: SendMode.PAY_GAS_SEPARATELY | SendMode.IGNORE_ERRORS,
    timeout,
    messages: [internal({ to, value: amountNano, bounce: false, ...(body === undefined ? {} : { body }) })],
  })
}

/** A signed transfer as the bytes a wallet sends; with its state init for a wallet that is not deployed. */
export function transferBoc(wallet: TestWallet, transfer: Transfer & { readonly deploy?: boolean }): Buffer {
  const init = transfer.deploy === true ? { init: wallet.contract.init } : {}
  const message = external({ to: wallet.address, body: transferBody(wallet, transfer), ...init })
  return beginCell().store(storeMessage(message)).endCell().toBoc()
}

/** A wallet with coins and its first transfer done. */
export async function deployedWallet(chain: Localnet, seed: number, amountNano: bigint): Promise<TestWallet> {
  const wallet = walletOf(seed)
  await fund(chain, wallet.address, amountNano)
  const boc = transferBoc(wallet, { seqno: 0, to: wallet.address, amountNano: 1n, deploy: true })
  await clientOf(chain).sendFile(boc)
  return wallet
}

export interface Reply {
  readonly status: number
  readonly body: Record<string, unknown>
}

export async function get(url: string, headers: Record<string, string> = {}): Promise<Reply> {
  const response = await fetch(url, { headers })
  return { status: response.status, body: record(await response.json()) }
}

export async function post(url: string, body: string): Promise<Reply> {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  return { status: response.status, body: record(await response.json()) }
}

export async function rpc(chain: Localnet, method: string, params: object): Promise<Reply> {
  return post(chain.endpoint, JSON.stringify({ id: '7', jsonrpc: '2.0', method, params }))
}

export function record(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`expected a JSON object, got ${JSON.stringify(value)}`)
  }
  return value as Record<string, unknown>
}

export function list(value: unknown): readonly Record<string, unknown>[] {
  if (!Array.isArray(value)) throw new TypeError(`expected a JSON array, got ${JSON.stringify(value)}`)
  return value.map(record)
}
