// Gossip against published measurements: how late a message is in a swarm of real nodes, and how a push spreads by rounds.

import { PlainWire } from '../model/network/gossip/plain-wire.ts'
import { Rehearsal } from '../model/network/gossip/rehearsed.ts'
import { gossipDefaults } from '../model/network/gossip/settings.ts'
import { GossipSwarm } from '../model/network/gossip/swarm.ts'
import { integer, type SeededRandom, seededRandom } from '../random.ts'

export interface GossipOptions {
  readonly n: number
  readonly degree: number
  readonly sizeBytes: number
  /** One way. */
  readonly latencyMs: number
  /** At each receiver, before it forwards; counted into its delay. */
  readonly validationMs: number
  readonly seed?: number
  readonly upBitsPerSecond?: number
  readonly downBitsPerSecond?: number
  /** What the author does before it sends. */
  readonly publishMs?: number
  /** Peers that each is connected to, and floods its own messages to. */
  readonly connections?: number
}

export interface GossipFigures {
  readonly meanMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly minMs: number
  readonly maxMs: number
  /** Of the peers that should have it. */
  readonly coverage: number
  readonly meshDegree: number
  readonly copiesEach: number
}

/** One author sends so many, far apart, over connections that are new to the first of them, as the measured runs did. */
const messagesEach = 10
const messageGapMs = 30_000
/** Of slow hops: more than any swarm of that many peers needs. */
const hopsInGap = 20
const swarmsEach = 5
/** The measured swarm's mesh had 6.13 peers each with D = 6: it formed while connections came in, four a heartbeat. */
const dialsPerHeartbeat = 4

/**
 * Waku's measurement in Shadow (waku-org/research #42, #44): nwaku, 1 000 nodes, 38 Mbit/s up and 83 Mbit/s down, 100 ms,
 * 150 ms to make a proof and 12 ms to check one. The lines are TCP's own: windows open with the first message.
 */
export function validateGossip(options: GossipOptions): GossipFigures {
  refuse(options)
  const random = seededRandom(`gossip/${options.seed ?? 1}`)
  const runs = Array.from({ length: swarmsEach }, (_, run) => runSwarm(options, random.fork(`swarm ${run}`)))
  const delays = Float64Array.from(runs.flatMap(({ delaysMs }) => delaysMs)).sort()
  const at = (share: number): number => delays[Math.min(delays.length - 1, Math.floor(share * delays.length))] ?? 0
  return {
    meanMs: delays.reduce((sum, ms) => sum + ms, 0) / delays.length,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    minMs: at(0),
    maxMs: at(1),
    coverage: delays.length / (swarmsEach * messagesEach * (options.n - 1)),
    meshDegree: mean(runs.map(({ meshDegree }) => meshDegree)),
    copiesEach: mean(runs.map(({ copiesEach }) => copiesEach)),
  }
}

/** Every copy is modelled: beyond these a swarm takes hours and gigabytes. */
const nodesMax = 20_000
const degreeMax = 1_000
const bytesMax = 16 << 20
const millisecondsMax = 60_000

function refuse({ degree, latencyMs, n, sizeBytes, validationMs }: GossipOptions): void {
  const whole = (what: string, value: number, least: number, most: number): void => {
    if (Number.isInteger(value) && value >= least && value <= most) return
    throw new RangeError(`${what} ${value}, expected a whole number from ${least} to ${most}`)
  }
  const milliseconds = (what: string, value: number): void => {
    if (!(value >= 0 && value <= millisecondsMax)) {
      throw new RangeError(`${what} of ${value} ms, expected from 0 to ${millisecondsMax}`)
    }
  }
  whole('nodes', n, 2, nodesMax)
  whole('degree', degree, 1, degreeMax)
  whole('size in bytes', sizeBytes, 0, bytesMax)
  milliseconds('latency', latencyMs)
  milliseconds('validation', validationMs)
}

