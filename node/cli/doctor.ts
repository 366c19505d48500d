// `silkmesh doctor`: checks what a node stands on, one line a check, with the fix beside every failing one.

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { counted } from '../../protocol/counted.ts'
import { formatGram } from '../../protocol/money.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import { systemClock } from '../adapters/system.ts'
import { chainName, networks } from '../adapters/ton/networks.ts'
import type { Layer } from '../config.ts'
import type { Observe } from '../ports.ts'
import { chainOf, escrowTermsOf, openChain, walletOf } from './accounts.ts'
import { startEngine } from './engine.ts'
import { type Invocation, invocationOf } from './flags.ts'
import { graphicsAdvice, graphicsHere } from './graphics.ts'
import { existingHome, openHomeStore, storePathIn } from './home.ts'
import { variableOf } from './options.ts'
import { isTaken } from './ports.ts'
import { liveNode } from './running.ts'
import { startNetwork } from './runtime.ts'
import { hasSecrets } from './secrets.ts'
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
  ['settings', checkSettings],
  ['keys', checkKeys],
  ['books', checkBooks],
  ['engine', checkEngine],
  ['graphics', checkGraphics],
  ['gateway', checkGateway],
  ['network', checkNetwork],
  ['chain', checkChain],
  ['clock', checkClock],
  ['escrow', checkEscrow],
]

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags, ofRunning)
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
    else terminal[finding.state](what, finding.detail, finding.next)
  }
  const count = (state: Finding['state']): number => findings.filter((finding) => finding.state === state).length
  const isWell = count('bad') === 0
  if (isJson) printJson({ ok: isWell, checks: findings })
  else
    terminal.line(
      isWell ? `All well${count('warn') > 0 ? ', but see each !' : ''}.` : `${count('bad')} to fix, see each ✗.`,
    )
  process.exitCode = isWell ? 0 : 1
}

/** A node that runs for the home stands on its own flags, which a second command line does not repeat. */
function ofRunning(home: string): readonly Layer[] {
  const { settings = {} } = liveNode(home) ?? {}
  const describe = (group: string, name: string): string => `${group}.${name} of the node that runs for ${home}`
  return [{ origin: 'flag', describe, lookup: (group, name) => settings[`${group}.${name}`] }]
}

async function checkNode(): Promise<Finding> {
  return { state: 'ok', detail: `Node ${process.versions.node} on ${process.platform} ${process.arch}` }
}

/** The configuration file was read with the invocation; a misspelt variable is seen by nobody else. */
async function checkSettings({ home, origins }: Invocation): Promise<Finding> {
  const known = new Set([...origins.keys()].map((name) => variableOf(...(name.split('.') as [string, string]))))
  const unknown = Object.keys(process.env).filter(
    (name) => /^SILKMESH_[A-Z]+_/.test(name) && !known.has(name) && name !== 'SILKMESH_DEBUG',
  )
  const given = [...origins.values()].filter((origin) => origin !== 'default').length
  return unknown.length === 0
    ? { state: 'ok', detail: `${given} of ${origins.size} set, for home ${home}` }
    : {
        state: 'warn',
        detail: `no setting: ${unknown.join(', ')}`,
        next: '`silkmesh config --json` names the variables',
      }
}

async function checkKeys({ home, passphrase }: Invocation): Promise<Finding> {
  if (!hasSecrets(home)) {
    const next = 'is --home right? On a new machine, `silkmesh join` or `silkmesh up` makes them'
    return { state: 'warn', detail: `none in ${home} yet`, next }
  }
  const { identitySeed, isSealed } = await existingHome(home, passphrase)
  const sealed = isSealed ? 'sealed by a passphrase' : 'not sealed (`silkmesh identity encrypt`)'
  return { state: 'ok', detail: `peer ${identityFrom(identitySeed).peerId} in ${home}, keys ${sealed}` }
}

async function checkBooks({ home }: Invocation): Promise<Finding> {
  const storePath = storePathIn(home)
  if (!existsSync(storePath)) return { state: 'ok', detail: `none yet: nothing was earned or spent in ${home}` }
  if (isInUse(storePath)) return { state: 'ok', detail: `${storePath} is in use: a node runs for this home` }
  const store = openHomeStore({ storePath })
  const [book, tabs] = [await store.read('book'), await store.read('tabs')]
  await store.close()
  return {
    state: 'ok',
    detail: `${storePath}: ${counted(book.length, 'voucher record')} as provider, ${tabs.length} as consumer`,
  }
}

/** A node holds its books for as long as it runs. */
function isInUse(storePath: string): boolean {
  if (!existsSync(storePath)) return false
  try {
    void openHomeStore({ storePath }).close()
    return false
  } catch (error) {
    const { cause } = error as Error
    const result = cause instanceof Error && 'errcode' in cause ? Number(cause.errcode) & 0xff : undefined
    return result === 5 || result === 6 // SQLITE_BUSY, SQLITE_LOCKED
  }
}

async function checkEngine(invocation: Invocation): Promise<Finding> {
  const { engine, summary } = await startEngine(
    { ...invocation, terminal: silentTerminal },
    new AbortController().signal,
  )
  await engine.stop()
  return { state: 'ok', detail: summary }
}

