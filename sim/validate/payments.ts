// The economics of audits: a provider that cheats gains g each time it is not audited and loses its stake S when it is, so
// cheating pays up to p = g ÷ (g + S) and not beyond. Found by playing it, not by that formula.

import { Kernel } from '../kernel.ts'
import { exponential, seededRandom } from '../random.ts'

export interface AuditOptions {
  /** What one cheated request gains, and what is lost when it is audited: whole numbers of one unit, whichever. */
  readonly gain: number
  readonly stake: number
  /** Requests that are cheated. */
  readonly requests?: number | undefined
  readonly seed?: number | undefined
}

export interface AuditFigures {
  /** The probability of an audit at which cheating stops to pay, as found. */
  readonly thresholdProbability: number
  /** g ÷ (g + S). */
  readonly expectedProbability: number
  /** Found over expected, less 1. */
  readonly relativeError: number
  /** Requests played, and audited shares tried. */
  readonly requests: number
  readonly shares: number
}

/** Enough that the share is within 3 % (three deviations) for one audit in a hundred. */
const requestsDefault = 1_000_000
const requestsMax = 100_000_000

/** Audited shares that are tried: a geometric grid, each this much larger than the one before, over this much either way. */
const gridStep = 1.01
const gridReach = 4

/** Mean time between requests; only their order counts. */
const betweenMs = 100

/** A provider that is believed at first and audited at random, for each audited share on a grid, over the same requests. */
export async function validateAudits(options: AuditOptions): Promise<AuditFigures> {
  const { gain, stake, requests = requestsDefault, seed = 1 } = options
  for (const [name, value] of Object.entries({ gain, stake })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`${name} ${value}, expected a whole number from 1`)
  }
  if (!Number.isSafeInteger(requests) || requests < 1 || requests > requestsMax) {
    throw new RangeError(`${requests} requests, expected 1 to ${requestsMax}`)
  }
  const shares = gridOf(gain, stake)
  const audited = await playedWith({ requests, seed, shares })
  const profits = audited.map((caught) => gain * (requests - caught) - stake * caught)
  const thresholdProbability = signChange(shares, profits)
  const expectedProbability = gain / (gain + stake)
  return {
    thresholdProbability,
    expectedProbability,
    relativeError: thresholdProbability / expectedProbability - 1,
    requests,
    shares: shares.length,
  }
}

/** Around the ratio of gain and stake, which is not where the sign changes: that is for the play to find. */
function gridOf(gain: number, stake: number): readonly number[] {
  const middle = Math.min(0.5, gain / stake)
  const shares: number[] = []
  for (let share = middle / gridReach; share < Math.min(1, middle * gridReach); share *= gridStep) shares.push(share)
  return [...shares, 1]
}

interface Play {
  readonly requests: number
  readonly seed: number
  readonly shares: readonly number[]
}

/**
 * How often the cheat was audited at each share. One draw a request decides for all shares, so that a larger share audits
 * all that a smaller one does, and profits fall from share to share.
 */
async function playedWith({ requests, seed, shares }: Play): Promise<readonly number[]> {
  const kernel = new Kernel()
  const random = seededRandom(`payments/${seed}`)
  const [arrivals, audits] = [random.fork('arrivals'), random.fork('audits')]
  /** By the smallest share that audits it; those that none does come last. */
  const firstAudited = new Array<number>(shares.length + 1).fill(0)
  let played = 0
  const request = (): void => {
    const at = firstAbove(shares, audits.next())
    firstAudited[at] = (firstAudited[at] ?? 0) + 1
    played += 1
    if (played < requests) kernel.at(kernel.now() + exponential(arrivals, betweenMs), request)
  }
  kernel.at(kernel.now(), request)
  await kernel.run(Number.POSITIVE_INFINITY, () => played >= requests)
  let caught = 0
  return shares.map((_, at) => {
    caught += firstAudited[at] ?? 0
    return caught
  })
}

/** Index of the first share above the draw: a request is audited where its draw is below the share. */
function firstAbove(shares: readonly number[], draw: number): number {
  let low = 0
  let high = shares.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((shares[middle] ?? 1) > draw) high = middle
    else low = middle + 1
  }
  return low
}

/** Between the last share at which cheating pays and the first at which it does not, by their profits. */
function signChange(shares: readonly number[], profits: readonly number[]): number {
  const at = profits.findIndex((profit) => profit <= 0)
  const [before, after] = [shares[at - 1], shares[at]]
  const [gained, lost] = [profits[at - 1] ?? 0, -(profits[at] ?? 0)]
  if (before === undefined || after === undefined) {
    throw new RangeError(`cheating ${at === 0 ? 'never' : 'always'} paid at ${shares.length} audited shares`)
  }
  return before + ((after - before) * gained) / (gained + lost || 1)
}
