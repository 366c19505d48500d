// What a request may cost at most, over the whole path: consumer, wire, provider, vouchers.

import '../seed.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { InferenceResult } from '../../node/inference.ts'
import { coveredNano } from '../../node/settlement/channel.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Nano, Price } from '../../protocol/money.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber } from './peers.ts'

interface Ask {
  readonly budgetNano: Nano
  readonly letters: number
  readonly tokensMax: number
  readonly price: Price
  readonly deltaTokens: readonly number[]
  readonly providers: number
  /** Each provider but the last dies after this many deltas. */
  readonly dieAfter: number
}

/** Nano a million tokens: up to 0.2 GRAM, not one of them a whole number of nano a token. */
const priceNano = fc.integer({ min: 0, max: 200_000_000 }).map((nano) => BigInt(nano))

const ask = (providers: fc.Arbitrary<number>): fc.Arbitrary<Ask> =>
  fc.record({
    budgetNano: fc.integer({ min: 0, max: 150_000 }).map(BigInt),
    letters: fc.integer({ min: 1, max: 500 }),
    tokensMax: fc.integer({ min: 1, max: 2_000 }),
    price: fc.record({ promptNano: priceNano, completionNano: priceNano, cachedNano: fc.constant(0n) }),
    deltaTokens: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 }),
    providers,
    dieAfter: fc.integer({ min: 1, max: 40 }),
  })

interface Outcome {
  readonly result: InferenceResult | undefined
  readonly failure: MeshError | undefined
  /** Each time the request said what it had cost. */
  readonly told: readonly Nano[]
  /** Its id, as it was told when it began. */
  readonly begun: readonly string[]
  readonly tokens: number
  readonly accepts: number
  /** What all providers hold vouchers for. */
  readonly coveredNano: Nano
}

async function asked({ budgetNano, dieAfter, letters, tokensMax, price, ...rest }: Ask): Promise<Outcome> {
  const mesh = new MemoryMesh()
  const pause = (): Promise<void> => mesh.clock.sleep(5)
  const { promptNano, completionNano, cachedNano } = price
  const providers: Peer[] = []
  for (let at = 0; at < rest.providers; at += 1) {
    providers.push(
      await mesh.start({
        number: 2 + at,
        roles: { provider: { payout: addressOfNumber(0x22 + at) } },
        engine: countingEngine({ pause, deltaTokens: rest.deltaTokens }),
        config: {
          provider: { promptPriceNano: promptNano, completionPriceNano: completionNano, cachedPriceNano: cachedNano },
        },
      }),
    )
  }
  const { node } = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
  const told: Nano[] = []
  const begun: string[] = []
  let deltas = 0
  let alive = providers.length
  let [tokens, accepts] = [0, 0]
  const answer = async (): Promise<InferenceResult | MeshError> => {
    const messages = [{ role: 'user', content: 'x'.repeat(letters) }] as const
    const tellings = { begun: (id: string) => begun.push(id), spent: (nano: Nano) => told.push(nano) }
    const request = { model: 'm', messages, sampling: { tokensMax }, costNanoMax: budgetNano, ...tellings }
    const events = node.inference?.infer(request, new AbortController().signal)
    try {
      for (;;) {
        const next = (await events?.next()) ?? expect.unreachable()
        if (next.done) return next.value
        if (next.value.type === 'accepted') [accepts, deltas] = [accepts + 1, 0]
        if (next.value.type !== 'delta') continue
        tokens += next.value.tokens
        deltas += 1
        if (deltas !== dieAfter || alive === 1) continue
        const serving = providers.findIndex(({ node }) => node.channels().length > 0)
        alive -= 1
        for (const { identity } of providers.splice(serving, 1)) mesh.kill(identity.peerId)
      }
    } catch (error) {
      return error instanceof MeshError ? error : expect.unreachable(String(error))
    }
  }
  const end = await mesh.clock.finish(answer())
  await mesh.clock.advance(60_000)
  const channels = providers.flatMap(({ node }) => node.channels())
  return {
    result: end instanceof MeshError ? undefined : end,
    failure: end instanceof MeshError ? end : undefined,
    told,
    begun,
    tokens,
    accepts,
    coveredNano: channels.reduce((sum, channel) => sum + coveredNano(channel), 0n),
  }
}

test('a request never costs more than its budget, and ends with length when that is used up', async () => {
  const seen = { short: 0, whole: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(ask(fc.constant(1)), async (ask) => {
      const { begun, coveredNano, failure, result, told, tokens } = await asked(ask)
      expect(begun).toEqual([result?.requestId ?? expect.stringMatching(/^[0-9a-f]{32}$/)])
      expect(told.length).toBe(1)
      expect(coveredNano).toBeLessThanOrEqual(ask.budgetNano)
      expect(told[0]).toBe(coveredNano)
      if (failure) {
        expect(failure.code).toBe('over-budget')
        expect(tokens).toBe(0)
        seen.refused += 1
        return
      }
      expect(result).toMatchObject({ finish: 'length', costNano: coveredNano })
      expect(result?.isCutByBudget).toBe(tokens < ask.tokensMax || undefined)
      if (tokens === ask.tokensMax) {
        seen.whole += 1
        return
      }
      seen.short += 1
      // what is not used is what a longer prompt would have needed, and less than a delta
      const slackTokens = BigInt(Math.max(...ask.deltaTokens)) * ask.price.completionNano
      const slackNano = (300n * ask.price.promptNano + slackTokens) / 1_000_000n + 2n
      expect(ask.budgetNano - coveredNano).toBeLessThanOrEqual(slackNano)
    }),
    { numRuns: 300 },
  )
  expect(Math.min(seen.short, seen.whole, seen.refused)).toBeGreaterThan(10)
})

test('nor does it over several providers that die on the way', async () => {
  let failovers = 0
  await fc.assert(
    fc.asyncProperty(ask(fc.integer({ min: 2, max: 3 })), async (ask) => {
      const { accepts, failure, result, told } = await asked(ask)
      failovers += Math.max(0, accepts - 1)
      expect(told.length).toBe(1)
      expect(told[0]).toBeLessThanOrEqual(ask.budgetNano)
      if (failure) expect(['over-budget', 'unreachable']).toContain(failure.code)
      else expect(result?.finish).toBe('length')
    }),
    { numRuns: 100 },
  )
  expect(failovers).toBeGreaterThan(30)
})
