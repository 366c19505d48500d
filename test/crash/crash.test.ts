// The least of what `npm run crash` does for hours: either end of a channel killed at a point, and the books compared to the nano.

import { expect, test } from 'vitest'
import type { Point, Role } from './points.ts'
import { promptNano, Stage, windowNano } from './stage.ts'

const kills: readonly (readonly [Role, Point, number])[] = [
  ['consumer', 'before-acknowledge', 4],
  ['provider', 'before-sync', 3],
]

test.each(kills)(
  'a %s killed with -9 at %s comes back, and nobody lost more than promised',
  async (role, point, passes) => {
    await using stage = await Stage.open(role)
    const loss = await stage.iterate({ point, passes, requests: [150] })
    expect(loss.providerNano).toBeLessThanOrEqual(windowNano)
    expect(loss.consumerNano).toBeLessThanOrEqual(windowNano + promptNano)
  },
)
