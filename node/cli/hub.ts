// `silkmesh hub`: pay providers for consumers out of this home's escrow, be paid by them, settle with each once.

import type { Address } from '../../protocol/ids.ts'
import { formatPercent } from '../../protocol/money.ts'
import { walletOf } from './accounts.ts'
import { stopped, untilStopped } from './exit.ts'
import { invocationOf, withSettings } from './flags.ts'
import { openEscrow } from './open-escrow.ts'
import { startRuntime } from './runtime.ts'
import { printJson } from './terminal.ts'
import { accountOf, amountOf, feePpmOf } from './words.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(withSettings(flags, { 'hub.feePpm': feePpmOf(flags['fee']) }))
  const { config, isJson, terminal } = invocation
  const signal = untilStopped(invocation.withParent)
  const depositNano = flags['deposit'] === undefined ? undefined : amountOf('--deposit', String(flags['deposit']))
  let payout = flags['payout'] === undefined ? undefined : accountOf('--payout', String(flags['payout']))
  let escrow: Address | undefined
  const runtime = await startRuntime({
    invocation,
    signal,
    roles: async ({ chain, home, identity }) => {
      payout ??= (await walletOf(home, chain, signal)).address
      escrow = await openEscrow({ invocation, home, identity, chain, depositNano, signal })
      return { hub: { escrow, payout } }
    },
  })
  const { peerId } = runtime.identity
  const { feePpm } = config.hub
  terminal.ok('fee', feePpm === 0 ? 'none' : `${formatPercent(feePpm)} of what is granted, paid to ${payout}`)
  if (isJson) {
    const addresses = runtime.network.addresses()
    printJson({ type: 'ready', role: 'hub', peerId, addresses, escrow, payout, feePpm })
  }
  terminal.line(`Paying for others: consumers use it with --hub ${peerId}. Ctrl-C settles what is held and ends.`)
  await stopped(runtime.until)
  await runtime.stop()
}
