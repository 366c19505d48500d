// `npm run soak -- --minutes 20`: a mesh of real processes under load while its providers are killed and stopped at random. Every
// answer must be the one that an undisturbed provider gives, every coin signed for must be settled and no other, and the
// consumer's memory and descriptors must not grow.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { stringify } from 'yaml'
import { ask, type GatewayAddress } from '../../node/cli/gateway-client.ts'
import { Part } from '../../node/cli/part.ts'
import { formatGram, parseGram } from '../../protocol/money.ts'
import { pick, type SeededRandom, seededRandom } from '../../sim/random.ts'
import { percentile } from '../bench/serving/client.ts'
import { residentBytes } from '../bench/serving/mesh.ts'

const questions = [
  'What is gossipsub?',
  'What is a provider?',
  'How do I join the mesh?',
  'What is a voucher?',
  'Say something about TON.',
  'What is libp2p?',
] as const

const readyMsMax = 120_000
/** A shorter run is still warming up: its memory grows by nature. */
const settledMinutes = 10
const stopMsMax = 30_000
const sampleMs = 5_000
/** Between two faults, on average. */
const faultMs = 6_000
/** Longer than the silence a consumer allows, so that it must leave. */
const stoppedMs = 8_000
const prices = { prompt: '20', completion: '1000' }
const creditTokens = 32
const windowNano = (BigInt(creditTokens) * parseGram(prices.completion)) / 1_000_000n

interface Options {
  readonly minutes: number
  readonly providers: number
  readonly workers: number
  readonly seed: number
  readonly json: boolean
}

interface Provider {
  readonly home: string
  part: Part
  payout: string
}

class Soak {
  readonly #options: Options
  readonly #random: SeededRandom
  readonly #dir = mkdtempSync(join(tmpdir(), 'silkmesh-soak-'))
  readonly #never = new AbortController().signal
  readonly #providers: Provider[] = []
  readonly #samples: { readonly rssBytes: number; readonly descriptors: number }[] = []
  readonly #signedNano = new Map<string, bigint>()
  readonly #problems: string[] = []
  #costNano = 0n
  #answers = 0
  #failed = 0
  #failovers = 0
  #kills = 0
  #stops = 0

  constructor(options: Options) {
    this.#options = options
    this.#random = seededRandom(options.seed)
  }

