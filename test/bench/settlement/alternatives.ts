// What the escrow is compared with, on the same chain at the same prices: a channel a pair, fan-out by a wallet, claims by Merkle proof.

import { readFileSync } from 'node:fs'
import {
  Address,
  beginCell,
  Cell,
  contractAddress,
  Dictionary,
  internal,
  type MessageRelaxed,
  SendMode,
  toNano,
} from '@ton/core'
import { type KeyPair, keyPairFromSeed } from '@ton/crypto'
import { createShardAccount } from '@ton/sandbox'
import { runTolkCompiler } from '@ton/tolk-js'
import { WalletContractV5R1 } from '@ton/ton'
import { type Cost, type CostChain, samples } from '../../../contracts/costs.ts'
import { payeeNumber, settleAllTransfers } from '../../../contracts/escrow.ts'
import { mainnet2026Fees } from '../../../contracts/fees.ts'

export interface ChannelCost {
  /** A first and a later settle of a channel: the same. */
  readonly settleNano: number
  readonly gas: number
  /** Once a pair. */
  readonly deployNano: number
  readonly rentNanoPerYear: number
}

const amountNano = 100_000_000n

export async function channelCost(chain: CostChain): Promise<ChannelCost> {
  const code = await compiled('channel.tolk')
  const wallet = await Wallet.open(chain, 10)
  const settles: Cost[] = []
  const deploys: Cost[] = []
  let cells = 0
  for (let sample = 0; sample < samples; sample += 1) {
    const [payee] = chain.payees(sample)
    if (!payee) throw new Error('no wallet to pay')
    const data = beginCell()
      .storeAddress(chain.owner.address)
      .storeUint(86_400, 32)
      .storeUint(0, 32)
      .storeUint(payeeNumber(payee), 256)
      .storeBuffer(Buffer.from(chain.clientKey))
      .storeCoins(0n)
      .endCell()
    const address = contractAddress(0, { code, data })
    chain.count(address)
    const deposit = internal({ to: address, value: toNano(1), bounce: false, init: { code, data } })
    deploys.push(await wallet.send([deposit]))
    const hash = beginCell()
      .storeUint(0x56c40002, 32)
      .storeInt(chain.globalId, 32)
      .storeAddress(address)
      .storeCoins(amountNano)
      .endCell()
      .hash()
    const body = beginCell()
      .storeUint(0x5e771e10, 32)
      .storeCoins(amountNano)
      .storeBuffer(Buffer.from(chain.signAsClient(hash)))
      .endCell()
    settles.push(await chain.post(address, body))
    cells = await usedCells(chain, address)
  }
  return {
    settleNano: meanNano(settles),
    gas: Math.round(settles.reduce((sum, { gas }) => sum + gas, 0) / samples),
    deployNano: meanNano(deploys),
    rentNanoPerYear: rentNanoPerYear(cells),
  }
}

/** A wallet v5 posts so many internal settles of one escrow that holds so many payees already; nano a voucher. */
export async function fanOutNano(chain: CostChain, known: number, vouchers: number): Promise<number> {
  const wallet = await Wallet.open(chain, 9)
  const costs: Cost[] = []
  for (let sample = 0; sample < samples; sample += 1) {
    const escrow = await chain.newEscrow(known === 0 ? [] : chain.payees(sample).slice(0, known))
    const paid = chain.payees(sample).slice(known, known + vouchers)
    const [transfer = []] = settleAllTransfers(chain.vouchers(escrow, paid, amountNano))
    const messages = transfer.map(({ amountNano: value, body, bounce, to }) =>
      internal({ to: Address.parseRaw(to), value, bounce, body }),
    )
    costs.push(await wallet.send(messages))
  }
  return Math.round(meanNano(costs) / vouchers)
}

/** Somebody's wallet v5: what it does is paid for from its first transaction on. */
class Wallet {
  readonly #chain: CostChain
  readonly #keys: KeyPair
  readonly #contract: WalletContractV5R1

  private constructor(chain: CostChain, keys: KeyPair, contract: WalletContractV5R1) {
    this.#chain = chain
    this.#keys = keys
    this.#contract = contract
  }

  static async open(chain: CostChain, seed: number): Promise<Wallet> {
    const keys = keyPairFromSeed(Buffer.alloc(32, seed))
    const wallet = WalletContractV5R1.create({ publicKey: keys.publicKey })
    const { address, init } = wallet
    const account = createShardAccount({ address, ...init, balance: 100n * toNano(1), workchain: 0 })
    await chain.blockchain.setShardAccount(address, account)
    chain.count(address)
    return new Wallet(chain, keys, wallet)
  }

  async send(messages: MessageRelaxed[]): Promise<Cost> {
    const { address } = this.#contract
    const body = this.#contract.createTransfer({
      seqno: await this.#contract.getSeqno(this.#chain.blockchain.provider(address)),
      secretKey: this.#keys.secretKey,
      sendMode: SendMode.PAY_GAS_SEPARATELY,
      messages,
      timeout: this.#chain.nowSec + 60,
    })
    return await this.#chain.post(address, body)
  }
}

