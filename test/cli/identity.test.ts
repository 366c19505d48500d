// `silkmesh identity` as a user runs it: keys sealed, written down, restored and rotated, held against a local chain.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mnemonicToWalletKey } from '@ton/crypto'
import { WalletContractV5R1 } from '@ton/ton'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rentReserveNano } from '../../contracts/escrow.ts'
import { localGlobalId } from '../../contracts/localnet/chain.ts'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { openHome } from '../../node/cli/home.ts'
import { rotated, writeSecrets } from '../../node/cli/secrets.ts'
import { parseAddress } from '../../protocol/ids.ts'
import { expectRefusal, freshHome, lastJson, silkmesh } from './silkmesh.ts'

const passphrase = 'five random words are good'

let localnet: Localnet
beforeAll(async () => {
  localnet = await startLocalnet({ port: 0, blockMs: 0 })
})
afterAll(() => localnet.close())

async function order(home: string, ...words: readonly string[]): Promise<Record<string, unknown>> {
  const onChain = words[0] === 'wallet' || words[1] === 'rotate' ? ['--endpoint', localnet.endpoint] : []
  const ended = await silkmesh([...words, '--home', home, '--json', ...onChain])
  expect(ended.code, ended.stderr).toBe(0)
  return lastJson(ended)
}

/** Over plain HTTP with none of our code. */
async function onChain(address: unknown): Promise<bigint> {
  const response = await fetch(`${localnet.url}/api/v2/getAddressBalance?address=${String(address)}`)
  return BigInt(((await response.json()) as { result: string }).result)
}

describe('a backup', () => {
  it('restores identity, wallet and escrow, the wallet being the one that wallet apps find', async () => {
    const home = freshHome()
    const before = await order(home, 'wallet', 'address')
    const backup = await order(home, 'identity', 'backup', '--yes', '--reveal')
    const words = String(backup['words']).split(',')
    const other = join(freshHome(), 'other')
    const restored = await silkmesh(['identity', 'restore', '--home', other, '--json'], {
      input: `${words.join(' ')}\n`,
    })
    expect(lastJson(restored)).toMatchObject({ peerId: backup['peerId'], isSealed: false, isPhrase: true })
    expect(await order(other, 'wallet', 'address')).toEqual(before)
    const { publicKey } = await mnemonicToWalletKey(words)
    const app = WalletContractV5R1.create({ publicKey, walletId: { networkGlobalId: localGlobalId } })
    expect(before['wallet']).toBe(app.address.toRawString())
  })

  it('is in no object that did not ask for it, and is not printed where nobody said that nobody looks', async () => {
    const home = freshHome()
    const { secrets } = await openHome(home)
    const hidden = await silkmesh(['identity', 'backup', '--home', home, '--yes', '--json'])
    expectRefusal(hidden, 2, '--reveal')
    const unasked = await silkmesh(['identity', 'backup', '--home', home])
    expectRefusal(unasked, 2, '--yes')
    for (const { stderr, stdout } of [hidden, unasked]) expect(stdout + stderr).not.toContain(secrets.words?.join(' '))
  })

  it('does not go into a home that has keys', async () => {
    const home = freshHome()
    await openHome(home)
    expectRefusal(await silkmesh(['identity', 'restore', '--home', home], { input: 'a b c' }), 2, 'has keys already')
  })
})

describe('a passphrase', () => {
  it('is needed by every command once the keys are sealed, from a file or the environment where no terminal is', async () => {
    const home = freshHome({ passphrase: `${passphrase}\n` })
    const { secrets } = await openHome(home)
    const file = ['--passphrase-file', join(home, 'passphrase')]
    expect(await order(home, 'identity', 'encrypt', ...file)).toMatchObject({ isSealed: true })
    expect(readFileSync(join(home, 'secrets.json'), 'utf8')).toContain('aes-256-gcm')
    const show = ['identity', 'show', '--home', home]
    expectRefusal(await silkmesh(show), 2, 'SILKMESH_PASSPHRASE', '--passphrase-file')
    expectRefusal(await silkmesh(show, { env: { SILKMESH_PASSPHRASE: 'wrong words' } }), 2, 'wrong passphrase')
    await silkmesh(['identity', 'decrypt', '--home', home], { env: { SILKMESH_PASSPHRASE: passphrase } })
    expect((await openHome(home)).secrets).toEqual(secrets)
  })
})

describe('a rotation', () => {
  it('gives a new identity and escrow, closes the old one, comes to its end wherever it died, and no nano is lost', async () => {
    const home = freshHome()
    const { wallet } = await order(home, 'wallet', 'address')
    await order(home, 'wallet', 'faucet', '10')
    const { escrow: old } = await order(home, 'wallet', 'deposit', '2')
    const before = await openHome(home)
    const rotation = await order(home, 'identity', 'rotate', '--yes')
    expect(rotation).toMatchObject({ rotation: 1, oldEscrow: old, unlockAtMs: expect.any(Number) })
    const after = await openHome(home)
    expect(after.secrets).toEqual(await rotated(before.secrets, undefined))
    // as if it had died once the old escrow was closing
    await writeSecrets(home, { ...after.secrets, leaving: parseAddress(String(old)) }, undefined)
    expect(await order(home, 'identity', 'rotate', '--yes')).toEqual(rotation)
    expect((await openHome(home)).secrets).toEqual(after.secrets)
    const { escrow } = await order(home, 'wallet', 'deposit', '1')
    expect(escrow).toBe(rotation['escrow'])
    await localnet.advance(86_400)
    const held = async (): Promise<bigint> => (await onChain(wallet)) + (await onChain(old))
    const heldNano = await held()
    const { feeNano, refundedNano } = await order(home, 'wallet', 'finalize', '--escrow', String(old))
    expect(await held()).toBe(heldNano - BigInt(String(feeNano)))
    expect(await onChain(old)).toBe(rentReserveNano)
    expect(BigInt(String(refundedNano))).toBeGreaterThan(1_970_000_000n)
    // as if the next one had died once its key was on disk
    const next = await rotated(after.secrets, parseAddress(String(escrow)))
    await writeSecrets(home, next, undefined)
    expect(await order(home, 'identity', 'rotate', '--yes')).toMatchObject({ rotation: 2, oldEscrow: escrow })
    expect((await openHome(home)).secrets).toEqual({ ...next, leaving: undefined })
    expect(await order(home, 'wallet', 'balance')).toMatchObject({
      earlierEscrows: [{ address: escrow, unlockAtMs: expect.any(Number), isUsable: true }],
    })
  })
})
