// A trace's figures, read from the file and measured again from its replay through the kernel.

import { epochMs, Kernel } from '../kernel.ts'
import { deviationOf, meanOf } from '../report/statistics.ts'
import { readTrace, type TraceRow } from '../trace.ts'

export interface TraceFigures {
  readonly rows: number
  readonly spanSeconds: number
  /** Standard deviation of the times between requests over their mean. */
  readonly interArrivalCv: number
  readonly meanContext: number
  readonly meanGenerated: number
  /** Of arrivals as they came about in virtual time. */
  readonly replayed: { readonly rows: number; readonly interArrivalCv: number }
}

export interface ValidateTraceOptions {
  readonly csvPath: string
}

export async function validateTrace({ csvPath }: ValidateTraceOptions): Promise<TraceFigures> {
  const rows = readTrace(csvPath)
  const arrivals = await replayed(rows)
  return {
    rows: rows.length,
    spanSeconds: (rows.at(-1)?.atMs ?? 0) / 1_000,
    interArrivalCv: variationOf(rows.map(({ atMs }) => atMs)),
    meanContext: meanOf(rows.map(({ contextTokens }) => contextTokens)) ?? 0,
    meanGenerated: meanOf(rows.map(({ generatedTokens }) => generatedTokens)) ?? 0,
    replayed: { rows: arrivals.length, interArrivalCv: variationOf(arrivals) },
  }
}

/** As a workload does it: each arrival schedules the next. */
async function replayed(rows: readonly TraceRow[]): Promise<readonly number[]> {
  const kernel = new Kernel()
  const arrivals: number[] = []
  const schedule = (number: number): void => {
    const row = rows[number]
    if (!row) return
    kernel.at(epochMs + row.atMs, () => {
      arrivals.push(kernel.now())
      schedule(number + 1)
    })
  }
  schedule(0)
  await kernel.run(epochMs + (rows.at(-1)?.atMs ?? 0))
  return arrivals
}

/** With n − 1 in the deviation's denominator; 0 for fewer than three arrivals. */
function variationOf(times: readonly number[]): number {
  const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0))
  const mean = meanOf(gaps)
  return mean ? (deviationOf(gaps) ?? 0) / mean : 0
}
