// What serving costs against its own floor: decoding through the whole mesh against the bare engine, the gateway's first token
// against a server that answers by itself, requests a second against a plain reverse proxy, a hundred paced streams.

import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { builtinModelPath } from '../../node/adapters/llama/model-file.ts'
import { defaultRandomModel, writeRandomGguf } from '../../node/models/random-gguf.ts'
import { percentile, stream, type Target, type Timing, tokensPerSecond } from './serving/client.ts'
import type { FloorFigures, FloorTask } from './serving/floor.ts'
import { processorMs, residentBytes, startBenchMesh } from './serving/mesh.ts'

type Figures = Readonly<Record<string, unknown>>

const parts = { decode, latency, streams, connections }

export async function measure(wanted: readonly string[]): Promise<Figures> {
  const unknown = wanted.filter((name) => !(name in parts))
  if (unknown.length > 0)
    throw new RangeError(`no part ${unknown.join(', ')}, expected ${Object.keys(parts).join(', ')}`)
  let figures: Figures = {}
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    process.stderr.write(`${name} …\n`)
    figures = { ...figures, ...(await part()) }
  }
  return figures
}

const streamCounts = [1, 4, 8] as const
/** Floor and mesh in turn, so that what else this machine does meets both. */
const roundsMax = 5
/** What the built-in model was trained for. */
const contextTokens = 512

interface DecodeModel {
  readonly name: string
  readonly path: string
  readonly tokens: number
  /** Ids that would end the answer. */
  readonly banned: readonly number[]
}

