// `silkmesh join`: serve a model to the mesh, be paid by voucher, settle.

import { formatGram } from '../../protocol/money.ts'
import { walletOf } from './accounts.ts'
import { type RunningEngine, startEngine } from './engine.ts'
import { stopped, untilStopped } from './exit.ts'
import { invocationOf } from './flags.ts'
import { graphicsAdvice, graphicsHere } from './graphics.ts'
import { startRuntime } from './runtime.ts'
import { printJson } from './terminal.ts'
import { accountOf } from './words.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const { config, isJson, terminal } = invocation
  const signal = untilStopped(invocation.withParent)
  const chosen = flags['payout'] === undefined ? undefined : accountOf('--payout', String(flags['payout']))
  if (config.engine.url === '' && config.engine.gpu === 'auto' && graphicsHere() === 'without its build')
    terminal.warn('graphics', `this machine has an NVIDIA card, and llama.cpp no build for it; ${graphicsAdvice}`)
  let payout = chosen
  let running: RunningEngine | undefined
  const runtime = await startRuntime({
    invocation,
    signal,
    engine: async (starting) => {
      running = await startEngine(invocation, starting)
      terminal.ok('engine', running.summary)
      return running.engine
    },
    roles: async ({ chain, home }) => {
      payout ??= (await walletOf(home, chain, signal)).address
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
      models: running?.engine.models,
      engine: running?.summary,
    })
  }
  terminal.line('Serving. Ctrl-C lets streams finish, hands vouchers over and ends.')
  await stopped(signal)
  terminal.line('Draining…')
  await runtime.stop()
}
