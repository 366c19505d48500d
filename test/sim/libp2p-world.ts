// A run of the `libp2p` tier with faults, in a process of its own: prints what came of it and the hash of all that happened.
// `node test/sim/libp2p-world.ts`

import { join } from 'node:path'
import { Trace } from '../../sim/libp2p/trace.ts'
import { createLibp2pWorld } from '../../sim/libp2p/world.ts'
import { carryOut } from '../../sim/run.ts'
import { loadScenario } from '../../sim/scenario/load.ts'
import { planOf } from '../../sim/scenario/plan.ts'

const scenario = loadScenario(join(import.meta.dirname, 'libp2p-world.yaml'))
const plan = planOf(scenario, 5)
let trace: Trace | undefined
const world = await createLibp2pWorld((time) => {
  trace = new Trace(time)
  return trace.tap
})
const { checkers, figures, isComplete, recorder } = await carryOut(plan, world, {
  heard: ({ atMs, event, peer }) => trace?.note(peer, atMs, event),
})
const outcomes = recorder.requests.map(({ outcome }) => outcome)
process.stdout.write(
  `${JSON.stringify({ hash: trace?.digest(), isComplete, violations: checkers.violations, outcomes, figures })}\n`,
)
process.exit(0)
