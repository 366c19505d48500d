// What each adversary achieves among production nodes in a small mesh of the `model` tier, and what bounds it. The mesh is the
// same each time, four providers of one slot and six consumers, so that the honest run says what would have been.

import { beforeAll, describe, expect, test } from 'vitest'
import { execute } from '../../sim/execute.ts'
import type { AdversaryKind } from '../../sim/plan.ts'
import type { PeerRecord, RunRecord } from '../../sim/record.ts'
import { scenarioOf } from '../../sim/scenario/load.ts'

interface Outcome {
  readonly run: RunRecord
  /** The one that misbehaves; where none does, the one that would. */
  readonly suspect: PeerRecord
  readonly honest: readonly PeerRecord[]
  /** Adverts that were asked for because the DHT named their provider. */
  readonly foundByDht: number
}

const providers = 4
const dhtPeers = 30
/** Of one sybil, which serves like anybody else. */
const identities = 12
const engine = [{ profile: 'rtx4090-llama3.1-8b', slots: 1 }]

async function meshWith(kind: AdversaryKind | undefined): Promise<Outcome> {
  const isDht = kind === 'sybil' || kind === 'eclipse'
  const of = isDht ? 'others' : kind === 'non-paying' ? 'consumer' : 'provider'
  const scenario = scenarioOf(
    {
      schema: 'silkmesh-sim/1',
      name: 'adversaries-in-mesh',
      question: 'What does one of them achieve?',
      seed: 1,
      duration: '60s',
      warmup: '10s',
      heal: '20s',
      network: { latency: { oneWay: '20ms', jitter: 0 } },
      population: [
        { role: 'peer', name: 'bootstrap', count: 3 },
        // there before anybody announces anything
        kind === 'sybil'
          ? { role: 'provider', name: 'others', count: identities, engine }
          : { role: 'peer', name: 'others', count: dhtPeers },
        { role: 'provider', count: providers, engine },
        { role: 'consumer', count: 6, policy: 'p2c', workload: { rate: '12/m', prompt: 200, completion: 96 } },
      ],
      ...(kind && { adversaries: [{ kind, of, ...(isDht ? { share: 1 } : { count: 1 }) }] }),
      assert: [],
    },
    'adversaries-in-mesh.yaml',
  )
  let foundByDht = 0
  const run = await execute(scenario, 1, 'model', {
    heard: ({ event }) => {
      if (event.type === 'advert-accepted' && event.source === 'direct') foundByDht += 1
    },
  })
  const group = run.peers.filter(({ name }) => name.startsWith(kind === 'non-paying' ? 'consumer' : 'provider'))
  const suspect = group.find(({ adversary }) => adversary !== '') ?? group[1]
  if (!suspect) throw new Error('nobody is there')
  return { run, suspect, honest: group.filter((peer) => peer !== suspect), foundByDht }
}

const meanEarnedNano = ({ honest }: Outcome): number =>
  honest.reduce((sum, { earnedNano }) => sum + Number(earnedNano), 0) / honest.length
const figure = ({ run }: Outcome, name: string): number => run.summary[name] ?? Number.NaN

/** Prompt and completion of these requests at the default prices. */
const requestNano = 200 * 20 + 96 * 160

let honestMesh: Outcome
beforeAll(async () => {
  honestMesh = await meshWith(undefined)
}, 60_000)

test('without adversaries nothing is corrupted, lost or failed', () => {
  expect(honestMesh.run.summary).toMatchObject({ successRate: 1, tokensCorrupted: 0, lossToFraudGram: 0, failovers: 0 })
  expect(honestMesh.run.violations).toEqual([])
})

describe.each<[kind: AdversaryKind, achieves: (mesh: Outcome) => void, bounded: (mesh: Outcome) => void]>([
  [
    'false-advert',
    // it looks free while it is not
    (mesh) => expect(Number(mesh.suspect.earnedNano)).toBeGreaterThan(1.1 * meanEarnedNano(mesh)),
    // what it is paid for it has computed
    (mesh) => expect(figure(mesh, 'tokensCorrupted')).toBe(0),
  ],
  [
    'wrong-model',
    (mesh) => expect(figure(mesh, 'tokensCorrupted')).toBeGreaterThan(500),
    // as fast as it likes: each answer costs what an honest one would
    (mesh) => expect(Math.max(...mesh.run.requests.map(({ costNano }) => Number(costNano)))).toBe(requestNano),
  ],
  [
    'garbage',
    (mesh) => expect(figure(mesh, 'tokensCorrupted')).toBeGreaterThan(500),
    (mesh) => expect(Math.max(...mesh.run.requests.map(({ costNano }) => Number(costNano)))).toBe(requestNano),
  ],
  [
    'token-inflation',
    // twice the tokens in the time: more requests, each paid in full
    (mesh) => expect(Number(mesh.suspect.earnedNano)).toBeGreaterThan(1.1 * meanEarnedNano(mesh)),
    // claimed tokens count towards what was asked for
    (mesh) => expect(Math.max(...mesh.run.requests.map(({ costNano }) => Number(costNano)))).toBe(requestNano),
  ],
  [
    'stalling',
    (mesh) => expect(figure(mesh, 'failovers')).toBeGreaterThan(0),
    // left after ten seconds and avoided after that
    (mesh) => expect(Number(mesh.suspect.earnedNano)).toBeLessThan(0.5 * meanEarnedNano(mesh)),
  ],
  [
    'non-paying',
    (mesh) => expect(figure(mesh, 'lossToFraudGram')).toBeGreaterThan(0),
    // one window from each provider, and never more
    (mesh) => {
      const windowGram = figure(mesh, 'windowNano') / 1e9
      expect(figure(mesh, 'lossToFraudGram')).toBeLessThanOrEqual(providers * windowGram)
    },
  ],
  [
    'sybil',
    // who is chosen among many is many
    ({ run }) => {
      const earnedNano = (isSybil: boolean): bigint =>
        run.peers.reduce(
          (sum, { adversary, earnedNano }) => sum + ((adversary !== '') === isSybil ? earnedNano : 0n),
          0n,
        )
      expect(earnedNano(true)).toBeGreaterThan(earnedNano(false))
    },
    // and is paid for what it serves
    (mesh) => expect(figure(mesh, 'tokensCorrupted')).toBe(0),
  ],
  [
    'eclipse',
    (mesh) => expect(mesh.foundByDht).toBeLessThan(0.5 * honestMesh.foundByDht),
    // gossip tells what the DHT no longer does
    (mesh) => expect(figure(mesh, 'discoveryMsP50')).toBeLessThan(2_500),
  ],
])('%s', (kind, achieves, bounded) => {
  let mesh: Outcome
  beforeAll(async () => {
    mesh = await meshWith(kind)
  }, 60_000)

  test('acts', () => achieves(mesh))
  test('is bounded', () => bounded(mesh))

  test('fails no request of the honest, and breaks no promise of the node', () => {
    expect(mesh.run.summary['successRate']).toBe(1)
    expect(mesh.run.violations).toEqual([])
    expect(mesh.run.summary['exposureNanoMax']).toBeLessThanOrEqual(mesh.run.summary['windowNano'] ?? 0)
  })

  test('shows in the report by its name', () => {
    expect(mesh.run.peers.filter(({ adversary }) => adversary === kind).length).toBeGreaterThan(0)
  })
})
