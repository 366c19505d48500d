// One number for all streams: bytes received from peers and not yet read. Hard, so that many slow streams cannot add up.

export class ByteBudget {
  readonly bytesMax: number
  #held = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get heldBytes(): number {
    return this.#held
  }

  /** Takes `bytes` more, or gives back a negative number of them. False, and nothing taken, where that exceeds the budget. */
  change(bytes: number): boolean {
    if (bytes > 0 && this.#held + bytes > this.bytesMax) return false
    this.#held += bytes
    return true
  }
}
