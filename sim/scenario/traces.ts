// Two production traces as quantiles: enough to draw requests like theirs without the files.

export interface TraceFacts {
  readonly source: string
  readonly requests: number
  readonly spanMs: number
  /** Of times between arrivals. */
  readonly cv: number
  /** Share → tokens. */
  readonly context: Quantiles
  readonly generated: Quantiles
  /** Share → milliseconds between arrivals, linear in the logarithm; undefined: a gamma distribution with that CV. */
  readonly gapsMs: Quantiles | undefined
}

export type Quantiles = readonly (readonly [share: number, value: number])[]

const shares = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]

function quantilesOf(...values: readonly number[]): Quantiles {
  return values.map((value, at) => [shares[at] ?? 1, value])
}

const source = 'Azure/AzurePublicDataset, LLM inference trace 2023 (Splitwise, ISCA 2024), CC-BY 4.0'

export const traces = {
  'azure-2023-code': {
    source,
    requests: 8_819,
    spanMs: 3_435_948,
    cv: 13.15,
    context: quantilesOf(17, 75, 147, 578, 1_469, 2_745, 5_194, 7_315, 7_436),
    // cut off at the last quantile, where the trace has single answers of up to 1 899 tokens: the mean is its 28 so
    generated: quantilesOf(6, 6, 7, 9, 13, 24, 55, 90, 252),
    // a gamma distribution of this CV has half its gaps below 1e-50 ms; the trace has bursts and pauses, so these are its own
    gapsMs: [
      [0, 0.04],
      [0.05, 0.1],
      [0.1, 0.2],
      [0.25, 2.1],
      [0.4, 15.1],
      [0.5, 63.8],
      [0.6, 95],
      [0.75, 104],
      [0.9, 272.9],
      [0.95, 400.8],
      [0.98, 798.7],
      [0.99, 2_205],
      [0.995, 9_978],
      [0.998, 41_406],
      [0.999, 79_233],
      [0.9995, 132_474],
      [1, 217_169],
    ],
  },
  'azure-2023-conversation': {
    source,
    requests: 19_366,
    spanMs: 3_501_722,
    cv: 1.09,
    context: quantilesOf(29, 181, 207, 396, 1_020, 1_189, 2_735, 4_083, 4_142),
    generated: quantilesOf(16, 41, 54, 85, 129, 395, 424, 451, 601),
    gapsMs: undefined,
  },
} as const satisfies Readonly<Record<string, TraceFacts>>

export type BuiltInTrace = keyof typeof traces

export function isBuiltInTrace(name: string): name is BuiltInTrace {
  return Object.hasOwn(traces, name)
}
