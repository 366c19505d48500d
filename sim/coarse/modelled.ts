// What of a scenario the coarse mode leaves out: told when a scenario asks for it, as it would change nothing.

import type { Path, Report } from '../scenario/problem.ts'
import type { RawScenario } from '../scenario/raw.ts'

/** The node's settings that this mode reads. */
export const settingsModelled: ReadonlySet<string> = new Set([
  'consumer.attemptsMax',
  'consumer.betweenDeltasMs',
  'consumer.chunkTokens',
  'consumer.concurrentMax',
  'consumer.connectMs',
  'consumer.cooldownMs',
  'consumer.discoverMs',
  'consumer.escrowCheckMs',
  'consumer.firstByteMs',
  'consumer.priceNanoMax',
  'consumer.queueMs',
  'consumer.requestMs',
  'consumer.routing',
  'discovery.advertGapMs',
  'discovery.advertIntervalMs',
  'discovery.advertLifeMs',
  'discovery.lookupProvidersMax',
  'provider.cachedPriceNano',
  'provider.completionPriceNano',
  'provider.creditTokens',
  'provider.drainMs',
  'provider.escrowCheckMs',
  'provider.paymentMs',
  'provider.peerRequestsMax',
  'provider.priceFloorPerMille',
  'provider.pricing',
  'provider.promptPriceNano',
  'provider.queueMax',
  'provider.queueMs',
  'settlement.ageMsMax',
  'settlement.intervalMs',
  'settlement.thresholdNano',
])

/** The checks it makes; those on what nodes say it cannot. */
export const checksModelled: ReadonlySet<string> = new Set([
  'conservation',
  'settled-within-vouchers',
  'settled-within-deposit',
  'exposure-within-window',
])

const expected = 'mode: full'

/** Adversaries that it lacks are refused when a run begins. */
export function tellLeftOut(raw: RawScenario, doubt: Report): void {
  const out = (path: Path, what: string, hint: string): void => doubt({ path, what, expected, hint })
  const { assert, chain, config, faults, network, payments, population } = raw
  if (chain.tvm) out(['chain', 'tvm'], 'is true', 'coarse settles by arithmetic')
  if (network.processorTime) out(['network', 'processorTime'], 'is true', 'in coarse only engines take time')
  if (!network.nat.relay && [network.nat, ...population.flatMap(({ nat }) => nat ?? [])].some(hasNat)) {
    out(['network', 'nat', 'relay'], 'is false', 'coarse relays for whoever cannot be dialled')
  }
  if (payments.settler !== undefined) out(['payments', 'settler'], 'is set', 'in coarse every provider settles itself')
  tellSettings(config, ['config'], out)
  for (const [at, group] of population.entries()) {
    const path = ['population', at] as const
    if (group.disk.tornWrites) out([...path, 'disk', 'tornWrites'], 'is true', 'in coarse no write is lost')
    if (Number.parseFloat(group.clockSkew) > 0)
      out([...path, 'clockSkew'], `is ${group.clockSkew}`, 'coarse has one clock')
    tellSettings(group.config ?? {}, [...path, 'config'], out)
  }
  for (const [at, { chain: how, swarm }] of faults.entries()) {
    const path = ['faults', at] as const
    if (how === 'reorder') out([...path, 'chain'], 'is reorder', 'coarse takes it for a slow chain')
    if (swarm?.tornWrite) out([...path, 'swarm', 'tornWrite'], 'is true', 'in coarse no write is lost')
    if (swarm?.clockSkew !== undefined)
      out([...path, 'swarm', 'clockSkew'], `is ${swarm.clockSkew}`, 'coarse has one clock')
    for (const name of Object.keys(swarm?.config ?? {})) tellSetting(name, [...path, 'swarm', 'config', name], out)
  }
  for (const [at, item] of assert.entries()) {
    if (typeof item !== 'string' || checksModelled.has(item)) continue
    out(['assert', at], `is ${item}`, 'coarse makes no such check, so nothing can break it')
  }
}

type Tell = (path: Path, what: string, hint: string) => void

function tellSettings(config: RawScenario['config'], path: Path, tell: Tell): void {
  for (const [group, members] of Object.entries(config)) {
    for (const name of Object.keys(members)) tellSetting(`${group}.${name}`, [...path, group, name], tell)
  }
}

function tellSetting(name: string, path: Path, tell: Tell): void {
  if (settingsModelled.has(name)) return
  const isOfConnections = name === 'network.connectionsMax'
  tell(path, 'is set', isOfConnections ? 'coarse bounds no connections' : 'it changes nothing in coarse')
}

function hasNat({
  cone,
  symmetric,
}: RawScenario['network']['nat'] | { cone: string | number; symmetric: string | number }): boolean {
  return [cone, symmetric].some((share) => Number.parseFloat(String(share)) > 0)
}
