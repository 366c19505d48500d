// What gossip did, counted: deliveries, how late, how often, at what cost.

/** Bins per doubling: half a percent wide. */
const binsPerDoubling = 128
const bins = 24 * binsPerDoubling

/** Times above zero by their logarithm: exact enough for quantiles, and as large after an hour as after a minute. */
export class Histogram {
  readonly #counts = new Float64Array(bins)
  #count = 0
  #sum = 0

  get count(): number {
    return this.#count
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count
  }

  add(value: number): void {
    const bin = Math.round(Math.log2(1 + value) * binsPerDoubling)
    this.#counts[Math.min(bins - 1, Math.max(0, bin))] = (this.#counts[Math.min(bins - 1, Math.max(0, bin))] ?? 0) + 1
    this.#count += 1
    this.#sum += value
  }

  quantile(share: number): number {
    let left = share * this.#count
    for (let bin = 0; bin < bins; bin += 1) {
      left -= this.#counts[bin] ?? 0
      if (left <= 0) return 2 ** (bin / binsPerDoubling) - 1
    }
    return 0
  }
}

export class GossipTally {
  readonly delaysMs = new Histogram()
  published = 0
  delivered = 0
  accepted = 0
  /** Subscribers that ran from publication to the end of repair, and those of them that got the message. */
  expected = 0
  reached = 0
  copies = 0
  duplicates = 0
  lost = 0
  repaired = 0
  bytes = 0
  controlBytes = 0
}
