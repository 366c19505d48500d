// What each operation of the escrow costs at mainnet's prices: `node contracts/gas.ts`, with `--json` for machines.

import { type Cell, external, Address as TonAddress, toNano } from '@ton/core'
import { Blockchain, internal } from '@ton/sandbox'
import { WalletContractV5R1 } from '@ton/ton'
import { type Address, parseAddress } from '../protocol/ids.ts'
import { publicKeyOfSeed, signerOf } from '../protocol/signature.ts'
import { signVoucher, type Voucher } from '../protocol/voucher.ts'
import {
  type ControlAction,
  controlBody,
  Escrow,
  finalizeBody,
  reserveBody,
  settleBody,
  settleInternalBody,
  startUnlockBody,
} from './escrow.ts'
import { mainnet2026Config } from './fees.ts'

export interface GasRow {
  readonly operation: string
  /** Payees the ledger held before. */
  readonly payees: number
  readonly vouchers: number
  /** Of the escrow's transaction. */
  readonly gas: number
  /** Destroyed by everything the message caused, the payee's wallet included; a voucher's share where it settles some. */
  readonly costNano: bigint
}

/** How deep a dictionary path is, is luck of the hashes: settles are means over this many sets of payees. */
const samples = 8
const walletsOfSample = 25

const globalId = -239
const voucherNano = 100_000_000n
const clientSeed = Buffer.alloc(32, 7)
const signAsClient = signerOf(clientSeed)

export async function measureGas(): Promise<readonly GasRow[]> {
  const bench = await Bench.open()
  const rows: GasRow[] = []
  for (const payees of [0, 15]) {
    for (const vouchers of [1, 2, 5, 10]) rows.push(await bench.settle(payees, vouchers))
  }
  return [...rows, ...(await bench.operations())]
}

interface Cost {
  readonly gas: number
  readonly nano: bigint
}

class Bench {
  readonly #blockchain: Blockchain
  readonly #escrow: Escrow
  /** The owner's wallet and the payees', all deployed: the first payout to a wallet costs its owner nothing extra. */
  readonly #owner: TonAddress
  readonly #wallets: readonly Address[]

  private constructor(blockchain: Blockchain, escrow: Escrow, owner: TonAddress, wallets: readonly Address[]) {
    this.#blockchain = blockchain
    this.#escrow = escrow
    this.#owner = owner
    this.#wallets = wallets
  }

  static async open(): Promise<Bench> {
    const blockchain = await Blockchain.create({ config: mainnet2026Config() })
    blockchain.now = 1_790_000_000
    const owner = await blockchain.treasury('owner')
    const signer = publicKeyOfSeed(clientSeed)
    const escrow = Escrow.fromParameters({ owner: owner.address, signer, unlockDelaySec: 1 })
    await owner.send({ to: escrow.address, value: 100n * toNano(1), bounce: false, init: escrow.init ?? null })
    const wallets: Address[] = []
    for (let index = 0; index < samples * walletsOfSample; index += 1) {
      const publicKey = Buffer.from(publicKeyOfSeed(Buffer.alloc(32, `payee ${index}`)))
      const wallet = WalletContractV5R1.create({ publicKey })
      await owner.send({ to: wallet.address, value: toNano('0.1'), bounce: false, init: wallet.init })
      wallets.push(parseAddress(wallet.address.toRawString()))
    }
    return new Bench(blockchain, escrow, owner.address, wallets)
  }

  /** One message of so many vouchers, to payees the ledger does not hold yet. */
  async settle(payees: number, vouchers: number): Promise<GasRow> {
    let gas = 0
    let nano = 0n
    for (let sample = 0; sample < samples; sample += 1) {
      const start = this.#blockchain.snapshot()
      const wallets = this.#wallets.slice(sample * walletsOfSample, (sample + 1) * walletsOfSample)
      for (let at = 0; at < payees; at += 5) await this.#post(settleBody(this.#vouchers(wallets.slice(at, at + 5))))
      const cost = await this.#post(settleBody(this.#vouchers(wallets.slice(payees, payees + vouchers))))
      gas += cost.gas
      nano += cost.nano
      await this.#blockchain.loadFrom(start)
    }
    const operation = vouchers === 1 ? 'settle one' : `settle ${vouchers}`
    return { operation, payees, vouchers, gas: Math.round(gas / samples), costNano: nano / BigInt(samples * vouchers) }
  }

