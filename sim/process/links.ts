// Links between real processes, shaped in this one: every node announces a relay's address instead of its own, so all that
// peers say to each other crosses a relay, which adds distance, queues and loss, and can hold or cut it.

import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Fault, NetworkPlan } from '../plan.ts'
import type { SeededRandom } from '../random.ts'
import { Crossing, type LinkEnd, type Passage } from './crossing.ts'
import { type Distance, Line, travelMs } from './wire.ts'

export interface LinksOptions {
  readonly plan: Pick<NetworkPlan, 'latency' | 'loss'>
  readonly random: SeededRandom
  /** Whose address this is. A connection from nobody's is refused: nothing goes unshaped because it was not recognised. */
  readonly endOf: (address: string) => LinkEnd | undefined
  /** What the relay's own connection to the node comes from, so that the node sees hosts apart; any where undefined. */
  readonly sourceOf: (end: LinkEnd) => string | undefined
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

type LinkWeather = Extract<Fault, { kind: 'partition' | 'degrade' }>

/** What a NAT keeps open for answers of whoever was dialled: the shortest in use. */
const punchedMs = 30_000

export class Links implements Passage {
  readonly #options: LinksOptions
  readonly #servers: Server[] = []
  readonly #crossings = new Set<Crossing>()
  readonly #lines = new Map<string, { readonly up: Line; readonly down: Line }>()
  readonly #weather = new Set<LinkWeather>()
  readonly #off = new Set<string>()
  readonly #dialled = new Map<string, number>()
  #changed = Promise.withResolvers<void>()
  #refused = 0
  #accepted = 0
  #bytes = 0
  #late = { sumMs: 0, maxMs: 0, pieces: 0 }

  constructor(options: LinksOptions) {
    this.#options = options
  }

  /** Where others reach `end` from now on. Port 0 takes a free one. */
  async open(end: LinkEnd, at: Endpoint, node: Endpoint): Promise<Endpoint> {
    this.#regionOf(end)
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client, end, node))
    this.#servers.push(server)
    return { host: at.host, port: await listen(server, at) }
  }

  /** Begins it; the function returned ends it. */
  disturb(weather: LinkWeather): () => void {
    this.#weather.add(weather)
    return () => {
      if (this.#weather.delete(weather)) this.#tell()
    }
  }

  /**
   * Without power a machine answers nothing, not even that it is gone: what is under way to and from it waits. When it is
   * back it knows none of its old connections, and says so.
   */
  power(name: string, isOn: boolean): void {
    if (!isOn) {
      this.#off.add(name)
      return
    }
    if (!this.#off.delete(name)) return
    for (const crossing of this.#crossings) if (crossing.isOf(name)) crossing.end()
    this.#tell()
  }

  /** Ends the connections between two peers, as seen from both. */
  cut(a: string, b: string): void {
    for (const crossing of this.#crossings) if (crossing.isOf(a) && crossing.isOf(b)) crossing.end()
  }

  /** Peers by name that have a connection with this one now. */
  connectedTo(name: string): readonly string[] {
    const others = [...this.#crossings].flatMap(({ from, to }) =>
      from.name === name ? [to.name] : to.name === name ? [from.name] : [],
    )
    return [...new Set(others)].sort()
  }

  /** How late this process was with what it relays is what it adds to every latency by itself. */
  figures(): Readonly<Record<string, number>> {
    const { maxMs, pieces, sumMs } = this.#late
    return {
      linkBytes: this.#bytes,
      linkConnections: this.#accepted,
      linkRefused: this.#refused,
      linkLateMsMean: pieces === 0 ? 0 : sumMs / pieces,
      linkLateMsMax: maxMs,
    }
  }

  async close(): Promise<void> {
    for (const crossing of this.#crossings) crossing.end()
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))))
  }

  // what crossings ask

  travelMs(bytes: number, from: LinkEnd, to: LinkEnd): number {
    return travelMs(bytes, this.#distance(from, to), this.#options.random)
  }

  lineOf({ name, place }: LinkEnd): { readonly up: Line; readonly down: Line } {
    const known = this.#lines.get(name)
    if (known) return known
    const line = { up: new Line(place.upBitsPerSecond), down: new Line(place.downBitsPerSecond) }
    this.#lines.set(name, line)
    return line
  }

  async untilOpen(from: LinkEnd, to: LinkEnd): Promise<void> {
    while (this.#isHeld(from, to)) await this.#changed.promise
  }

  crossed(bytes: number, lateMs: number): void {
    this.#bytes += bytes
    this.#late.sumMs += lateMs
    this.#late.pieces += 1
    this.#late.maxMs = Math.max(this.#late.maxMs, lateMs)
  }

  ended(crossing: Crossing): void {
    this.#crossings.delete(crossing)
  }

  #accept(client: Socket, to: LinkEnd, node: Endpoint): void {
    const from = this.#options.endOf(hostOf(client))
    if (!from) {
      this.#refused += 1
      client.destroy()
      return
    }
    this.#accepted += 1
    this.#dialled.set(`${from.name}>${to.name}`, Date.now())
    const localAddress = this.#options.sourceOf(from)
    const isReachable = this.#isReachable(from, to)
    const crossing = new Crossing(this, from, to, client, () =>
      isReachable ? connect({ ...node, localAddress, allowHalfOpen: true, noDelay: true }) : undefined,
    )
    this.#crossings.add(crossing)
  }

  /** A NAT lets in what somebody behind it asked for; a symmetric one asks each from another port, so that none fits. */
  #isReachable(from: LinkEnd, to: LinkEnd): boolean {
    if (to.place.nat === 'open') return true
    if (to.place.nat === 'symmetric' || from.place.nat === 'symmetric') return false
    return Date.now() - (this.#dialled.get(`${to.name}>${from.name}`) ?? 0) < punchedMs
  }

  #distance(from: LinkEnd, to: LinkEnd): Distance {
    const { plan } = this.#options
    const row = plan.latency.oneWayMs[this.#regionOf(from)]
    let oneWayMs = row?.[this.#regionOf(to)] ?? 0
    let { loss } = plan
    for (const weather of this.#weather) {
      if (weather.kind !== 'degrade' || !(isAnyOf(from, weather.of) || isAnyOf(to, weather.of))) continue
      oneWayMs *= weather.latencyFactor
      loss = 1 - (1 - loss) * (1 - weather.loss)
    }
    return { oneWayMs, jitter: plan.latency.jitter, loss }
  }

  #isHeld(from: LinkEnd, to: LinkEnd): boolean {
    if (this.#off.has(from.name) || this.#off.has(to.name)) return true
    return [...this.#weather].some((weather) => {
      if (weather.kind !== 'partition') return false
      const [a, b] = weather.between
      return (isOn(from, a, b) && isOn(to, b, a)) || (isOn(from, b, a) && isOn(to, a, b))
    })
  }

  #regionOf({ name, place }: LinkEnd): number {
    const { regions } = this.#options.plan.latency
    const at = regions.indexOf(place.region)
    if (at === -1) throw new RangeError(`region ${place.region} of ${name}, expected one of ${regions.join(', ')}`)
    return at
  }

  #tell(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

/** `*` is everybody who is not of the other side. */
function isOn(end: LinkEnd, side: string, other: string): boolean {
  return side === '*' ? !isAnyOf(end, other) : isAnyOf(end, side)
}

function isAnyOf({ name, group, place }: LinkEnd, selector: string): boolean {
  return selector === '*' || selector === name || selector === group || selector === place.region
}

function hostOf(socket: Socket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
}

async function listen(server: Server, { host, port }: Endpoint): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('a server without a port')
  return address.port
}
