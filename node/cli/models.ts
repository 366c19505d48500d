// `silkmesh models`: what the mesh serves now, by how many, from which price.

import type { Offer } from '../../protocol/advert.ts'
import { counted } from '../../protocol/counted.ts'
import { formatGram } from '../../protocol/money.ts'
import { invocationOf } from './flags.ts'
import { lookAtProviders } from './mesh-view.ts'
import { printJson } from './terminal.ts'
import { wholeNumber } from './words.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const adverts = await lookAtProviders(invocation, wholeNumber('--wait', flags['wait'], 3_600, 1))
  const byKey = new Map<string, Offer[]>()
  for (const offer of adverts.flatMap(({ offers }) => offers)) {
    byKey.set(offer.modelKey, [...(byKey.get(offer.modelKey) ?? []), offer])
  }
  const models = [...byKey.entries()].map(([key, offers]) => {
    const prices = offers.map(({ price }) => price.completionNano).sort((a, b) => (a < b ? -1 : 1))
    return {
      key,
      name: offers[0]?.name ?? key,
      providers: offers.length,
      contextTokens: Math.max(...offers.map(({ contextTokens }) => contextTokens)),
      slotsFree: offers.reduce((sum, { slotsFree }) => sum + slotsFree, 0),
      completionNanoMin: prices[0] ?? 0n,
      completionNanoMax: prices.at(-1) ?? 0n,
    }
  })
  if (invocation.isJson) return printJson({ ok: true, models })
  const { terminal } = invocation
  if (models.length === 0)
    terminal.warn('no models', 'no provider was found; is the bootstrap peer up? --wait 30 looks longer')
  for (const model of models) {
    const { completionNanoMin, completionNanoMax, contextTokens, name, providers, slotsFree } = model
    const price =
      completionNanoMin === completionNanoMax
        ? formatGram(completionNanoMin)
        : `${formatGram(completionNanoMin)} to ${formatGram(completionNanoMax)}`
    terminal.ok(
      name,
      `${counted(providers, 'provider')}, ${counted(slotsFree, 'slot')} free, context ${contextTokens}, ${price} GRAM a million completion tokens`,
    )
  }
}
