// `sim dht`: nothing but Kademlia, for as many peers as a machine holds.

import { runDhtOnly } from '../coarse/dht.ts'
import { wallMs } from '../wall.ts'
import { round, wholeNumber } from './run.ts'
import { table, untilStopped } from './terminal.ts'

export interface DhtFlags {
  readonly peers: string
  readonly lookups: string
  readonly k: string
  readonly alpha: string
  readonly seed: string
  readonly churn?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

/** probe-lab RFM17: IPFS sessions are Weibull's; the rest are js-libp2p's and an assumption, as docs/simulation.md says. */
const ipfsChurn = { shape: 0.6077, scaleMs: 3.656 * 3_600_000, downtimeMs: 2 * 3_600_000, refreshMs: 600_000 }

export async function dht(flags: DhtFlags): Promise<void> {
  const lookups = wholeNumber('--lookups', flags.lookups)
  const startMs = wallMs()
  const figures = await runDhtOnly({
    peers: wholeNumber('--peers', flags.peers),
    lookups,
    k: wholeNumber('--k', flags.k),
    alpha: wholeNumber('--alpha', flags.alpha),
    seed: wholeNumber('--seed', flags.seed),
    churn: flags.churn ? ipfsChurn : undefined,
    signal: untilStopped(),
    progress: (done) => {
      if (!flags.quiet && process.stderr.isTTY) process.stderr.write(`\r${done}/${lookups} lookups`)
    },
  })
  const { system, user } = process.cpuUsage()
  const whole = {
    ...figures,
    wallSeconds: (wallMs() - startMs) / 1_000,
    cpuSeconds: (user + system) / 1e6,
    rssBytes: 1_024 * process.resourceUsage().maxRSS,
  }
  if (!flags.quiet && process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  const rows = Object.entries(whole).map(([name, value]) => [
    name,
    typeof value === 'number' ? String(round(value)) : String(value),
  ])
  process.stdout.write(flags.json ? `${JSON.stringify(whole)}\n` : `${table(rows)}\n`)
}
