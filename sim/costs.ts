// What the work that a model leaves out costs a processor: a table measured by `sim calibrate`. Runs read the committed one,
// so that they are the same on every machine.

import { readFileSync } from 'node:fs'

/** Processor time. */
export interface Costs {
  /** A new connection, both ends together: Noise, Yamux, identify, and what gossip and the DHT say in greeting. */
  readonly dialMs: number
  /** A stream on a connection there is, both ends: negotiation, one frame each way, the end. */
  readonly streamMs: number
  /** A gossip message at one receiver: signature, validation, forwarding; duplicates of it included. */
  readonly gossipDeliveryMs: number
  /** One peer doing nothing for a second: heartbeats of gossip and connections. */
  readonly idleMsPerSecond: number
  /** Ed25519. */
  readonly signUs: number
  readonly verifyUs: number
  /** The TL-B cell of a voucher and its hash. */
  readonly voucherDigestUs: number
  /** Digest and signature of one voucher. */
  readonly voucherVerifyUs: number
  /** A capacity advert, its signature verified. */
  readonly advertDecodeUs: number
  /** A delta of a few tokens. */
  readonly frameEncodeUs: number
  readonly frameDecodeUs: number
}

export interface CostTable {
  /** ISO 8601. */
  readonly measuredAt: string
  readonly node: string
  readonly cpu: string
  readonly costs: Costs
}

const names: readonly (keyof Costs)[] = [
  'dialMs',
  'streamMs',
  'gossipDeliveryMs',
  'idleMsPerSecond',
  'signUs',
  'verifyUs',
  'voucherDigestUs',
  'voucherVerifyUs',
  'advertDecodeUs',
  'frameEncodeUs',
  'frameDecodeUs',
]

const committed = new URL('costs.json', import.meta.url)

/** Throws `RangeError` naming what is missing or not a cost. */
export function readCosts(path: string | URL = committed): CostTable {
  const table: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (!isTable(table)) throw new RangeError(`${path} has no costs, expected what "sim calibrate --out ${path}" writes`)
  for (const name of names) {
    const cost = table.costs[name]
    if (!(typeof cost === 'number' && cost >= 0 && cost < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`${path}: costs.${name} is ${cost}, expected a time; "sim calibrate" measures it`)
    }
  }
  return table
}

function isTable(value: unknown): value is CostTable {
  return typeof value === 'object' && value !== null && 'costs' in value && typeof value.costs === 'object'
}
