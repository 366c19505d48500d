// Where peers are and how far apart: eight regions of the world.

import type { LatencyPlan } from '../plan.ts'
import type { Weights } from './scenario.ts'

/**
 * One-way milliseconds between regions, and where peers are: libp2p/test-plans, gossipsub-interop/network_graph.py at
 * commit 00f6cbd (`eu` is its `europe`). There South Africa to South America is 190 ms and back 195: both are kept. The
 * weights are that file’s, too.
 */
const rows: readonly (readonly [name: string, nodes: number, oneWayMs: readonly number[]])[] = [
  ['australia', 290, [2, 165, 110, 180, 150, 110, 220, 190]],
  ['eu', 5_599, [165, 2, 125, 60, 70, 110, 95, 140]],
  ['east-asia', 1_059, [110, 125, 4, 110, 140, 100, 175, 175]],
  ['west-asia', 161, [180, 60, 110, 5, 110, 150, 110, 145]],
  ['na-east', 2_894, [150, 70, 140, 110, 2, 60, 130, 100]],
  ['na-west', 1_240, [110, 110, 100, 150, 60, 2, 160, 100]],
  ['south-africa', 47, [220, 95, 175, 110, 130, 160, 7, 190]],
  ['south-america', 36, [190, 140, 175, 145, 100, 100, 195, 7]],
]

export const regions8: Pick<LatencyPlan, 'regions' | 'oneWayMs'> = {
  regions: rows.map(([name]) => name),
  oneWayMs: rows.map(([, , oneWayMs]) => oneWayMs),
}

export const regions8Weights: Weights = rows.map(([name, nodes]) => [name, nodes])
