// Measures what this machine spends on the work that a model leaves out. Counts processor time, not the clock's, so that
// other programs on the machine change little.

import { cpus } from 'node:os'
import { decodeAdvert, encodeAdvert } from '../protocol/advert.ts'
import { decodeProviderFrame, encodeFrame } from '../protocol/frames.ts'
import { addressOf, capacityTopic, inferProtocol, type ModelKey } from '../protocol/ids.ts'
import { verifySignature } from '../protocol/signature.ts'
import { signVoucher, type VoucherTerms, verifyVoucher, voucherDigest } from '../protocol/voucher.ts'
import type { Costs, CostTable } from './costs.ts'
import { identityOf } from './identity.ts'
import { Libp2pSimulation } from './libp2p/network.ts'
import { openSimulation } from './libp2p/simulation.ts'
import { clockOf, Life } from './life.ts'
import type { NetworkPlan, Place } from './plan.ts'
import { seededRandom } from './random.ts'

export interface CalibrateOptions {
  /** More are slower and vary less. */
  readonly peers?: number
  readonly codecRounds?: number
}

/** Takes over this process's clock while it measures connections: call it in a process that does nothing else meanwhile. */
export async function calibrate({ peers = 32, codecRounds = 20_000 }: CalibrateOptions = {}): Promise<CostTable> {
  const measuredAt = new Date().toISOString()
  const codecs = codecCosts(codecRounds)
  const costs: Costs = { ...(await networkCosts(peers)), ...codecs }
  return {
    measuredAt,
    node: process.versions.node,
    cpu: cpus()[0]?.model ?? 'unknown',
    costs,
  }
}

type CodecCosts = Omit<Costs, 'dialMs' | 'streamMs' | 'gossipDeliveryMs' | 'idleMsPerSecond'>

function codecCosts(rounds: number): CodecCosts {
  const identity = identityOf('calibrate', 'signer')
  const account = addressOf(new Uint8Array(32).fill(7))
  const key = 'ab'.repeat(32) as ModelKey
  const message = new Uint8Array(32)
  const signature = identity.sign(message)
  const terms = (amountNano: bigint): VoucherTerms => ({
    globalId: -239,
    escrow: account,
    epoch: 0,
    payee: account,
    amountNano,
  })
  const voucher = signVoucher(terms(1n), identity.sign)
  const delta = encodeFrame({ type: 'delta', index: 40, text: ' a few words', tokens: 3, tokenIds: [264, 2478, 4339] })
  const price = { promptNano: 20_000_000n, completionNano: 160_000_000n, cachedNano: 2_000_000n }
  const advert = encodeAdvert(
    {
      peer: identity.peerId,
      sequence: 1,
      validUntilMs: 1_800_000_100_000,
      payout: account,
      offers: [
        {
          modelKey: key,
          name: 'a model of some name',
          contextTokens: 8_192,
          price,
          slots: 16,
          slotsFree: 4,
          queued: 0,
          prefillTokensPerSecond: 5_000,
          decodeTokensPerSecond: 60,
        },
      ],
      addresses: [`/ip4/203.0.113.7/tcp/4001/p2p/${identity.peerId}`],
      agent: 'silkmesh/1',
    },
    identity.publicKey,
    identity.sign,
  )
  const us = (work: (round: number) => unknown): number => rounded(1_000 * medianMs(rounds, work))
  return {
    signUs: us(() => identity.sign(message)),
    verifyUs: us(() => verifySignature(message, signature, identity.publicKey)),
    voucherDigestUs: us((round) => voucherDigest(terms(BigInt(round)))),
    voucherVerifyUs: us(() => verifyVoucher(voucher, identity.publicKey)),
    // a copy each time: bytes that were decoded before are known
    advertDecodeUs: us(() => decodeAdvert(Uint8Array.from(advert))),
    frameEncodeUs: us((round) =>
      encodeFrame({ type: 'delta', index: round, text: ' a few words', tokens: 3, tokenIds: [264, 2478, 4339] }),
    ),
    frameDecodeUs: us(() => decodeProviderFrame(delta)),
  }
}

const parts = 9

