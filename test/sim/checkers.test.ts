// Each checker finds its lie, and nothing in the truth.

import { describe, expect, test } from 'vitest'
import type { NodeEvent } from '../../node/events.ts'
import { declaredModelKeyOf, type PeerId, parseAddress } from '../../protocol/ids.ts'
import { Checkers } from '../../sim/checkers.ts'
import { identityOf } from '../../sim/identity.ts'
import { tokenIdAt, tokenText } from '../../sim/model/engine/tokens.ts'
import type { AdversaryKind, PeerSpec, Plan, PlannedRequest } from '../../sim/plan.ts'
import type { Audit, AuditedChannel } from '../../sim/world.ts'

const model = 'm'
const windowNano = 64n * 2_000n // 64 tokens at 2 GRAM a million
const escrow = parseAddress(`0:${'ee'.repeat(32)}`)
const payee = parseAddress(`0:${'aa'.repeat(32)}`)
const provider = identityOf(1, 'provider').peerId
const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 1 }

const spec = (name: string, over: Partial<PeerSpec> = {}): PeerSpec => ({
  name,
  group: name,
  place: { region: 'eu', upBitsPerSecond: 1e9, downBitsPerSecond: 1e9, nat: 'open' },
  settler: false,
  config: { provider: { completionPriceNano: 2_000_000_000n } },
  clockSkewMs: 0,
  disk: { syncMs: 1, tornWrites: false },
  ...over,
})

function checkers(adversary?: AdversaryKind): Checkers {
  const plan: Plan = {
    name: 'test',
    seed: 1,
    durationMs: 60_000,
    warmupMs: 0,
    healMs: 0,
    network: { latency: { regions: ['eu'], oneWayMs: [[1]], jitter: 0 }, loss: 0, relay: false },
    chain: { blockMs: 1_000, tvm: false },
    peers: [
      spec('provider', { provider: { profile: 'cpu-tiny', model }, adversary }),
      spec('consumer', { consumer: { depositNano: 1n } }),
    ],
    requests: [],
    faults: [],
  }
  const made = new Checkers(plan, (peer: PeerId) => (peer === provider ? 'provider' : 'consumer'))
  made.slots('provider', 2)
  return made
}

const channel = (over: Partial<AuditedChannel> = {}): AuditedChannel => ({
  consumer: 'consumer',
  provider: 'provider',
  escrow,
  payee,
  depositNano: 1_000_000n,
  settledNano: 100n,
  owedNano: 200n,
  coveredNano: 150n,
  ...over,
})

const audit = (channels: readonly AuditedChannel[], over: Partial<Audit> = {}): Audit => ({
  depositedNano: 1_000_000n,
  inEscrowsNano: 999_900n,
  paidOutNano: 90n,
  feesNano: 10n,
  channels,
  ...over,
})

const heard = (made: Checkers, peer: string, ...events: readonly NodeEvent[]): void => {
  for (const [at, event] of events.entries()) made.heard({ peer, atMs: 1_000 * at, event })
}

const started = { type: 'request-started', request: 'r', model } as const
const finished = {
  type: 'request-finished',
  request: 'r',
  peer: provider,
  outcome: 'stop',
  code: undefined,
  usage,
  costNano: 1n,
  elapsedMs: 1,
  failovers: 0,
} as const
const admitted = (active: number): NodeEvent => ({
  type: 'request-admitted',
  request: 'r',
  peer: provider,
  model: declaredModelKeyOf(model),
  promptTokens: 1,
  active,
})
const paused = (unpaidNano: bigint): NodeEvent => ({ type: 'credit-paused', request: 'r', peer: provider, unpaidNano })
const booked = (amountNano: bigint, owedNano: bigint): NodeEvent => ({
  type: 'voucher-booked',
  peer: provider,
  escrow,
  amountNano,
  owedNano,
})

const asked: PlannedRequest = {
  atMs: 0,
  consumer: 'consumer',
  model,
  promptTokens: 4,
  completionTokens: 8,
  conversation: 'c',
}
const digest = 'ab'.repeat(32)

