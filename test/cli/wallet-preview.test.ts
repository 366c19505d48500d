// Orders at the command line that are looked at before they are sent, or sent by a phone's wallet instead of this home's.

import { join } from 'node:path'
import { Address, Cell, internal, loadStateInit, SendMode } from '@ton/core'
import { keyPairFromSeed, mnemonicNew, mnemonicToPrivateKey } from '@ton/crypto'
import { TonClient, WalletContractV5R1 } from '@ton/ton'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { type Ended, expectRefusal, freshHome, lastJson, silkmesh } from './silkmesh.ts'

let localnet: Localnet
beforeAll(async () => {
  localnet = await startLocalnet({ port: 0, blockMs: 0 })
})
afterAll(() => localnet.close())

const run = (home: string, ...words: readonly string[]): Promise<Ended> =>
  silkmesh(['wallet', ...words, '--home', home, '--endpoint', localnet.endpoint, '--network', 'local', '--json'])

async function order(home: string, ...words: readonly string[]): Promise<Record<string, unknown>> {
  const ended = await run(home, ...words)
  expect(ended.code, ended.stderr).toBe(0)
  return lastJson(ended)
}

it('a dry run prints each message whole, and the chain stays as it is', async () => {
  const home = freshHome()
  const seqno = localnet.seqno
  expect(await order(home, 'deposit', '2', '--dry-run')).toEqual({
    ok: true,
    isDryRun: true,
    messages: [
      {
        from: expect.stringMatching(/^0:[0-9a-f]{64}$/),
        to: expect.stringMatching(/^0:[0-9a-f]{64}$/),
        toFriendly: expect.stringMatching(/^0Q/), // stays where nothing runs, and is no address of mainnet
        amountNano: '2000000000',
        bounce: false,
        meaning: expect.stringContaining('opens the escrow'),
        body: null,
        init: expect.any(String),
        feeNano: null,
        isCovered: false,
      },
    ],
  })
  expect(localnet.seqno).toBe(seqno)
})

/** What a wallet app does with a link: takes it apart, asks, signs, sends. */
class Phone {
  readonly #keys = keyPairFromSeed(Buffer.alloc(32, 0x77))
  readonly #client = new TonClient({ endpoint: localnet.endpoint })
  readonly #wallet = this.#client.open(
    WalletContractV5R1.create({ publicKey: this.#keys.publicKey, walletId: { networkGlobalId: 31_337 } }),
  )

  get address(): Address {
    return this.#wallet.address
  }

  async open(link: string): Promise<void> {
    const { pathname, searchParams } = new URL(link)
    const to = Address.parseFriendly(pathname.slice(1))
    const cellOf = (name: string): Cell | undefined => {
      const text = searchParams.get(name)
      return text === null ? undefined : Cell.fromBoc(Buffer.from(text, 'base64url'))[0]
    }
    const init = cellOf('init')
    await this.#wallet.sendTransfer({
      seqno: await this.#wallet.getSeqno(),
      secretKey: this.#keys.secretKey,
      timeout: 0xffff_fffe, // the chain's clock is moved
      sendMode: SendMode.PAY_GAS_SEPARATELY | SendMode.IGNORE_ERRORS,
      messages: [
        internal({
          to: to.address,
          value: BigInt(searchParams.get('amount') ?? 0),
          bounce: to.isBounceable,
          body: cellOf('bin') ?? null,
          init: init ? loadStateInit(init.beginParse()) : null,
        }),
      ],
    })
  }
}

it("a phone's wallet opens, unlocks and takes back an escrow by links alone", async () => {
  const home = freshHome()
  const phone = new Phone()
  const owner = ['--owner', phone.address.toString({ bounceable: false, testOnly: true })]
  await fetch(`${localnet.faucetUrl}?address=${phone.address.toString()}&amountNano=10000000000`)

  const funded = await order(home, 'fund', '2', ...owner)
  expect(funded).toMatchObject({ amountNano: '2000000000', fitsQr: false })
  await phone.open(String(funded['link']))
  expectRefusal(await run(home, 'unlock', ...owner), 2, 'it belongs to', '--link')
  const unlock = await order(home, 'unlock', '--link', ...owner)
  expect(unlock).toMatchObject({ fitsQr: true, bounce: true })
  await phone.open(String(unlock['link']))
  await localnet.advance(86_460)
  await phone.open(String((await order(home, 'finalize', '--link', ...owner))['link']))
  const closed = await order(home, 'balance', ...owner)
  expect(closed).toMatchObject({ escrow: { freeNano: '0', unlockAtMs: 0, epoch: 1 } })
  const back = BigInt(await await new TonClient({ endpoint: localnet.endpoint }).getBalance(phone.address))
  expect(back).toBeGreaterThan(9_900_000_000n)
})

it('a link is printed as a QR code where it is asked for', async () => {
  const words = ['wallet', 'fund', '2', '--qr', '--home', freshHome(), '--endpoint', localnet.endpoint]
  const { code, stdout, stderr } = await silkmesh([...words, '--network', 'local'])
  expect(code, stderr).toBe(0)
  const rows = stdout.split('\n').filter((line) => /^[█▀▄ ]+$/.test(line))
  const [modules = 0] = rows.map((row) => row.length)
  expect(modules).toBeGreaterThan(21) // the least QR code there is
  expect(rows.every((row) => row.length === modules)).toBe(true)
  expect(rows).toHaveLength(Math.ceil(modules / 2)) // two modules a row
})

it("the words of an app's wallet give this home its address; a home that has a wallet keeps it", async () => {
  const words = await mnemonicNew()
  const { publicKey } = await mnemonicToPrivateKey(words)
  const app = WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: 31_337 } })
  const home = join(freshHome(), 'new')
  const importing = (input: string): Promise<Ended> =>
    silkmesh(['wallet', 'import', '--home', home, '--json'], { input })
  expectRefusal(await importing('abandon ability able\n'), 2, '3 words that are no TON mnemonic')
  expect((await importing(`${words.join(' ')}\n`)).code).toBe(0)
  expect(await order(home, 'address')).toMatchObject({ wallet: app.address.toRawString() })
  expectRefusal(await importing(`${words.join(' ')}\n`), 2, 'has a wallet already')
})
