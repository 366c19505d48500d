// `silkmesh wallet import`: the wallet of a home from the 24 words of one that exists; read from standard input, so that
// they are in no shell's history.

import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { MeshError } from '../../protocol/errors.ts'
import { seedOfMnemonic } from '../adapters/wallet.ts'
import { invocationOf } from './flags.ts'
import { createFile } from './private-files.ts'
import { hasSecrets } from './secrets.ts'
import { printJson } from './terminal.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const { home, isJson, terminal } = invocationOf(flags)
  if (process.stdin.isTTY) terminal.line('The 24 words of the wallet (a W5 wallet, as apps make them), then Enter:')
  const seed = await seedOfMnemonic((await readLine()).split(/\s+/).filter((word) => word !== ''))
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const path = join(home, 'wallet.key')
  if (hasSecrets(home) || !createFile(path, `${Buffer.from(seed).toString('hex')}\n`)) {
    throw new MeshError(
      'bad-request',
      `${path}: this home has a wallet already, whose coins and escrow would be lost sight of; choose another --home`,
    )
  }
  terminal.ok('wallet', `imported into ${home}; \`silkmesh wallet address\` must show the address that its app shows`)
  if (isJson) printJson({ ok: true, home })
}

async function readLine(): Promise<string> {
  const reader = createInterface({ input: process.stdin })
  try {
    const [line] = await Promise.race([once(reader, 'line'), once(reader, 'close').then(() => [''])])
    return String(line)
  } finally {
    reader.close()
  }
}
