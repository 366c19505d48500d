// `silkmesh join`: serve a model to the mesh, be paid by voucher, settle.

import { formatGram } from '../../protocol/money.ts'
import { parsePayout, walletOf } from './accounts.ts'
import { startEngine } from './engine.ts'
import { stopped, untilStopped } from './exit.ts'
import { invocationOf } from './flags.ts'
import { startRuntime } from './runtime.ts'
import { printJson } from './terminal.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const { config, isJson, terminal } = invocation
  const signal = untilStopped(invocation.withParent)
  const chosen = flags['payout'] === undefined ? undefined : parsePayout(String(flags['payout']))
  const { engine, summary } = await startEngine(invocation)
  terminal.ok('engine', summary)
  let payout = chosen
  const runtime = await startRuntime({
    invocation,
    engine,
    roles: async ({ chain, home }) => {
      payout ??= (await walletOf(home, chain)).address
      return { provider: { payout } }
    },
  })
  const { completionPriceNano, promptPriceNano } = config.provider
  terminal.ok('payout', payout)
  terminal.ok(
    'price',
    `${formatGram(completionPriceNano)} GRAM a million completion tokens, ${formatGram(promptPriceNano)} prompt`,
  )
  if (isJson) {
    printJson({
      type: 'ready',
      role: 'provider',
      peerId: runtime.identity.peerId,
      payout,
      addresses: runtime.network.addresses(),
      models: engine.models,
      engine: summary,
    })
  }
  terminal.line('Serving. Ctrl-C lets streams finish, hands vouchers over and ends.')
  await stopped(signal)
  terminal.line('Draining…')
  await runtime.stop()
}
