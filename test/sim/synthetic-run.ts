// A made-up run for the tests of reports: its shape is a mesh's, its numbers are nobody's. Nothing here was simulated.

import { parseAddress } from '../../protocol/ids.ts'
import { summarise } from '../../sim/metrics.ts'
import { exponential, integer, pick, seededRandom } from '../../sim/random.ts'
import type { Band, Manifest, PeerRecord, RequestRecord, RunRecord, Sample } from '../../sim/record.ts'

export interface Shape {
  readonly seed?: number
  readonly providers?: number
  readonly consumers?: number
  readonly requests?: number
  readonly durationMs?: number
  /** Added to what a request waits, for runs that must differ. */
  readonly slowerMs?: number
  readonly source?: unknown
}

const regions = ['eu-west', 'eu-central', 'us-east', 'us-west', 'ap-south', 'ap-northeast', 'sa-east', 'af-south']
const sampled = 120

export function syntheticRun(shape: Shape = {}): RunRecord {
  const { seed = 1, providers = 36, consumers = 90, requests = 4000, durationMs = 3_600_000 } = shape
  const random = seededRandom(seed).fork('synthetic')
  const warmupMs = durationMs / 12
  const bands: Band[] = [
    { label: 'partition eu', fromMs: durationMs * 0.33, toMs: durationMs * 0.39 },
    { label: 'crash 10 %', fromMs: durationMs * 0.55, toMs: durationMs * 0.55 },
    { label: 'chain down', fromMs: durationMs * 0.7, toMs: durationMs * 0.85 },
  ]
  const names = {
    providers: Array.from({ length: providers }, (_, index) => `provider-${index}`),
    consumers: Array.from({ length: consumers }, (_, index) => `consumer-${index}`),
  }
  const models = ['llama-3.1-8b', 'llama-2-70b']
  const records = Array.from({ length: requests }, (_, number): RequestRecord => {
    const arrivalMs = (durationMs * number) / requests + exponential(random, 200)
    const isHard = bands.some(({ fromMs, toMs }) => arrivalMs >= fromMs && arrivalMs < toMs + durationMs / 100)
    const isFailed = random.next() < (isHard ? 0.09 : 0.003)
    const isLeft = !isFailed && random.next() < 0.01
    const isLarge = random.next() < 0.3
    const rush = 1 + 0.6 * Math.sin((arrivalMs / durationMs) * 2 * Math.PI)
    const ttftMs = (shape.slowerMs ?? 0) + 90 + exponential(random, (isLarge ? 700 : 260) * rush * (isHard ? 3 : 1))
    const completionTokens = 1 + integer(random, 400)
    const endMs = arrivalMs + ttftMs + completionTokens * (isLarge ? 38 : 17) * (0.8 + 0.4 * random.next())
    const failovers = !isFailed && random.next() < (isHard ? 0.2 : 0.01) ? 1 : 0
    const promptTokens = 40 + integer(random, 2000)
    return {
      number,
      consumer: pick(random, names.consumers),
      provider: isFailed ? '' : (names.providers[Math.floor(providers * random.next() ** 1.7)] ?? ''),
      model: models[isLarge ? 1 : 0] ?? '',
      arrivalMs,
      firstTokenMs: isFailed ? undefined : arrivalMs + ttftMs,
      endMs: isFailed ? arrivalMs + 10_000 * random.next() : endMs,
      outcome: isFailed ? 'failed' : isLeft ? 'left' : 'ok',
      code: isFailed ? pick(random, ['no-provider', 'unreachable', 'timeout', 'busy']) : '',
      promptTokens,
      completionTokens: isFailed ? 0 : completionTokens,
      cachedTokens: 0,
      costNano: isFailed ? 0n : BigInt(promptTokens * 200 + completionTokens * (isLarge ? 2400 : 800)),
      attempts: 1 + failovers + (random.next() < 0.05 ? 1 : 0),
      failovers,
      isMeasured: arrivalMs >= warmupMs && arrivalMs < durationMs,
    }
  })
  const sum = (of: readonly RequestRecord[]) => of.reduce((total, { costNano }) => total + costNano, 0n)
  const peer = (name: string, index: number, role: 'provider' | 'consumer'): PeerRecord => ({
    name,
    group:
      role === 'provider'
        ? (['datacentre', 'desktop', 'false-advert'][index % 9 < 4 ? 0 : index % 9 < 8 ? 1 : 2] ?? '')
        : (['apps', 'chats', 'batch'][index % 3] ?? ''),
    region: regions[(index * 5) % regions.length] ?? '',
    roles: [role],
    adversary: role === 'provider' && index % 9 === 8 ? 'false-advert' : '',
    earnedNano: role === 'provider' ? sum(records.filter((request) => request.provider === name)) : 0n,
    spentNano: role === 'consumer' ? sum(records.filter((request) => request.consumer === name)) : 0n,
    tokensServed: records.reduce(
      (total, { provider, completionTokens }) => total + (provider === name ? completionTokens : 0),
      0,
    ),
    slots: role === 'provider' ? 8 : 0,
    connections: Array.from({ length: role === 'provider' ? 5 : 3 }, () => pick(random, names.providers)).filter(
      (other) => other !== name,
    ),
  })
  const peers = [
    ...names.providers.map((name, index) => peer(name, index, 'provider')),
    ...names.consumers.map((name, index) => peer(name, index, 'consumer')),
  ]
  const series = seriesOf(shape, records, names.providers, durationMs)
  const manifest: Manifest = {
    schema: 'silkmesh-sim-run/1',
    scenario: 'synthetic',
    question: 'Does a made-up mesh keep answering while a continent is cut off and the chain is down?',
    seed,
    tier: 'model',
    source: shape.source ?? { name: 'synthetic', seed },
    sourceHash: '0'.repeat(64),
    commit: 'c42be52a1b2c3d4e5f60718293a4b5c6d7e8f901',
    versions: { silkmesh: '0.1.0', node: '24.21.0' },
    durationMs,
    warmupMs,
    isComplete: true,
  }
  const summary = summarise({
    requests: records,
    series,
    peers,
    plan: { durationMs, warmupMs },
    audit: {
      depositedNano: 100_000_000_000n,
      inEscrowsNano: 96_000_000_000n,
      paidOutNano: 3_900_000_000n,
      feesNano: 100_000_000n,
      channels: [
        {
          consumer: 'consumer-0',
          provider: 'provider-0',
          escrow: parseAddress(`0:${'1'.repeat(64)}`),
          payee: parseAddress(`0:${'2'.repeat(64)}`),
          depositNano: 100_000_000_000n,
          settledNano: 1_700_000_000n,
          owedNano: 1_790_000_000n,
          coveredNano: 1_780_000_000n,
        },
      ],
    },
    figures: { dhtMeanHops: 1.93, gossipMsP50: 312, gossipMsP95: 540, advertStalenessMs: 4200, doubleSpends: 0 },
  })
  return {
    manifest,
    summary,
    assertions: [
      { text: 'conservation', holds: true, value: 'exact' },
      {
        text: 'successRate >= 0.99',
        holds: (summary['successRate'] ?? 0) >= 0.99,
        value: String(summary['successRate']),
      },
      { text: 'ttftMsP99 <= 4 s', holds: true, value: `${Math.round(summary['ttftMsP99'] ?? 0)} ms` },
    ],
    violations: [],
    requests: records,
    series,
    bands,
    peers,
    pace: { events: 5_120_000, wallSeconds: 21.5, eventsPerSecond: 238_139, rssBytes: 412_000_000 },
  }
}

