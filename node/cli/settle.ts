// `silkmesh settle`: hold vouchers of others, settle them on chain and watch over them, for a fee or none. Holds no coins.

import { formatGram, formatPercent } from '../../protocol/money.ts'
import { walletOf } from './accounts.ts'
import { stopped, untilStopped } from './exit.ts'
import { invocationOf, withSettings } from './flags.ts'
import { startRuntime } from './runtime.ts'
import { printJson } from './terminal.ts'
import { accountOf, feePpmOf } from './words.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const settings = {
    'settlement.settlerFeePpm': feePpmOf(flags['fee']),
    'settlement.settlerWatches': flags['watch'] === false ? 'false' : undefined,
  }
  const invocation = invocationOf(withSettings(flags, settings))
  const { config, isJson, terminal } = invocation
  const signal = untilStopped(invocation.withParent)
  let payout = flags['payout'] === undefined ? undefined : accountOf('--payout', String(flags['payout']))
  const runtime = await startRuntime({
    invocation,
    signal,
    roles: async ({ chain, home }) => {
      payout ??= (await walletOf(home, chain, signal)).address
      return { settler: { payout, globalId: await chain.globalId(signal) } }
    },
  })
  const { settlerFeePpm: feePpm, settlerValueNanoMin, settlerWatches: isWatching } = config.settlement
  const { peerId } = runtime.identity
  const addresses = runtime.network.addresses()
  terminal.ok('fee', feePpm === 0 ? 'none' : `${formatPercent(feePpm)} of what is settled, paid to ${payout}`)
  if (settlerValueNanoMin > 0n) terminal.ok('least', `${formatGram(settlerValueNanoMin)} GRAM unsettled`)
  if (isJson) {
    const valueNanoMin = settlerValueNanoMin.toString()
    printJson({ type: 'ready', role: 'settler', peerId, addresses, payout, feePpm, valueNanoMin, isWatching })
  }
  terminal.line(
    `Settling for others: providers use it with --settler ${peerId}, or find it with --settler market. Ctrl-C settles what is held and ends.`,
  )
  await stopped(runtime.until)
  await runtime.stop()
}
