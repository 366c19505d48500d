// `npm run bench -- <name>`: measures, prints, and keeps the figures in test/bench/history.json; `table` shows them in the documents.

import { Command } from 'commander'
import { keep } from './history.ts'
import { writeTable } from './table.ts'

interface Bench {
  readonly what: string
  readonly load: () => Promise<{ measure(parts: readonly string[]): Promise<Readonly<Record<string, unknown>>> }>
}

const benches: Readonly<Record<string, Bench>> = {
  simulator: {
    what: 'size, speed and determinism of the simulator’s tiers: the table of docs/simulation.md',
    load: () => import('./simulator.ts'),
  },
  serving: {
    what: 'decoding through the whole mesh, first tokens and requests a second against their own floor',
    load: () => import('./serving.ts'),
  },
  settlement: {
    what: 'cost of a settled voucher beside the alternatives; `settlement curve` also writes docs/costs.md',
    load: () => import('./settlement.ts'),
  },
  cancel: {
    what: 'from a client that hangs up to a decoder that stops',
    load: () => import('./cancel.ts'),
  },
}

await new Command('bench')
  .description('Measures, prints, and keeps the figures in test/bench/history.json.')
  .argument(
    '<name>',
    [
      ...Object.entries(benches).map(([name, { what }]) => `${name}: ${what}`),
      'table: brings the table of docs/simulation.md up to date from what was kept',
    ].join('\n'),
  )
  .argument('[parts...]', 'only these parts of it')
  .option('--json', 'print one JSON object')
  .option('--dry', 'keep nothing')
  .action(async (name: string, parts: readonly string[], { dry, json }: { dry?: boolean; json?: boolean }) => {
    if (name === 'table') {
      writeTable()
      return
    }
    const bench = benches[name]
    if (!bench) throw new RangeError(`no bench ${name}, expected table or one of ${Object.keys(benches).join(', ')}`)
    const { measure } = await bench.load()
    const figures = await measure(parts)
    if (!dry) keep(name, figures)
    process.stdout.write(json ? `${JSON.stringify(figures)}\n` : `${JSON.stringify(figures, null, 2)}\n`)
  })
  .parseAsync()
  .catch((error: unknown) => {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 2
  })
