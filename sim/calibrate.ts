// Measures what this machine spends on the work that a model leaves out. Counts processor time, not the clock's, so that
// other programs on the machine change little.

import { createPrivateKey, sign } from 'node:crypto'
import { cpus } from 'node:os'
import { decodeAdvert, encodeAdvert } from '../protocol/advert.ts'
import { decodeProviderFrame, encodeFrame } from '../protocol/frames.ts'
import { addressOf, capacityTopic, inferProtocol, type ModelKey } from '../protocol/ids.ts'
import { verifySignature } from '../protocol/signature.ts'
import { featuresByDefault } from '../protocol/task.ts'
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
  // another one each time, signed elsewhere: what was verified or signed in this process is known
  const signAway = strangerOf(identity.seed)
  const count = (parts + 1) * Math.ceil(rounds / parts)
  const signed = Array.from({ length: count }, (_, round) => {
    const message = new Uint8Array(32)
    new DataView(message.buffer).setUint32(0, round)
    return { message, signature: signAway(message) }
  })
  const terms = (amountNano: bigint): VoucherTerms => ({
    globalId: -239,
    escrow: account,
    epoch: 0,
    payee: account,
    amountNano,
  })
  const vouchers = Array.from({ length: count }, (_, round) => signVoucher(terms(BigInt(round)), signAway))
  const delta = encodeFrame({ type: 'delta', index: 40, text: ' a few words', tokens: 3, tokenIds: [264, 2478, 4339] })
  const price = { promptNano: 20_000_000n, completionNano: 160_000_000n, cachedNano: 2_000_000n }
  const advertOf = (round: number): Uint8Array =>
    encodeAdvert(
      {
        peer: identity.peerId,
        sequence: round,
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
            features: featuresByDefault,
            vocabularySha256: undefined,
          },
        ],
        addresses: [`/ip4/203.0.113.7/tcp/4001/p2p/${identity.peerId}`],
        agent: 'silkmesh/1',
      },
      identity.publicKey,
      signAway,
    )
  const adverts = Array.from({ length: count }, (_, round) => advertOf(round))
  const us = (work: (round: number) => unknown): number => rounded(1_000 * medianMs(rounds, work))
  return {
    signUs: us((round) => signAway(at(signed, round).message)),
    verifyUs: us((round) =>
      verifySignature(at(signed, round).message, at(signed, round).signature, identity.publicKey),
    ),
    voucherDigestUs: us((round) => voucherDigest(terms(BigInt(round)))),
    voucherVerifyUs: us((round) => verifyVoucher(at(vouchers, round), identity.publicKey)),
    advertDecodeUs: us((round) => decodeAdvert(at(adverts, round))),
    frameEncodeUs: us((round) =>
      encodeFrame({ type: 'delta', index: round, text: ' a few words', tokens: 3, tokenIds: [264, 2478, 4339] }),
    ),
    frameDecodeUs: us(() => decodeProviderFrame(delta)),
  }
}

/** The same keys in other hands. */
function strangerOf(seed: Uint8Array): (message: Uint8Array) => Uint8Array {
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
    format: 'der',
    type: 'pkcs8',
  })
  return (message) => sign(null, message, key)
}

function at<T>(items: readonly T[], position: number): T {
  const item = items[position]
  if (item === undefined) throw new RangeError(`${position}, expected below ${items.length}`)
  return item
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
