// Queues with known answers, on the simulator's own randomness: the supermarket model, where each request joins the shortest of
// a few queues drawn at random, and Erlang's C, where all wait for any of several servers.

import { exponential, integer, type SeededRandom, seededRandom } from '../random.ts'

export interface QueueFigures {
  readonly meanTimeInSystem: number
  /** What theory says for infinitely many servers. */
  readonly expected: number
  readonly relativeError: number
  /** Of the mean, from the means of 20 stretches one after the other. */
  readonly standardError: number
  /** Measured, the warm-up not included. */
  readonly requests: number
  readonly servers: number
}

export interface ValidateQueueOptions {
  /** Arrivals a server in the mean time of a service: above 0, below 1. */
  readonly lambda: number
  /** Queues drawn for each request. */
  readonly choices: number
  readonly servers?: number | undefined
  readonly seed?: number | undefined
  /** Measured. By default so many that chance moves the mean by about half a percent. */
  readonly requests?: number | undefined
}

const requestsMin = 2_000_000
/** Half a minute; near a load of 1 it is what limits the precision. */
const requestsMax = { alone: 100_000_000, choices: 20_000_000 }
/** Standard deviation of the mean, as a share, that the default number of requests aims at. */
const precision = 0.006
/** Of choices; a line of servers alone is 64 queues. */
const serversMin = 1_024
const batches = 20

/** Throws `RangeError` for values outside the model. */
export function validateQueue(options: ValidateQueueOptions): QueueFigures {
  const { lambda, choices, seed = 1 } = options
  if (!(lambda > 0 && lambda < 1)) throw new RangeError(`lambda is ${lambda}, expected above 0 and below 1`)
  if (!Number.isInteger(choices) || choices < 1)
    throw new RangeError(`${choices} choices, expected a whole number from 1`)
  // theory is of infinitely many servers: with 1 024 the mean is 0.2 % longer at 0.95, with 2 048 0.5 % at 0.99
  const servers = options.servers ?? (choices === 1 ? 64 : serversMin * (lambda > 0.96 ? 2 : 1))
  if (!Number.isInteger(servers) || servers < choices) {
    throw new RangeError(`${servers} servers, expected a whole number from ${choices}, the choices`)
  }
  const requests = options.requests ?? requestsFor(lambda, choices)
  if (!Number.isInteger(requests) || requests < 1) throw new RangeError(`${requests} requests, expected from 1`)
  const { mean, standardError } = supermarket(seededRandom(seed).fork('queue'), lambda, choices, servers, requests)
  const expected = supermarketTime(lambda, choices)
  return { meanTimeInSystem: mean, expected, relativeError: mean / expected - 1, standardError, requests, servers }
}

/** Mitzenmacher, The power of two choices in randomized load balancing, IEEE TPDS 12(10), 2001. */
export function supermarketTime(lambda: number, choices: number): number {
  if (choices === 1) return 1 / (1 - lambda)
  let sum = 0
  for (let i = 1; ; i += 1) {
    const term = lambda ** ((choices ** i - choices) / (choices - 1))
    sum += term
    if (term < 1e-12) return sum
  }
}

/**
 * The queue of M/M/1, watched for a time T, has a mean whose variance is 2ρ(1 + ρ)/(1 − ρ)⁴ / T (Whitt, Planning queueing
 * simulations, Management Science 35(11), 1989). With choices all queues follow the load that came about, which n requests
 * know to √(2 / n).
 */
function requestsFor(lambda: number, choices: number): number {
  if (choices === 1) {
    const alone = (2 * (1 + lambda)) / (1 - lambda) ** 2 / precision ** 2
    return Math.ceil(Math.min(requestsMax.alone, Math.max(requestsMin, alone)))
  }
  const step = (1 - lambda) / 100
  const slope = Math.log(supermarketTime(lambda + step, choices) / supermarketTime(lambda, choices)) / step
  const known = (2 * (lambda * slope) ** 2) / precision ** 2
  return Math.ceil(Math.min(requestsMax.choices, Math.max(requestsMin, known)))
}

/** Services of mean 1, first come first served. */
function supermarket(
  random: SeededRandom,
  lambda: number,
  choices: number,
  servers: number,
  requests: number,
): { readonly mean: number; readonly standardError: number } {
  const queues = Array.from({ length: servers }, () => new Ring())
  const departures = new Departures(servers)
  // until what an empty start has changed is forgotten: a multiple of the relaxation time of M/M/1
  const relaxation = Math.min(20_000, 4 / (1 - Math.sqrt(lambda)) ** 2 / choices)
  const warmup = Math.ceil(relaxation * servers * lambda)
  const rate = lambda * servers
  let nextArrival = exponential(random, 1 / rate)
  let arrived = 0
  let left = 0
  const sums = new Float64Array(batches)
  while (left < requests) {
    if (nextArrival < departures.nextAt) {
      const now = nextArrival
      nextArrival = now + exponential(random, 1 / rate)
      const server = shortest(random, queues, choices)
      arrived += 1
      // a request of the warm-up is served, not counted
      const isIdle = queues[server]?.add(arrived > warmup ? now : Number.NaN) === 1
      if (isIdle) departures.add(server, now + exponential(random, 1))
    } else {
      const now = departures.nextAt
      const server = departures.next
      const queue = queues[server]
      const joinedAt = queue?.take() ?? Number.NaN
      if (!Number.isNaN(joinedAt)) {
        const batch = Math.floor((batches * left) / requests)
        sums[batch] = (sums[batch] ?? 0) + now - joinedAt
        left += 1
      }
      if (queue && queue.length > 0) departures.again(now + exponential(random, 1))
      else departures.end()
    }
  }
  const mean = sums.reduce((sum, each) => sum + each, 0) / left
  const squares = sums.reduce((sum, each) => sum + ((each * batches) / left - mean) ** 2, 0)
  return { mean, standardError: Math.sqrt(squares / (batches * (batches - 1))) }
}

