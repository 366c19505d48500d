// `silkmesh settle`: hold vouchers of others, settle them on chain and watch over them, for a fee or none. Holds no coins.

import { MeshError } from '../../protocol/errors.ts'
import { formatGram } from '../../protocol/money.ts'
import { walletOf } from './accounts.ts'
import { stopped, untilStopped } from './exit.ts'
import { invocationOf } from './flags.ts'
import { startRuntime } from './runtime.ts'
import { printJson } from './terminal.ts'
import { accountOf } from './words.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(withSettings(flags))
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
  terminal.ok('fee', feePpm === 0 ? 'none' : `${feePpm / 10_000} % of what is settled, paid to ${payout}`)
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

/** Flags that are said in other words than their settings. */
function withSettings(flags: Record<string, unknown>): Record<string, unknown> {
  const set = [...((flags['set'] as readonly (readonly [string, string])[] | undefined) ?? [])]
  if (flags['fee'] !== undefined) set.push(['settlement.settlerFeePpm', String(feePpmOf(String(flags['fee'])))])
  if (flags['watch'] === false) set.push(['settlement.settlerWatches', 'false'])
  return { ...flags, set }
}

/** `0.5%` → 5 000. Throws `bad-request` saying what was expected. */
export function feePpmOf(text: string): number {
  const match = /^(\d{1,2}(?:\.\d{1,4})?) ?%$/.exec(text)
  const ppm = match ? Math.round(Number(match[1]) * 10_000) : Number.NaN
  if (ppm >= 0 && ppm <= 100_000) return ppm
  throw new MeshError('bad-request', `--fee "${text.slice(0, 40)}", expected a percentage from 0% to 10%, such as 0.5%`)
}
