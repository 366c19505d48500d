// `silkmesh demo`: a whole mesh on this machine, every part the real command in its own process: a local chain, providers,
// a settler, and a consumer with its gateway. Asks one question, pays for it, settles it, and keeps serving.

import { randomInt } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import { type PeerId, peerIdOf } from '../../protocol/ids.ts'
import { formatGram } from '../../protocol/money.ts'
import { publicKeyOfSeed } from '../../protocol/signature.ts'
import { endWith, stopped, untilStopped } from './exit.ts'
import { type AnswerSummary, ask, type GatewayAddress } from './gateway-client.ts'
import { openHome } from './home.ts'
import { Part } from './part.ts'
import { printJson, silentTerminal, type Terminal, terminalOn } from './terminal.ts'
import { wholeNumber } from './words.ts'

/** Play money at play prices: high enough that one answer is worth a transaction. GRAM a million tokens. */
const demoPrices = { prompt: 200, completion: 1_000, step: 100 }
const depositGram = '100'
const startMs = 60_000
const settleMs = 30_000
const stopMs = 20_000

interface Ready {
  readonly peerId: PeerId
  readonly payout: string
  readonly engine: string
  readonly escrow: string
  readonly gateway: GatewayAddress
  readonly endpoint: string
}

interface Mesh {
  readonly home: string
  readonly chain: Part
  readonly settler: Part
  readonly providers: readonly Part[]
  readonly consumer: Part
}

export async function run(flags: Record<string, unknown>): Promise<void> {
  const isJson = flags['json'] === true
  const signal = untilStopped(flags['exitWithParent'] === true)
  const terminal = isJson ? silentTerminal : terminalOn(process.stdout)
  const startedAtMs = Date.now()
  const mesh = await startMesh(flags)
  // the order in which they end: who owes pays, who is owed hands over, who settles posts, and the chain is last
  const stages = [[mesh.consumer], mesh.providers, [mesh.settler], [mesh.chain]]
  let failure: unknown
  try {
    const ready = await showParts(mesh, terminal, signal)
    const answer = await showAnswer(mesh, ready, String(flags['ask']), terminal, signal)
    const settlement = await showSettlement(mesh, ready, answer, terminal, signal)
    terminal.line()
    terminal.ok('done', `first answer and settlement in ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`)
    if (isJson) printJson(summaryOf(mesh, ready, answer, settlement))
    if (flags['once'] !== true) {
      showNextSteps(mesh, ready, terminal, flags['home'] !== undefined)
      await Promise.race([stopped(signal), ...stages.flat().map((part) => part.failed())])
    }
  } catch (error) {
    failure = error
  }
  if (!isJson) terminal.line('Ending: streams finish, vouchers settle…')
  for (const stage of stages) await Promise.all(stage.map((part) => part.stop(stopMs)))
  if (flags['home'] === undefined) rmSync(mesh.home, { recursive: true, force: true }) // play money, and keys to it
  if (failure !== undefined) endWith(failure, isJson)
}

async function startMesh(flags: Record<string, unknown>): Promise<Mesh> {
  const count = wholeNumber('--providers', flags['providers'], 16, 1)
  const assigned = (flags['set'] as readonly (readonly [string, string])[]).flatMap(([setting, value]) => [
    '--set',
    `${setting}=${value}`,
  ])
  const home = flags['home'] === undefined ? mkdtempSync(join(tmpdir(), 'silkmesh-demo-')) : String(flags['home'])
  const chainPort = await portOf('--chain-port', flags['chainPort'])
  const gatewayPort = flags['port'] === undefined ? 0 : await portOf('--port', flags['port'])
  const meshPort = await portOf('', undefined)
  const settlerHome = await openHome(join(home, 'settler'))
  const settlerId = peerIdOf(publicKeyOfSeed(settlerHome.identitySeed))
  const shared = {
    chain: { endpoint: `http://127.0.0.1:${chainPort}/api/v2/jsonRPC`, requestsPerSecond: 100 },
    settlement: { thresholdNano: '0.000000001', intervalMs: 1_000, confirmPollMs: 250 },
    consumer: { priceNanoMax: '10000' },
    discovery: { lookupIntervalMs: 2_000, advertIntervalMs: 5_000 },
  }
  const network = { bootstrap: [`/ip4/127.0.0.1/tcp/${meshPort}/p2p/${settlerId}`], listen: ['/ip4/127.0.0.1/tcp/0'] }

  const start = (name: string, args: readonly string[], settings: object): Part => {
    const path = join(home, name)
    mkdirSync(path, { recursive: true, mode: 0o700 })
    writeFileSync(join(path, 'config.yaml'), stringify({ ...shared, ...settings }))
    return new Part(name, [...args, ...assigned, '--home', path, '--json', '--exit-with-parent'])
  }
  const chain = new Part('chain', [
    'chain',
    '--home',
    home,
    '--port',
    String(chainPort),
    '--json',
    '--exit-with-parent',
  ])
  const consumer = start('consumer', ['up', '--port', String(gatewayPort), '--deposit', depositGram], { network })
  const settler = start('settler', ['settle'], { network: { listen: [`/ip4/127.0.0.1/tcp/${meshPort}`] } })
  const providers = Array.from({ length: count }, (_, at) =>
    start(`provider-${at + 1}`, ['join', '--settler', settlerId], {
      network,
      engine: { threads: 1 },
      provider: {
        promptPriceNano: String(demoPrices.prompt + at * demoPrices.step),
        completionPriceNano: String(demoPrices.completion + at * demoPrices.step),
      },
    }),
  )
  return { home, chain, settler, providers, consumer }
}