async function checkGraphics(): Promise<Finding> {
  switch (graphicsHere()) {
    case 'none':
      return { state: 'ok', detail: 'no NVIDIA card here; llama.cpp runs on the processor' }
    case 'ready':
      return { state: 'ok', detail: 'an NVIDIA card and its build of llama.cpp' }
    case 'without its build':
      return { state: 'warn', detail: 'an NVIDIA card, and no build of llama.cpp for it', next: graphicsAdvice }
  }
}

async function checkGateway({ config: { gateway }, home }: Invocation): Promise<Finding> {
  const running = liveNode(home)?.gateway
  if (running && gateway.port === 0) return { state: 'ok', detail: `runs at ${running.baseUrl}` }
  if (!(await isTaken(gateway.host, gateway.port))) {
    return { state: 'ok', detail: `port ${gateway.port} on ${gateway.host} is free` }
  }
  return running && new URL(running.baseUrl).port === String(gateway.port)
    ? { state: 'ok', detail: `runs at ${running.baseUrl}` }
    : {
        state: 'warn',
        detail: `port ${gateway.port} on ${gateway.host} is in use by another program`,
        next: 'only needed to buy: choose another with --port, or --set gateway.port=0',
      }
}

async function checkNetwork({ config, home }: Invocation): Promise<Finding> {
  const isRunning = isInUse(storePathIn(home))
  // with another identity: this home's may be connected already
  const settings = isRunning ? { ...config.network, listen: [] } : config.network
  const network = await startNetwork({ ...config, network: settings }, randomBytes(32))
  try {
    const { bootstrap } = config.network
    const listening = isRunning
      ? 'a node of this home listens'
      : `listening works: ${network.addresses().map(hostOf).join(', ')}`
    if (bootstrap.length === 0 && !config.network.mdns) {
      return {
        state: 'warn',
        detail: `${listening}; no bootstrap peer is set`,
        next: 'pass --bootstrap with the address of a peer, or --set network.mdns=true on a local network',
      }
    }
    const failed: string[] = []
    for (const address of bootstrap)
      await network.dial(address).catch((error: unknown) => failed.push(explain(error).message))
    if (failed.length === bootstrap.length && bootstrap.length > 0) {
      return { state: 'bad', detail: failed.join('; '), next: 'is that peer up, and its port open to this machine?' }
    }
    return {
      state: 'ok',
      detail: `${bootstrap.length - failed.length} of ${bootstrap.length} bootstrap peers answer; ${listening}`,
    }
  } finally {
    await network.stop()
  }
}

/** `/ip4/192.0.2.7/tcp/4001/p2p/12D3…` → `192.0.2.7` */
function hostOf(address: string): string {
  return address.split('/')[2] ?? address
}

async function checkChain({ config }: Invocation): Promise<Finding> {
  const said: string[] = []
  const { network } = chainOf(config)
  const observe: Observe = (event) => {
    if (event.type === 'chain-endpoint' && event.state !== 'ok') said.push(`${event.endpoint} ${event.detail}`)
  }
  const chain = openChain(config, observe)
  const id = await chain.globalId()
  const more = config.chain.endpoints.length
  const detail = `${chain.endpoint.name}${more === 0 ? '' : ` or one of ${more} more`} answers for ${chainName(id)}`
  if (said.length > 0)
    return { state: 'warn', detail: `${detail}; ${said.join('; ')}`, next: 'correct chain.endpoints' }
  if (network === undefined && id === networks.mainnet.globalId) {
    return { state: 'warn', detail, next: 'real coins: --network mainnet refuses an endpoint of any other chain' }
  }
  return { state: 'ok', detail }
}

async function checkClock({ config }: Invocation): Promise<Finding> {
  const next = 'with the --endpoint of a chain that answers, it is compared with that one'
  if (config.chain.endpoint === '' && config.chain.network === 'any') {
    return { state: 'warn', detail: 'nothing to compare it with', next }
  }
  const response = await fetch(new URL('/', chainOf(config).endpoint), { signal: AbortSignal.timeout(10_000) }).catch(
    () => undefined,
  )
  if (!response) return { state: 'warn', detail: 'nothing to compare it with: the chain does not answer', next }
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

async function checkEscrow({ config, home: path, passphrase }: Invocation): Promise<Finding> {
  if (!hasSecrets(path)) return { state: 'warn', detail: 'none without keys', next: 'only needed to buy' }
  const home = await existingHome(path, passphrase)
  const chain = openChain(config)
  const address = (await walletOf(home, chain)).escrowAddress(escrowTermsOf(identityFrom(home.identitySeed), config))
  const { isEscrow, freeNano, unlockAtMs } = await chain.escrow(address)
  if (unlockAtMs !== 0) {
    return {
      state: 'bad',
      detail: `${address} is closing since \`silkmesh wallet unlock\`: providers refuse what it would pay`,
      next: 'silkmesh wallet cancel-unlock keeps it open',
    }
  }
  return isEscrow && freeNano > 0n
    ? { state: 'ok', detail: `${address} holds ${formatGram(freeNano)} GRAM` }
    : {
        state: 'warn',
        detail: `${address} ${isEscrow ? 'is empty' : 'is not deployed'}`,
        next: 'only needed to buy: silkmesh wallet deposit <gram>',
      }
}