/** Of each model and number of streams: the median, over rounds, of mesh over bare engine in tokens a second. */
async function decode(): Promise<Figures> {
  const dir = mkdtempSync(join(tmpdir(), 'silkmesh-bench-'))
  try {
    const random = join(dir, 'random-60m.gguf')
    const parameters = writeRandomGguf(random, defaultRandomModel)
    const models: readonly DecodeModel[] = [
      { name: 'builtin', path: builtinModelPath, tokens: 400, banned: [0, 1, 2] },
      { name: `random ${Math.round(parameters / 1e6)} M`, path: random, tokens: 100, banned: [] },
    ]
    const byModel: Record<string, Record<string, DecodeFigures>> = {}
    for (const model of models) byModel[model.name] = await decodeOf(model)
    const decodeRatio = Object.fromEntries(
      streamCounts.map((count) => [
        count,
        Math.min(...Object.values(byModel).map((figures) => figures[count]?.ratio ?? Number.NaN)),
      ]),
    )
    return { decodeRatio, decode: byModel }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

interface DecodeFigures {
  readonly ratio: number
  /** The bare engine beside a process that keeps half of another core busy, over itself alone: what neighbours cost here. */
  readonly besideHalfACore: number
  readonly meshTokensPerSecond: number
  readonly floorTokensPerSecond: number
}

async function decodeOf({ banned, name, path, tokens }: DecodeModel): Promise<Record<string, DecodeFigures>> {
  const slots = Math.max(...streamCounts)
  const settings = ['--set', 'engine.threads=1', '--set', `engine.contextTokens=${contextTokens}`]
  await using mesh = await startBenchMesh({
    engine: ['--model', path, '--slots', String(slots), ...settings],
    requestsMax: 2 * slots,
  })
  const model = await onlyModel(mesh.gateway)
  using floor = await startChild<FloorTask, FloorFigures>('floor.ts', [path, String(slots), String(contextTokens)])
  const prompt = 'What is a provider, and what does it do for the mesh?'
  const ask = (): Promise<Timing> =>
    stream(mesh.gateway, {
      model,
      messages: [{ role: 'user', content: prompt }],
      temperature: 0,
      max_tokens: tokens,
      ...(banned.length > 0 && { logit_bias: Object.fromEntries(banned.map((id) => [id, -100])) }),
    })
  const figures: Record<string, DecodeFigures> = {}
  for (const count of streamCounts) {
    const rounds: { readonly mesh: number; readonly floor: number; readonly beside: number }[] = []
    for (let round = 0; round <= roundsMax; round += 1) {
      const task = { prompt, streams: count, tokens, banned }
      const bare = await floor.ask(task)
      const beside = await besideHalfACore(() => floor.ask(task))
      const timings = await Promise.all(Array.from({ length: count }, ask))
      const short = timings.find(({ completionTokens }) => completionTokens !== tokens)
      if (short) throw new Error(`${name} gave ${short.completionTokens} tokens, expected ${tokens}`)
      if (round === 0) continue // cold
      rounds.push({ mesh: tokensPerSecond(timings), floor: bare.tokensPerSecond, beside: beside.tokensPerSecond })
    }
    const median = (values: readonly number[]): number => percentile(values, 0.5)
    figures[count] = {
      ratio: rounded(median(rounds.map((each) => each.mesh / each.floor)), 3),
      besideHalfACore: rounded(median(rounds.map((each) => each.beside / each.floor)), 3),
      meshTokensPerSecond: Math.round(median(rounds.map((each) => each.mesh))),
      floorTokensPerSecond: Math.round(median(rounds.map((each) => each.floor))),
    }
    process.stderr.write(`  ${name}, ${count} streams: ${JSON.stringify(figures[count])}\n`)
  }
  return figures
}

/** Five milliseconds of work, five of rest. */
const halfBusy =
  'for (;;) { const t = Date.now(); while (Date.now() - t < 5); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5) }'

async function besideHalfACore<T>(work: () => Promise<T>): Promise<T> {
  const neighbour = spawn(process.execPath, ['-e', halfBusy])
  try {
    return await work()
  } finally {
    neighbour.kill('SIGKILL')
  }
}

const latencyRequests = 600
const rateRequests = 1_800
const rateConcurrency = 16

/** First tokens one request after another, and requests a second with sixteen at once, each on four roads in turn. */
async function latency(): Promise<Figures> {
  await using mesh = await startBenchMesh({ engine: 'instant', requestsMax: 64 })
  using server = await startHop('server')
  using gateway = await startHop('gateway')
  using proxy = await startHop('proxy', `http://127.0.0.1:${server.port}`)
  const roads: Readonly<Record<string, Target>> = {
    direct: targetOf(server.port),
    proxy: targetOf(proxy.port),
    gateway: targetOf(gateway.port),
    mesh: mesh.gateway,
  }
  const question = { model: 'instant', messages: [{ role: 'user', content: '1' }] }
  const firstMs = eachOf(roads, (): number[] => [])
  for (let at = -100; at < latencyRequests; at += 1) {
    for (const [road, target] of Object.entries(roads)) {
      const timing = await stream(target, question)
      if (at >= 0) firstMs[road]?.push(timing.firstMs - timing.startMs) // the first hundred warm it up
    }
  }
  const perSecond = eachOf(roads, (): number[] => [])
  for (let round = 0; round <= roundsMax; round += 1) {
    for (const [road, target] of Object.entries(roads)) {
      const startMs = performance.now()
      let left = rateRequests / roundsMax
      const worker = async (): Promise<void> => {
        while (left > 0) {
          left -= 1
          await stream(target, question)
        }
      }
      await Promise.all(Array.from({ length: rateConcurrency }, worker))
      const rate = (1_000 * (rateRequests / roundsMax)) / (performance.now() - startMs)
      if (round > 0) perSecond[road]?.push(rate)
    }
  }
  const added = (road: string, over: string, share: number): number =>
    rounded(percentile(firstMs[road] ?? [], share) - percentile(firstMs[over] ?? [], share), 2)
  const ratio = (road: string): number =>
    rounded(
      percentile(
        (perSecond[road] ?? []).map((rate, round) => rate / (perSecond['proxy']?.[round] ?? Number.NaN)),
        0.5,
      ),
      3,
    )
  return {
    gatewayTtftMs: { p50: added('gateway', 'direct', 0.5), p99: added('gateway', 'direct', 0.99) },
    remoteTtftMs: { p50: added('mesh', 'gateway', 0.5), p99: added('mesh', 'gateway', 0.99) },
    proxyRatio: ratio('gateway'),
    meshProxyRatio: ratio('mesh'),
    requestsPerSecond: Object.fromEntries(
      Object.entries(perSecond).map(([road, rates]) => [road, Math.round(percentile(rates, 0.5))]),
    ),
  }
}

const pacedStreams = 100
const pacedTokensPerSecond = 100
const pacedSeconds = 10

/** Processor time of both nodes while a hundred streams run at a hundred tokens a second each. */
async function streams(): Promise<Figures> {
  await using mesh = await startBenchMesh({ engine: 'instant', requestsMax: 2 * pacedStreams })
  const pids = { consumer: mesh.consumerPid, provider: mesh.providerPid }
  const run = (tokens: number) => {
    const content = `${tokens} ${pacedTokensPerSecond}`
    const question = { model: 'instant', messages: [{ role: 'user', content }] }
    return Promise.all(Array.from({ length: pacedStreams }, () => stream(mesh.gateway, question)))
  }
  await run(pacedTokensPerSecond)
  const restBytes = eachOf(pids, residentBytes)
  const beforeMs = eachOf(pids, processorMs)
  const startMs = performance.now()
  const running = run(pacedSeconds * pacedTokensPerSecond)
  await new Promise((resolve) => setTimeout(resolve, (pacedSeconds * 1_000) / 2))
  const busyBytes = eachOf(pids, residentBytes)
  const timings = await running
  const wallMs = performance.now() - startMs
  const cores = eachOf(pids, (pid, name) => rounded((processorMs(pid) - beforeMs[name]) / wallMs, 2))
  return {
    pacedStreams: {
      streams: pacedStreams,
      tokensPerSecond: Math.round(tokensPerSecond(timings)),
      cores: { ...cores, both: rounded(cores.consumer + cores.provider, 2) },
      kibAStream: eachOf(pids, (_, name) => Math.round((busyBytes[name] - restBytes[name]) / pacedStreams / 1_024)),
    },
  }
}

async function connections(): Promise<Figures> {
  const script = join(import.meta.dirname, 'serving/connections.ts')
  return JSON.parse(execFileSync(process.execPath, ['--expose-gc', script, '100'], { encoding: 'utf8' })) as Figures
}

function eachOf<Name extends string, T, U>(values: Readonly<Record<Name, T>>, of: (value: T, name: Name) => U) {
  const entries = Object.entries(values) as [Name, T][]
  return Object.fromEntries(entries.map(([name, value]) => [name, of(value, name)])) as Record<Name, U>
}

async function onlyModel(gateway: Target): Promise<string> {
  const response = await fetch(`${gateway.baseUrl}/models`, { headers: { authorization: `Bearer ${gateway.apiKey}` } })
  const { data } = (await response.json()) as { data: readonly { id: string }[] }
  const [model] = data
  if (!model) throw new Error('the mesh serves no model')
  return model.id
}

function targetOf(port: number): Target {
  return { baseUrl: `http://127.0.0.1:${port}/v1`, apiKey: 'key' }
}

interface Hop extends Disposable {
  readonly port: number
}

async function startHop(...words: readonly string[]): Promise<Hop> {
  const child = fork(join(import.meta.dirname, 'serving/hop.ts'), words)
  const [port] = (await once(child, 'message')) as [number]
  return { port, [Symbol.dispose]: () => child.kill('SIGKILL') }
}

interface Child<Task, Answer> extends Disposable {
  ask(task: Task): Promise<Answer>
}

async function startChild<Task extends object, Answer>(
  script: string,
  words: readonly string[],
): Promise<Child<Task, Answer>> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'serving', script), words)
  await once(child, 'message')
  return {
    ask: async (task) => {
      child.send(task)
      const [answer] = (await once(child, 'message')) as [Answer]
      return answer
    },
    [Symbol.dispose]: () => child.kill('SIGKILL'),
  }
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
