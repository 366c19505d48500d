import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { settings } from '../../node/config.ts'
import { settingsModelled } from '../../sim/coarse/modelled.ts'
import { loadScenario, scenarioOf } from '../../sim/scenario/load.ts'
import { plansOf } from '../../sim/scenario/plan.ts'
import { ScenarioError } from '../../sim/scenario/problem.ts'

const shipped = join(import.meta.dirname, '..', '..', 'sim', 'scenarios')
const folder = mkdtempSync(join(tmpdir(), 'silkmesh-scenario-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0

function written(text: string): string {
  files += 1
  const file = join(folder, `${files}.yaml`)
  writeFileSync(file, text)
  return file
}

/** The error's lines without the folder: `1.yaml:3:4: …` → `3:4: …`. */
function complaints(text: string): readonly string[] {
  const file = written(text)
  try {
    loadScenario(file)
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error
    expect(error.stack).toBe(error.message)
    return error.message.split('\n').map((line) => line.replace(`${file}:`, ''))
  }
  return []
}

const head = 'schema: silkmesh-sim/1\nname: a\nduration: 10m\n'
const provider = '  - {role: provider, count: 3, engine: cpu-tiny}\n'
const consumer = '  - {role: consumer, count: 3, workload: {rate: 1/m}}\n'
const sound = `${head}population:\n${provider}${consumer}`

/** What stands in simulator documents for newcomers, with all the features in one file. */
const full = `
schema: silkmesh-sim/1
name: churn-and-cheaters
seed: 42
tier: model
duration: 1h
warmup: 5m
network: {latency: {matrix: regions8, jitter: 0.1}, loss: 0.001, nat: {symmetric: 0.1, relay: true},
          bandwidth: {consumer: [50mbit, 20mbit], datacenter: [1gbit, 1gbit]}}
population:
  - {role: provider, count: 20, engine: [{profile: cpu-tiny, share: 0.6}, {profile: cpu-tiny, model: other, share: 0.4}],
     churn: {model: weibull, shape: 0.608, scale: 3.656h}, price: {policy: adaptive, floor: 0.2, completion: 0.2 GRAM}}
  - {role: consumer, count: 80, workload: {trace: azure-2023-code, scale: 0.5}, policy: p2c}
adversaries: [{kind: false-advert, share: 0.05}, {kind: non-paying, share: 0.05}]
faults: [{at: 20m, partition: [eu, "*"], for: 2m}, {swarm: {crash: 0..3%/h, loss: 0..10%, clockSkew: 0..5s, tornWrite: true}}]
payments: {creditTokens: 32, settle: {minNano: 60000000, maxAge: 24h}}
assert: [conservation, {boundedLoss: {providerTokens: 64}}, {successRate: {">=": 99%}}, {ttftP99: {"<=": 4s}}]
sweep: {population[0].count: [10, 30], population[1].policy: [random, p2c, least-latency]}
`

describe('every shipped scenario', () => {
  const names = readdirSync(shipped).filter((name) => name.endsWith('.yaml'))

  test('is there', () => {
    const wanted = [
      'chain-outage',
      'cheaters',
      'churn',
      'eclipse',
      'market-100k-coarse',
      'market-10k',
      'overload',
      'partition',
      'price-war',
      'smoke',
      'swarm',
      'sybil',
      'trace-replay',
      'tvm',
      'xval-20',
      'xval-200',
      'xval-50',
    ]
    expect(names.map((name) => name.replace('.yaml', ''))).toEqual(expect.arrayContaining(wanted))
  })

  test.each(names)('%s loads, is called as its file, asks a question and says what to look at', (name) => {
    const file = join(shipped, name)
    const scenario = loadScenario(file)
    expect(`${scenario.name}.yaml`).toBe(name)
    expect(scenario.question).toMatch(/\?$/)
    expect(scenario.warnings).toEqual([])
    expect(readFileSync(file, 'utf8')).toMatch(/^# Look at: /)
    expect(plansOf(scenario).length).toBeGreaterThan(0)
    expect(scenario.assert.some(({ metric }) => metric === 'conservation')).toBe(true)
  })
})

/** The same of its warnings. */
function doubts(text: string): readonly string[] {
  const file = written(text)
  return loadScenario(file).warnings.map((line) => line.replace(`${file}:`, ''))
}

describe('what a scenario may not mean is a warning with its place:', () => {
  const asking = (workload: string): string =>
    `${head}population:\n${provider}  - {role: consumer, count: 3, workload: {rate: 1/m, ${workload}}}\n`

  test('prompts of which some are longer than the model', () => {
    expect(doubts(asking('prompt: 100..600, completion: 8'))).toEqual([
      expect.stringMatching(
        /^6:62: population\[1\]\.workload\.prompt is "100\.\.600", up to 600 tokens with answers of up to 8, expected at most 512 together; .* what is longer is cut$/,
      ),
    ])
    expect(doubts(asking('prompt: 100..504, completion: 8'))).toEqual([])
  })

  test('a trace with requests longer than the model', () => {
    const csv = join(folder, 'long.csv')
    writeFileSync(csv, 'TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01 00:00:00,400,200\n')
    const traced = `${head}population:\n${provider}  - {role: consumer, count: 3, workload: {trace: long.csv}}\n`
    expect(doubts(traced)[0]).toMatch(/^6:50: population\[1\]\.workload\.trace is "long\.csv", up to 400 tokens/)
  })

  test('a trace that is none is blamed on the line that names it', () => {
    const csv = join(folder, 'wrong.csv')
    writeFileSync(csv, 'TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01 00:00:00,many,200\n')
    const traced = (name: string) =>
      complaints(`${head}population:\n${provider}  - {role: consumer, count: 3, workload: {trace: ${name}}}\n`)
    expect(traced('wrong.csv')).toEqual([
      expect.stringMatching(
        /^6:50: .*trace is "wrong\.csv", .*wrong\.csv:2: ContextTokens is "many", expected a whole/,
      ),
    ])
    expect(traced('absent.csv')).toEqual([
      expect.stringMatching(/^6:50: .*trace is "absent\.csv", expected .*absent\.csv is not there$/),
    ])
  })

  test('prompts none of which fits are an error', () => {
    expect(complaints(asking('prompt: 600, completion: 8'))).toEqual([
      expect.stringMatching(/^6:62: population\[1\]\.workload\.prompt is 600, expected prompts of at most 511 tokens/),
    ])
  })

  test('at a point of a sweep, once', () => {
    const swept = `${asking('prompt: 100, completion: 8')}sweep: {population[1].workload.prompt: [200, 200..600, 600..700]}\n`
    expect(complaints(swept)).toEqual([expect.stringMatching(/^7:56: population\[1\]\.workload\.prompt is "600/)])
    expect(doubts(swept.replace(', 600..700', ''))).toEqual([
      expect.stringMatching(/^7:46: population\[1\]\.workload\.prompt is "200\.\.600"/),
    ])
  })

  test('what the coarse mode leaves out', () => {
    const left = [
      'chain: {tvm: true}',
      'network: {processorTime: true, nat: {cone: 30%, relay: false}}',
      'config: {network: {connectionsMax: 10}, consumer: {attemptsMax: 2}}',
      'faults: [{at: 1m, chain: reorder, for: 1m}, {swarm: {tornWrite: true, config: {consumer.cancelMs: 1s..2s}}}]',
      'assert: [conservation, tokens-once]',
      '',
    ].join('\n')
    const uneven = sound
      .replace('engine: cpu-tiny', 'engine: cpu-tiny, clockSkew: 5s')
      .replace('1/m', '1/m, prompt: 9, completion: 9')
    expect(doubts(uneven + left)).toEqual([])
    expect(doubts(`${uneven}mode: coarse\n${left}`).map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      '5:61: population[0].clockSkew',
      '8:14: chain.tvm',
      '9:26: network.processorTime',
      '9:56: network.nat.relay',
      '10:36: config.network.connectionsMax',
      '11:26: faults[0].chain',
      '11:65: faults[1].swarm.tornWrite',
      '11:99: faults[1].swarm.config.consumer.cancelMs',
      '12:24: assert[1]',
    ])
  })

  test('where it calls a setting modelled, the node has that setting', () => {
    const known: Readonly<Record<string, object>> = settings
    const gone = [...settingsModelled].filter((name) => {
      const [group = '', member = ''] = name.split('.')
      return !Object.hasOwn(known[group] ?? {}, member)
    })
    expect(gone).toEqual([])
  })
})

describe('a scenario with everything', () => {
  test('has its units resolved', () => {
    const scenario = loadScenario(written(full))
    expect(scenario).toMatchObject({
      seeds: [42],
      durationMs: 3_600_000,
      warmupMs: 300_000,
      network: { loss: 0.001, nat: { cone: 0, symmetric: 0.1 }, latency: { jitter: 0.1 } },
      config: { provider: { creditTokens: 32 }, settlement: { thresholdNano: 60_000_000n, ageMsMax: 86_400_000 } },
      faults: [{ kind: 'partition', atMs: 1_200_000, forMs: 120_000, between: ['eu', '*'] }],
      swarms: [{ crash: { min: 0, max: 0.03 / 3_600_000 }, loss: { min: 0, max: 0.1 }, tornWrite: true }],
    })
    expect(scenario.network.lines.get('consumer')).toEqual({ downBitsPerSecond: 50e6, upBitsPerSecond: 20e6 })
    expect(scenario.population[0]?.config).toEqual({
      provider: { pricing: 'adaptive', priceFloorPerMille: 200, completionPriceNano: 200_000_000n },
    })
    expect(scenario.population[0]?.churn?.session).toEqual({ model: 'weibull', shape: 0.608, scaleMs: 13_161_600 })
    expect(scenario.population[1]?.config).toEqual({ consumer: { routing: 'p2c' } })
  })

  test('bounds losses by the highest price, adaptive prices being twice the base at most', () => {
    expect(loadScenario(written(full)).assert[1]).toMatchObject({ metric: 'exposureNanoMax', value: 25_600 })
  })

  test('has one run for each combination and seed, the seeds fastest', () => {
    const runs = plansOf(loadScenario(written(full), { seed: '3,7..8' }))
    expect(runs.length).toBe(2 * 3 * 3)
    expect(runs.slice(0, 4).map(({ point, seed }) => [point['population[1].policy'], seed])).toEqual([
      ['random', 3],
      ['random', 7],
      ['random', 8],
      ['p2c', 3],
    ])
    expect(runs.at(-1)?.scenario.population[0]?.count).toBe(30)
    expect(runs.at(-1)?.scenario.population[1]?.config).toEqual({ consumer: { routing: 'least-latency' } })
  })

  test('is read again from what a manifest keeps of it', () => {
    const [first] = plansOf(loadScenario(written(full)))
    const source: unknown = JSON.parse(JSON.stringify(first?.scenario.source))
    const again = scenarioOf(source, first?.scenario.file ?? '')
    expect(again).toEqual(first?.scenario)
    expect(again.sweep).toEqual([])
  })

  test('takes paths through names in a block as in braces', () => {
    const text = `${sound}sweep:\n  population.consumer.count: [1, 2]\n  network.loss: [0, 1%]\n`
    expect(
      plansOf(loadScenario(written(text))).map(({ scenario }) => [
        scenario.population[1]?.count,
        scenario.network.loss,
      ]),
    ).toEqual([
      [1, 0],
      [1, 0.01],
      [2, 0],
      [2, 0.01],
    ])
  })
})

describe('a mistake is told with line, column, value, expectation and hint:', () => {
  test('a mistyped key', () => {
    expect(complaints(`${head}warmpu: 5m\npopulation:\n${provider}`)).toEqual([
      expect.stringMatching(/^4:1: warmpu is no known key, expected one of schema, name, .*; did you mean warmup\?$/),
    ])
  })

  test.each([
    [
      'a duration without a unit',
      'warmup: 90\n',
      '4:9: warmup is 90, expected a duration such as 250ms, 5m or 1h30m; write the unit, too',
    ],
    [
      'a duration in words',
      'warmup: 5 minutes\n',
      '4:9: warmup is "5 minutes", expected a duration such as 250ms, 5m or 1h30m',
    ],
    ['a warm-up as long as the run', 'warmup: 10m\n', '4:9: warmup is "10m", expected less than the duration of 10m'],
    [
      'a share above one',
      'network: {loss: 110%}\n',
      '4:17: network.loss is "110%", expected a share from 0 to 1, such as 0.1 or 10%',
    ],
    [
      'shares that sum to more than one',
      'network: {nat: {cone: 0.7, symmetric: 40%}}\n',
      '4:16: network.nat has shares that sum to 1.1, expected at most 1',
    ],
    [
      'a coarse run of another tier',
      'tier: libp2p\nmode: coarse\n',
      '5:7: mode is coarse in the libp2p tier, expected coarse in the model tier only',
    ],
    [
      'a region that the matrix lacks',
      'network: {regions: {eus: 1}}\n',
      '4:21: network.regions.eus is no region, expected australia, eu, east-asia, west-asia, na-east, na-west, south-africa, south-america; did you mean eu?',
    ],
    [
      'a partition of nobody',
      'faults: [{at: 1m, partition: [eu, asia]}]\n',
      '4:35: faults[0].partition[1] is "asia", expected "*", a peer such as provider-0, a group or a region; known: provider, consumer, australia, eu, east-asia, west-asia, na-east, na-west, south-africa, south-america',
    ],
    [
      'a fault after the end',
      'faults: [{at: 10m, chain: down}]\n',
      '4:15: faults[0].at is "10m", expected a time before the end at 10m',
    ],
    [
      'a fault beyond the end',
      'faults: [{at: 9m, chain: down, for: 2m}]\n',
      '4:37: faults[0].for is "2m" from 9m on, expected more than 0, to the end at 10m at most',
    ],
    [
      'a fault of two kinds',
      'faults: [{at: 9m, chain: down, crash: provider}]\n',
      '4:10: faults[0] has chain and crash, expected exactly one of partition, degrade, chain, crash, leave, freeze, swarm',
    ],
    [
      'a factor of what has none',
      'faults: [{at: 9m, chain: down, factor: 2}]\n',
      '4:32: faults[0].factor stands with chain: down, expected it with chain: slow or chain: fee-spike',
    ],
    [
      'a slow chain that is faster',
      'faults: [{at: 9m, chain: slow, factor: 0.5}]\n',
      '4:40: faults[0].factor is 0.5, expected 1 or more: how much slower',
    ],
    [
      'an unknown adversary',
      'adversaries: [{kind: garbgae, share: 0.1}]\n',
      '4:22: adversaries[0].kind is "garbgae", expected one of false-advert, wrong-model, garbage, token-inflation, stalling, non-paying, sybil, eclipse; did you mean garbage?',
    ],
    [
      'a setting out of bounds',
      'config: {consumer: {attemptsMax: 99}}\n',
      '4:34: config.consumer.attemptsMax is 99, expected a whole number from 1 to 16',
    ],
    [
      'an unknown check',
      'assert: [conservaton]\n',
      '4:10: assert[0] is "conservaton", expected the name of a check, or a metric with a comparison such as {successRate: {">=": 0.99}}; did you mean conservation?',
    ],
    [
      'an unknown metric',
      'assert: [{ttftP98: {"<=": 4s}}]\n',
      '4:11: assert[0].ttftP98 is no metric, expected a metric of the summary such as successRate, ttftP99 or e2eP50; did you mean ttftP90?',
    ],
    [
      'a bound of another unit',
      'assert: [{ttftP99: {"<=": 4 GRAM}}]\n',
      '4:27: assert[0].ttftP99.<= is "4 GRAM", expected a duration such as 4s or 250ms',
    ],
    [
      'a sweep that leads nowhere',
      'sweep: {population[7].count: [1]}\n',
      '4:9: sweep.population[7].count leads nowhere at 7, expected a path into the scenario such as population[0].count or network.loss; population has 2 items',
    ],
    [
      'a swept value that does not fit',
      'sweep: {population[0].count: [1, some]}\n',
      '4:34: population[0].count is "some", expected a whole number from 0 to 1000000',
    ],
    [
      'a settler that does not settle',
      'payments: {settler: provider}\n',
      '4:21: payments.settler is "provider", expected a group of role settler, or with settler: true; groups that settle: none',
    ],
  ])('%s', (_, lines, complaint) => {
    expect(complaints(`${head}${lines}population:\n${provider}${consumer}`)).toEqual([complaint])
  })

  test.each([
    [
      'an unknown profile',
      '{role: provider, count: 1, engine: cpu-tinny}',
      /^5:40: population\[0\]\.engine is "cpu-tinny", expected a profile: .*; did you mean cpu-tiny\?$/,
    ],
    [
      'a provider without an engine',
      '{role: provider, count: 1}',
      /^5:5: population\[0\] lacks engine, expected a profile/,
    ],
    [
      'engine shares that miss one',
      '{role: provider, count: 1, engine: [{profile: cpu-tiny, share: 0.5}]}',
      /^5:40: population\[0\]\.engine has shares that sum to 0\.5, expected a sum of 1/,
    ],
    [
      'a key of another role',
      '{role: provider, count: 1, engine: cpu-tiny, policy: p2c}',
      /^5:50: population\[0\]\.policy stands at a provider, expected it at a consumer only$/,
    ],
    [
      'an unknown line',
      '{role: peer, count: 1, link: datacentre}',
      /^5:34: population\[0\]\.link is "datacentre", expected a line of network.bandwidth: consumer, datacenter; did you mean datacenter\?$/,
    ],
    [
      'churn without its numbers',
      '{role: peer, count: 1, churn: {model: weibull, shape: 2}}',
      /^5:35: population\[0\]\.churn is a weibull, expected shape and scale above 0/,
    ],
    [
      'two ways to arrive',
      '{role: consumer, count: 1, workload: {rate: 1/m, every: 3s}}',
      /^5:42: population\[0\]\.workload has rate and every, expected exactly one of rate, think, every, at, trace$/,
    ],
    [
      'an unknown trace',
      '{role: consumer, count: 1, workload: {trace: azure-2023-cod}}',
      /^5:50: population\[0\]\.workload\.trace is "azure-2023-cod", .*; did you mean azure-2023-code\?$/,
    ],
    [
      'a model that nobody provides',
      '{role: consumer, count: 1, models: {b: 1}}',
      /^5:41: population\[0\]\.models\.b is provided by nobody/,
    ],
    [
      'a count in quotes',
      '{role: peer, count: "3"}',
      /^5:25: population\[0\]\.count is "3", expected a whole number from 0 to 1000000$/,
    ],
    ['no count', '{role: peer}', /^5:5: population\[0\] lacks count, expected a whole number from 0 to 1000000$/],
  ])('%s', (_, group, complaint) => {
    expect(complaints(`${head}population:\n  - ${group}\n`)).toContainEqual(expect.stringMatching(complaint))
  })

  test('several at once, by line', () => {
    const found = complaints(`${head}warmup: 5\nheal: x\npopulation: []\n`)
    expect(found.map((line) => line.split(' ')[0])).toEqual(['4:9:', '5:7:', '6:13:'])
  })

  test('text that is no YAML', () => {
    expect(complaints('schema: a\n  b: [\n')[0]).toMatch(/^\d+:\d+: the file is no YAML here \(.+\), expected YAML$/)
  })

  test('a file with nothing in it', () => {
    expect(complaints('# soon\n')).toEqual([expect.stringMatching(/^1:1: the file is empty, expected a scenario; /)])
  })

  test('a file that is not there', () => {
    const file = join(folder, 'none.yaml')
    expect(() => loadScenario(file)).toThrow(`${file}: cannot be read (ENOENT), expected a scenario`)
  })

  test('a list in place of a scenario', () => {
    expect(complaints('- a\n')).toEqual(['1:1: the file is ["a"], expected a scenario'])
  })
})
