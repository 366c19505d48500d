// A secret sealed by a passphrase: opened by it alone, and by no object that was changed.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isSealed, open, scryptCost, seal } from '../../node/adapters/keystore.ts'

/** As cheap as scrypt comes; what is tested does not depend on it. */
const cheap = { n: 2, r: 1, p: 1 }
const passphrase = 'five random words are good'

describe('a sealed text', () => {
  it('is opened by its passphrase, whatever text and passphrase are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), async (text, words) => {
        const sealed = await seal(text, words, cheap)
        expect(isSealed(sealed)).toBe(true)
        expect(await open(sealed, words)).toBe(text)
      }),
      { numRuns: 50 },
    )
  })

  it('says nothing of the text, and not the same twice', async () => {
    const [a, b] = [await seal('secret', passphrase, cheap), await seal('secret', passphrase, cheap)]
    expect(a).not.toContain('secret')
    expect(JSON.parse(a).sealed).not.toBe(JSON.parse(b).sealed)
  })

  it('is not opened by another passphrase', async () => {
    const sealed = await seal('secret', passphrase, cheap)
    await expect(open(sealed, `${passphrase} `)).rejects.toMatchObject({ code: 'unauthorized' })
  })

  it('is opened by the same passphrase from a system that writes its letters in another way', async () => {
    expect(await open(await seal('secret', 'gr\u00fcn', cheap), 'gru\u0308n')).toBe('secret')
  })

  it('is not opened where any part of it was changed', async () => {
    const sealed = JSON.parse(await seal('secret', passphrase, cheap)) as Record<string, Record<string, unknown>>
    const { kdf, cipher } = sealed
    const salt = String(kdf?.['salt'])
    const bytes = Buffer.from(String(sealed['sealed']), 'base64')
    bytes[0] = (bytes[0] ?? 0) ^ 1
    for (const changed of [
      { ...sealed, kdf: { ...kdf, n: 4 } },
      { ...sealed, kdf: { ...kdf, salt: `${salt.slice(1)}${salt.startsWith('0') ? '1' : '0'}` } },
      { ...sealed, cipher: { ...cipher, nonce: '0'.repeat(24) } },
      { ...sealed, sealed: bytes.toString('base64') },
    ]) {
      await expect(open(JSON.stringify(changed), passphrase)).rejects.toMatchObject({ code: 'unauthorized' })
    }
  })

  it.each([
    ['of a version to come', { version: 2 }, 'version 2'],
    ['that asks for more memory than a gibibyte', { kdf: { name: 'scrypt', n: 2 ** 30, r: 8, p: 1 } }, 'at most'],
    ['that asks for no power of two', { kdf: { name: 'scrypt', n: 3, r: 8, p: 1 } }, 'n 3'],
    ['of another algorithm', { cipher: { name: 'aes-128-cbc' } }, 'not known'],
    ['without its end', { sealed: 'AAAA' }, '3 sealed bytes'],
  ])('%s is refused before anything is computed', async (_, change, says) => {
    const sealed = JSON.parse(await seal('secret', passphrase, cheap)) as object
    await expect(open(JSON.stringify({ ...sealed, ...change }), passphrase)).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining(says),
    })
  })

  it('costs whoever guesses 128 MiB a guess by default', () => {
    expect(128 * scryptCost.n * scryptCost.r).toBe(128 * 2 ** 20)
  })
})
