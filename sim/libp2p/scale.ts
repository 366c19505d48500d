// How many peers of real libp2p one process holds: starts them, connects them at random, publishes, and reports memory,
// processor time and virtual latencies. `node sim/libp2p/scale.ts --peers 1000 --json`

import { parseArgs } from 'node:util'
import { capacityTopic, type PeerId } from '../../protocol/ids.ts'
import { identityOf } from '../identity.ts'
import { epochMs } from '../kernel.ts'
import { clockOf, Life } from '../life.ts'
import type { NetworkPlan, Place } from '../plan.ts'
import { integer, seededRandom } from '../random.ts'
import { Libp2pSimulation } from './network.ts'
import { openSimulation } from './simulation.ts'

export interface ScaleOptions {
  readonly peers: number
  /** Connections a peer has on average. */
  readonly degree: number
  readonly messages: number
  readonly messageBytes: number
  readonly seed: number
  /** Share of the peers that answer DHT queries. */
  readonly dhtServers: number
  readonly oneWayMs: number
}

export type ScaleFigures = Readonly<Record<string, number>>

const gib = 2 ** 30

export async function measureScale(options: ScaleOptions, say: (line: string) => void): Promise<ScaleFigures> {
  const wallMs = performance.now.bind(performance)
  const startedAtMs = wallMs()
  const startRss = process.memoryUsage().rss
  const simulation = await openSimulation()
  const { time } = simulation
  const random = seededRandom(options.seed)
  const plan: NetworkPlan = {
    latency: { regions: ['anywhere'], oneWayMs: [[options.oneWayMs]], jitter: 0.1 },
    loss: 0,
    relay: false,
  }
  const place: Place = { region: 'anywhere', nat: 'open', upBitsPerSecond: 1e8, downBitsPerSecond: 1e8 }
  const mesh = new Libp2pSimulation({
    scheduler: time,
    random,
    plan,
    bootstraps: [],
    start: simulation.startLibp2p,
    // a mesh of clients has no routes to look after
    settings: options.dhtServers === 0 ? { routesCheckMs: 3_600_000, routesCheckMsMax: 3_600_000 } : {},
  })
  const clock = clockOf(time, new Life())
  const publishedAtMs: number[] = []
  const latenciesMs: number[] = []
  let deliveries = 0
  const hear = (message: Uint8Array): void => {
    deliveries += 1
    const number = new DataView(message.buffer, message.byteOffset).getUint32(0)
    latenciesMs.push(time.now() - (publishedAtMs[number] ?? Number.NaN))
  }
  const begin = async (at: number) => {
    const name = `peer-${at}`
    const { network, host } = await mesh.run({ name, group: 'peers', place }, identityOf(options.seed, name), {
      dhtMode: at < options.peers * options.dhtServers ? 'server' : 'client',
    })
    host.enter(() => {
      network.subscribe(capacityTopic, (_from: PeerId, message) => {
        hear(message)
        return 'accept'
      })
    })
    return { network, host }
  }
  const connect = random.fork('connect')
  const work = async () => {
    const running: Awaited<ReturnType<typeof begin>>[] = []
    for (let at = 0; at < options.peers; at += 1) running.push(await begin(at))
    say(`${running.length} started, ${since(wallMs, startedAtMs)} s, ${rssMib()} MiB`)
    for (const [at, { network, host }] of running.entries()) {
      const wanted = new Set<number>()
      const count = Math.min(at, Math.round(options.degree / 2))
      while (wanted.size < count) wanted.add(integer(connect, at))
      const dials = [...wanted].map(async (other) => {
        const [address = ''] = running[other]?.network.addresses() ?? []
        await host.enter(() => network.dial(address))
      })
      await Promise.all(dials)
      if (at % 100 === 99) say(`${at + 1} connected, ${since(wallMs, startedAtMs)} s, ${rssMib()} MiB`)
    }
    await clock.sleep(10_000) // gossipsub forms its mesh at its heartbeats, one a second
    const connectedAtMs = wallMs()
    say(`settled, ${since(wallMs, startedAtMs)} s, ${rssMib()} MiB`)
    const author = random.fork('author')
    for (let number = 0; number < options.messages; number += 1) {
      const message = new Uint8Array(options.messageBytes)
      new DataView(message.buffer).setUint32(0, number)
      const { network, host } = running[integer(author, running.length)] ?? {}
      publishedAtMs.push(time.now())
      if (network && host) await host.enter(() => network.publish(capacityTopic, message))
      await clock.sleep(1_000)
    }
    await clock.sleep(3_000)
    const connections = running.map(({ network }) => network.connections().length)
    return { connectedAtMs, connections }
  }
  const { connectedAtMs, connections } = await time.drive(work())
  const { rss, heapUsed } = process.memoryUsage()
  const cpu = process.cpuUsage()
  simulation.close()
  latenciesMs.sort((a, b) => a - b)
  const share = (at: number): number =>
    latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(at * latenciesMs.length))] ?? 0
  const wantedDeliveries = options.messages * (options.peers - 1)
  return {
    ...mesh.internet.figures(),
    ...time.figures(),
    peers: options.peers,
    connections: connections.reduce((sum, count) => sum + count, 0) / 2,
    degreeMean: connections.reduce((sum, count) => sum + count, 0) / options.peers,
    deliveries,
    coverage: deliveries / wantedDeliveries,
    latencyP50Ms: share(0.5),
    latencyP95Ms: share(0.95),
    latencyP99Ms: share(0.99),
    latencyMaxMs: latenciesMs.at(-1) ?? 0,
    virtualS: (time.now() - epochMs) / 1_000,
    rssGib: rss / gib,
    rssMaxGib: process.resourceUsage().maxRSS / 2 ** 20,
    heapGib: heapUsed / gib,
    peersPerGib: options.peers / ((rss - startRss) / gib),
    peersPerGibMax: options.peers / (process.resourceUsage().maxRSS / 2 ** 20),
    wallS: (wallMs() - startedAtMs) / 1_000,
    wallGossipS: (wallMs() - connectedAtMs) / 1_000,
    cpuS: (cpu.user + cpu.system) / 1e6,
  }
}

function since(wallMs: () => number, startedAtMs: number): string {
  return ((wallMs() - startedAtMs) / 1_000).toFixed(1)
}

function rssMib(): number {
  return Math.round(process.memoryUsage().rss / 2 ** 20)
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: '1000' },
      degree: { type: 'string', default: '9' },
      messages: { type: 'string', default: '20' },
      bytes: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      'dht-servers': { type: 'string', default: '0' },
      latency: { type: 'string', default: '25' },
      json: { type: 'boolean', default: false },
    },
  })
  const figures = await measureScale(
    {
      peers: Number(values.peers),
      degree: Number(values.degree),
      messages: Number(values.messages),
      messageBytes: Number(values.bytes),
      seed: Number(values.seed),
      dhtServers: Number(values['dht-servers']),
      oneWayMs: Number(values.latency),
    },
    values.json ? () => undefined : (line) => process.stderr.write(`${line}\n`),
  )
  if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`)
  else console.table(figures)
  process.exit(0)
}