/** Of one round, by the middle of several parts, the first of which only warms up. */
function medianMs(rounds: number, work: (round: number) => unknown): number {
  const each = Math.ceil(rounds / parts)
  const times = Array.from({ length: parts + 1 }, (_, part) => {
    const beforeMs = cpuMs()
    for (let round = 0; round < each; round += 1) work(part * each + round)
    return (cpuMs() - beforeMs) / each
  })
  return median(times.slice(1))
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** To what is worth noting of a measurement. */
function rounded(value: number): number {
  return Number(value.toPrecision(3))
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

type NetworkCosts = Pick<Costs, 'dialMs' | 'streamMs' | 'gossipDeliveryMs' | 'idleMsPerSecond'>

const place: Place = { region: 'here', nat: 'open', upBitsPerSecond: 1e9, downBitsPerSecond: 1e9 }
const plan: NetworkPlan = {
  latency: { regions: ['here'], oneWayMs: [[5]], jitter: 0 },
  loss: 0,
  relay: false,
}
/** Neighbours that a peer dials: with those that dial it, gossipsub's usual degree and some more. */
const dialled = 4
const streams = 20
const messages = 20
const idleSeconds = 20

/** A mesh of real libp2p whose time is virtual, so that all the processor does is its work. */
async function networkCosts(count: number): Promise<NetworkCosts> {
  const { time, startLibp2p, close } = await openSimulation()
  try {
    const mesh = new Libp2pSimulation({
      scheduler: time,
      random: seededRandom('calibrate'),
      plan,
      bootstraps: [],
      start: startLibp2p,
    })
    const clock = clockOf(time, new Life())
    return await time.drive(measured(mesh, count, clock.sleep))
  } finally {
    close()
  }
}

async function measured(
  mesh: Libp2pSimulation,
  count: number,
  sleep: (ms: number) => Promise<void>,
): Promise<NetworkCosts> {
  const peers: Awaited<ReturnType<Libp2pSimulation['run']>>[] = []
  let deliveries = 0
  for (let at = 0; at < count; at += 1) {
    const name = `peer-${at}`
    const peer = await mesh.run({ name, group: 'peers', place }, identityOf('calibrate', name), { dhtMode: 'client' })
    peer.host.enter(() => {
      peer.network.handle(inferProtocol, async (stream) => {
        for await (const frame of stream.frames) await stream.send(frame)
      })
      peer.network.subscribe(capacityTopic, () => {
        deliveries += 1
        return 'accept'
      })
    })
    peers.push(peer)
  }
  const connect = async (at: number): Promise<number> => {
    const others = Array.from({ length: Math.min(at, dialled) }, (_, step) => (at * 7 + step * 3) % at)
    const beforeMs = cpuMs()
    for (const other of new Set(others)) {
      const [address = ''] = peers[other]?.network.addresses() ?? []
      await peers[at]?.host.enter(() => peers[at]?.network.dial(address))
    }
    await sleep(300) // until both ends have greeted each other
    return (cpuMs() - beforeMs) / new Set(others).size
  }
  const dials: number[] = []
  for (let at = 1; at < count; at += 1) dials.push(await connect(at))

  const [first, second] = peers
  const open = async (): Promise<number> => {
    const beforeMs = cpuMs()
    for (let round = 0; round < streams; round += 1) {
      await first?.host.enter(async () => {
        const stream = await first.network.open(second?.network.peerId ?? fail(), inferProtocol)
        await stream.send(new Uint8Array(64))
        await stream.close()
        for await (const _ of stream.frames);
      })
    }
    return (cpuMs() - beforeMs) / streams
  }
  await open()
  const streamMs = median([await open(), await open(), await open()])

  await sleep(5_000) // gossipsub's mesh
  const idleBeforeMs = cpuMs()
  await sleep(1_000 * idleSeconds)
  const idleMsPerSecond = (cpuMs() - idleBeforeMs) / idleSeconds / count

  const deliveredBefore = deliveries
  const gossipBeforeMs = cpuMs()
  for (let message = 0; message < messages; message += 1) {
    const author = peers[message % count]
    await author?.host.enter(() => author.network.publish(capacityTopic, new Uint8Array(400).fill(message)))
    await sleep(1_000)
  }
  const gossipMs = cpuMs() - gossipBeforeMs - idleMsPerSecond * messages * count
  return {
    dialMs: rounded(median(dials.slice(Math.floor(dials.length / 2)))), // the first warm the code up
    streamMs: rounded(streamMs),
    idleMsPerSecond: rounded(idleMsPerSecond),
    gossipDeliveryMs: rounded(Math.max(0, gossipMs) / (deliveries - deliveredBefore)),
  }
}

function fail(): never {
  throw new Error('a mesh to measure needs two peers')
}
