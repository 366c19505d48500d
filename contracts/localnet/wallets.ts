/** Which of the standard wallets an account is, by its code. */
import type { Cell, ShardAccount } from '@ton/core'
import {
  WalletContractV1R1,
  WalletContractV1R2,
  WalletContractV1R3,
  WalletContractV2R1,
  WalletContractV2R2,
  WalletContractV3R1,
  WalletContractV3R2,
  WalletContractV4,
  WalletContractV5Beta,
  WalletContractV5R1,
} from '@ton/ton'

export function walletInformation(account: ShardAccount | undefined) {
  const state = account?.account?.storage.state
  if (state?.type !== 'active' || !state.state.code || !state.state.data) return { wallet: false }
  const wallet = WALLETS.get(state.state.code.hash().toString('hex'))
  if (wallet === undefined) return { wallet: false }
  return { wallet: true, wallet_type: wallet.type, ...wallet.fields(state.state.data) }
}

interface Wallet {
  readonly type: string
  readonly fields: (data: Cell) => Readonly<Record<string, number | boolean>>
}

const anyKey = { workchain: 0, publicKey: Buffer.alloc(32) }
const seqnoFirst = (data: Cell) => ({ seqno: data.beginParse().loadUint(32) })
const seqnoAndId = (data: Cell) => {
  const slice = data.beginParse()
  return { seqno: slice.loadUint(32), wallet_id: slice.loadUint(32) }
}
const v5 = (data: Cell) => {
  const slice = data.beginParse()
  return { is_signature_allowed: slice.loadBit(), seqno: slice.loadUint(32), wallet_id: slice.loadUint(32) }
}
// The beta keeps its seqno in 33 bits and an 80-bit wallet id.
const v5Beta = (data: Cell) => ({ seqno: data.beginParse().loadUint(33) })

const WALLETS: ReadonlyMap<string, Wallet> = new Map(
  (
    [
      ['wallet v1 r1', WalletContractV1R1.create(anyKey).init.code, seqnoFirst],
      ['wallet v1 r2', WalletContractV1R2.create(anyKey).init.code, seqnoFirst],
      ['wallet v1 r3', WalletContractV1R3.create(anyKey).init.code, seqnoFirst],
      ['wallet v2 r1', WalletContractV2R1.create(anyKey).init.code, seqnoFirst],
      ['wallet v2 r2', WalletContractV2R2.create(anyKey).init.code, seqnoFirst],
      ['wallet v3 r1', WalletContractV3R1.create(anyKey).init.code, seqnoAndId],
      ['wallet v3 r2', WalletContractV3R2.create(anyKey).init.code, seqnoAndId],
      ['wallet v4 r2', WalletContractV4.create(anyKey).init.code, seqnoAndId],
      ['wallet v5 beta', WalletContractV5Beta.create(anyKey).init.code, v5Beta],
      ['wallet v5 r1', WalletContractV5R1.create(anyKey).init.code, v5],
    ] as const
  ).map(([type, code, fields]) => [code.hash().toString('hex'), { type, fields }]),
)
