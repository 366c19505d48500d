// The statistics every figure of a run is made with: quantiles, concentration, and confidence intervals over seeds.

/** An array of numbers, plain or typed. */
export type Numbers = ArrayLike<number> & Iterable<number>

/**
 * Linear interpolation between order statistics: position (n − 1) × share, as numpy's `percentile` and hence vLLM's
 * benchmark do it (Hyndman and Fan's type 7). `sorted` ascends; undefined where it is empty.
 */
export function quantileOf(sorted: ArrayLike<number>, share: number): number | undefined {
  const position = (sorted.length - 1) * Math.min(1, Math.max(0, share))
  const below = sorted[Math.floor(position)]
  const above = sorted[Math.ceil(position)]
  if (below === undefined || above === undefined) return undefined
  // the first form would turn equal infinities into NaN
  return below === above ? below : below + (above - below) * (position - Math.floor(position))
}

export function ascending(values: Iterable<number>): number[] {
  return [...values].sort((a, b) => a - b)
}

export function meanOf(values: Numbers): number | undefined {
  return values.length === 0 ? undefined : sumOf(values) / values.length
}

/** Neumaier's compensated sum: a long run's total does not depend on how large it was before the small ones came. */
export function sumOf(values: Iterable<number>): number {
  let sum = 0
  let lost = 0
  for (const value of values) {
    const next = sum + value
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum
    sum = next
  }
  return sum + lost
}

/** Of a sample: divided by n − 1. Undefined for fewer than two. */
export function deviationOf(values: readonly number[]): number | undefined {
  const mean = meanOf(values)
  if (mean === undefined || values.length < 2) return undefined
  return Math.sqrt(sumOf(values.map((value) => (value - mean) ** 2)) / (values.length - 1))
}

/** 0 where all have the same, (n − 1) / n where one has everything. Undefined where there is nothing to share. */
export function giniOf(values: Iterable<number>): number | undefined {
  const sorted = ascending(values)
  const sum = sumOf(sorted)
  if (sorted.length === 0 || sum <= 0 || (sorted[0] ?? 0) < 0) return undefined
  const weighted = sumOf(sorted.map((value, index) => (2 * (index + 1) - sorted.length - 1) * value))
  return weighted / (sorted.length * sum)
}

export interface Interval {
  readonly mean: number
  readonly low: number
  readonly high: number
  readonly count: number
}

/** Student's t-interval of the mean over independent runs; without width where there is one run. */
export function meanInterval(values: readonly number[], confidence = 0.95): Interval | undefined {
  const mean = meanOf(values)
  if (mean === undefined) return undefined
  const deviation = deviationOf(values)
  const half =
    deviation === undefined
      ? 0
      : (studentQuantile((1 + confidence) / 2, values.length - 1) * deviation) / Math.sqrt(values.length)
  return { mean, low: mean - half, high: mean + half, count: values.length }
}

/** Of b − a, pair by pair: for runs of equal seeds, which differ by what is compared and by nothing else. */
export function pairedInterval(a: readonly number[], b: readonly number[], confidence = 0.95): Interval | undefined {
  if (a.length !== b.length) throw new RangeError(`${a.length} values paired with ${b.length}, expected as many`)
  return meanInterval(
    b.map((value, index) => value - (a[index] ?? Number.NaN)),
    confidence,
  )
}

/** Of mean(b) − mean(a), with Welch's degrees of freedom: variances may differ. Undefined under two values a side. */
export function welchInterval(a: readonly number[], b: readonly number[], confidence = 0.95): Interval | undefined {
  const [deviationA, deviationB] = [deviationOf(a), deviationOf(b)]
  const [meanA, meanB] = [meanOf(a), meanOf(b)]
  if (deviationA === undefined || deviationB === undefined || meanA === undefined || meanB === undefined) {
    return undefined
  }
  const mean = meanB - meanA
  const count = a.length + b.length
  const [varianceA, varianceB] = [deviationA ** 2 / a.length, deviationB ** 2 / b.length]
  const variance = varianceA + varianceB
  if (variance === 0) return { mean, low: mean, high: mean, count }
  const degrees = variance ** 2 / (varianceA ** 2 / (a.length - 1) + varianceB ** 2 / (b.length - 1))
  const half = studentQuantile((1 + confidence) / 2, degrees) * Math.sqrt(variance)
  return { mean, low: mean - half, high: mean + half, count }
}

/** Steps of the integral below: six digits at every number of degrees a comparison of seeds can have. */
const integrationSteps = 20_000
/** From here on the normal distribution's quantile differs in the sixth digit only, and the integrand becomes a needle. */
const degreesMax = 100_000

/**
 * Student's t for `probability` in [0.5, 1) and any real degrees of freedom ≥ 1. With t = √v tan θ the density becomes
 * cos^(v−1) θ on (−π/2, π/2), which is summed by midpoints until the share asked for is reached.
 */
export function studentQuantile(probability: number, degrees: number): number {
  if (!(probability >= 0.5 && probability < 1)) throw new RangeError(`probability ${probability}, expected 0.5 to 1`)
  if (!(degrees >= 1)) throw new RangeError(`${degrees} degrees of freedom, expected at least 1`)
  const v = Math.min(degrees, degreesMax)
  const step = Math.PI / 2 / integrationSteps
  const heights = Array.from({ length: integrationSteps }, (_, index) => Math.cos((index + 0.5) * step) ** (v - 1))
  let missing = (2 * probability - 1) * sumOf(heights)
  for (const [index, height] of heights.entries()) {
    if (missing <= height) return Math.sqrt(v) * Math.tan((index + missing / height) * step)
    missing -= height
  }
  return Number.POSITIVE_INFINITY
}