/** Drawn with replacement; ties go to the first drawn, which is as random as any. */
function shortest(random: SeededRandom, queues: readonly Ring[], choices: number): number {
  let best = integer(random, queues.length)
  for (let drawn = 1; drawn < choices; drawn += 1) {
    const other = integer(random, queues.length)
    if ((queues[other]?.length ?? 0) < (queues[best]?.length ?? 0)) best = other
  }
  return best
}

export interface ErlangFigures {
  /** Share of requests that do not begin at once. */
  readonly waitProbability: number
  readonly meanWait: number
  readonly expected: number
  readonly relativeError: number
}

/** M/M/servers: one queue, services of mean 1, `load` arrivals a server. */
export function validateErlang({
  servers = 10,
  load = 0.8,
  seed = 1,
  requests = 4_000_000,
}: {
  readonly servers?: number
  readonly load?: number
  readonly seed?: number
  readonly requests?: number
} = {}): ErlangFigures {
  if (!Number.isInteger(servers) || servers < 1)
    throw new RangeError(`${servers} servers, expected a whole number from 1`)
  if (!(load > 0 && load < 1)) throw new RangeError(`load is ${load}, expected above 0 and below 1`)
  const random = seededRandom(seed).fork('erlang')
  const departures = new Departures(servers)
  const queue = new Ring()
  const idle = Array.from({ length: servers }, (_, server) => server)
  const warmup = Math.ceil(requests / 20)
  let nextArrival = 0
  let begun = 0
  let waited = 0
  let waits = 0
  const begin = (wait: number): void => {
    begun += 1
    if (begun <= warmup) return
    waits += wait
    if (wait > 0) waited += 1
  }
  while (begun < requests + warmup) {
    if (nextArrival < departures.nextAt) {
      const now = nextArrival
      nextArrival = now + exponential(random, 1 / (load * servers))
      const server = idle.pop()
      if (server === undefined) {
        queue.add(now)
        continue
      }
      begin(0)
      departures.add(server, now + exponential(random, 1))
    } else {
      const now = departures.nextAt
      const server = departures.next
      if (queue.length > 0) {
        begin(now - queue.take())
        departures.again(now + exponential(random, 1))
        continue
      }
      departures.end()
      idle.push(server)
    }
  }
  const waitProbability = waited / requests
  const expected = erlangC(servers, load)
  return { waitProbability, meanWait: waits / requests, expected, relativeError: waitProbability / expected - 1 }
}

/** Erlang, 1917; by the recursion of his B, which does not overflow. */
export function erlangC(servers: number, load: number): number {
  const offered = servers * load
  let blocked = 1
  for (let server = 1; server <= servers; server += 1) blocked = (offered * blocked) / (server + offered * blocked)
  return blocked / (1 - load * (1 - blocked))
}

/** First in, first out. */
class Ring {
  #times = new Float64Array(8)
  #first = 0
  length = 0

  /** The length with this one. */
  add(time: number): number {
    if (this.length === this.#times.length) {
      const larger = new Float64Array(2 * this.length)
      for (let at = 0; at < this.length; at += 1) larger[at] = this.#times[(this.#first + at) % this.length] ?? 0
      this.#times = larger
      this.#first = 0
    }
    this.#times[(this.#first + this.length) & (this.#times.length - 1)] = time
    this.length += 1
    return this.length
  }

  /** Of a ring that is not empty. */
  take(): number {
    const time = this.#times[this.#first] ?? Number.NaN
    this.#first = (this.#first + 1) & (this.#times.length - 1)
    this.length -= 1
    return time
  }
}

/** Busy servers by when they are done: a binary heap. */
class Departures {
  readonly #times: Float64Array
  readonly #servers: Int32Array
  #size = 0

  constructor(servers: number) {
    this.#times = new Float64Array(servers)
    this.#servers = new Int32Array(servers)
  }

  get nextAt(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number)
  }

  get next(): number {
    return this.#servers[0] as number
  }

  add(server: number, time: number): void {
    let at = this.#size
    this.#size += 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if ((this.#times[parent] as number) <= time) break
      this.#put(at, this.#servers[parent] as number, this.#times[parent] as number)
      at = parent
    }
    this.#put(at, server, time)
  }

  /** The next one is busy again until then. */
  again(time: number): void {
    this.#sink(this.next, time)
  }

  /** The next one is idle. */
  end(): void {
    this.#size -= 1
    if (this.#size > 0) this.#sink(this.#servers[this.#size] as number, this.#times[this.#size] as number)
  }

  #sink(server: number, time: number): void {
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#size) break
      if (child + 1 < this.#size && (this.#times[child + 1] as number) < (this.#times[child] as number)) child += 1
      if ((this.#times[child] as number) >= time) break
      this.#put(at, this.#servers[child] as number, this.#times[child] as number)
      at = child
    }
    this.#put(at, server, time)
  }

  #put(at: number, server: number, time: number): void {
    this.#servers[at] = server
    this.#times[at] = time
  }
}
