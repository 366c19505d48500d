// What every source of randomness must do, the real and the seeded.

import { describe, expect, test } from 'vitest'
import type { Random } from '../../node/ports.ts'

/** A `repeatable` source gives the same draws each time `make` is called; the real one never does. */
export function randomContract(name: string, make: () => Random, repeatable: boolean): void {
  const draws = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.next())

  describe(`random: ${name}`, () => {
    test('draws numbers from 0 up to, not including, 1', () => {
      expect(draws(make(), 10_000).every((draw) => draw >= 0 && draw < 1)).toBe(true)
    })

    test('fills every tenth of the range about equally', () => {
      const tenths = Array.from({ length: 10 }, () => 0)
      for (const draw of draws(make(), 20_000)) tenths[Math.floor(draw * 10)] = (tenths[Math.floor(draw * 10)] ?? 0) + 1
      // 2 000 expected, standard deviation 42: eight of them is never seen.
      for (const count of tenths) expect(Math.abs(count - 2_000)).toBeLessThan(340)
    })

    test.each([0, 1, 32, 65_537])('gives %i bytes when asked for them', (length) => {
      expect(make().bytes(length)).toHaveLength(length)
    })

    test('uses every byte value', () => {
      expect(new Set(make().bytes(16_384)).size).toBe(256)
    })

    test('gives other bytes the second time', () => {
      const random = make()
      expect(random.bytes(32)).not.toEqual(random.bytes(32))
    })

    test.each([-1, 1.5, Number.NaN])('refuses %d bytes', (length) => {
      expect(() => make().bytes(length)).toThrow(RangeError)
    })

    test('forks of two labels draw differently', () => {
      const random = make()
      expect(draws(random.fork('gossip'), 8)).not.toEqual(draws(random.fork('lookup'), 8))
    })

    test('a fork draws differently from its source', () => {
      const random = make()
      const fork = random.fork('gossip')
      expect(draws(fork, 8)).not.toEqual(draws(random, 8))
    })

    test.runIf(repeatable)('a fork does not depend on what others have drawn', () => {
      const quiet = make().fork('gossip')
      const busy = make()
      const other = busy.fork('lookup')
      const fork = busy.fork('gossip')
      draws(busy, 5)
      draws(other, 7)
      expect(draws(fork, 8)).toEqual(draws(quiet, 8))
    })

    test('two sources draw the same exactly when they are repeatable', () => {
      const [a, b] = [draws(make(), 8), draws(make(), 8)]
      if (repeatable) expect(a).toEqual(b)
      else expect(a).not.toEqual(b)
    })
  })
}
