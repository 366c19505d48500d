// What the containers of docker-compose.sim.yml agree on: ports, the scenario, and what each shows the driver.

import { fileURLToPath } from 'node:url'
import type { Plan } from '../plan.ts'
import { loadScenario } from '../scenario/load.ts'
import { planOf } from '../scenario/plan.ts'
import type { Scenario } from '../scenario/scenario.ts'
import { ownCommand } from './child.ts'

export const bootstrapName = 'bootstrap'
/** The chain's, at the service `chain` and on every container's own loopback, where nodes ask for it. */
export const chainPort = 8_081
export const gatewayPort = 8_333
/** Where a container says who it is, once it is ready. */
export const showPort = 4_002

export interface Shown {
  readonly role: string
  readonly name: string
  readonly peerId: string | undefined
  readonly payout: string | undefined
  readonly escrow: string | undefined
  /** Of a consumer's gateway. All of it is play money. */
  readonly apiKey: string | undefined
}

/** `SCENARIO` names one of sim/scenarios/, or is a path; `SEED` stands in for the file's. */
export function scenarioFrom({ SCENARIO: name = 'compose', SEED: seed }: NodeJS.ProcessEnv): Scenario {
  const isName = /^[\w-]+$/.test(name)
  const file = isName ? fileURLToPath(new URL(`../scenarios/${name}.yaml`, import.meta.url)) : name
  return loadScenario(file, seed === undefined || seed === '' ? {} : { seed })
}

export function planFrom(environment: NodeJS.ProcessEnv): Plan {
  const scenario = scenarioFrom(environment)
  const [seed = 0] = scenario.seeds
  return planOf(scenario, seed)
}

/** `SILKMESH` is the path of the built command in an image; a checkout has its own. */
export function commandOf({ SILKMESH: built }: NodeJS.ProcessEnv): readonly string[] {
  return built === undefined ? ownCommand : [process.execPath, built]
}

/** Lines for whoever reads the log of the composition. */
export function steps(who: string): (what: string) => void {
  return (what) => process.stderr.write(`${who}: ${what}\n`)
}
