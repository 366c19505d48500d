// The capacity advert: what a provider serves, at what price, signed by the provider. docs/protocol.md §3.

import { type Address, type ModelKey, type PeerId, peerIdOf } from './ids.ts'
import { keep } from './keep.ts'
import { limits } from './limits.ts'
import { WireAdvert, WireAdvertBody } from './mesh.js'
import type { Price } from './money.ts'
import { verifySignature } from './signature.ts'
import { type Feature, features, featuresByDefault } from './task.ts'
import {
  boundedCount,
  boundedText,
  decodeAddress,
  decodeBounded,
  decodeModelKey,
  decodePrice,
  encodeAccount,
  encodeModelKey,
  exactBytes,
  owned,
  printable,
  violation,
} from './wire.ts'

export interface Offer {
  readonly modelKey: ModelKey
  readonly name: string
  readonly contextTokens: number
  readonly price: Price
  readonly slots: number
  readonly slotsFree: number
  readonly queued: number
  readonly prefillTokensPerSecond: number
  readonly decodeTokensPerSecond: number
  /** What its engine can do. */
  readonly features: readonly Feature[]
  /** Hex, of the vocabulary that this provider hands out for the model; undefined where it does not. */
  readonly vocabularySha256: string | undefined
}

export interface Advert {
  readonly peer: PeerId
  /** Grows with each advert of a peer; the larger replaces the smaller. */
  readonly sequence: number
  /** Unix milliseconds. */
  readonly validUntilMs: number
  readonly payout: Address
  /** Takes vouchers of hubs. */
  readonly takesHubs?: boolean | undefined
  readonly offers: readonly Offer[]
  readonly addresses: readonly string[]
  /** Name and version of the software, for statistics. */
  readonly agent: string
}

/** How far in the future an advert may claim to be valid: longer would let a dead provider linger. */
export const advertLifeMsMax = 300_000
/** Adverts of one peer that follow sooner are dropped by everybody: at some 400 bytes each this is 2 KB/s. */
export const advertGapMsMin = 200
/** Clocks may differ by this much. */
export const clockSkewMsMax = 10_000

const domain = new TextEncoder().encode('silkmesh/advert/1\0')

export function encodeAdvert(advert: Advert, publicKey: Uint8Array, sign: (m: Uint8Array) => Uint8Array): Uint8Array {
  const body = WireAdvertBody.encode({
    publicKey: owned(publicKey),
    sequence: BigInt(advert.sequence),
    validUntilMs: BigInt(advert.validUntilMs),
    payout: encodeAccount(advert.payout),
    offers: advert.offers.map((offer) => ({
      ...offer,
      modelKey: encodeModelKey(offer.modelKey),
      features: isDefault(offer.features) ? [] : [...offer.features],
      vocabularySha256: Uint8Array.from(Buffer.from(offer.vocabularySha256 ?? '', 'hex')),
    })),
    addresses: [...advert.addresses],
    agent: advert.agent,
    hubs: advert.takesHubs === true,
  })
  return WireAdvert.encode({ body, signature: owned(sign(Buffer.concat([domain, body]))) })
}

/** What became of bytes that are still in memory: one message may reach many nodes of one process. */
const decoded = new WeakMap<Uint8Array, Decoded>()

type Decoded = { readonly copy: Uint8Array } & ({ readonly advert: Advert } | { readonly error: unknown })

/** An advert comes by gossip and from its provider, and to many nodes of one process: 4 MB at most are kept. */
const goodMax = 512
/** By all of their bytes, the one kept longest ago first; only what verified. */
const good = new Map<string, Advert>()

/** Decodes, bounds and verifies the signature. Throws `MeshError` `protocol-violation` and nothing else. */
export function decodeAdvert(bytes: Uint8Array): Advert {
  const known = decoded.get(bytes)
  if (known && Buffer.compare(known.copy, bytes) === 0) {
    if ('error' in known) throw known.error
    return known.advert
  }
  try {
    const advert = goodAdvert(bytes)
    decoded.set(bytes, { copy: owned(bytes), advert })
    return advert
  } catch (error) {
    if (bytes.length <= limits.advertBytesMax) decoded.set(bytes, { copy: owned(bytes), error }) // larger is not kept
    throw error
  }
}