  async operations(): Promise<GasRow[]> {
    const [voucher] = this.#vouchers(this.#wallets)
    if (!voucher) throw new Error('no wallet to pay')
    const reservation = { payee: voucher.terms.payee, amountNano: voucherNano, until: 1_790_000_001 }
    const start = this.#blockchain.snapshot()
    const rows: GasRow[] = []
    const add = (operation: string, { gas, nano }: Cost, vouchers = 0): void => {
      rows.push({ operation, payees: 0, vouchers, gas, costNano: nano })
    }
    add('settle one, by wallet', await this.#call(settleInternalBody(voucher)), 1)
    await this.#blockchain.loadFrom(start)
    add('reserve, by wallet', await this.#call(reserveBody(reservation)))
    await this.#blockchain.loadFrom(start)
    add('reserve, by key', await this.#control({ kind: 'reserve', ...reservation }))
    add('unlock, by wallet', await this.#call(startUnlockBody()))
    this.#blockchain.now = reservation.until
    const unlocked = this.#blockchain.snapshot()
    add('finalize, by wallet', await this.#call(finalizeBody()))
    await this.#blockchain.loadFrom(unlocked)
    add('finalize, by key', await this.#control({ kind: 'finalize' }))
    await this.#blockchain.loadFrom(start)
    add('unlock, by key', await this.#control({ kind: 'unlock' }))
    return rows
  }

  #vouchers(payees: readonly Address[]): Voucher[] {
    const escrow = parseAddress(this.#escrow.address.toRawString())
    return payees.map((payee) =>
      signVoucher({ globalId, escrow, epoch: 0, payee, amountNano: voucherNano }, signAsClient),
    )
  }

  async #control(action: ControlAction): Promise<Cost> {
    const { epoch, seqno } = await this.#escrow.getAccount(this.#blockchain.provider(this.#escrow.address))
    const escrow = parseAddress(this.#escrow.address.toRawString())
    return await this.#post(
      controlBody({ globalId, escrow, epoch, seqno, validUntil: 1_790_000_100, action }, signAsClient),
    )
  }

  #post(body: Cell): Promise<Cost> {
    return this.#cost(external({ to: this.#escrow.address, body }), 0n)
  }

  /** From where the message arrives: what sending it costs the wallet is not the escrow's doing. */
  #call(body: Cell): Promise<Cost> {
    const value = toNano('0.05')
    return this.#cost(internal({ from: this.#owner, to: this.#escrow.address, value, bounce: true, body }), value)
  }

  async #cost(message: Parameters<Blockchain['sendMessage']>[0], attachedNano: bigint): Promise<Cost> {
    const before = await this.#total()
    const { transactions } = await this.#blockchain.sendMessage(message)
    const description = transactions[0]?.description
    if (description?.type !== 'generic' || description.computePhase.type !== 'vm')
      throw new Error('the escrow did not run')
    const { exitCode, gasUsed } = description.computePhase
    if (exitCode !== 0) throw new Error(`the escrow ended with exit code ${exitCode}`)
    return { gas: Number(gasUsed), nano: before + attachedNano - (await this.#total()) }
  }

  async #total(): Promise<bigint> {
    let nano = 0n
    for (const address of [
      this.#escrow.address,
      this.#owner,
      ...this.#wallets.map((one) => TonAddress.parseRaw(one)),
    ]) {
      nano += (await this.#blockchain.getContract(address)).balance
    }
    return nano
  }
}

if (import.meta.main) {
  const rows = await measureGas()
  if (process.argv.includes('--json')) {
    console.log(JSON.stringify(rows.map((row) => ({ ...row, costNano: row.costNano.toString() }))))
  } else {
    console.log('operation               payees      gas   nano a voucher or operation')
    for (const { operation, payees, gas, costNano } of rows) {
      console.log(
        `${operation.padEnd(24)}${`${payees}`.padStart(6)}${`${gas}`.padStart(9)}${`${costNano}`.padStart(12)}`,
      )
    }
  }
}
