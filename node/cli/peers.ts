// `silkmesh peers`: which providers are found now, what they serve and ask.

import { formatGram } from '../../protocol/money.ts'
import { invocationOf } from './flags.ts'
import { lookAtMesh } from './mesh-view.ts'
import { printJson } from './terminal.ts'
import { wholeNumber } from './words.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const adverts = await lookAtMesh(invocation, wholeNumber('--wait', flags['wait'], 3_600, 1))
  if (invocation.isJson) return printJson({ ok: true, providers: adverts })
  const { terminal } = invocation
  if (adverts.length === 0)
    terminal.warn('no providers', 'none was found; is the bootstrap peer up? --wait 30 looks longer')
  for (const { peer, offers, payout } of adverts) {
    terminal.ok('provider', peer)
    terminal.line(`    paid to ${payout}`)
    for (const { name, price, slots, slotsFree, decodeTokensPerSecond } of offers) {
      terminal.line(
        `    ${name}: ${formatGram(price.completionNano)} GRAM a million completion tokens, ` +
          `${slotsFree} of ${slots} slots free, ${decodeTokensPerSecond} tokens/s`,
      )
    }
  }
}