function seriesOf(
  { seed = 1 }: Shape,
  requests: readonly RequestRecord[],
  providers: readonly string[],
  durationMs: number,
): Sample[] {
  const random = seededRandom(seed).fork('series')
  const series: Sample[] = []
  const prices = providers.map(() => 0.5e9 + 1.5e9 * random.next())
  const earned = providers.map(() => 0)
  for (let index = 0; index <= sampled; index += 1) {
    const atMs = (durationMs * index) / sampled
    const put = (metric: string, value: number, subject = '') => series.push({ atMs, metric, subject, value })
    const rush = 1 + 0.6 * Math.sin((atMs / durationMs) * 2 * Math.PI)
    for (const [at, name] of providers.entries()) {
      const isDown = at % 10 === 0 && index > sampled * 0.55 && index < sampled * 0.68
      const use = isDown
        ? 0
        : Math.min(1, Math.max(0, (0.75 - (0.7 * at) / providers.length) * rush + 0.25 * (random.next() - 0.5)))
      prices[at] = Math.max(2e8, (prices[at] ?? 0) * (1 + 0.06 * (use - 0.45) + 0.01 * (random.next() - 0.5)))
      earned[at] = (earned[at] ?? 0) + use * 1e6
      put('activeRequests', Math.round(use * 8), name)
      put('queuedRequests', use > 0.95 ? integer(random, 5) : 0, name)
      put('utilisation', Math.round(use * 8) / 8, name)
      put('priceNano', Math.round(prices[at] ?? 0), name)
      put('earnedNano', Math.round(earned[at] ?? 0), name)
    }
    const spentNano = requests.reduce((sum, { endMs, costNano }) => (endMs <= atMs ? sum + Number(costNano) : sum), 0)
    const isChainDown = index > sampled * 0.7 && index < sampled * 0.85
    const settledAt = isChainDown ? Math.floor(sampled * 0.7) : Math.floor(index / 6) * 6 - 6
    const settledNano =
      series.find(({ atMs: ms, metric }) => metric === 'spentNano' && ms >= (durationMs * settledAt) / sampled)
        ?.value ?? 0
    put('peersUp', 126 - (index > sampled * 0.55 && index < sampled * 0.68 ? 12 : 0) - integer(random, 3))
    put('requestsActive', requests.filter(({ arrivalMs, endMs }) => arrivalMs <= atMs && endMs > atMs).length)
    put('requestsDone', requests.filter(({ endMs, outcome }) => endMs <= atMs && outcome === 'ok').length)
    put('requestsFailed', requests.filter(({ endMs, outcome }) => endMs <= atMs && outcome === 'failed').length)
    put('spentNano', spentNano)
    put('settledNano', settledAt <= 0 ? 0 : settledNano)
    put('feesNano', settledAt <= 0 ? 0 : Math.round(settledNano * 0.012))
    put('unpaidNanoMax', Math.round(40_000 * Math.min(1, 0.4 + index / 90)))
    put('windowNano', 64_000)
    put('vouchers', index * 900)
    put('controlBytes', index * 126 * 30 * 420)
  }
  return series
}
