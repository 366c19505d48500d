// `sim validate`: one part with given values, or the whole table against published results.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checks, type Row, rowsOf } from '../validate/table.ts'
import { round } from './run.ts'
import { table, UsageError } from './terminal.ts'

export interface ValidateFlags {
  readonly k?: string
  readonly n?: string
  readonly lambda?: string
  readonly choices?: string
  readonly degree?: string
  readonly size?: string
  readonly latency?: string
  readonly validation?: string
  readonly log?: string
  readonly profile?: string
  readonly csv?: string
  readonly seed: string
  readonly write?: boolean
  readonly json?: boolean
}

type Name = Exclude<keyof ValidateFlags, 'write' | 'json'>

/** With values of their own; without any, the part's rows of the table. */
const parts: Readonly<
  Record<
    string,
    {
      readonly needs: readonly Name[]
      /** What `--json` prints of it; all is printed without. */
      readonly figures: readonly string[]
      readonly measure: (flags: ValidateFlags) => Promise<object>
    }
  >
> = {
  kademlia: {
    needs: ['k', 'n'],
    figures: ['meanHops'],
    measure: async (flags) => {
      const { validateKademlia } = await import('../validate/kademlia.ts')
      return validateKademlia({ k: number(flags, 'k'), n: number(flags, 'n'), seed: number(flags, 'seed') })
    },
  },
  queue: {
    needs: ['lambda', 'choices'],
    figures: ['meanTimeInSystem'],
    measure: async (flags) => {
      const { validateQueue } = await import('../validate/queue.ts')
      return validateQueue({
        lambda: number(flags, 'lambda'),
        choices: number(flags, 'choices'),
        seed: number(flags, 'seed'),
      })
    },
  },
  gossip: {
    needs: ['n', 'degree', 'size', 'latency', 'validation'],
    figures: ['meanMs', 'p50Ms', 'p95Ms', 'p99Ms'],
    measure: async (flags) => {
      const { validateGossip } = await import('../validate/gossip.ts')
      return validateGossip({
        n: number(flags, 'n'),
        degree: number(flags, 'degree'),
        sizeBytes: number(flags, 'size'),
        latencyMs: number(flags, 'latency'),
        validationMs: number(flags, 'validation'),
        seed: number(flags, 'seed'),
      })
    },
  },
  engine: {
    needs: ['log', 'profile'],
    figures: ['ttftMs', 'tpotMs', 'e2eMs'],
    measure: async ({ log = '', profile = '' }) => {
      const { validateEngine } = await import('../validate/engine.ts')
      return validateEngine({ logPath: log, profile })
    },
  },
  trace: {
    needs: ['csv'],
    figures: ['rows', 'spanSeconds', 'interArrivalCv', 'meanContext', 'meanGenerated'],
    measure: async ({ csv = '' }) => {
      const { validateTrace } = await import('../validate/trace.ts')
      return validateTrace({ csvPath: csv })
    },
  },
}

/** Every part takes a seed. */
const named = Object.values(parts).flatMap(({ needs }) => needs)

export async function validate(what: string | undefined, flags: ValidateFlags): Promise<void> {
  const part = what === undefined ? undefined : parts[what]
  const given = part?.needs.filter((name) => flags[name] !== undefined) ?? []
  if (part && given.length > 0) {
    const missing = part.needs.filter((name) => flags[name] === undefined)
    if (missing.length > 0)
      throw new UsageError(`validate ${what} also needs ${missing.map((name) => `--${name}`).join(', ')}`)
    const stray = named.filter((name) => flags[name] !== undefined && !part.needs.includes(name))
    if (stray.length > 0) {
      throw new UsageError(
        `validate ${what} takes no --${stray[0]}, expected ${part.needs.map((name) => `--${name}`).join(', ')}`,
      )
    }
    const figures = await part.measure(flags)
    const shown = Object.fromEntries(Object.entries(figures).filter(([name]) => part.figures.includes(name)))
    process.stdout.write(`${flags.json ? JSON.stringify(shown) : JSON.stringify(figures, null, 2)}\n`)
    return
  }
  if (what !== undefined && !(what in checks)) {
    throw new UsageError(`validate ${what}, expected one of ${Object.keys(checks).join(', ')}`)
  }
  await validateAll(
    Object.keys(checks).filter((name) => what === undefined || name === what),
    flags,
  )
}

async function validateAll(names: readonly string[], { json, write }: ValidateFlags): Promise<void> {
  const rows: Row[] = []
  const skipped: string[] = []
  for (const name of names) {
    const check = checks[name]
    if (!check) continue
    if (!json) process.stderr.write(`${check.what} …\n`)
    const found = await rowsOf(check)
    if (found.length === 0) {
      skipped.push(name)
      process.stderr.write(`${check.what}: skipped, its data is not here (SILKMESH_DATA names the folder)\n`)
    }
    rows.push(...found)
  }
  const ok = rows.length > 0 && rows.every(({ holds }) => holds)
  if (json) process.stdout.write(`${JSON.stringify({ ok, rows, skipped })}\n`)
  else
    process.stdout.write(`${table([['', 'what', 'figure', 'published', 'measured', 'allowed'], ...rows.map(cells)])}\n`)
  if (write) writeTable(rows)
  if (!ok) process.exitCode = 1
}

function cells({ figure, holds, isAbsolute, measured, published, tolerance, what }: Row): readonly string[] {
  const allowed = isAbsolute ? `± ${tolerance}` : `± ${round(100 * tolerance)} %`
  return [holds ? '✓' : '✗', what, figure, String(round(published)), String(round(measured)), allowed]
}

const document = join(import.meta.dirname, '../../docs/simulation.md')

/** Between two comments of the document. */
function writeTable(rows: readonly Row[]): void {
  const text = readFileSync(document, 'utf8')
  const lines = rows.map((row) => `| ${[...cells(row).slice(1), row.holds ? 'yes' : 'no', row.source].join(' | ')} |`)
  const head = ['| what | figure | published | measured | allowed | holds | source |', '|---|---|---|---|---|---|---|']
  const whole = [`<!-- validate: npm run sim -- validate --write -->`, ...head, ...lines, '<!-- /validate -->'].join(
    '\n',
  )
  const marked = /<!-- validate:[\s\S]*?<!-- \/validate -->/
  if (!marked.test(text)) throw new Error(`${document} has no place for the table`)
  writeFileSync(
    document,
    text.replace(marked, () => whole),
  )
}

function number(flags: ValidateFlags, name: Name): number {
  const value = Number(flags[name])
  if (Number.isFinite(value)) return value
  throw new UsageError(`--${name} ${flags[name]}, expected a number`)
}
