// `silkmesh peers`: which providers, settlers or hubs are found now, and what they ask.

import type { Advert } from '../../protocol/advert.ts'
import { formatGram, formatPercent } from '../../protocol/money.ts'
import type { SettlerAdvert } from '../../protocol/settler-advert.ts'
import type { HubOffer } from '../hub/search.ts'
import { invocationOf } from './flags.ts'
import { lookAtHubs, lookAtProviders, lookAtSettlers } from './mesh-view.ts'
import { printJson } from './terminal.ts'
import { wholeNumber } from './words.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const { isJson, terminal } = invocation
  const role = String(flags['role'])
  const seconds = wholeNumber('--wait', flags['wait'], 3_600, 1)
  const show = <T extends { readonly peer: string }>(found: readonly T[], linesOf: (each: T) => readonly string[]) => {
    if (isJson) return printJson({ ok: true, [`${role}s`]: found })
    if (found.length === 0) {
      terminal.warn(`no ${role}s`, 'none was found; is the bootstrap peer up? --wait 30 looks longer')
    }
    for (const each of found) {
      terminal.ok(role, each.peer)
      for (const line of linesOf(each)) terminal.line(`    ${line}`)
    }
  }
  if (role === 'settler') return show(await lookAtSettlers(invocation, seconds), settlerLines)
  if (role === 'hub') return show(await lookAtHubs(invocation, seconds), hubLines)
  show(await lookAtProviders(invocation, seconds), providerLines)
}

function providerLines({ offers, payout }: Advert): readonly string[] {
  return [
    `paid to ${payout}`,
    ...offers.map(
      ({ name, price, slots, slotsFree, decodeTokensPerSecond }) =>
        `${name}: ${formatGram(price.completionNano)} GRAM a million completion tokens, ` +
        `${slotsFree} of ${slots} slots free, ${decodeTokensPerSecond} tokens/s`,
    ),
  ]
}

function settlerLines({ feePpm, isWatching, payout, placesFree, valueNanoMin }: SettlerAdvert): readonly string[] {
  const least = valueNanoMin === 0n ? 'of any value' : `from ${formatGram(valueNanoMin)} GRAM`
  return [
    `asks ${formatPercent(feePpm)} of what it settles, paid to ${payout}`,
    `takes ${placesFree} more vouchers, ${least}; ${isWatching ? 'watches over' : 'does not watch'} escrows`,
  ]
}

function hubLines({ escrow, feePpm, incrementNanoMax }: HubOffer): readonly string[] {
  return [
    `takes ${formatPercent(feePpm)} of what it grants, at most ${formatGram(incrementNanoMax)} GRAM at once`,
    `pays providers out of ${escrow}`,
  ]
}
