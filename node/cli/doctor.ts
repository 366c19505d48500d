// `silkmesh doctor`: checks what a node stands on, one line a check, with the fix beside every failing one.

import { existsSync } from 'node:fs'
import { styleText } from 'node:util'
import { formatGram } from '../../protocol/money.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import { systemClock } from '../adapters/system.ts'
import { escrowTermsOf, walletOf } from './accounts.ts'
import { startEngine } from './engine.ts'
import { type Invocation, invocationOf } from './flags.ts'
import { type Home, openHome } from './home.ts'
import { openChain, openHomeStore, startNetwork } from './runtime.ts'
import { explain, printJson, silentTerminal } from './terminal.ts'

interface Finding {
  readonly state: 'ok' | 'warn' | 'bad'
  readonly detail: string
  readonly next?: string | undefined
}

type Check = (invocation: Invocation) => Promise<Finding>

/** A clock off by more makes this peer's adverts look expired. */
const clockSkewMsMax = 10_000

const checks: readonly (readonly [what: string, check: Check])[] = [
  ['node', checkNode],
  ['keys', checkKeys],
  ['books', checkBooks],
  ['engine', checkEngine],
  ['graphics', checkGraphics],
  ['network', checkNetwork],
  ['chain', checkChain],
  ['clock', checkClock],
  ['escrow', checkEscrow],
]

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const { isJson, terminal } = invocation
  const findings: (Finding & { readonly what: string })[] = []
  for (const [what, check] of checks) {
    terminal.progress(`checking ${what}`)
    const finding = await check(invocation).catch((error: unknown): Finding => {
      const { message, next } = explain(error)
      return { state: 'bad', detail: message, next }
    })
    terminal.progress('')
    findings.push({ what, ...finding })
    if (finding.state === 'ok') terminal.ok(what, finding.detail)
    else if (finding.state === 'warn')
      terminal.warn(what, `${finding.detail}${finding.next ? styleText('dim', ` · ${finding.next}`) : ''}`)
    else terminal.bad(what, finding.detail, finding.next)
  }
  const isWell = findings.every(({ state }) => state !== 'bad')
  if (isJson) printJson({ ok: isWell, checks: findings })
  else terminal.line(isWell ? 'All well.' : 'Something needs a fix, see above.')
  process.exitCode = isWell ? 0 : 1
}

async function checkNode(): Promise<Finding> {
  return { state: 'ok', detail: `Node ${process.versions.node} on ${process.platform} ${process.arch}` }
}

async function checkKeys({ home }: Invocation): Promise<Finding> {
  const { identitySeed } = openHome(home)
  return { state: 'ok', detail: `peer ${identityFrom(identitySeed).peerId} in ${home}` }
}

async function checkBooks({ home }: Invocation): Promise<Finding> {
  const opened = openHome(home)
  const store = openHomeStore(opened)
  const [book, tabs] = [await store.read('book'), await store.read('tabs')]
  await store.close()
  return {
    state: 'ok',
    detail: `${opened.storePath}: ${book.length} voucher records as provider, ${tabs.length} as consumer`,
  }
}

async function checkEngine(invocation: Invocation): Promise<Finding> {
  const { engine, summary } = await startEngine({ ...invocation, terminal: silentTerminal })
  await engine.stop()
  return { state: 'ok', detail: summary }
}

async function checkGraphics(): Promise<Finding> {
  if (!existsSync('/proc/driver/nvidia/version'))
    return { state: 'ok', detail: 'no NVIDIA card here; llama.cpp runs on the processor' }
  const isInstalled = import.meta.resolve('@node-llama-cpp/linux-x64-cuda').includes('@node-llama-cpp/linux-x64-cuda/')
  return isInstalled
    ? { state: 'ok', detail: 'an NVIDIA card and its build of llama.cpp' }
    : {
        state: 'warn',
        detail: 'an NVIDIA card, but the build for it is not installed',
        next: 'see README, Graphics cards',
      }
}

async function checkNetwork({ config, home }: Invocation): Promise<Finding> {
  const { identitySeed } = openHome(home)
  const network = await startNetwork(config, identitySeed)
  try {
    const { bootstrap } = config.network
    if (bootstrap.length === 0 && !config.network.mdns) {
      return { state: 'warn', detail: 'no bootstrap peer is set', next: 'pass --bootstrap, or --set network.mdns=true' }
    }
    const failed: string[] = []
    for (const address of bootstrap)
      await network.dial(address).catch((error: unknown) => failed.push(explain(error).message))
    if (failed.length === bootstrap.length && bootstrap.length > 0) {
      return { state: 'bad', detail: failed.join('; '), next: 'is that peer up, and its port open to this machine?' }
    }
    return {
      state: 'ok',
      detail: `${bootstrap.length - failed.length} of ${bootstrap.length} bootstrap peers reached; listening on ${network.addresses().join(', ')}`,
    }
  } finally {
    await network.stop()
  }
}

async function checkChain({ config }: Invocation): Promise<Finding> {
  const settleNano = await openChain(config).settleNanoMin()
  return { state: 'ok', detail: `${config.chain.endpoint}; the least that settles is ${formatGram(settleNano)} GRAM` }
}

async function checkClock({ config }: Invocation): Promise<Finding> {
  if (config.chain.endpoint === '') return { state: 'warn', detail: 'nothing to compare with without a chain endpoint' }
  const response = await fetch(new URL('/', config.chain.endpoint), { signal: AbortSignal.timeout(10_000) })
  const stated = Date.parse(response.headers.get('date') ?? '')
  if (Number.isNaN(stated)) return { state: 'warn', detail: 'the chain endpoint states no time' }
  const skewMs = Math.abs(systemClock.now() - stated)
  return skewMs <= clockSkewMsMax
    ? { state: 'ok', detail: `within ${Math.ceil(skewMs / 1_000)} s of the chain endpoint's` }
    : {
        state: 'bad',
        detail: `${Math.round(skewMs / 1_000)} s off the chain endpoint's`,
        next: 'synchronise the clock; adverts would look expired',
      }
}

async function checkEscrow({ config, home: path }: Invocation): Promise<Finding> {
  const home: Home = openHome(path)
  const chain = openChain(config)
  const address = (await walletOf(home, chain)).escrowAddress(escrowTermsOf(identityFrom(home.identitySeed), config))
  const { isEscrow, freeNano } = await chain.escrow(address)
  return isEscrow && freeNano > 0n
    ? { state: 'ok', detail: `${address} holds ${formatGram(freeNano)} GRAM` }
    : {
        state: 'warn',
        detail: `${address} ${isEscrow ? 'is empty' : 'is not deployed'}`,
        next: 'only needed to buy: silkmesh wallet deposit <gram>',
      }
}
