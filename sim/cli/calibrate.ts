// `sim calibrate`: what handshakes, signatures and codecs cost on this machine, or an engine's profile from its log.

import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { calibrateEngine, doubtsOf } from '../model/engine/calibrate.ts'
import { readEngineLog } from '../model/engine/log.ts'
import { encodeProfile, loadProfile } from '../model/engine/profile.ts'
import { table, UsageError, warn } from './terminal.ts'

export interface CalibrateFlags {
  readonly log?: string
  readonly limits?: string
  readonly base?: string
  readonly out?: string
  readonly json?: boolean
}

export async function calibrate(what: string, flags: CalibrateFlags): Promise<void> {
  if (what === 'engine') return calibrated(flags)
  if (what !== 'costs') throw new UsageError(`calibrate ${what}, expected costs or engine`)
  const { calibrate: measure } = await import('../calibrate.ts')
  const measured = await measure()
  if (flags.out !== undefined) writeFileSync(flags.out, `${JSON.stringify(measured, null, 2)}\n`)
  const rows = Object.entries(measured.costs).map(([name, value]) => [name, String(value)])
  process.stdout.write(flags.json ? `${JSON.stringify(measured)}\n` : `${table(rows)}\n`)
}

function calibrated({ base, json, limits, log, out }: CalibrateFlags): void {
  if (log === undefined || base === undefined) {
    throw new UsageError(
      'calibrate engine needs --log <file> and --base <profile>: the profile with the batch limits and KV size of the engine that was logged',
    )
  }
  const options = {
    log: readEngineLog(log),
    base: loadProfile(base),
    limits: limits === 'base' ? 'base' : 'log',
    source: basename(log),
  } as const
  warn(doubtsOf(options.log, options).map((doubt) => `${log}: ${doubt}`))
  const { profile: fitted, ...fit } = calibrateEngine(options)
  // what was said of the base is not true of this one
  const name = basename(out ?? log).replace(/\.(jsonl?|csv)$/, '')
  const profile = { ...fitted, name, source: `calibrated from ${basename(log)}`, validatedAgainst: undefined }
  if (out !== undefined) writeFileSync(out, encodeProfile(profile))
  process.stdout.write(`${JSON.stringify(json ? { profile, ...fit } : fit, null, json ? undefined : 2)}\n`)
  if (out === undefined && !json) process.stderr.write('the profile was not kept: --out <file> keeps it\n')
}
