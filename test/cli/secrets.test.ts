// A home's keys on disk: who may read them, what a crash leaves of them, and that homes from before are still read.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { newPhrase } from '../../node/adapters/phrase.ts'
import { openHome } from '../../node/cli/home.ts'
import type { Passphrase } from '../../node/cli/passphrase.ts'
import { createSecrets, rotated, secretsOfWords, secretsPath, writeSecrets } from '../../node/cli/secrets.ts'

const passphrase = 'five random words are good'
const isPosix = process.platform !== 'win32'

const folder = mkdtempSync(join(tmpdir(), 'silkmesh-secrets-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const freshPath = (): string => mkdtempSync(join(folder, 'home-'))

/** As a person or the environment gives it; counts how often it was asked for. */
class Given implements Passphrase {
  asked = 0
  readonly #text: string
  readonly #isStated: boolean

  constructor(text: string, isStated = false) {
    this.#text = text
    this.#isStated = isStated
  }

  stated(): string | undefined {
    return this.#isStated ? this.#text : undefined
  }

  async for(): Promise<string> {
    this.asked += 1
    return this.#text
  }
}

/** A home from before there were phrases. */
function looseHome(): { readonly path: string; readonly identity: string; readonly wallet: string } {
  const path = freshPath()
  const [identity, wallet] = ['12'.repeat(32), '34'.repeat(32)]
  writeFileSync(join(path, 'identity.key'), `${identity}\n`, { mode: 0o600 })
  writeFileSync(join(path, 'wallet.key'), `${wallet}\n`, { mode: 0o600 })
  return { path, identity, wallet }
}

describe('a new home', () => {
  it('has keys that only its owner can read, derived from words, and the same at each opening', async () => {
    const path = freshPath()
    const home = await openHome(path)
    expect(home).toMatchObject({ isSealed: false, secrets: { rotation: 0, leaving: undefined } })
    expect(home.secrets.words).toHaveLength(24)
    if (isPosix) for (const file of readdirSync(path)) expect(statSync(join(path, file)).mode & 0o777).toBe(0o600)
    expect(await openHome(path)).toEqual(home)
  })

  it('is sealed from the start where a passphrase is stated, and asks nobody', async () => {
    const path = freshPath()
    const given = new Given(passphrase, true)
    const { isSealed, secrets } = await openHome(path, given)
    expect(isSealed).toBe(true)
    const text = readFileSync(secretsPath(path), 'utf8')
    for (const word of secrets.words ?? expect.unreachable()) expect(text).not.toContain(` ${word} `)
    expect(text).not.toContain(Buffer.from(secrets.identitySeed).toString('hex'))
  })

  it('refuses a passphrase that falls to guessing, and makes no keys then', async () => {
    const path = freshPath()
    await expect(openHome(path, new Given('seven77', true))).rejects.toThrow('8 to 1024')
    expect(existsSync(secretsPath(path))).toBe(false)
  })
})

describe('a sealed home', () => {
  it('opens with its passphrase and no other, which is a mistake of the user', async () => {
    const path = freshPath()
    const home = await openHome(path)
    await writeSecrets(path, home.secrets, passphrase)
    expect((await openHome(path, new Given(passphrase))).secrets).toEqual(home.secrets)
    await expect(openHome(path, new Given('another one'))).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining(`wrong passphrase for ${secretsPath(path)}`),
    })
    await writeSecrets(path, home.secrets, undefined)
    const given = new Given(passphrase)
    expect((await openHome(path, given)).secrets).toEqual(home.secrets)
    expect(given.asked).toBe(0)
  })
})

describe('a home of two key files', () => {
  it('is opened as it is', async () => {
    const { identity, path, wallet } = looseHome()
    const home = await openHome(path)
    expect(Buffer.from(home.identitySeed).toString('hex')).toBe(identity)
    expect(Buffer.from(home.walletSeed).toString('hex')).toBe(wallet)
    expect(home.secrets.words).toBeUndefined()
    expect(existsSync(secretsPath(path))).toBe(false)
  })

  it('that is sealed keeps its keys in the one file only', async () => {
    const { path } = looseHome()
    const { secrets } = await openHome(path)
    await writeSecrets(path, secrets, passphrase)
    expect(readdirSync(path).sort()).toEqual(['gateway.key', 'secrets.json'])
    expect((await openHome(path, new Given(passphrase))).secrets).toEqual(secrets)
  })

  it('whose sealing a crash broke off is brought to its end when it is opened next', async () => {
    const { identity, path } = looseHome()
    const { secrets } = await openHome(path)
    await writeSecrets(path, secrets, passphrase)
    writeFileSync(join(path, 'identity.key'), `${identity}\n`, { mode: 0o600 }) // not removed yet
    await openHome(path, new Given(passphrase))
    expect(existsSync(join(path, 'identity.key'))).toBe(false)
  })

  it('beside keys of another home is refused, and both stay', async () => {
    const path = freshPath()
    await openHome(path)
    writeFileSync(join(path, 'wallet.key'), `${'34'.repeat(32)}\n`, { mode: 0o600 })
    await expect(openHome(path)).rejects.toThrow('holds another key')
    expect(existsSync(join(path, 'wallet.key'))).toBe(true)
  })
})

describe('a restored home', () => {
  it('has the keys of the one that was written down, rotations counted', async () => {
    const words = await newPhrase()
    const first = await secretsOfWords(words, 0)
    const third = await rotated(await rotated(first, undefined), undefined)
    expect(third).toEqual(await secretsOfWords(words, 2))
    const path = join(freshPath(), 'not-there-yet')
    expect(await createSecrets(path, third, undefined)).toBe(true)
    expect((await openHome(path)).secrets).toEqual(third)
  })

  it('never takes the place of keys that are there', async () => {
    const path = freshPath()
    const before = await openHome(path)
    expect(await createSecrets(path, await secretsOfWords(await newPhrase(), 0), undefined)).toBe(false)
    expect(await openHome(path)).toEqual(before)
  })
})

describe.runIf(isPosix)('a file that others can read', () => {
  it.each(['secrets.json', 'gateway.key'])('is refused with the command that closes it: %s', async (file) => {
    const path = freshPath()
    await openHome(path)
    chmodSync(join(path, file), 0o640)
    await expect(openHome(path)).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringMatching(/mode 640.*`chmod 600 .*` closes it/),
    })
    chmodSync(join(path, file), 0o600)
    await openHome(path)
  })
})

it('a draft that a crash left behind is in nobody’s way', async () => {
  const path = freshPath()
  mkdirSync(path, { recursive: true })
  writeFileSync(`${secretsPath(path)}.${process.pid}.new`, 'half a fi')
  await openHome(path)
  expect(readdirSync(path).sort()).toEqual(['gateway.key', 'secrets.json'])
})

it('a damaged file is named without a word of what is in it', async () => {
  const path = freshPath()
  const { secrets } = await openHome(path)
  const text = readFileSync(secretsPath(path), 'utf8')
  const hex = Buffer.from(secrets.walletSeed).toString('hex')
  for (const damaged of [
    text.slice(0, -9),
    text.replace(hex, hex.slice(1)),
    text.replace('"version":1', '"version":9'),
  ]) {
    writeFileSync(secretsPath(path), damaged)
    const failure = await openHome(path).catch((error: unknown) => error)
    expect(failure).toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining("does not hold a home's keys"),
    })
    expect(String(failure)).not.toContain(hex.slice(2, 10))
  }
})
