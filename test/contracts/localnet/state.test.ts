import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { startLocalnet } from '../../../contracts/localnet/localnet.ts'
import { transactionMessages } from '../../../contracts/localnet/message.ts'
import { stateFile } from '../../../contracts/localnet/statefile.ts'
import {
  chainFor,
  clientOf,
  deployedWallet,
  fund,
  GRAM,
  get,
  list,
  temporaryDir,
  transferBoc,
  walletOf,
} from './fixture.ts'

describe('a chain started again on its directory', () => {
  it('goes on with balances, history and sequence numbers', async () => {
    const dir = temporaryDir()
    const first = await chainFor({ dir })
    const wallet = await deployedWallet(first, 1, 3n * GRAM)
    const balance = await clientOf(first).getBalance(wallet.address)
    const history = await clientOf(first).getTransactions(wallet.address, { limit: 100 })
    const { latestSeqno } = await clientOf(first).getMasterchainInfo()
    const faucet = (await get(first.url)).body['faucet']
    await first.close()

    const second = await chainFor({ dir })
    const client = clientOf(second)
    expect(await client.getBalance(wallet.address)).toBe(balance)
    const hashes = (await client.getTransactions(wallet.address, { limit: 100 })).map((transaction) =>
      transaction.hash(),
    )
    expect(hashes).toEqual(history.map((transaction) => transaction.hash()))
    expect((await client.getMasterchainInfo()).latestSeqno).toBe(latestSeqno)
    expect((await get(second.url)).body['faucet']).toMatchObject({ address: (faucet as { address: string }).address })
    await client.sendFile(transferBoc(wallet, { seqno: 1, to: walletOf(2).address, amountNano: 42n }))
    await fund(second, walletOf(3).address, 8n)
    expect(await client.getBalance(walletOf(2).address)).toBe(42n)
    expect(await client.getBalance(walletOf(3).address)).toBe(8n)
  })

  it('delivers what was in flight when it stopped, once', async () => {
    const dir = temporaryDir()
    const first = await chainFor({ dir, blockMs: 60_000 })
    const funded = fund(first, walletOf(1).address, GRAM)
    while ((await get(first.url)).body['mempool'] !== 1);
    // Closing makes the last block: the faucet's transaction is in it, its coins are still on their way.
    await first.close()
    expect((await funded).status).toBe(200)
    const second = await chainFor({ dir, blockMs: 60_000 })
    expect((await get(second.url)).body['inFlight']).toBe(1)
    for (let blocks = 0; blocks < 3; blocks += 1) await second.mine()
    expect(await clientOf(second).getBalance(walletOf(1).address)).toBe(GRAM)
  })

  it('has everything it answered for after a crash', async () => {
    const dir = temporaryDir()
    const running = await chainFor({ dir })
    const wallet = await deployedWallet(running, 1, 3n * GRAM)
    const balance = await clientOf(running).getBalance(wallet.address)
    // A crash is what the disk holds at this instant, without the goodbye.
    const crashed = temporaryDir()
    for (const file of readdirSync(dir)) copyFileSync(join(dir, file), join(crashed, file))
    const recovered = await chainFor({ dir: crashed })
    expect(await clientOf(recovered).getBalance(wallet.address)).toBe(balance)
    expect(await clientOf(recovered).open(wallet.contract).getSeqno()).toBe(1)
  })

  it('never shows a block number it has shown before, though empty blocks are not written', async () => {
    const dir = temporaryDir()
    const running = await chainFor({ dir, blockMs: 1 })
    let shown = 0
    while (shown < 20) shown = (await clientOf(running).getMasterchainInfo()).latestSeqno
    const crashed = temporaryDir()
    for (const file of readdirSync(dir)) copyFileSync(join(dir, file), join(crashed, file))
    const recovered = await chainFor({ dir: crashed, blockMs: 1 })
    expect((await clientOf(recovered).getMasterchainInfo()).latestSeqno).toBeGreaterThanOrEqual(shown)
  })

  it('keeps the time it was moved to', async () => {
    const dir = temporaryDir()
    const first = await chainFor({ dir })
    await first.advance(86_400)
    const before = Number((await get(first.url)).body['utime'])
    await first.close()
    const second = await chainFor({ dir })
    await second.mine()
    expect(Number((await get(second.url)).body['utime'])).toBeGreaterThanOrEqual(before)
  })
})

