/** The faucet: a wallet with the chain's first coins, whose transfers are ordinary transactions that anybody can look up. */
import { type Address, beginCell, external, internal, SendMode, storeMessage, storeShardAccount } from '@ton/core'
import { type KeyPair, keyPairFromSeed } from '@ton/crypto'
import { createShardAccount } from '@ton/sandbox'
import { WalletContractV5R1 } from '@ton/ton'
import { type Chain, localGlobalId } from './chain.ts'
import { ApiError } from './errors.ts'
import { decodeExternal, transactionMessages } from './message.ts'
import type { StoredTransaction } from './store.ts'

/** Ten thousand GRAM a request: a thousand times what a demo spends, and a hundred thousand requests before it is empty. */
export const faucetNanoMax = 10_000_000_000_000n
/** One billion GRAM. */
const faucetSupplyNano = 1_000_000_000_000_000_000n
/** Only this process has the key, and the chain's clock may be moved: its transfers need no expiry. */
const noExpiry = 0xffff_ffff

export class Faucet {
  readonly address: Address
  readonly maxNano: bigint
  readonly #chain: Chain
  readonly #wallet: WalletContractV5R1
  readonly #keys: KeyPair
  #nextSeqno: number | undefined
  /** Of the chain, when that was counted: a fork may have undone transfers. */
  #forks = 0

  constructor(chain: Chain, maxNano: bigint) {
    this.#chain = chain
    this.#keys = keyPairFromSeed(chain.secret)
    this.#wallet = walletOf(this.#keys)
    this.address = this.#wallet.address
    this.maxNano = maxNano
  }

  /** The account that holds every coin at the chain's beginning. */
  static genesis(secret: Buffer): ReadonlyMap<string, string> {
    const { address, init } = walletOf(keyPairFromSeed(secret))
    const account = createShardAccount({ address, code: init.code, data: init.data, balance: faucetSupplyNano })
    const state = beginCell().store(storeShardAccount(account)).endCell().toBoc().toString('base64')
    return new Map([[address.toRawString(), state]])
  }

  /** Resolves when the faucet's own transaction is in a block; the coins arrive one block later. */
  async send(to: Address, amountNano: bigint): Promise<StoredTransaction> {
    if (amountNano <= 0n || amountNano > this.maxNano) {
      throw new ApiError(422, `amountNano is ${amountNano}, expected 1 to ${this.maxNano} nano a request`)
    }
    if (this.#forks !== this.#chain.forks) this.#nextSeqno = undefined
    this.#forks = this.#chain.forks
    const seqno = this.#nextSeqno ?? this.#storedSeqno()
    const body = this.#wallet.createTransfer({
      seqno,
      secretKey: this.#keys.secretKey,
      timeout: noExpiry,
      sendMode: SendMode.PAY_GAS_SEPARATELY | SendMode.IGNORE_ERRORS, // v5 demands the latter of externals
      messages: [internal({ to, value: amountNano, bounce: false })],
    })
    const message = beginCell()
      .store(storeMessage(external({ to: this.address, body })))
      .endCell()
    this.#nextSeqno = seqno + 1
    let sent: StoredTransaction | undefined
    try {
      const { included } = await this.#chain.enqueue(decodeExternal(message.toBoc()))
      sent = await included
    } finally {
      if (sent === undefined) this.#nextSeqno = undefined
    }
    if (sent === undefined) throw new ApiError(503, 'the faucet transfer was not included, ask again')
    if (transactionMessages(sent.cell).out.length === 0) throw new ApiError(503, 'the faucet has run out of coins')
    return sent
  }

  // Wallet v5's storage begins: is_signature_allowed:(## 1) seqno:# ...
  #storedSeqno(): number {
    const state = this.#chain.account(this.address)?.account?.storage.state
    if (state?.type !== 'active' || !state.state.data) throw new ApiError(500, 'the faucet has no wallet on this chain')
    return state.state.data.beginParse().skip(1).loadUint(32)
  }
}

function walletOf(keys: KeyPair): WalletContractV5R1 {
  return WalletContractV5R1.create({ publicKey: keys.publicKey, walletId: { networkGlobalId: localGlobalId } })
}
