// A handful of what `npm run crash` does for hours: each role killed at a point or two, and the books compared to the nano.

import { describe, expect, test } from 'vitest'
import type { Point, Role } from './points.ts'
import { promptNano, Stage, windowNano } from './stage.ts'

const kills: readonly (readonly [Role, readonly (readonly [Point, number])[]])[] = [
  [
    'consumer',
    [
      ['after-sync', 3],
      ['before-acknowledge', 4],
    ],
  ],
  [
    'provider',
    [
      ['before-sync', 3],
      ['after-post', 1],
    ],
  ],
  ['settler', [['after-acknowledge', 1]]],
  ['hub', [['before-acknowledge', 3]]],
]

describe.each(kills)('a %s killed with -9', (role, points) => {
  test(`at ${points.map(([point]) => point).join(' and ')} comes back, is paid or pays, and nobody lost more than promised`, async () => {
    await using stage = await Stage.open(role)
    for (const [point, passes] of points) {
      const loss = await stage.iterate({ point, passes, requests: [150] })
      expect(loss.providerNano).toBeLessThanOrEqual(windowNano)
      expect(loss.consumerNano).toBeLessThanOrEqual(windowNano + promptNano)
    }
  })
})
