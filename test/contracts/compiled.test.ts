// The committed code is what the committed sources compile to.

import { expect, test } from 'vitest'
import { compileEscrow } from '../../contracts/compile.ts'
import compiled from '../../contracts/escrow.compiled.json' with { type: 'json' }
import { Escrow } from '../../contracts/escrow.ts'

test('the committed code, its hash and its source hash equal a fresh compilation (`npm run compile` writes them)', async () => {
  expect(compiled).toEqual(await compileEscrow())
})

test('the code hash is that of the code cell', () => {
  expect(Escrow.code.hash().toString('hex')).toBe(Escrow.codeHash)
})
