// A DHT under extreme churn, against Bamboo's measurement (Rhea et al., UCB/CSD-03-1299): 1 000 nodes whose sessions last
// 1.4 minutes in the median find what is there, at less than 900 bytes/s a node.

import { Population } from '../model/network/dht/population.ts'
import { dhtDefaults } from '../model/network/dht/settings.ts'
import { Rehearsal } from '../model/network/gossip/rehearsed.ts'
import { exponential, seededRandom } from '../random.ts'

export interface ChurnOptions {
  readonly n?: number
  readonly medianSessionMs?: number
  readonly seed?: number
  readonly warmupMs?: number
  readonly durationMs?: number
}

export interface ChurnFigures {
  /** Lookups of random keys whose closest answer is the closest of all nodes present. */
  readonly lookupSuccess: number
  readonly bytesPerNodeSecond: number
  readonly meanHops: number
  readonly failedCalls: number
  readonly lookups: number
}

const lookupEveryMs = 500

export function validateChurn({
  durationMs = 180_000,
  medianSessionMs = 84_000,
  n = 1_000,
  seed = 1,
  warmupMs = 240_000,
}: ChurnOptions = {}): ChurnFigures {
  const random = seededRandom(`churn/${seed}`)
  const sessions = random.fork('sessions')
  const scheduler = new Rehearsal()
  const population = new Population({
    scheduler,
    random,
    size: n,
    latencyMs: 50,
    timeoutMs: 500,
    headerBytes: 28, // IP and UDP
    // memoryless, so those of the beginning are as all others
    sessionMs: () => exponential(sessions, medianSessionMs / Math.LN2),
    settings: {
      ...dhtDefaults,
      // Kademlia's triples: an address, a port, an id of 20 bytes
      k: 8,
      prefixBits: undefined,
      alpha: 3,
      meetingsMax: 0,
      requestBytes: 44,
      answerBytes: 24,
      contactBytes: 26,
      refreshMs: 12_000,
      verifyMs: 12_000,
    },
  })
  scheduler.run(warmupMs)
  const { dht } = population
  const before = { bytes: population.bytes, calls: dht.tally.failedCalls }
  let found = 0
  let ended = 0
  let hops = 0
  for (let atMs = warmupMs; atMs < warmupMs + durationMs; atMs += lookupEveryMs) {
    scheduler.run(atMs)
    const from = population.any()
    const key = dht.key(`key ${random.next()}`)
    dht.find(from, key, ({ closest, hops: taken }) => {
      // who leaves while it asks gets no answer, and nobody is left to count it
      if (!population.isPresent(from)) return
      ended += 1
      hops += taken
      if (closest[0] === dht.closestOfAll(key)) found += 1
    })
  }
  const bytes = population.bytes - before.bytes
  const failedCalls = dht.tally.failedCalls - before.calls
  scheduler.run(warmupMs + durationMs + 60_000)
  return {
    lookupSuccess: found / ended,
    bytesPerNodeSecond: bytes / n / (durationMs / 1_000),
    meanHops: hops / ended,
    failedCalls,
    lookups: ended,
  }
}