interface ReadyMesh {
  readonly chain: Ready
  readonly consumer: Ready
  readonly providers: readonly Ready[]
}

/** One check a line, each as its part comes up. */
async function showParts(mesh: Mesh, terminal: Terminal, signal: AbortSignal): Promise<ReadyMesh> {
  const { chain, consumer, providers, settler } = mesh
  const isReady = (event: Record<string, unknown>): boolean => event['type'] === 'ready'
  const ready = async (part: Part, show: (ready: Ready) => void): Promise<Ready> => {
    const event = (await part.event(isReady, startMs, signal)) as unknown as Ready
    show(event)
    return event
  }
  const provider = async (part: Part): Promise<Ready> => {
    const event = await ready(part, ({ peerId, engine }) => {
      terminal.ok(part.name, `${peerId}\n${''.padEnd(15)}${engine}`)
    })
    await part.event(({ type }) => type === 'advert-published', startMs, signal)
    terminal.ok('advert', `published by ${short(event.peerId)}`)
    return event
  }
  // one wait for all, so that the first failure ends it and none goes unheard
  const [chainReady, , consumerReady, providerReady] = await Promise.all([
    ready(chain, ({ endpoint }) => terminal.ok('chain', `local TON at ${endpoint}`)),
    ready(settler, ({ peerId }) => terminal.ok('settler', peerId)),
    ready(consumer, ({ escrow, gateway, peerId }) => {
      terminal.ok('consumer', peerId)
      terminal.ok('escrow', `${escrow} deployed, ${depositGram} GRAM of play money`)
      terminal.ok('gateway', `${gateway.baseUrl}  key ${gateway.apiKey}`)
    }),
    Promise.all(providers.map(provider)),
    foundProviders(consumer, providers.length, terminal, signal),
  ])
  return { chain: chainReady, consumer: consumerReady, providers: providerReady }
}

async function foundProviders(consumer: Part, count: number, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const peers = new Set<unknown>()
  await consumer.event(
    (event) => {
      if (event['type'] === 'advert-accepted') peers.add(event['peer'])
      return peers.size >= count
    },
    startMs,
    signal,
  )
  terminal.ok('peers', `the consumer found ${counted(peers.size, 'provider')}`)
}

async function showAnswer(mesh: Mesh, ready: ReadyMesh, content: string, terminal: Terminal, signal: AbortSignal) {
  const signedBefore = mesh.consumer.events.length
  terminal.line()
  terminal.line(`> ${content}`)
  let text = ''
  const summary = await ask(
    ready.consumer.gateway,
    { model: 'silkmesh-tiny', messages: [{ role: 'user', content }], maxTokens: 200 },
    (part) => {
      text += part
      terminal.write(part)
    },
    signal,
  )
  terminal.line()
  terminal.line()
  const name = mesh.providers[ready.providers.findIndex(({ peerId }) => peerId === summary.provider)]?.name ?? '?'
  terminal.ok('answered by', `${name} (${summary.provider})`)
  terminal.ok('tokens', `${summary.usage.promptTokens} prompt, ${summary.usage.completionTokens} completion`)
  terminal.ok('cost', `${formatGram(BigInt(summary.costNano))} GRAM`)
  await mesh.consumer.event(({ type }) => type === 'request-finished', settleMs, signal) // its last voucher is signed by then
  const vouchers = mesh.consumer.events.slice(signedBefore).filter((event) => event['type'] === 'voucher-signed')
  const signedNano = BigInt(String(vouchers.at(-1)?.['amountNano'] ?? 0))
  terminal.ok('voucher', `${vouchers.length} signed, the last for ${formatGram(signedNano)} GRAM in all`)
  return { ...summary, text, signedNano }
}

interface Shown extends AnswerSummary {
  readonly text: string
  /** In all, to that provider. */
  readonly signedNano: bigint
}

interface Settlement {
  readonly transactions: readonly string[]
  readonly settledNano: bigint
  readonly feesNano: bigint
}

