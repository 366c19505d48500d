// `silkmesh chain`: a local TON chain with a faucet, to develop and to demonstrate against.

import { join } from 'node:path'
import { startLocalnet } from '../../contracts/localnet/localnet.ts'
import { MeshError } from '../../protocol/errors.ts'
import { stopped, untilStopped } from './exit.ts'
import { invocationOf } from './flags.ts'
import { printJson } from './terminal.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const { home, isJson, terminal, withParent } = invocationOf({ ...flags, port: undefined })
  const port = wholeNumber('--port', flags['port'], 65_535)
  const blockMs = flags['blockMs'] === undefined ? undefined : wholeNumber('--block-ms', flags['blockMs'], 60_000)
  const signal = untilStopped(withParent)
  const chain = await startLocalnet({ dir: join(home, 'chain'), port, blockMs })
  if (isJson) printJson({ type: 'ready', role: 'chain', endpoint: chain.endpoint, faucet: chain.faucetUrl })
  terminal.ok('chain', chain.endpoint)
  terminal.ok('faucet', chain.faucetUrl)
  terminal.line('Ctrl-C stops it; its state stays in the home.')
  await stopped(signal)
  await chain.close()
}

export function wholeNumber(flag: string, value: unknown, max: number): number {
  const number = Number(value)
  if (typeof value !== 'string' || !/^\d{1,9}$/.test(value) || number > max) {
    throw new MeshError('bad-request', `${flag} ${String(value)}, expected a whole number from 0 to ${max}`)
  }
  return number
}
