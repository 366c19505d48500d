// A node's home before its first start: keys from the seed, and its settings as the command's own file.

import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Overrides } from '../../node/config.ts'
import { formatGram } from '../../protocol/money.ts'
import type { SeededIdentity } from '../identity.ts'

export interface HomeOptions {
  readonly identity: SeededIdentity
  /** What the other keys are drawn from. */
  readonly label: string
  /** Later ones win, setting by setting. */
  readonly settings: readonly Overrides[]
}

export function makeHome(path: string, { identity, label, settings }: HomeOptions): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const write = (name: string, text: string): void => writeFileSync(join(path, name), `${text}\n`, { mode: 0o600 })
  write('identity.key', Buffer.from(identity.seed).toString('hex'))
  write('wallet.key', createHash('sha256').update(`${label}/wallet`).digest('hex'))
  write('config.yaml', stringify(fileOf(settings)))
}

/** Amounts are written in GRAM. */
export function fileOf(settings: readonly Overrides[]): Record<string, Record<string, unknown>> {
  const file: Record<string, Record<string, unknown>> = {}
  for (const overrides of settings) {
    for (const [group, members] of Object.entries(overrides)) {
      const values = file[group] ?? {}
      file[group] = values
      for (const [name, value] of Object.entries(members)) {
        values[name] = typeof value === 'bigint' ? formatGram(value) : value
      }
    }
  }
  return file
}
