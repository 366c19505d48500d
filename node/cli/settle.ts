// `silkmesh settle`: hold vouchers of others and settle them on chain. Needs no coins and holds none.

import { stopped, untilStopped } from './exit.ts'
import { invocationOf } from './flags.ts'
import { startRuntime } from './runtime.ts'
import { printJson } from './terminal.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const { isJson, terminal } = invocation
  const signal = untilStopped(invocation.withParent)
  const runtime = await startRuntime({ invocation, signal, roles: async () => ({ settler: true }) })
  const addresses = runtime.network.addresses()
  if (isJson) printJson({ type: 'ready', role: 'settler', peerId: runtime.identity.peerId, addresses })
  terminal.line(
    `Settling for others: providers name it with --settler ${runtime.identity.peerId}. Ctrl-C settles what is held and ends.`,
  )
  await stopped(signal)
  await runtime.stop()
}