function runSwarm(options: GossipOptions, random: SeededRandom) {
  const { degree, latencyMs, n, sizeBytes, validationMs } = options
  const { connections = 50, downBitsPerSecond = 83e6, publishMs = 150, upBitsPerSecond = 38e6 } = options
  // a hop sends to all of its mesh at once; a message is over before the next
  const hopMs = latencyMs + validationMs + (2 * degree * 8_000 * sizeBytes) / upBitsPerSecond
  const gapMs = Math.max(messageGapMs, hopsInGap * hopMs)
  const scheduler = new Rehearsal()
  const wire = new PlainWire({
    sites: Array.from({ length: n }, () => ({ upBitsPerSecond, downBitsPerSecond })),
    nowMs: () => scheduler.now(),
    oneWayMs: () => latencyMs,
  })
  const settings = {
    ...gossipDefaults,
    degree,
    // gossipsub's own proportions: 4 and 12 of 6
    degreeMin: Math.max(1, Math.round((2 / 3) * degree)),
    degreeMax: 2 * degree,
    validationMs,
    unwantedBytesMin: Number.POSITIVE_INFINITY, // not yet spoken by the nodes measured
    fullPeersMax: Number.POSITIVE_INFINITY,
  }
  const swarm = new GossipSwarm({ scheduler, wire, random, settings })
  const delaysMs: number[] = []
  let sentMs = 0
  for (let site = 0; site < n; site += 1) {
    swarm.join(site)
    swarm.subscribe(site, () => {
      delaysMs.push(scheduler.now() - sentMs)
      return 'accept'
    })
  }
  const dials = Math.min(Math.ceil(connections / 2), Math.floor((n - 1) / 2) || 1)
  for (let done = 0; done < dials; done += dialsPerHeartbeat) {
    for (let site = 0; site < n; site += 1) {
      for (let dial = 0; dial < Math.min(dialsPerHeartbeat, dials - done); dial += 1) {
        swarm.connect(site, (site + 1 + integer(random, n - 1)) % n)
      }
    }
    scheduler.run(scheduler.now() + settings.heartbeatMs)
  }
  scheduler.run(scheduler.now() + messageGapMs)
  const meshDegree = mean(Array.from({ length: n }, (_, site) => swarm.meshOf(site).length))
  const author = integer(random, n)
  const message = new Uint8Array(sizeBytes)
  for (let count = 0; count < messagesEach; count += 1) {
    sentMs = scheduler.now()
    scheduler.at(sentMs + publishMs, () => swarm.publish(author, message))
    scheduler.run(sentMs + gapMs)
  }
  return { delaysMs, meshDegree, copiesEach: swarm.tally.copies / Math.max(1, swarm.tally.delivered) }
}

export interface FanOutOptions {
  readonly n: number
  readonly degree: number
  readonly rounds?: number
  readonly seed?: number
}

const fanOutRuns = 50

/**
 * Holders after each round where every new holder sends to `degree` others at random (nim-libp2p #850). The published
 * row sends from 531 holders in its fourth round where its own rule gives 495: this follows the rule.
 */
export function validateFanOut({ n, degree, rounds = 7, seed = 1 }: FanOutOptions): {
  readonly holders: readonly number[]
} {
  const random = seededRandom(`fan-out/${seed}`)
  const sums = new Array<number>(rounds).fill(0)
  for (let run = 0; run < fanOutRuns; run += 1) {
    const has = new Uint8Array(n)
    has[0] = 1
    let fresh = [0]
    let holders = 1
    for (let round = 0; round < rounds; round += 1) {
      sums[round] = (sums[round] ?? 0) + holders
      const next: number[] = []
      for (const from of fresh) {
        for (let sent = 0; sent < degree; sent += 1) {
          const to = (from + 1 + integer(random, n - 1)) % n
          if (has[to]) continue
          has[to] = 1
          next.push(to)
        }
      }
      holders += next.length
      fresh = next
    }
  }
  return { holders: sums.map((sum) => sum / fanOutRuns) }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