function goodAdvert(bytes: Uint8Array): Advert {
  if (bytes.length > limits.advertBytesMax) return verifiedAdvert(bytes)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const known = good.get(text)
  if (known) return known
  return keep(good, text, verifiedAdvert(bytes), goodMax)
}

/** Frozen: it may be shared. */
function verifiedAdvert(bytes: Uint8Array): Advert {
  return decodeBounded('advert', bytes, limits.advertBytesMax, () => {
    const { body, signature } = WireAdvert.decode(bytes)
    const wire = WireAdvertBody.decode(body, { limits: { offers: limits.offersMax, addresses: limits.addressesMax } })
    const publicKey = exactBytes('public key', wire.publicKey, 32)
    if (!verifySignature(Buffer.concat([domain, body]), signature, publicKey)) {
      throw violation('advert signature does not verify')
    }
    const offers = wire.offers.map((offer): Offer => {
      const slots = boundedCount('slots', offer.slots, 65_536)
      return Object.freeze({
        modelKey: decodeModelKey(offer.modelKey),
        name: printable(boundedText('model name', offer.name, limits.modelNameCharsMax)),
        contextTokens: boundedCount('context', offer.contextTokens, limits.tokensMax),
        price: Object.freeze(decodePrice(offer.price)),
        slots,
        slotsFree: boundedCount('free slots', offer.slotsFree, slots),
        queued: boundedCount('queue', offer.queued, 1_000_000),
        prefillTokensPerSecond: offer.prefillTokensPerSecond,
        decodeTokensPerSecond: offer.decodeTokensPerSecond,
        features: Object.freeze(decodeFeatures(offer.features)),
        vocabularySha256: decodeDigest(offer.vocabularySha256),
      })
    })
    const addresses = wire.addresses.map((address) =>
      printable(boundedText('address', address, limits.addressCharsMax)),
    )
    return Object.freeze({
      peer: peerIdOf(publicKey),
      sequence: safeNumber('sequence', wire.sequence),
      validUntilMs: safeNumber('validity', wire.validUntilMs),
      payout: decodeAddress('payout', wire.payout),
      ...(wire.hubs && { takesHubs: true }),
      offers: Object.freeze(offers),
      addresses: Object.freeze(addresses),
      agent: printable(boundedText('agent', wire.agent, limits.agentCharsMax)),
    })
  })
}

/** Why an advert with a good signature is not believed now, or undefined where it is. */
export function staleness(
  advert: Pick<Advert, 'sequence' | 'validUntilMs'>,
  nowMs: number,
  sequenceSeen: number | undefined,
): string | undefined {
  if (advert.validUntilMs < nowMs) return `expired ${nowMs - advert.validUntilMs} ms ago`
  if (advert.validUntilMs > nowMs + advertLifeMsMax + clockSkewMsMax) {
    return `claims validity for ${advert.validUntilMs - nowMs} ms, at most ${advertLifeMsMax}`
  }
  if (sequenceSeen !== undefined && advert.sequence <= sequenceSeen) {
    return `sequence ${advert.sequence}, already seen ${sequenceSeen}`
  }
  return undefined
}

/** What this version does not know of is left out: nothing here could ask for it. */
function decodeFeatures(named: readonly string[]): readonly Feature[] {
  if (named.length > limits.featuresMax) throw violation(`${named.length} features, at most ${limits.featuresMax}`)
  for (const name of named) boundedText('feature', name, limits.featureCharsMax)
  return named.length === 0 ? featuresByDefault : features.filter((feature) => named.includes(feature))
}

function isDefault(named: readonly Feature[]): boolean {
  return named.length === featuresByDefault.length && named.every((feature) => featuresByDefault.includes(feature))
}

function decodeDigest(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return undefined
  return Buffer.from(exactBytes('vocabulary digest', bytes, 32)).toString('hex')
}

export function safeNumber(what: string, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw violation(`${what} ${value} is beyond a safe integer`)
  return Number(value)
}
