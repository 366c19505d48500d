// A small mesh of real libp2p with a little of everything, run in a process of its own: prints the hash of all that happened.
// `node test/sim/libp2p-mesh.ts <seed>`

import type { ModelKey } from '../../protocol/ids.ts'
import { capacityTopic, inferProtocol } from '../../protocol/ids.ts'
import { identityOf } from '../../sim/identity.ts'
import type { Site } from '../../sim/libp2p/machine.ts'
import { Libp2pSimulation } from '../../sim/libp2p/network.ts'
import { openSimulation } from '../../sim/libp2p/simulation.ts'
import { Trace } from '../../sim/libp2p/trace.ts'
import { clockOf, Life } from '../../sim/life.ts'
import type { NetworkPlan } from '../../sim/plan.ts'
import { seededRandom } from '../../sim/random.ts'

const seed = process.argv[2] ?? '1'
const key = 'ab'.repeat(32) as ModelKey
const plan: NetworkPlan = {
  latency: {
    regions: ['east', 'west'],
    oneWayMs: [
      [5, 40],
      [40, 5],
    ],
    jitter: 0.2,
  },
  loss: 0.01,
  relay: false,
}

const { time, startLibp2p } = await openSimulation()
const trace = new Trace(time)
const siteOf = (at: number): Site => ({
  name: `peer-${at}`,
  group: 'peers',
  place: { region: at % 2 === 0 ? 'east' : 'west', nat: 'open', upBitsPerSecond: 2e7, downBitsPerSecond: 5e7 },
})
const simulation = new Libp2pSimulation({
  scheduler: time,
  random: seededRandom(seed),
  plan,
  start: startLibp2p,
  tap: trace.tap,
  bootstraps: [{ ...siteOf(0), peerId: identityOf(seed, 'peer-0').peerId }],
})
const clock = clockOf(time, new Life())

const figures = await time.drive(
  (async () => {
    const peers = []
    for (let at = 0; at < 10; at += 1) {
      const site = siteOf(at)
      const { name } = site
      const identity = identityOf(seed, name)
      const life = new Life()
      const attached = { ...site, identity, dhtServer: at < 6, adversary: undefined }
      const network = await simulation.attach(attached, life)
      peers.push({ name, identity, life, network })
    }
    const heard = new Map<string, number>()
    for (const { name, network } of peers) {
      network.subscribe(capacityTopic, (from, message) => {
        trace.note('heard', name, from, message.length)
        heard.set(name, (heard.get(name) ?? 0) + 1)
        return 'accept'
      })
      network.handle(inferProtocol, async (stream) => {
        for await (const frame of stream.frames) await stream.send(frame)
      })
    }
    const stop = new AbortController()
    const providing = peers.slice(0, 3).map(({ network }) => network.provide(key, stop.signal))
    await clock.sleep(8_000)
    for (const { name, network } of peers.slice(0, 5)) {
      await network.publish(capacityTopic, new TextEncoder().encode(`news from ${name}`))
    }
    const heal = simulation.disturb({ kind: 'partition', atMs: 0, forMs: 0, between: ['west', '*'] })
    await clock.sleep(3_000)
    heal()
    await clock.sleep(3_000)
    let found = 0
    let answered = 0
    for (const { name, network } of peers.slice(5)) {
      for await (const provider of network.findProviders(key, stop.signal)) {
        trace.note('found', name, provider)
        found += 1
        const stream = await network.open(provider, inferProtocol)
        await stream.send(new Uint8Array(50_000))
        await stream.close()
        for await (const frame of stream.frames) answered += frame.length
        trace.note('answered', name, answered)
      }
    }
    peers[4]?.life.end()
    if (peers[4]) void simulation.detach(peers[4].identity.peerId, 'crash')
    await clock.sleep(5_000)
    stop.abort()
    await Promise.all(providing)
    await Promise.all(peers.map(({ identity }) => simulation.detach(identity.peerId, 'stop')))
    return { found, answered, heard: [...heard.values()].reduce((sum, count) => sum + count, 0) }
  })(),
)

process.stdout.write(
  `${JSON.stringify({ hash: trace.digest(), lines: trace.lines, ...figures, ...time.figures(), ...simulation.figures() })}\n`,
)
process.exit(0)
