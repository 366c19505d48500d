// The simulator's parts against what others measured or proved: one row a figure, computed here and now.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

export interface Row {
  readonly what: string
  readonly figure: string
  readonly source: string
  readonly published: number
  /** Relative, unless `isAbsolute`. */
  readonly tolerance: number
  readonly isAbsolute: boolean
  readonly measured: number
  readonly holds: boolean
}

interface Check {
  readonly what: string
  readonly source: string
  readonly figures: () => Promise<readonly Expected[]>
}

type Expected = readonly [
  figure: string,
  published: number,
  tolerance: number,
  measured: number,
  kind?: 'absolute' | 'least' | 'most',
]

/** Logs and traces of others are read where they lie; checks that need an absent one are skipped, with a message. */
export const dataFolder = process.env['SILKMESH_DATA'] ?? join(import.meta.dirname, '../../../shared/data')

const kademlia: Check = {
  what: 'Kademlia hops',
  source: 'greedy lookups through perfect k-buckets, k = 20; A(k) = 1 + Σ(1 − (1 − 2^−j)^k)',
  figures: async () => {
    const { bitsPerHopOf, validateKademlia } = await import('./kademlia.ts')
    const published = [
      [1_000, 1.93],
      [10_000, 2.535],
      [100_000, 3.065],
    ] as const
    const hops = published.map(
      ([n, mean]) => [`mean hops, n = ${n}`, mean, 0.15, validateKademlia({ k: 20, n }).meanHops, 'absolute'] as const,
    )
    const slope = ((hops[2]?.[3] ?? 0) - (hops[0]?.[3] ?? 0)) / 2
    return [
      ...hops,
      ['hops a decade', 0.575, 0.03, slope, 'absolute'],
      ['A(20), bits a hop', 5.69, 0.001, bitsPerHopOf(20)],
    ]
  },
}

const liveness: Check = {
  what: 'Provider records',
  source: 'probe-lab RFM17: IPFS sessions, Weibull 0.6077, 3.656 h; 20 holders',
  figures: async () => {
    const { validateLiveness } = await import('./liveness.ts')
    const { analytic, holdersP5, holdersP50, holdersP90 } = validateLiveness({})
    return [
      ['holders alive, p5', 14, 2, holdersP5, 'absolute'],
      ['holders alive, p50', 18, 2, holdersP50, 'absolute'],
      ['holders alive, p90', 20, 2, holdersP90, 'absolute'],
      ['1 − 0.9^20', 0.8784, 0.005, analytic, 'absolute'],
    ]
  },
}

const churn: Check = {
  what: 'Extreme churn',
  source: 'Bamboo, UCB/CSD-03-1299: 1 000 nodes, median session 1.4 min',
  figures: async () => {
    const { validateChurn } = await import('./churn.ts')
    const { bytesPerNodeSecond, lookupSuccess } = validateChurn()
    return [
      ['lookups that succeed', 0.95, 0, lookupSuccess, 'least'],
      ['bytes/s a node', 900, 0, bytesPerNodeSecond, 'most'],
    ]
  },
}

const gossip: Check = {
  what: 'Gossip latency',
  source: 'Waku in Shadow, 1 000 real nodes, D = 6, 100 ms, 10 kB',
  figures: async () => {
    const { validateGossip } = await import('./gossip.ts')
    const { meanMs, p50Ms, p95Ms, p99Ms } = validateGossip({
      n: 1_000,
      degree: 6,
      sizeBytes: 10_240,
      latencyMs: 100,
      validationMs: 12,
    })
    return [
      ['mean ms', 507.6, 0.05, meanMs],
      ['p50 ms', 518, 0.05, p50Ms],
      ['p95 ms', 627, 0.05, p95Ms],
      ['p99 ms', 644, 0.05, p99Ms],
    ]
  },
}

const fanOut: Check = {
  what: 'Gossip fan-out',
  source: 'nim-libp2p #850: N = 10 000, D = 8, holders by round',
  figures: async () => {
    const { validateFanOut } = await import('./gossip.ts')
    const { holders } = validateFanOut({ n: 10_000, degree: 8 })
    return [1, 9, 73, 568, 3832, 9547, 9995].map(
      (published, round) => [`after round ${round}`, published, 0.05, holders[round] ?? 0] as const,
    )
  },
}