describe('a state that cannot be used', () => {
  const unusable: [string, (file: string) => void, string][] = [
    [
      'is text',
      (file) => writeFileSync(file, 'this is no database, whatever its name says. '.repeat(9)),
      'not a SQLite database',
    ],
    ['is empty', (file) => writeFileSync(file, ''), '0 bytes'],
    ['is cut off', (file) => truncateSync(file, 20_000), 'not a readable chain state'],
    ['is another application\u2019s', otherDatabase, 'another application'],
    ['has a page overwritten', overwritePage, 'not a readable chain state'],
    ['is of a later version', laterVersion, 'its format is 99'],
  ]

  it.each(unusable)('because it %s is refused by name and left as it is', async (_what, spoil, reason) => {
    const dir = temporaryDir()
    const file = join(dir, stateFile)
    const chain = await chainFor({ dir })
    await deployedWallet(chain, 1, GRAM)
    await chain.close()
    spoil(file)
    const before = readFileSync(file)
    const refused = startLocalnet({ dir, port: 0 })
    await expect(refused).rejects.toMatchObject({ name: 'LocalnetError', code: 'corrupt' })
    await expect(refused).rejects.toThrow(file)
    await expect(refused).rejects.toThrow(reason)
    await expect(refused).rejects.toThrow('move it away')
    expect(readFileSync(file).equals(before)).toBe(true)
  })

  it('because another server has it is refused, and the other goes on', async () => {
    const dir = temporaryDir()
    const first = await chainFor({ dir })
    const refused = startLocalnet({ dir, port: 0 })
    await expect(refused).rejects.toMatchObject({ name: 'LocalnetError', code: 'locked' })
    await expect(refused).rejects.toThrow('in use by another local chain')
    expect((await fund(first, walletOf(1).address, GRAM)).status).toBe(200)
    await first.close()
    const second = await chainFor({ dir })
    expect(await clientOf(second).getBalance(walletOf(1).address)).toBe(GRAM)
  })

  it('because only its log was left behind is refused, for SQLite would play it into the new state', async () => {
    const dir = temporaryDir()
    await deployedWallet(await chainFor({ dir }), 1, GRAM)
    const moved = temporaryDir()
    copyFileSync(join(dir, `${stateFile}-wal`), join(moved, `${stateFile}-wal`))
    const refused = startLocalnet({ dir: moved, port: 0 })
    await expect(refused).rejects.toMatchObject({ code: 'corrupt' })
    await expect(refused).rejects.toThrow(`${stateFile}-wal`)
    expect(existsSync(join(moved, stateFile))).toBe(false)
  })

  it('because its directory is a file is refused by name', async () => {
    const dir = join(temporaryDir(), 'file')
    writeFileSync(dir, '')
    await expect(startLocalnet({ dir, port: 0 })).rejects.toMatchObject({ code: 'unreadable' })
  })

  it('leaves no half-made file behind where a new one is made', async () => {
    const dir = join(temporaryDir(), 'new', 'nested')
    await chainFor({ dir })
    expect(readdirSync(dir).filter((name) => !name.startsWith(stateFile) || name.endsWith('.new'))).toEqual([])
    expect(existsSync(join(dir, stateFile))).toBe(true)
  })
})

describe('the history', () => {
  it('drops its oldest transactions beyond its bound, and nothing else', async () => {
    const chain = await chainFor({ historyTransactionsMax: 6 })
    const wallet = await deployedWallet(chain, 1, 3n * GRAM) // five transactions: the faucet's and this wallet's
    const client = clientOf(chain)
    const [first] = await client.getTransactions(wallet.address, { limit: 1 })
    if (first === undefined) throw new Error('a deployed wallet has transactions')
    for (let seqno = 1; seqno < 6; seqno += 1) {
      await client.sendFile(transferBoc(wallet, { seqno, to: wallet.address, amountNano: 1n }))
    }
    const kept = await client.getTransactions(wallet.address, { limit: 100 })
    expect(kept).toHaveLength(6)
    expect((await get(chain.url)).body['transactions']).toBe(6)
    expect(await client.open(wallet.contract).getSeqno()).toBe(6)
    const message = transactionMessages(first.raw).in?.hash().toString('hex')
    const gone = await get(`${chain.url}/api/v3/transactionsByMessage?msg_hash=${message}&direction=in`)
    expect(list(gone.body['transactions'])).toEqual([])
    const from = { lt: String(first.lt), hash: first.hash().toString('base64') }
    await expect(client.getTransactions(wallet.address, { limit: 5, ...from })).rejects.toMatchObject({
      response: { data: { error: expect.stringContaining('cannot locate transaction') } },
    })
  })
})

function otherDatabase(file: string): void {
  const dir = temporaryDir()
  mkdirSync(dir, { recursive: true })
  const db = new DatabaseSync(join(dir, 'other'))
  db.exec('CREATE TABLE notes (text TEXT)')
  db.close()
  copyFileSync(join(dir, 'other'), file)
}

function overwritePage(file: string): void {
  const bytes = readFileSync(file)
  bytes.fill(0xff, 4_096, 4_096 * 3)
  writeFileSync(file, bytes)
}

function laterVersion(file: string): void {
  const db = new DatabaseSync(file)
  db.exec('PRAGMA user_version = 99')
  db.close()
}
