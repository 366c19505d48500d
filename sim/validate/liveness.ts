// Who of a provider record's twenty holders is there, under IPFS's churn (probe-lab RFM17): sessions are Weibull's, tables
// are as fresh as their owners keep them, and the rest is this simulator's Kademlia.

import { Population } from '../model/network/dht/population.ts'
import { dhtDefaults } from '../model/network/dht/settings.ts'
import { Rehearsal } from '../model/network/gossip/rehearsed.ts'
import { seededRandom, weibull } from '../random.ts'

export interface LivenessOptions {
  readonly n?: number
  readonly k?: number
  readonly seed?: number
  readonly shape?: number
  readonly scaleMs?: number
  readonly warmupMs?: number
  readonly durationMs?: number
}

export interface LivenessFigures {
  /** Of the k closest that a provider heard of, those that took its record. */
  readonly holdersP5: number
  readonly holdersP50: number
  readonly holdersP90: number
  /** 1 − C^K with C = 0.9 of peers gone: what RFM17 takes from the Kademlia paper. */
  readonly analytic: number
  readonly sessionMedianMs: number
  readonly sessionP80Ms: number
  readonly records: number
}

const hourMs = 3_600_000
const provideEveryMs = 30_000
/** Of an hour's peers so many are gone after twelve, as RFM17 has it from its crawls. */
const churn = 0.9
/**
 * go-libp2p-kad-dht refreshes each 10 minutes, and asks those peers whether they are there that were of no use for
 * ln(1/k) / ln(1 − α/k) such times, α = 10.
 */
const refreshMs = 600_000
const concurrency = 10

export function validateLiveness({
  durationMs = 3 * hourMs,
  k = 20,
  n = 500,
  scaleMs = 3.656 * hourMs,
  seed = 1,
  shape = 0.6077,
  warmupMs = 2 * hourMs,
}: LivenessOptions = {}): LivenessFigures {
  const random = seededRandom(`liveness/${seed}`)
  const sessions = random.fork('sessions')
  const drawn = Float64Array.from({ length: 20_000 }, () => weibull(sessions, shape, scaleMs)).sort()
  const scheduler = new Rehearsal()
  const idle = k > concurrency ? Math.log(1 / k) / Math.log(1 - concurrency / k) : 1
  const population = new Population({
    scheduler,
    random,
    size: n,
    latencyMs: 50,
    timeoutMs: 5_000,
    headerBytes: 40,
    sessionMs: (isFirst) =>
      isFirst ? leftOf(drawn, sessions.next(), sessions.next()) : weibull(sessions, shape, scaleMs),
    settings: {
      ...dhtDefaults,
      k,
      prefixBits: undefined,
      alpha: concurrency,
      meetingsMax: 0,
      refreshMs,
      verifyMs: idle * refreshMs,
    },
  })
  scheduler.run(warmupMs)
  const holders: number[] = []
  const { dht } = population
  for (let atMs = warmupMs; atMs < warmupMs + durationMs; atMs += provideEveryMs) {
    scheduler.run(atMs)
    const key = dht.key(`record ${random.next()}`)
    dht.find(population.any(), key, ({ silent }) => holders.push(k - silent))
  }
  scheduler.run(warmupMs + durationMs + hourMs / 4)
  holders.sort((a, b) => a - b)
  const at = (share: number): number => holders[Math.min(holders.length - 1, Math.floor(share * holders.length))] ?? 0
  return {
    holdersP5: at(0.05),
    holdersP50: at(0.5),
    holdersP90: at(0.9),
    analytic: 1 - churn ** k,
    sessionMedianMs: drawn[drawn.length / 2] ?? 0,
    sessionP80Ms: drawn[drawn.length * 0.8] ?? 0,
    records: holders.length,
  }
}

/** What is left of a session found in progress: the longer ones are found more often, anywhere in them. */
function leftOf(sorted: Float64Array, which: number, where: number): number {
  const total = sorted.reduce((sum, ms) => sum + ms, 0)
  let left = which * total
  for (const ms of sorted) {
    left -= ms
    if (left <= 0) return ms * where
  }
  return 0
}
