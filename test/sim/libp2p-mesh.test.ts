// A mesh of real libp2p in virtual time: equal seeds are equal runs, to the packet, in processes that know nothing of each other.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

const mesh = join(import.meta.dirname, 'libp2p-mesh.ts')

async function run(seed: string): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = await promisify(execFile)(process.execPath, [mesh, seed])
  return JSON.parse(stdout)
}

describe('ten peers with Noise, Kademlia and gossipsub, a partition and a crash', () => {
  test('do the same for the same seed, and something else for another', async () => {
    const [first, again, other] = await Promise.all(['7', '7', '8'].map(run))
    expect(again).toEqual(first)
    expect(other?.['hash']).not.toBe(first?.['hash'])
    // five seekers found the three providers and had 50 000 bytes back from each; five messages reached the nine others
    for (const figures of [first, other]) {
      expect(figures).toMatchObject({ found: 15, answered: 750_000, heard: 45, streams: 15, gossipDelivered: 45 })
      // six servers know each other: a walk needs one question, or two
      expect(figures?.['dhtMeanHops']).toBeGreaterThanOrEqual(1)
      expect(figures?.['dhtMeanHops']).toBeLessThan(2)
    }
  }, 180_000)
})