const queue: Check = {
  what: 'Queues',
  source: 'Mitzenmacher 2001: Σ λ^((d^i − d)/(d − 1)); Erlang C',
  figures: async () => {
    const { validateErlang, validateQueue } = await import('./queue.ts')
    const published = [
      [0.9, 1, 10],
      [0.9, 2, 2.614],
      [0.95, 2, 3.383],
    ] as const
    return [
      ...published.map(
        ([lambda, choices, mean]) =>
          [
            `mean time, λ = ${lambda}, d = ${choices}`,
            mean,
            0.02,
            validateQueue({ lambda, choices }).meanTimeInSystem,
          ] as const,
      ),
      ['P(wait), M/M/10, ρ = 0.8', 0.40918, 0.02, validateErlang({ servers: 10, load: 0.8 }).waitProbability],
    ]
  },
}

const engineLog = join(dataFolder, 'vllm-0.19_RTX4090_Llama-3.1-8B.jsonl')
const engineOf = (profile: string, tolerance: number): Check => ({
  what: `Engine, ${profile}`,
  source: 'vLLM 0.19, RTX 4090, Llama 3.1 8B: 300 requests (casys-kaist/LLMServingSim)',
  figures: async () => {
    if (!existsSync(engineLog)) return []
    const { validateEngine } = await import('./engine.ts')
    const figures = validateEngine({ logPath: engineLog, profile })
    const published = {
      ttftMs: [65_456.6, 60_110.9, 121_121.7, 137_356.3],
      tpotMs: [32.4, 30.8, 38.1, 56.0],
      e2eMs: [86_578.3, 83_413.3, 141_600.9, 153_627.5],
    }
    return (['ttftMs', 'tpotMs', 'e2eMs'] as const).flatMap((metric) =>
      (['mean', 'p50', 'p90', 'p99'] as const).map(
        (part, at) => [`${metric} ${part}`, published[metric][at] ?? 0, tolerance, figures[metric][part]] as const,
      ),
    )
  },
})

const traceFile = join(dataFolder, 'AzureLLMInferenceTrace_code.csv')
const trace: Check = {
  what: 'Trace replay',
  source: 'Azure 2023 code trace (Azure/AzurePublicDataset)',
  figures: async () => {
    if (!existsSync(traceFile)) return []
    const { validateTrace } = await import('./trace.ts')
    const { interArrivalCv, meanContext, meanGenerated, rows, spanSeconds } = await validateTrace({
      csvPath: traceFile,
    })
    return [
      ['requests', 8_819, 0, rows],
      ['span, s', 3_435.948, 0.0001, spanSeconds],
      ['inter-arrival CV', 13.15, 0.01, interArrivalCv],
      ['mean context tokens', 2_047.8, 0.001, meanContext],
      ['mean generated tokens', 27.9, 0.001, meanGenerated],
    ]
  },
}

const payments: Check = {
  what: 'Audits',
  source: 'cheating pays until p > g/(g + S)',
  figures: async () => {
    const { validateAudits } = await import('./payments.ts')
    const rows: Expected[] = []
    for (const [gain, stake] of [
      [1, 4],
      [1, 9],
      [2, 3],
    ] as const) {
      const { thresholdProbability } = await validateAudits({ gain, stake })
      rows.push([
        `p at which cheating stops to pay, g = ${gain}, S = ${stake}`,
        gain / (gain + stake),
        0.1,
        thresholdProbability,
      ])
    }
    return rows
  },
}

export const checks: Readonly<Record<string, Check>> = {
  kademlia,
  liveness,
  churn,
  gossip,
  fanout: fanOut,
  queue,
  engine: engineOf('rtx4090-llama3.1-8b', 0.05),
  'engine-spec': engineOf('rtx4090-llama3.1-8b-spec', 0.1),
  trace,
  payments,
}

/** Empty where the data that a check is about is not here. */
export async function rowsOf({ figures, source, what }: Check): Promise<readonly Row[]> {
  return (await figures()).map(([figure, published, tolerance, measured, kind]) => ({
    what,
    figure,
    source,
    published,
    tolerance,
    isAbsolute: kind === 'absolute',
    measured,
    holds: holds(published, tolerance, measured, kind),
  }))
}

function holds(published: number, tolerance: number, measured: number, kind: Expected[4]): boolean {
  if (kind === 'least') return measured >= published
  if (kind === 'most') return measured <= published
  const difference = Math.abs(measured - published)
  return difference <= (kind === 'absolute' ? tolerance : tolerance * Math.abs(published)) + 1e-12
}