export interface MerkleCost {
  readonly depth: number
  readonly by: 'external' | 'wallet'
  readonly claimNano: number
  /** Once for all claims of a root. */
  readonly rootNano: number
}

/** A claim where a thousand others have claimed before. */
export async function merkleCost(chain: CostChain, depth: number, by: MerkleCost['by']): Promise<MerkleCost> {
  const wallet = await Wallet.open(chain, 11)
  const code = await compiled('merkle.tolk')
  const claims: Cost[] = []
  const roots: Cost[] = []
  for (let sample = 0; sample < samples; sample += 1) {
    const [payee] = chain.payees(sample)
    if (!payee) throw new Error('no wallet to pay')
    const leaf = Math.floor(2 ** depth * ((sample + 0.5) / samples))
    const siblings = Array.from({ length: depth }, (_, level) =>
      beginCell().storeUint(sample, 64).storeUint(level, 64).endCell().hash(),
    )
    const leafHash = beginCell().storeUint(payeeNumber(payee), 256).storeCoins(amountNano).endCell().hash()
    const claimed = Dictionary.empty(Dictionary.Keys.Uint(32), Dictionary.Values.BigVarUint(4))
    for (let other = 0; other < 1_000; other += 1) {
      const at = Math.floor((2 ** depth * other) / 1_000)
      if (at !== leaf) claimed.set(at, amountNano + BigInt(other)) // equal subtrees would be one cell
    }
    const seqno = by === 'wallet' ? samples + sample : sample // another account for each
    const data = beginCell()
      .storeBuffer(Buffer.from(chain.clientKey))
      .storeUint(seqno, 32)
      .storeUint(0, 8)
      .storeUint(0, 256)
      .storeDict(claimed)
      .endCell()
    const address = contractAddress(0, { code, data })
    await chain.deploy(address, { code, data }, 10n * toNano(1))
    const root = rootOf(leafHash, leaf, siblings)
    roots.push(await chain.post(address, rootBody(chain, address, seqno, depth, root)))
    const body = beginCell()
      .storeUint(0x5e771e21, 32)
      .storeUint(leaf, 32)
      .storeUint(payeeNumber(payee), 256)
      .storeCoins(amountNano)
      .storeRef(proofOf(siblings))
      .endCell()
    const claim = internal({ to: address, value: toNano('0.05'), bounce: true, body })
    claims.push(by === 'external' ? await chain.post(address, body) : await wallet.send([claim]))
  }
  return {
    depth,
    by,
    claimNano: meanNano(claims),
    rootNano: meanNano(roots),
  }
}

function rootBody(chain: CostChain, address: Address, seqno: number, depth: number, root: Buffer): Cell {
  const hash = beginCell()
    .storeUint(0x56c40003, 32)
    .storeInt(chain.globalId, 32)
    .storeAddress(address)
    .storeUint(seqno, 32)
    .storeUint(depth, 8)
    .storeBuffer(root)
    .endCell()
    .hash()
  return beginCell()
    .storeUint(0x5e771e20, 32)
    .storeUint(depth, 8)
    .storeBuffer(root)
    .storeBuffer(Buffer.from(chain.signAsClient(hash)))
    .endCell()
}

function rootOf(leafHash: Buffer, leaf: number, siblings: readonly Buffer[]): Buffer {
  return siblings.reduce((hash, sibling, level) => {
    const isRight = ((leaf >> level) & 1) === 1
    const [left, right] = isRight ? [sibling, hash] : [hash, sibling]
    return beginCell().storeBuffer(left).storeBuffer(right).endCell().hash()
  }, leafHash)
}

/** Three hashes a cell, the next cell in a reference. */
function proofOf(siblings: readonly Buffer[]): Cell {
  const here = beginCell()
  for (const sibling of siblings.slice(0, 3)) here.storeBuffer(sibling)
  if (siblings.length > 3) here.storeRef(proofOf(siblings.slice(3)))
  return here.endCell()
}

export async function usedCells(chain: CostChain, address: Address): Promise<number> {
  const { account } = await chain.blockchain.getContract(address)
  return Number(account.account?.storageStats.used.cells ?? 0n)
}

export function rentNanoPerYear(cells: number): number {
  const prices = mainnet2026Fees.storage.at(-1)
  return Math.round((cells * Number(prices?.cellPerSecQ16 ?? 0n) * 365 * 86_400) / 65_536)
}

const root = new URL('../../../', import.meta.url)

/** Contracts of this folder are not deployed anywhere, so nothing of them is committed but their source. */
async function compiled(file: string): Promise<Cell> {
  const result = await runTolkCompiler({
    entrypointFileName: `test/bench/settlement/${file}`,
    fsReadCallback: (path) => readFileSync(new URL(path, root), 'utf8'),
  })
  if (result.status === 'error') throw new Error(`${file} does not compile: ${result.message}`)
  return Cell.fromBase64(result.codeBoc64)
}

function meanNano(costs: readonly Cost[]): number {
  return Number(costs.reduce((sum, { nano }) => sum + nano, 0n)) / costs.length
}
