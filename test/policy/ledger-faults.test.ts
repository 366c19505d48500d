// Ledgers under faults: whatever breaks and whoever is killed, each node's ledger and its books agree to the nano at every
// moment, after every recovery, and with what the chain has paid.

import '../seed.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { balancesOf, describeMismatch } from '../../node/ledger/sums.ts'
import { type Ask, LedgerMesh, payout, type Who } from './ledger-mesh.ts'

interface Kill {
  readonly atMs: number
  readonly who: Who
  readonly downMs: number
  readonly durable: number
}

const ask: fc.Arbitrary<Ask> = fc.record({
  atMs: fc.nat({ max: 600 }),
  letters: fc.integer({ min: 1, max: 3_000 }),
  tokens: fc.integer({ min: 1, max: 150 }),
  leaveAfter: fc.option(fc.nat({ max: 60 }), { nil: undefined }),
})
const kill: fc.Arbitrary<Kill> = fc.record({
  atMs: fc.nat({ max: 800 }),
  who: fc.constantFrom('consumer', 'provider'),
  downMs: fc.nat({ max: 300 }),
  durable: fc.nat({ max: 5 }),
})

/** What differs at either side now. */
function differences({ consumer, provider }: LedgerMesh): readonly string[] {
  return [consumer, provider].flatMap((peer) => {
    const ledger = peer?.node.ledger
    if (!ledger) return []
    const { mismatches } = balancesOf(ledger.entries())
    return [...ledger.mismatches, ...ledger.checkBooks(), ...mismatches].map(describeMismatch)
  })
}

test('books, ledgers and chain agree to the nano at every moment and after every crash', async () => {
  let healed = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(ask, { minLength: 1, maxLength: 8 }),
      fc.array(kill, { maxLength: 4 }),
      fc.nat({ max: 8 }),
      fc.constantFrom(3, 10_000),
      async (asks, kills, diskMs, linesMax) => {
        const run = new LedgerMesh(diskMs, linesMax)
        const { clock } = run.mesh
        await run.start('provider')
        await run.start('consumer')
        const found = new Set<string>()
        const look = async (): Promise<void> => {
          for (let turn = 0; turn < 150; turn += 1) {
            for (const each of differences(run)) found.add(each)
            await clock.sleep(17)
          }
        }
        const killed = async ({ atMs, downMs, durable, who }: Kill): Promise<void> => {
          await clock.sleep(atMs)
          const store = run.crash(who, durable)
          if (!store) return
          await clock.sleep(downMs)
          await run.start(who, store)
        }
        await clock.finish(Promise.all([look(), ...asks.map((each) => run.ask(each)), ...kills.map(killed)]))
        await clock.advance(60_000)
        expect([...found, ...differences(run)]).toEqual([])
        for (const peer of [run.consumer, run.provider]) {
          expect(await clock.finish(peer?.node.ledger.check(run.mesh.chain) ?? Promise.resolve([]))).toEqual([])
          const entries = peer?.node.ledger.entries() ?? []
          healed += entries.filter(
            (entry) => entry.type === 'adjusted' && entry.why === 'recovered after a crash',
          ).length
        }
        const [paid] = [...(run.provider?.node.ledger.balances().values() ?? [])]
        expect(paid?.settledNano ?? 0n).toBe(run.mesh.chain.settledOf(run.escrow, payout))
      },
    ),
    { numRuns: 30 },
  )
  expect(healed).toBeGreaterThan(0)
})
