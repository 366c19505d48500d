// An escrow's life as its owner orders it, command by command, each amount held against the chain to the nano.

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rentReserveNano } from '../../contracts/escrow.ts'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { type Ended, expectRefusal, freshHome, lastJson, silkmesh } from './silkmesh.ts'

const day = 86_400

let localnet: Localnet
beforeAll(async () => {
  localnet = await startLocalnet({ port: 0, blockMs: 0 })
})
afterAll(() => localnet.close())

class Owner {
  readonly home = freshHome()

  run(...words: readonly string[]): Promise<Ended> {
    return silkmesh(['wallet', ...words, '--home', this.home, '--endpoint', localnet.endpoint, '--json'])
  }

  async order(...words: readonly string[]): Promise<Record<string, unknown>> {
    const ended = await this.run(...words)
    expect(ended.code, ended.stderr).toBe(0)
    return lastJson(ended)
  }
}

/** Over plain HTTP with none of our code. */
async function onChain(address: unknown): Promise<bigint> {
  const response = await fetch(`${localnet.url}/api/v2/getAddressBalance?address=${String(address)}`)
  return BigInt(((await response.json()) as { result: string }).result)
}

describe('silkmesh wallet', () => {
  it('opens, reserves, closes, thinks again and takes everything back; no nano is lost or made', async () => {
    const owner = new Owner()
    const { wallet, escrow } = await owner.order('address')
    const faucet = 10_000_000_000n
    let fees = 0n
    /** What came from the faucet is in the wallet, in the escrow, or was a fee that a command told. */
    const account = async (sent: Record<string, unknown>): Promise<void> => {
      expect(sent['transaction']).toMatch(/^[0-9a-f]{64}$/)
      fees += BigInt(String(sent['feeNano']))
      expect((await onChain(wallet)) + (await onChain(escrow)) + fees).toBe(faucet)
    }

    expect(await owner.order('faucet', '10')).toEqual({ ok: true, walletNano: '10000000000' })

    await account(await owner.order('deposit', '2'))
    const opened = await owner.order('balance')
    expect(opened).toMatchObject({ escrow: { isDeployed: true, unlockAtMs: 0, epoch: 0 }, earlierEscrows: [] })
    expect(opened['walletNano']).toBe(String(await onChain(wallet)))
    const freeNano = BigInt((opened['escrow'] as { freeNano: string }).freeNano)
    expect(freeNano).toBe((await onChain(escrow)) - rentReserveNano)

    const payee = `0:${randomBytes(32).toString('hex')}`
    await account(await owner.order('reserve', payee, '0.5', '1'))
    const reserved = (await owner.order('balance'))['escrow'] as { freeNano: string }
    expect(BigInt(reserved.freeNano)).toBe((await onChain(escrow)) - rentReserveNano - 500_000_000n)
    const inWallet = await onChain(wallet)
    expectRefusal(await owner.run('reserve', payee, '100', '1'), 2, '100 GRAM', 'are free for it', 'deposit <gram>')
    expect(await onChain(wallet)).toBe(inWallet) // a refusal by the contract would have cost its fee

    const unlock = await owner.order('unlock')
    await account(unlock)
    expectRefusal(await owner.run('unlock'), 2, 'it is under way, until')
    const date = new Date(Number(unlock['unlockAtMs'])).toISOString()
    expectRefusal(await owner.run('finalize'), 2, `too early, possible from ${date}`)
    const doctor = [
      'doctor',
      '--home',
      owner.home,
      '--endpoint',
      localnet.endpoint,
      '--engine-url',
      'http://127.0.0.1:1',
      '--json',
    ]
    expect(lastJson(await silkmesh(doctor))['checks']).toContainEqual(
      expect.objectContaining({ what: 'escrow', state: 'bad', next: expect.stringContaining('cancel-unlock') }),
    )

    await account(await owner.order('cancel-unlock'))
    expectRefusal(await owner.run('cancel-unlock'), 2, 'no unlock is under way')

    await account(await owner.order('unlock'))
    await localnet.advance(day + 60)
    const finalized = await owner.order('finalize')
    await account(finalized)
    expect(BigInt(String(finalized['refundedNano']))).toBeGreaterThan(1_900_000_000n)
    expect(await onChain(escrow)).toBeLessThanOrEqual(rentReserveNano)
    expect(await owner.order('balance')).toMatchObject({
      escrow: { isDeployed: true, freeNano: '0', unlockAtMs: 0, epoch: 1 },
    })
  }, 120_000)

  it('names the missing amount, the address to send it to and the faucet where the wallet has too little', async () => {
    const owner = new Owner()
    const { friendly } = await owner.order('address')
    const poor = await owner.run('deposit', '2')
    expectRefusal(poor, 2, 'send 2.01 GRAM', String(friendly), 'silkmesh wallet faucet 2.01')
    await owner.order('faucet', '2.01')
    expect(await owner.order('deposit', '2')).toMatchObject({ ok: true })
    expectRefusal(await owner.run('faucet', '1000000'), 2, 'the faucet refuses 1000000 GRAM')
  })

  it('does not forget an escrow that another unlock delay hides, and closes it by its address', async () => {
    const owner = new Owner()
    await owner.order('faucet')
    const { escrow } = await owner.order('deposit', '1', '--set', 'chain.unlockDelayS=7200')
    const balance = await owner.order('balance')
    expect(balance).toMatchObject({ escrow: { isDeployed: false } })
    expect(balance['earlierEscrows']).toEqual([
      { address: escrow, balanceNano: String(await onChain(escrow)), isUsable: true, unlockAtMs: 0 },
    ])
    await owner.order('unlock', '--escrow', String(escrow))
    await localnet.advance(7_300)
    await owner.order('finalize', '--escrow', String(escrow))
    expect(await owner.order('balance')).toMatchObject({ earlierEscrows: [] })
  })
})
