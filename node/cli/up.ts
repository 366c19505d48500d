// `silkmesh up`: a consumer with its gateway, paying from this home's escrow.

import { MeshError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
import { formatGram } from '../../protocol/money.ts'
import { systemClock } from '../adapters/system.ts'
import type { TonChain } from '../adapters/ton/chain.ts'
import { loopbackHosts } from '../gateway/access.ts'
import { Budgets } from '../gateway/budgets.ts'
import { requestLog } from '../gateway/explain.ts'
import { createGateway } from '../gateway/http.ts'
import { serveGateway } from '../gateway/listen.ts'
import type { Identity } from '../ports.ts'
import { unlessCancelled } from '../waits.ts'
import { askFaucet, deposit, escrowTermsOf, walletOf } from './accounts.ts'
import { stopped, untilStopped } from './exit.ts'
import { type Invocation, invocationOf } from './flags.ts'
import type { Home } from './home.ts'
import { KeyFolder } from './key-files.ts'
import { assertFree } from './ports.ts'
import { forgetRunning, noteRunning } from './running.ts'
import { startRuntime } from './runtime.ts'
import { printJson } from './terminal.ts'
import { amountOf } from './words.ts'

/** What a deposit leaves for fees when the faucet is asked. */
const feesNano = 200_000_000n

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const { config, home: path, isJson, terminal } = invocation
  const signal = untilStopped(invocation.withParent)
  const depositNano = flags['deposit'] === undefined ? undefined : amountOf('--deposit', String(flags['deposit']))
  const { bodyBytesMax, host, hosts, origins, port, requestsMax } = config.gateway
  await assertFree(host, port) // before coins move: the gateway itself comes last
  let escrow: Address | undefined
  const log = requestLog(systemClock, config.gateway.requestsLogged)
  const runtime = await startRuntime({
    invocation,
    signal,
    observe: log.observe,
    roles: async ({ home, identity, chain }) => {
      escrow = await openEscrow({ invocation, home, identity, chain, depositNano, signal })
      return { consumer: { escrow } }
    },
  })
  const { inference } = runtime.node
  if (!inference) throw new MeshError('internal', 'a consumer without inference')
  try {
    const budgets = await Budgets.open(runtime.store, systemClock)
    const served = await serveGateway(
      createGateway({
        inference,
        clock: systemClock,
        apiKeys: new KeyFolder(runtime.home, (message) =>
          runtime.observe({ type: 'fault', where: 'gateway', code: 'bad-request', message }),
        ),
        budgets,
        requestLog: log,
        requestNanoMax: config.consumer.requestNanoMax,
        attemptsMax: config.consumer.attemptsMax,
        metrics: () => runtime.metrics(),
        health: () => ({ ok: true }),
        hosts: [...loopbackHosts, ...hosts],
        origins,
        bodyBytesMax,
        requestsMax,
      }),
      { host, port, allowPublic: flags['allowPublic'] === true },
    )
    const gateway = { baseUrl: `${served.url}/v1`, apiKey: runtime.home.apiKey }
    noteRunning(path, { addresses: runtime.network.addresses(), gateway })
    terminal.ok('gateway', `${gateway.baseUrl}  key ${gateway.apiKey}`)
    if (isJson) {
      const { peerId } = runtime.identity
      printJson({ type: 'ready', role: 'consumer', peerId, escrow, gateway, addresses: runtime.network.addresses() })
    }
    terminal.line('Serving. Ctrl-C lets answers finish, pays what is owed and ends.')
    await stopped(signal)
    terminal.line('Ending: answers finish, debts are paid…')
    forgetRunning(path)
    await served.stop(config.provider.drainMs)
  } finally {
    await runtime.stop()
  }
}

interface EscrowParts {
  readonly invocation: Invocation
  readonly home: Home
  readonly identity: Identity
  readonly chain: TonChain
  readonly depositNano: bigint | undefined
  readonly signal: AbortSignal
}

/** The home's escrow, topped up to `depositNano` where that is asked for. */
async function openEscrow({ invocation, home, identity, chain, depositNano, signal }: EscrowParts): Promise<Address> {
  const { config, terminal } = invocation
  terminal.progress('asking the chain')
  const wallet = await walletOf(home, chain, signal)
  const terms = escrowTermsOf(identity, config)
  const escrow = wallet.escrowAddress(terms)
  terminal.progress('reading the escrow')
  const { isEscrow, freeNano } = await unlessCancelled(chain.escrow(escrow), signal)
  terminal.progress('')
  const missingNano = depositNano === undefined ? 0n : depositNano - freeNano
  // not for a small part of it: each top-up costs a fee, and the rent reserve is never free
  if (depositNano !== undefined && missingNano > depositNano / 10n) {
    const neededNano = missingNano + feesNano
    terminal.progress(`depositing ${formatGram(missingNano)} GRAM`)
    if ((await wallet.balanceNano(signal)) < neededNano) await askFaucet(wallet, chain.endpoint.url, neededNano, signal)
    await deposit({ wallet, terms, chain, home }, missingNano, signal)
    terminal.progress('')
    terminal.ok('escrow', `${escrow} holds ${formatGram((await chain.escrow(escrow)).freeNano)} GRAM`)
  } else if (isEscrow && freeNano > 0n) {
    terminal.ok('escrow', `${escrow} holds ${formatGram(freeNano)} GRAM`)
  } else {
    terminal.warn(
      'escrow',
      `${isEscrow ? 'empty' : 'not deployed'}: no provider will serve until \`silkmesh wallet deposit <gram>\``,
    )
  }
  return escrow
}
