// What every part of the modelled network shares: time, ways, chance, bounds, counts.

import type { Scheduler } from '../../kernel.ts'
import type { Paths } from './paths.ts'
import type { NetworkSettings } from './settings.ts'

export interface Ground {
  readonly scheduler: Scheduler
  readonly paths: Paths
  readonly draw: () => number
  readonly settings: NetworkSettings
  readonly tally: Tally
}

export class Tally {
  messages = 0
  bytes = 0
  dials = 0
  dialsFailed = 0
  connections = 0
  connectionsDropped = 0
  relayed = 0
  punched = 0
  streams = 0
}
