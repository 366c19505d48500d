// Fits what an iteration costs to the table of Splitwise's measurements: one prefill and one decode time a row.

import { readFileSync } from 'node:fs'
import { type Cost, iterationMs, type Load } from './cost.ts'
import { type Equation, errorOf, rounded, slopesOf, solveCost } from './fit.ts'
import type { Profile } from './profile.ts'

export interface SplitwiseOptions {
  readonly csvPath: string
  /** As the table spells them: `llama2-70b`, `h100-80gb`. */
  readonly model: string
  readonly hardware: string
  readonly tensorParallel: number
  /** Its limits are kept. */
  readonly base: Profile
}

export interface SplitwiseFit {
  readonly profile: Profile
  /** Root of the mean squared relative error, of prefills and decodes alike. */
  readonly error: number
  readonly measurements: number
}

interface Measurement {
  readonly load: Load
  readonly ms: number
}

interface Row {
  readonly promptTokens: number
  readonly batch: number
  readonly answerTokens: number
  readonly promptMs: number
  readonly tokenMs: number
}

const roundsMax = 50
/** Larger prefills were several iterations, or more than the memory held: the table does not tell which. */
const prefillTokensMax = 8_192

/** Deterministic. Throws `RangeError` naming file, line and column, or what the table has where it lacks the machine. */
export function calibrateSplitwise(options: SplitwiseOptions): SplitwiseFit {
  const measurements = measurementsOf(rowsOf(options))
  const start = startOf(measurements)
  let cost = start
  for (let round = 0; round < roundsMax; round += 1) cost = solveCost(equationsOf(measurements, cost), cost, start)
  cost = rounded(cost)
  const { base, model, hardware, tensorParallel } = options
  const profile: Profile = {
    ...base,
    calibratedFrom: `${measurements.length} times of ${model} on ${tensorParallel} × ${hardware} in splitwise-sim's table (Mutinifni/splitwise-sim, MIT; Patel et al., Splitwise, ISCA 2024)`,
    parameters: { kind: 'calibrated', cost },
  }
  return { profile, error: errorOf(equationsOf(measurements, cost)), measurements: measurements.length }
}

/** In the order of the file. */
function rowsOf({ csvPath, model, hardware, tensorParallel }: SplitwiseOptions): Row[] {
  const lines = readFileSync(csvPath, 'utf8').split(/\r?\n/)
  const names = (lines[0] ?? '').split(',')
  const place = (name: string): number => {
    const at = names.indexOf(name)
    if (at < 0) throw new RangeError(`${csvPath}:1: no column ${name} among "${lines[0]}"`)
    return at
  }
  const columns = {
    model: place('model'),
    hardware: place('hardware'),
    tensorParallel: place('tensor_parallel'),
    promptTokens: place('prompt_size'),
    batch: place('batch_size'),
    answerTokens: place('token_size'),
    promptMs: place('prompt_time'),
    tokenMs: place('token_time'),
  }
  const machines = new Set<string>()
  const rows: Row[] = []
  lines.slice(1).forEach((line, index) => {
    if (line.trim() === '') return
    const cells = line.split(',')
    const number = (name: keyof typeof columns): number => {
      const cell = cells[columns[name]] ?? ''
      const value = Number(cell)
      if (cell !== '' && value > 0) return value
      throw new RangeError(`${csvPath}:${index + 2}: ${names[columns[name]]} is "${cell}", expected a number above 0`)
    }
    const machine = `${cells[columns.model]} on ${number('tensorParallel')} × ${cells[columns.hardware]}`
    machines.add(machine)
    if (machine !== `${model} on ${tensorParallel} × ${hardware}`) return
    rows.push({
      promptTokens: number('promptTokens'),
      batch: number('batch'),
      answerTokens: number('answerTokens'),
      promptMs: number('promptMs'),
      tokenMs: number('tokenMs'),
    })
  })
  if (rows.length > 0) return rows
  const known = [...machines].join(', ')
  throw new RangeError(`${csvPath} has no ${model} on ${tensorParallel} × ${hardware}, expected one of ${known}`)
}

function measurementsOf(rows: readonly Row[]): Measurement[] {
  return rows.flatMap(({ promptTokens, batch, answerTokens, promptMs, tokenMs }) => {
    const tokens = batch * promptTokens
    const prefill = { tokens, sequences: batch, contextTokens: 0, pairs: (batch * promptTokens ** 2) / 2 }
    const contextTokens = batch * (promptTokens + answerTokens / 2)
    const decode = { tokens: batch, sequences: batch, contextTokens, pairs: 0 }
    const both: Measurement[] = []
    if (tokens <= prefillTokensMax) both.push({ load: prefill, ms: promptMs })
    // a batch that was clearly quicker than one half its size had no room at once, and was not decoded at once either
    const isWhole = rows.every(
      (other) => 2 * other.batch * other.promptTokens > tokens || other.promptMs < 1.5 * promptMs,
    )
    if (isWhole) both.push({ load: decode, ms: tokenMs })
    return both
  })
}

/** An order of magnitude for each term. */
function startOf(measurements: readonly Measurement[]): Cost {
  const leastMs = measurements.reduce((least, { ms }) => Math.min(least, ms), Number.POSITIVE_INFINITY)
  const largest = measurements.reduce((a, b) => (b.load.tokens > a.load.tokens ? b : a))
  const tokenMs = largest.ms / largest.load.tokens
  return {
    stepMs: leastMs / 10,
    weightsMs: 0.9 * leastMs,
    tokenMs,
    sequenceMs: leastMs / 200,
    contextMs: leastMs / 200_000,
    pairMs: tokenMs / 50_000,
  }
}

function equationsOf(measurements: readonly Measurement[], cost: Cost): Equation[] {
  return measurements.map(({ load, ms }) => ({
    slopes: slopesOf(cost, load),
    modelledMs: iterationMs(cost, load),
    measuredMs: ms,
    scaleMs: ms,
  }))
}