/** Tokens of the answer from this place on. */
function deltaFrom(index: number, count = 3) {
  const tokenIds = Array.from({ length: count }, (_, at) => tokenIdAt(declaredModelKeyOf(model), digest, index + at))
  return { type: 'delta', text: tokenIds.map(tokenText).join(''), tokens: count, tokenIds } as const
}

describe('a checker that is lied to finds', () => {
  test.each<[check: string, lie: (made: Checkers) => void]>([
    ['conservation', (made) => made.audited(audit([], { inEscrowsNano: 999_901n }), 1)],
    [
      'settled-never-falls',
      (made) => {
        made.audited(audit([channel()]), 1)
        made.audited(audit([channel({ settledNano: 99n })]), 2)
      },
    ],
    ['settled-within-vouchers', (made) => made.audited(audit([channel({ settledNano: 151n })]), 1)],
    [
      'settled-within-deposit',
      (made) => made.audited(audit([channel({ depositNano: 99n, coveredNano: undefined })]), 1),
    ],
    ['exposure-within-window', (made) => made.audited(audit([channel({ owedNano: 151n + windowNano })]), 1)],
    ['exposure-within-window', (made) => heard(made, 'provider', paused(windowNano + 1n))],
    ['exposure-within-window', (made) => heard(made, 'provider', booked(1n, windowNano + 2n))],
    ['request-ends-once', (made) => heard(made, 'consumer', started, finished, finished)],
    [
      'request-ends-once',
      (made) => {
        heard(made, 'consumer', started)
        made.ended(9_000)
      },
    ],
    [
      'request-deadline',
      (made) => {
        made.heard({ peer: 'consumer', atMs: 0, event: started })
        made.heard({ peer: 'consumer', atMs: 700_000, event: finished })
      },
    ],
    ['sequences-within-slots', (made) => heard(made, 'provider', admitted(3))],
    [
      'no-internal-fault',
      (made) => heard(made, 'provider', { type: 'fault', where: 'x', code: 'internal', message: 'y' }),
    ],
    ['tokens-once', (made) => made.delta(asked, digest, 0, deltaFrom(1), provider, 1)],
    ['tokens-once', (made) => made.delta(asked, digest, 3, deltaFrom(0), provider, 1)],
    ['healed', (made) => made.failedAfterHealing(1, 'consumer', 'r', 'why', 1)],
    ['comes-to-rest', (made) => made.stuck('what', 1)],
    ['no-unhandled-rejection', (made) => made.rejected('what', 1)],
  ])('%s', (check, lie) => {
    const made = checkers()
    lie(made)
    expect(made.violations.map((violation) => violation.check)).toEqual([check])
  })
})

describe('a checker that is told the truth', () => {
  test('finds nothing', () => {
    const made = checkers()
    heard(made, 'consumer', started, finished)
    heard(made, 'provider', admitted(2), paused(windowNano), booked(1n, 1n + windowNano))
    made.delta(asked, digest, 0, deltaFrom(0), provider, 1)
    made.delta(asked, digest, 3, deltaFrom(3), provider, 2)
    made.audited(audit([channel()]), 1)
    made.audited(audit([channel({ settledNano: 150n, owedNano: 150n + windowNano })]), 2)
    made.ended(3)
    expect(made.violations).toEqual([])
  })

  test('of a request whose consumer died does not wait for its end', () => {
    const made = checkers()
    heard(made, 'consumer', started)
    made.died('consumer')
    made.ended(9_000)
    expect(made.violations).toEqual([])
  })

  test('blames no node for an adversary that was asked when all faults were over', () => {
    const made = checkers('stalling')
    const chosen = {
      type: 'provider-chosen',
      request: 'r',
      peer: provider,
      attempt: 1,
      candidates: 1,
      reason: '',
      considered: [],
    } as const
    heard(made, 'consumer', started, { ...chosen, model: declaredModelKeyOf(model) })
    made.failedAfterHealing(1, 'consumer', 'r', 'why', 1)
    expect(made.violations).toEqual([])
  })

  test('counts wrong tokens of an adversary, and does not blame the node for them', () => {
    const made = checkers('garbage')
    expect(made.delta(asked, digest, 0, deltaFrom(1), provider, 1)).toBe(3)
    expect(made.violations).toEqual([])
  })
})