  async run(): Promise<boolean> {
    const { minutes, providers, workers } = this.#options
    const chain = new Part('chain', ['chain', '--home', this.#dir, '--port', '0', '--json', '--exit-with-parent'])
    const endpoint = String((await this.#ready(chain))['endpoint'])
    const settler = this.#start('settler', ['settle'], endpoint, [])
    const hub = await this.#ready(settler)
    const bootstrap = hub['addresses'] as readonly string[]
    for (let at = 0; at < providers; at += 1) {
      const home = `provider-${at + 1}`
      const words = ['join', '--settler', String(hub['peerId']), '--slots', '1']
      const part = this.#start(home, words, endpoint, bootstrap)
      this.#providers.push({ home, part, payout: String((await this.#ready(part))['payout']) })
    }
    const consumer = this.#start('consumer', ['up', '--port', '0', '--deposit', '1000'], endpoint, bootstrap)
    consumer.listen((event) => this.#heard(event))
    const up = await this.#ready(consumer)
    const gateway = up['gateway'] as GatewayAddress
    await consumer.event(({ type }) => type === 'advert-accepted', readyMsMax, this.#never)

    const whole = new Map<string, string>()
    for (const question of questions) whole.set(question, await this.#ask(gateway, question))
    const untilMs = Date.now() + minutes * 60_000
    await Promise.all([
      ...Array.from({ length: workers }, () => this.#work(gateway, whole, untilMs)),
      this.#disturb(endpoint, bootstrap, untilMs),
      this.#watch(consumer, untilMs),
    ])
    // everybody is back, debts are paid, and all of it is settled
    await this.#settled(endpoint, String(up['escrow']))
    for (const part of [consumer, ...this.#providers.map((each) => each.part), settler, chain])
      await part.stop(stopMsMax)
    rmSync(this.#dir, { recursive: true, force: true })
    return this.#report()
  }

  #start(name: string, words: readonly string[], endpoint: string, bootstrap: readonly string[]): Part {
    const path = join(this.#dir, name)
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const settings = {
      chain: { endpoint, requestsPerSecond: 100 },
      network: { listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap },
      discovery: { advertIntervalMs: 2_000, lookupIntervalMs: 2_000 },
      settlement: { thresholdNano: '0.000000001', intervalMs: 2_000, confirmPollMs: 250 },
      consumer: {
        priceNanoMax: '100000',
        cooldownMs: 1_000,
        betweenDeltasMs: 3_000,
        firstByteMs: 5_000,
        attemptsMax: 8,
      },
      provider: { promptPriceNano: prices.prompt, completionPriceNano: prices.completion, creditTokens },
      engine: { threads: 1 },
    }
    writeFileSync(join(path, 'config.yaml'), stringify(settings))
    return new Part(name, [...words, '--home', path, '--json', '--exit-with-parent'])
  }

  #ready(part: Part): Promise<Record<string, unknown>> {
    return part.event(({ type }) => type === 'ready', readyMsMax, this.#never)
  }

  #heard(event: Record<string, unknown>): void {
    if (event['type'] === 'request-finished') this.#costNano += BigInt(String(event['costNano']))
    if (event['type'] !== 'voucher-signed') return
    const payee = String(event['payee'])
    const amountNano = BigInt(String(event['amountNano']))
    const before = this.#signedNano.get(payee) ?? 0n
    if (amountNano < before) this.#problems.push(`a voucher of ${amountNano} nano after one of ${before} for ${payee}`)
    else this.#signedNano.set(payee, amountNano)
  }

  async #ask(gateway: GatewayAddress, content: string): Promise<string> {
    let text = ''
    const question = {
      model: 'silkmesh-tiny',
      messages: [{ role: 'user', content }],
      temperature: 0,
      maxTokens: undefined,
    }
    const { failovers } = await ask(gateway, question, (part) => (text += part), this.#never)
    this.#failovers += failovers
    return text
  }

  async #work(gateway: GatewayAddress, whole: ReadonlyMap<string, string>, untilMs: number): Promise<void> {
    while (Date.now() < untilMs) {
      const question = pick(this.#random, questions)
      try {
        const text = await this.#ask(gateway, question)
        this.#answers += 1
        if (text !== whole.get(question))
          this.#problems.push(`${JSON.stringify(text)}, expected ${whole.get(question)}`)
      } catch (error) {
        this.#failed += 1
        this.#say(`an answer failed: ${error instanceof Error ? error.message : String(error)}`)
        await sleep(500)
      }
    }
  }

  /** One provider at a time, so that there is always another. */
  async #disturb(endpoint: string, bootstrap: readonly string[], untilMs: number): Promise<void> {
    const settler = bootstrap[0]?.split('/p2p/')[1] ?? ''
    for (;;) {
      const waitMs = faultMs * (0.5 + this.#random.next())
      if (Date.now() + waitMs + stoppedMs > untilMs) return
      await sleep(waitMs)
      const provider = pick(this.#random, this.#providers)
      const { pid } = provider.part
      if (pid === undefined) continue
      if (this.#random.next() < 0.3) {
        this.#stops += 1
        process.kill(pid, 'SIGSTOP')
        await sleep(stoppedMs)
        process.kill(pid, 'SIGCONT')
        continue
      }
      this.#kills += 1
      const gone = provider.part.failed().catch(() => undefined)
      process.kill(pid, 'SIGKILL')
      await gone
      provider.part = this.#start(provider.home, ['join', '--settler', settler, '--slots', '1'], endpoint, bootstrap)
      await this.#ready(provider.part)
    }
  }

  async #watch({ pid = 0 }: Part, untilMs: number): Promise<void> {
    while (Date.now() < untilMs) {
      this.#samples.push({ rssBytes: residentBytes(pid), descriptors: readdirSync(`/proc/${pid}/fd`).length })
      const { rssBytes = 0, descriptors = 0 } = this.#samples.at(-1) ?? {}
      this.#say(
        `${Math.round((untilMs - Date.now()) / 1_000)} s left, ${this.#answers} answers, ${this.#failed} failed, ` +
          `${this.#failovers} failovers, ${this.#kills} kills, ${this.#stops} stops, ` +
          `${(rssBytes / 2 ** 20).toFixed(0)} MiB, ${descriptors} descriptors, ${this.#problems.length} problems`,
      )
      await sleep(Math.min(sampleMs, Math.max(100, untilMs - Date.now())))
    }
  }

  /** Everything that was signed is on the chain; nothing else is. */
  async #settled(endpoint: string, escrow: string): Promise<void> {
    const deadlineMs = Date.now() + 120_000
    for (;;) {
      const open: string[] = []
      for (const payee of this.#signedNano.keys()) {
        const settledNano = await settledOnChain(endpoint, escrow, payee)
        const signedNano = this.#signedNano.get(payee) ?? 0n // after that: a debt may have been paid meanwhile
        if (settledNano > signedNano)
          this.#problems.push(`${settledNano} nano settled for ${payee}, ${signedNano} were signed`)
        if (settledNano < signedNano) open.push(`${payee} is settled for ${settledNano} of ${signedNano} nano`)
      }
      // what a broken stream left is paid when its provider is heard of again
      const signedNano = this.#allSignedNano()
      if (signedNano < this.#costNano)
        open.push(`${signedNano} nano are signed for answers that cost ${this.#costNano}`)
      if (open.length === 0) break
      if (Date.now() > deadlineMs) {
        this.#problems.push(...open)
        break
      }
      await sleep(1_000)
    }
    const signedNano = this.#allSignedNano()
    // each time a provider was broken off, a window of tokens may have been on its way
    const lostNanoMax = windowNano * BigInt(this.#failovers + this.#failed + this.#kills + this.#stops)
    if (signedNano > this.#costNano + lostNanoMax) {
      this.#problems.push(`${signedNano} nano were signed for answers that cost ${this.#costNano}`)
    }
  }

  #allSignedNano(): bigint {
    return [...this.#signedNano.values()].reduce((sum, nano) => sum + nano, 0n)
  }

  #report(): boolean {
    const middle = this.#samples.slice(Math.floor(this.#samples.length / 4), Math.floor(this.#samples.length / 2))
    const last = this.#samples.slice(-Math.ceil(this.#samples.length / 4))
    const grown = (of: (sample: (typeof last)[number]) => number): number =>
      percentile(last.map(of), 0.5) - percentile(middle.map(of), 0.5)
    const growth = { rssMib: grown((each) => each.rssBytes) / 2 ** 20, descriptors: grown((each) => each.descriptors) }
    // a quarter of an hour apart: live data does not grow, an allocator may still keep a little
    if (this.#options.minutes >= settledMinutes && growth.rssMib > 24)
      this.#problems.push(`resident memory grew by ${growth.rssMib.toFixed(1)} MiB`)
    if (growth.descriptors > 8) this.#problems.push(`descriptors grew by ${growth.descriptors}`)
    if (this.#answers === 0) this.#problems.push('no answer at all')
    const figures = {
      ok: this.#problems.length === 0,
      minutes: this.#options.minutes,
      answers: this.#answers,
      failed: this.#failed,
      failovers: this.#failovers,
      kills: this.#kills,
      stops: this.#stops,
      costGram: formatGram(this.#costNano),
      signedGram: formatGram(this.#allSignedNano()),
      rssGrowthMib: Number(growth.rssMib.toFixed(1)),
      descriptorsGrowth: growth.descriptors,
      problems: this.#problems.slice(0, 20),
    }
    process.stdout.write(`${JSON.stringify(figures, null, this.#options.json ? 0 : 2)}\n`)
    return figures.ok
  }

  #say(line: string): void {
    if (!this.#options.json) process.stderr.write(`${line}\n`)
  }
}

/** Over plain HTTP with none of our code. */
async function settledOnChain(endpoint: string, escrow: string, payee: string): Promise<bigint> {
  const body = JSON.stringify({ address: escrow, method: 'payeeState', stack: [['num', `0x${payee.slice(2)}`]] })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(new URL('runGetMethod', endpoint), { method: 'POST', headers, body })
  const { result } = (await response.json()) as { result: { stack: [string, string][] } }
  return BigInt(result.stack[0]?.[1] ?? '')
}

await new Command('soak')
  .description('Load and random kills on a mesh of real processes; checks answers, coins, memory and descriptors.')
  .option('--minutes <n>', 'how long', Number, 20)
  .option('--providers <n>', 'that can be killed', Number, 3)
  .option('--workers <n>', 'clients that ask one question after another', Number, 3)
  .option('--seed <n>', 'of the choice of questions and faults', Number, 1)
  .option('--json', 'print one JSON object and no progress')
  .action(async ({ json = false, ...options }: Omit<Options, 'json'> & { json?: boolean }) => {
    const ok = await new Soak({ ...options, json }).run()
    process.exitCode = ok ? 0 : 1
  })
  .parseAsync()
