// When requests arrive: processes in time, each a list of milliseconds or of gaps.

import type { Random } from '../../node/ports.ts'
import { quantile } from '../random.ts'
import { gamma, shuffled } from './draw.ts'
import type { Diurnal } from './scenario.ts'
import type { TraceFacts } from './traces.ts'

export interface Window {
  readonly fromMs: number
  /** Not included. */
  readonly untilMs: number
}

/** Times between arrivals are gamma distributed; a CV of 1 is Poisson. Begun long before the window. */
export function* renewal(
  random: Random,
  perMs: number,
  cv: number,
  { fromMs, untilMs }: Window,
  diurnal?: Diurnal,
): Generator<number> {
  const shape = 1 / cv ** 2
  const scaleMs = 1 / (perMs * shape)
  const warp = warpOf(diurnal)
  // the gap that the window begins in is a long one more likely (length-biased: shape + 1), and begins anywhere in it
  let atMs = warp.operational(fromMs) + gamma(random, shape + 1, scaleMs) * random.next()
  for (;;) {
    const ms = warp.actual(atMs)
    if (ms >= untilMs) return
    yield ms
    atMs += gamma(random, shape, scaleMs)
  }
}

/** Arrivals of a trace with these facts, from its beginning, over and over; `scale` times as many a second. */
export function* traced(
  random: Random,
  facts: TraceFacts,
  scale: number,
  { fromMs, untilMs }: Window,
  diurnal?: Diurnal,
): Generator<number> {
  const warp = warpOf(diurnal)
  let atMs = warp.operational(fromMs)
  for (;;) {
    for (const gapMs of gapsOf(random, facts)) {
      const ms = warp.actual(atMs)
      if (ms >= untilMs) return
      yield ms
      atMs += gapMs / scale
    }
  }
}

/** As many gaps as the trace has requests, in random order, of the trace's mean. */
function gapsOf(random: Random, { cv, gapsMs, requests, spanMs }: TraceFacts): readonly number[] {
  const shape = 1 / cv ** 2
  // one draw from each of equally likely strata: what few long pauses do to the CV must not depend on luck
  const logarithms = gapsMs?.map(([share, ms]) => [share, Math.log(ms)] as const)
  const gaps = Array.from({ length: requests }, (_, at) =>
    logarithms
      ? Math.exp(quantile(logarithms, (at + random.next()) / requests))
      : gamma(random, shape, spanMs / requests / shape),
  )
  const factor = spanMs / gaps.reduce((sum, gap) => sum + gap, 0)
  return shuffled(random, gaps).map((gap) => gap * factor)
}

/** Time as the process counts it, faster by day: the integral of the rate, and its inverse. */
function warpOf(diurnal: Diurnal | undefined): {
  readonly operational: (ms: number) => number
  readonly actual: (ms: number) => number
} {
  if (!diurnal || diurnal.amplitude === 0) return { operational: (ms) => ms, actual: (ms) => ms }
  const { amplitude, peakMs, periodMs } = diurnal
  const turn = (2 * Math.PI) / periodMs
  const swing = amplitude / turn
  const operational = (ms: number): number => ms + swing * (Math.sin(turn * (ms - peakMs)) + Math.sin(turn * peakMs))
  const actual = (wanted: number): number => {
    let [low, high] = [wanted - 2 * swing, wanted + 2 * swing]
    while (high - low > 1e-3) {
      const middle = (low + high) / 2
      if (operational(middle) < wanted) low = middle
      else high = middle
    }
    return high
  }
  return { operational, actual }
}
