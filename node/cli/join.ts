// `silkmesh join`: serve a model to the mesh, be paid by voucher, settle.

import { formatGram } from '../../protocol/money.ts'
import { escrowTermsOf, walletOf } from './accounts.ts'
import { type RunningEngine, startEngine } from './engine.ts'
import { stopped, untilStopped } from './exit.ts'
import { type Invocation, invocationOf } from './flags.ts'
import { graphicsAdvice, graphicsHere } from './graphics.ts'
import { sayWhoSettles } from './open-escrow.ts'
import { isPauseOrdered, obeyPauses } from './pausing.ts'
import { noteRunning } from './running.ts'
import { startRuntime } from './runtime.ts'
import { printJson } from './terminal.ts'
import { accountOf } from './words.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = inOwnZone(invocationOf(flags))
  const { config, isJson, terminal } = invocation
  const signal = untilStopped(invocation.withParent)
  const chosen = flags['payout'] === undefined ? undefined : accountOf('--payout', String(flags['payout']))
  if (config.engine.url === '' && config.engine.gpu === 'auto' && graphicsHere() === 'without its build')
    terminal.warn('graphics', `this machine has an NVIDIA card, and llama.cpp no build for it; ${graphicsAdvice}`)
  let payout = chosen
  let hasBegun = false
  let running: RunningEngine | undefined
  const runtime = await startRuntime({
    invocation,
    signal,
    engine: async (starting) => {
      running = await startEngine(invocation, starting)
      terminal.ok('engine', running.summary)
      return running.engine
    },
    roles: async ({ chain, home, identity }) => {
      const wallet = () => walletOf(home, chain, signal)
      payout ??= (await wallet()).address
      // what settlers ask is paid from an escrow of its own
      const isTrading = config.settlement.settler !== '' && config.settlement.feePpmMax > 0
      const escrow = isTrading ? (await wallet()).escrowAddress(escrowTermsOf(identity, config)) : undefined
      if (escrow !== undefined) await sayWhoSettles(terminal, chain, escrow, signal)
      return { provider: { payout, escrow, isPaused: isPauseOrdered(home.path) } }
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
  for (const entry of config.provider.prices) {
    const model = entry.slice(0, entry.lastIndexOf('='))
    const isServed = running?.engine.models.some(({ key, name }) => name === model || key === model)
    if (isServed) terminal.ok('price', entry)
    else terminal.warn('price', `${model} has a price, and is not served`)
  }
  const { home, network, node } = runtime
  const obeying =
    node.serving &&
    obeyPauses(home.path, node.serving, ({ active, changesAtMs, queued, state }) => {
      noteRunning(home.path, { addresses: network.addresses(), serving: { active, changesAtMs, queued, state } })
      if (state !== 'open') terminal.warn(state, noticeOf[state])
      else if (hasBegun) terminal.ok('open', 'taking requests again')
      hasBegun = true
    })
  terminal.line('Serving. Ctrl-C lets streams finish, hands vouchers over and ends.')
  await stopped(runtime.until)
  terminal.line('Draining…')
  obeying?.()
  await runtime.stop()
}

const noticeOf = {
  paused: 'nothing new is taken until `silkmesh provider resume`',
  closed: 'outside the hours of provider.schedule nothing new is taken',
}

/** Hours are meant as the clock on the wall shows them. */
function inOwnZone(invocation: Invocation): Invocation {
  const { config } = invocation
  if (config.provider.scheduleZone !== '') return invocation
  const { timeZone: scheduleZone } = Intl.DateTimeFormat().resolvedOptions()
  return { ...invocation, config: { ...config, provider: { ...config.provider, scheduleZone } } }
}
