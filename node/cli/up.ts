// `silkmesh up`: a consumer with its gateway, paying from this home's escrow.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { type Address, parsePeerId } from '../../protocol/ids.ts'
import { formatPercent } from '../../protocol/money.ts'
import { systemClock } from '../adapters/system.ts'
import { loopbackHosts } from '../gateway/access.ts'
import { Budgets } from '../gateway/budgets.ts'
import { requestLog } from '../gateway/explain.ts'
import { createGateway } from '../gateway/http.ts'
import { assertAllowed, serveGateway } from '../gateway/listen.ts'
import { askHub } from '../hub/search.ts'
import { stopped, untilStopped } from './exit.ts'
import { type Invocation, invocationOf } from './flags.ts'
import { KeyFolder } from './key-files.ts'
import { openEscrow } from './open-escrow.ts'
import { assertFree, isTaken } from './ports.ts'
import { forgetRunning, liveNode, noteRunning } from './running.ts'
import { type Runtime, startRuntime } from './runtime.ts'
import { printJson } from './terminal.ts'
import { amountOf } from './words.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const { config, home: path, isJson, terminal } = invocation
  const signal = untilStopped(invocation.withParent)
  const depositNano = flags['deposit'] === undefined ? undefined : amountOf('--deposit', String(flags['deposit']))
  const { bodyBytesMax, host, hosts, origins, port, requestsMax } = config.gateway
  const allowPublic = flags['allowPublic'] === true
  // before coins move: the gateway itself comes last
  await assertAllowed(host, allowPublic)
  await assertNone(path, host, port)
  await assertFree(host, port)
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
      { host, port, allowPublic },
    )
    const gateway = { baseUrl: `${served.url}/v1`, apiKey: runtime.home.apiKey }
    noteRunning(path, { addresses: runtime.network.addresses(), gateway })
    terminal.ok('gateway', `${gateway.baseUrl}  key ${gateway.apiKey}`)
    if (isJson) {
      const { peerId } = runtime.identity
      printJson({ type: 'ready', role: 'consumer', peerId, escrow, gateway, addresses: runtime.network.addresses() })
    }
    if (config.consumer.hub !== '') void showHub(invocation, runtime)
    terminal.line('Serving. Ctrl-C lets answers finish, pays what is owed and ends.')
    await stopped(runtime.until)
    terminal.line('Ending: answers finish, debts are paid… (Ctrl-C again ends at once)')
    forgetRunning(path)
    await served.stop(config.provider.drainMs)
  } finally {
    await runtime.stop()
  }
}

/** Says once whether the hub that was named is one, as far as can be seen now: payments find out by themselves. */
async function showHub({ config, terminal }: Invocation, { network, until }: Runtime): Promise<void> {
  const ports = { clock: systemClock, network }
  for (let left = hubAttempts; ; left -= 1) {
    try {
      const { feePpm } = await askHub(parsePeerId(config.consumer.hub), config, ports, until)
      return terminal.ok('hub', `${config.consumer.hub} takes ${formatPercent(feePpm)} of what it grants`)
    } catch (error) {
      if (until.aborted) return
      if (left > 1) await systemClock.sleep(hubRetryMs, until).catch(() => undefined)
      else
        return terminal.warn(
          'hub',
          `${asMeshError(error).message}; providers are paid directly while it cannot be used`,
        )
    }
  }
}

/** A node that has just begun may not find it yet. */
const hubAttempts = 4
const hubRetryMs = 2_000

/** The port is taken by this home's own gateway: another port would not help. */
async function assertNone(home: string, host: string, port: number): Promise<void> {
  const { gateway, pid } = liveNode(home) ?? {}
  if (!gateway || port === 0 || new URL(gateway.baseUrl).port !== String(port)) return
  if (!(await isTaken(host, port))) return // killed, and another process has its number
  throw new MeshError(
    'bad-request',
    `the gateway of ${home} runs already at ${gateway.baseUrl} (process ${pid}); use it, or stop it first; a second one ` +
      'needs a --home of its own, and --port 0',
  )
}
