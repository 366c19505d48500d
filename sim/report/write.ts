// What a run leaves behind as files in one folder, and back again.

import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Nano } from '../../protocol/money.ts'
import type { Band, Manifest, PeerRecord, RunRecord } from '../record.ts'
import type { Heard } from '../world.ts'
import { reportPage } from './html.ts'
import { metricsCsv, requestsCsv, requestsFromParquet, requestsParquet, seriesFromCsv } from './tables.ts'
import { type Mark, traceOf } from './trace.ts'

export interface WriteOptions {
  /** Everything that nodes said, for `events.jsonl`; read once. Failed attempts among it are marked in the trace. */
  readonly events?: Iterable<Heard> | AsyncIterable<Heard> | undefined
  /** Default true. */
  readonly trace?: boolean | undefined
  /** Default true. */
  readonly report?: boolean | undefined
  /** What a reader types to see the same again; by default the one that replays this folder. */
  readonly command?: string | undefined
}

/** What is compared between runs: all of it equal for equal scenario, seed and commit. */
export type RunSummary = Pick<RunRecord, 'manifest' | 'summary' | 'assertions' | 'violations'>

const summarySchema = 'silkmesh-sim-summary/1'
const manifestSchema = 'silkmesh-sim-run/1'
const marksMax = 20_000

/**
 * Each file appears whole or not at all, and `manifest.json` last: where it is, all are. A trace or a report of an earlier
 * run in this folder is removed where this one writes none; `events.jsonl` is left to whoever writes it.
 */
export async function writeRun(dir: string, run: RunRecord, options: WriteOptions = {}): Promise<void> {
  const { events, trace = true, report = true, command = replayOf(dir) } = options
  await mkdir(dir, { recursive: true })
  await removed(dir, 'manifest.json')
  await written(dir, 'summary.json', [summaryJson(run)])
  await written(dir, 'metrics.csv', metricsCsv(run.series))
  await written(dir, 'requests.csv', requestsCsv(run.requests))
  await written(dir, 'requests.parquet', [requestsParquet(run.requests)])
  await written(dir, 'peers.json', [pretty(run.peers)])
  await written(dir, 'pace.json', [pretty(run.pace)])
  const marks: Mark[] = []
  if (events) await written(dir, 'events.jsonl', eventLines(events, marks))
  if (trace) await written(dir, 'trace.json', traceOf(run, { marks }))
  else await removed(dir, 'trace.json')
  if (report) await writeReport(dir, run, command)
  else await removed(dir, 'report.html')
  await written(dir, 'manifest.json', [pretty(run.manifest)])
}

/** Only the page: for a run that was written without one. */
export async function writeReport(dir: string, run: RunRecord, command = replayOf(dir)): Promise<void> {
  await written(dir, 'report.html', [await reportPage(run, { command })])
}

export async function readRun(dir: string): Promise<RunRecord> {
  const { bands, ...summary } = await readWhole(dir)
  return {
    ...summary,
    bands,
    requests: await requestsFromParquet(await readFile(join(dir, 'requests.parquet'))),
    series: seriesFromCsv(await readFile(join(dir, 'metrics.csv'), 'utf8')),
    peers: peersFrom(await json(dir, 'peers.json')),
    pace: figuresFrom(await json(dir, 'pace.json')),
  }
}

/** What comparing needs, without requests and series: quick for the hundreds of runs of a sweep. */
export async function readSummary(dir: string): Promise<RunSummary> {
  const { bands: _, ...summary } = await readWhole(dir)
  return summary
}

/** Writes beside and renames: who reads, or a run that is killed here, never has half a file. */
export async function written(
  dir: string,
  name: string,
  pieces: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
): Promise<void> {
  const part = join(dir, `.${name}.part`)
  try {
    await using file = await open(part, 'w')
    for await (const piece of pieces) await file.appendFile(piece)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
  await rename(part, join(dir, name))
}

/** Works as long as the folder is there; the scenario is in its manifest. */
function replayOf(dir: string): string {
  return `npm run sim -- replay ${/^[\w./@+-]+$/.test(dir) ? dir : `'${dir.replaceAll("'", "'\\''")}'`}`
}

function removed(dir: string, name: string): Promise<void> {
  return rm(join(dir, name), { force: true })
}

function summaryJson({ manifest, summary, assertions, violations, bands }: RunRecord): string {
  const { scenario, seed, tier, isComplete } = manifest
  return pretty({ schema: summarySchema, scenario, seed, tier, isComplete, summary, assertions, violations, bands })
}

/** Of `events.jsonl`: what `node` said. The event itself may name a `peer`, the one it is about. */
export function eventLine({ atMs, peer, event }: Heard): string {
  return `${JSON.stringify({ atMs, node: peer, ...event }, plainer)}\n`
}

async function* eventLines(events: Iterable<Heard> | AsyncIterable<Heard>, marks: Mark[]): AsyncGenerator<string> {
  for await (const heard of events) {
    yield eventLine(heard)
    const { atMs, peer, event } = heard
    if (event.type !== 'attempt-failed' || marks.length >= marksMax) continue
    const name = event.tokensDelivered > 0 ? `failover: ${event.code}` : `attempt failed: ${event.code}`
    marks.push({ peer, atMs, name, detail: event.message })
  }
}

function pretty(value: unknown): string {
  return `${JSON.stringify(value, plainer, 2)}\n`
}

/** Amounts as decimal strings: JSON's numbers end at 2^53. */
function plainer(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

async function json(dir: string, name: string): Promise<unknown> {
  const path = join(dir, name)
  let content: string
  try {
    content = await readFile(path, 'utf8')
  } catch (cause) {
    throw new Error(`no ${name} in ${dir}: expected the folder of a finished run, as \`run\` prints it`, { cause })
  }
  try {
    return JSON.parse(content)
  } catch (cause) {
    throw new Error(`${path} is no JSON: write the run again`, { cause })
  }
}

/** This program wrote these files; the schema says so, and from there their shape is trusted. */
async function readWhole(dir: string): Promise<RunSummary & { readonly bands: readonly Band[] }> {
  const manifest = (await json(dir, 'manifest.json')) as Manifest
  const rest = (await json(dir, 'summary.json')) as Omit<RunSummary, 'manifest'> & {
    readonly schema: string
    readonly bands: readonly Band[]
  }
  if (manifest.schema !== manifestSchema || rest.schema !== summarySchema) {
    throw new RangeError(
      `${dir} holds "${manifest.schema}" and "${rest.schema}", expected "${manifestSchema}" and "${summarySchema}"`,
    )
  }
  const { summary, assertions, violations, bands } = rest
  return { manifest, summary: figuresFrom(summary), assertions, violations, bands }
}

function peersFrom(value: unknown): PeerRecord[] {
  type Written = Omit<PeerRecord, 'earnedNano' | 'spentNano'> & { earnedNano: string; spentNano: string }
  const amount = (nano: string): Nano => BigInt(nano)
  return (value as Written[]).map((peer) => ({
    ...peer,
    earnedNano: amount(peer.earnedNano),
    spentNano: amount(peer.spentNano),
  }))
}

function figuresFrom(value: unknown): Record<string, number> {
  const figures: Record<string, number> = {}
  for (const [name, figure] of Object.entries(value ?? {})) if (typeof figure === 'number') figures[name] = figure
  return figures
}
