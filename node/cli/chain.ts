// `silkmesh chain`: a local TON chain with a faucet, to develop and to demonstrate against.

import { join } from 'node:path'
import { LocalnetError } from '../../contracts/localnet/errors.ts'
import { type Localnet, type LocalnetOptions, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { MeshError } from '../../protocol/errors.ts'
import { stopped, untilStopped } from './exit.ts'
import { invocationOf } from './flags.ts'
import { assertFree } from './ports.ts'
import { printJson } from './terminal.ts'
import { wholeNumber } from './words.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const { home, isJson, terminal, withParent } = invocationOf({ ...flags, port: undefined })
  const port = wholeNumber('--port', flags['port'], 65_535)
  const blockMs = flags['blockMs'] === undefined ? undefined : wholeNumber('--block-ms', flags['blockMs'], 60_000)
  const signal = untilStopped(withParent)
  await assertFree('127.0.0.1', port) // before its folder is made
  const chain = await start({ dir: join(home, 'chain'), port, blockMs })
  if (isJson) printJson({ type: 'ready', role: 'chain', endpoint: chain.endpoint, faucet: chain.faucetUrl })
  terminal.ok('chain', chain.endpoint)
  terminal.ok('faucet', chain.faucetUrl)
  terminal.line(`Ctrl-C stops it; its state stays in ${home}.`)
  await stopped(signal)
  await chain.close()
}

/** The chain says itself what was expected and what to do. */
async function start(options: LocalnetOptions): Promise<Localnet> {
  try {
    return await startLocalnet(options)
  } catch (error) {
    if (!(error instanceof LocalnetError)) throw error
    throw new MeshError(error.code === 'busy-port' ? 'bad-request' : 'store-failed', error.message, { cause: error })
  }
}