async function showSettlement(
  mesh: Mesh,
  ready: ReadyMesh,
  { provider, signedNano }: Shown,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Settlement> {
  const { payout } = ready.providers.find(({ peerId }) => peerId === provider) ?? { payout: undefined }
  const isOfPayout = (event: Record<string, unknown>): boolean =>
    event['type'] === 'settle-confirmed' && event['payee'] === payout
  // a slow answer's first voucher may be settled by itself
  const isAll = (event: Record<string, unknown>): boolean => BigInt(String(event['settledNano'])) >= signedNano
  await mesh.settler.event((event) => isOfPayout(event) && isAll(event), settleMs, signal)
  const confirmed = mesh.settler.events.filter(isOfPayout)
  const sum = (name: string): bigint => confirmed.reduce((total, each) => total + BigInt(String(each[name] ?? 0)), 0n)
  const settledNano = sum('paidNano')
  const feesNano = sum('feeNano')
  const transactions = confirmed.map(({ transaction }) => String(transaction))
  const balance = await balanceOf(ready.chain.endpoint, String(payout), signal)
  terminal.ok('settled', `${formatGram(settledNano)} GRAM on chain`)
  for (const transaction of transactions) terminal.ok('transaction', transaction)
  terminal.ok('received', `${formatGram(balance)} GRAM are in the provider's wallet ${payout}`)
  terminal.ok('network fee', `${formatGram(feesNano)} GRAM`)
  return { transactions, settledNano, feesNano }
}

/** Read over the chain's plain HTTP API, as anybody could. */
async function balanceOf(endpoint: string, address: string, signal: AbortSignal): Promise<bigint> {
  const url = new URL('getAddressBalance', endpoint)
  url.searchParams.set('address', address)
  const response = await fetch(url, { signal })
  const { result } = (await response.json()) as { result: string }
  return BigInt(result)
}

function summaryOf(mesh: Mesh, ready: ReadyMesh, answer: Shown, settlement: Settlement) {
  return {
    ok: true,
    gateway: ready.consumer.gateway,
    chain: { endpoint: ready.chain.endpoint },
    providers: ready.providers.map(({ peerId, payout }, at) => ({ peerId, pid: mesh.providers[at]?.pid, payout })),
    consumer: { peerId: ready.consumer.peerId, escrow: ready.consumer.escrow },
    answer: { text: answer.text, provider: answer.provider, usage: answer.usage, costNano: answer.costNano },
    settlement,
  }
}

function showNextSteps(
  { home }: Mesh,
  { consumer: { gateway } }: ReadyMesh,
  terminal: Terminal,
  isKept: boolean,
): void {
  const { apiKey, baseUrl } = gateway
  terminal.line()
  terminal.line('Serving until Ctrl-C. Try:')
  terminal.line()
  terminal.line(
    `  curl ${baseUrl}/chat/completions -H 'Authorization: Bearer ${apiKey}' -H 'Content-Type: application/json' \\`,
  )
  terminal.line(
    `    -d '{"model":"silkmesh-tiny","stream":true,"messages":[{"role":"user","content":"What is gossipsub?"}]}'`,
  )
  terminal.line()
  terminal.line(`  import OpenAI from 'openai'`)
  terminal.line(`  const client = new OpenAI({ baseURL: '${baseUrl}', apiKey: '${apiKey}' })`)
  terminal.line(`  const answer = await client.chat.completions.create({`)
  terminal.line(`    model: 'silkmesh-tiny', messages: [{ role: 'user', content: 'How do I join the mesh?' }] })`)
  terminal.line(`  console.log(answer.choices[0].message.content)`)
  terminal.line()
  terminal.line(
    `  npm run silkmesh -- chat --home ${join(home, 'consumer')}    # also models, peers, wallet balance, doctor`,
  )
  terminal.line()
  terminal.line(
    isKept
      ? `Keys and books of this demo stay in ${home}.`
      : `Keys and books are in ${home} and go when it ends; --home keeps them.`,
  )
}

/**
 * Ports that other parts must know before they listen. Below the range from which systems take ports for outgoing
 * connections, or a stranger's connection could take one between here and there.
 */
const ownPorts = { first: 20_000, count: 10_000, triesMax: 20 }

/** A port asked for must be free; without one, any free port of `ownPorts`. */
async function portOf(flag: string, value: unknown): Promise<number> {
  if (value !== undefined) {
    const port = wholeNumber(flag, value, 65_535)
    const taken = await probe(port)
    if (taken === undefined) return port
    throw new MeshError('bad-request', `${flag} ${port}: ${taken}; choose another, or leave the flag out`)
  }
  for (let tries = 0; tries < ownPorts.triesMax; tries += 1) {
    const port = ownPorts.first + randomInt(ownPorts.count)
    if ((await probe(port)) === undefined) return port
  }
  throw new MeshError(
    'bad-request',
    `no free port found from ${ownPorts.first} on; name some with --port and --chain-port`,
  )
}

/** Why a port cannot be listened on, or undefined. */
function probe(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EADDRINUSE' ? 'it is in use' : error.message)
    })
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)))
  })
}

function short(peer: string): string {
  return `…${peer.slice(-8)}`
}
