// One direction of a connection in time: bytes leave in order through the sender's line, TCP opens its window and repeats
// what is lost, and the receiver's line takes them in.

/** Ten segments of 1 448 bytes: what TCP sends before it has heard anything (RFC 6928). */
export const firstWindowBytes = 14_480
const segmentBytes = 1_448
/** The least that TCP waits before it sends again (RFC 6298, as Linux has it). */
const retransmitMsMin = 200
const retransmitMsMax = 60_000
/** After so many losses in a row TCP would give the connection up. */
const retransmitsMax = 15

/** One way of a machine's access: what is sent at a time takes what is still free from then on, in the order of asking. */
export class Way {
  readonly bytesPerMs: number
  /** Taken spans that end after the last moment asked about, by time, apart from each other: start, end, start, end… */
  #taken: number[] = []

  constructor(bitsPerSecond: number) {
    this.bytesPerMs = bitsPerSecond / 8_000
  }

  /** When a burst that is ready at `atMs` has passed. `nowMs` never goes back and is not after `atMs`. */
  pass(nowMs: number, atMs: number, bytes: number): number {
    const taken = this.#taken
    let left = bytes / this.bytesPerMs
    if (left === 0) return atMs
    const last = taken[taken.length - 1]
    // the usual cases: nothing is under way, or all that is came before
    if (last === undefined || last <= nowMs) {
      taken.length = 2
      taken[0] = atMs
      taken[1] = atMs + left
      return atMs + left
    }
    if (taken.length === 2 && atMs >= (taken[0] ?? 0)) {
      if (atMs > last) taken.push(atMs, atMs + left)
      else taken[1] = last + left
      return Math.max(atMs, last) + left
    }
    const spans: number[] = []
    let fromMs = atMs
    for (let at = 0; at < taken.length; at += 2) {
      const start = taken[at] ?? 0
      const end = taken[at + 1] ?? 0
      if (left > 0 && start > fromMs) {
        const used = Math.min(left, start - fromMs)
        append(spans, fromMs, fromMs + used)
        left -= used
        fromMs += used
      }
      if (end > nowMs) append(spans, start, end)
      if (left > 0) fromMs = Math.max(fromMs, end)
    }
    if (left > 0) {
      append(spans, fromMs, fromMs + left)
      fromMs += left
    }
    this.#taken = spans
    return fromMs
  }

  /** When all that was handed over so far has passed. */
  get freeMs(): number {
    return this.#taken[this.#taken.length - 1] ?? 0
  }
}

function append(spans: number[], start: number, end: number): void {
  if (spans.length > 0 && (spans[spans.length - 1] ?? 0) >= start) spans[spans.length - 1] = end
  else spans.push(start, end)
}

/** A machine's access to the network. */
export interface Access {
  readonly up: Way
  readonly down: Way
}

export function accessOf(line: { readonly upBitsPerSecond: number; readonly downBitsPerSecond: number }): Access {
  return { up: new Way(line.upBitsPerSecond), down: new Way(line.downBitsPerSecond) }
}

/** What TCP remembers of one direction of one connection. */
export class Line {
  windowBytes = firstWindowBytes
  lastArrivalMs = 0
  /** When the last byte sent so far left the sender for the first time. */
  departedMs = 0

  /**
   * Sends so many bytes now and returns when the last of them is at the other side's door. `latencyMs` is one way,
   * `windowMax` the most that may be under way unacknowledged; `draw` decides each packet's fate.
   */
  send({ nowMs, bytes, latencyMs, loss, windowMax, draw }: Sending, up: Way): number {
    const roundMs = 2 * latencyMs
    let window = Math.min(this.windowBytes, windowMax)
    let departedMs = nowMs
    let left = bytes
    // a window that takes longer to leave than its acknowledgement to come back holds nothing up
    while (left > window && window / up.bytesPerMs < roundMs) {
      departedMs = up.pass(nowMs, departedMs, window) + roundMs
      left -= window
      window = Math.min(2 * window, windowMax)
    }
    departedMs = up.pass(nowMs, departedMs, left)
    this.windowBytes = Math.max(window, this.windowBytes)
    this.departedMs = departedMs
    if (loss > 0) departedMs += repeatedMs(Math.ceil(bytes / segmentBytes), loss, roundMs, draw)
    const arrivalMs = Math.max(departedMs + latencyMs, this.lastArrivalMs)
    this.lastArrivalMs = arrivalMs
    return arrivalMs
  }
}

export interface Sending {
  readonly nowMs: number
  readonly bytes: number
  readonly latencyMs: number
  readonly loss: number
  readonly windowMax: number
  readonly draw: () => number
}

/** How long lost packets delay a burst: a round trip where later packets reveal the gap, else a timeout that doubles. */
function repeatedMs(packets: number, loss: number, roundMs: number, draw: () => number): number {
  let delayMs = 0
  let timeoutMs = Math.max(retransmitMsMin, roundMs + 4 * (roundMs / 8))
  let atRisk = packets
  let isRevealed = packets > 3
  for (let tries = 0; tries < retransmitsMax && draw() < 1 - (1 - loss) ** atRisk; tries += 1) {
    delayMs += isRevealed ? roundMs : timeoutMs
    if (!isRevealed) timeoutMs = Math.min(2 * timeoutMs, retransmitMsMax)
    isRevealed = false
    atRisk = 1
  }
  return delayMs
}

/** When TCP tries again first at or after `healedMs`, what it has sent in vain since `sinceMs`. */
export function retriedMs(sinceMs: number, healedMs: number): number {
  let atMs = sinceMs
  let waitMs = retransmitMsMin
  while (atMs < healedMs) {
    atMs += waitMs
    waitMs = Math.min(2 * waitMs, retransmitMsMax)
  }
  return atMs
}
