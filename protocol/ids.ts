// The names that cross the wire: peers, model keys, chain addresses, and the protocol and topic ids with their versions.

import { createHash } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import { keep } from './keep.ts'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** A libp2p peer id in its base58 text form, always of an Ed25519 key: `12D3KooW…`. */
export type PeerId = Branded<'PeerId'>

/** What is served, exactly: 64 lowercase hex digits over the weights and the chat template. */
export type ModelKey = Branded<'ModelKey'>

/** A basechain account in raw form: `0:` and 64 lowercase hex digits. */
export type Address = Branded<'Address'>

export const inferProtocol = '/silkmesh/infer/1.0.0'
export const advertProtocol = '/silkmesh/advert/1.0.0'
export const settleProtocol = '/silkmesh/settle/1.0.0'
export const settlerProtocol = '/silkmesh/settler/1.0.0'
export const hubProtocol = '/silkmesh/hub/1.0.0'
export const vocabularyProtocol = '/silkmesh/vocabulary/1.0.0'
export const kadProtocol = '/silkmesh/kad/1.0.0'
export const capacityTopic = '/silkmesh/capacity/1'
export const settlerTopic = '/silkmesh/settlers/1'

export type ProtocolId =
  | typeof inferProtocol
  | typeof advertProtocol
  | typeof settleProtocol
  | typeof settlerProtocol
  | typeof hubProtocol
  | typeof vocabularyProtocol
/** Who speaks it, for people: a peer that does not is told by what it is not. */
export const speakerOf: Readonly<Record<ProtocolId, string>> = {
  [inferProtocol]: 'a provider',
  [advertProtocol]: 'a provider',
  [settleProtocol]: 'a settler',
  [settlerProtocol]: 'a settler that advertises',
  [hubProtocol]: 'a hub',
  [vocabularyProtocol]: 'a provider',
}
export type Topic = typeof capacityTopic | typeof settlerTopic

/** An Ed25519 peer id is the identity multihash (00 24) of the protobuf public key (08 01 12 20 ‖ 32 bytes). */
const ed25519PeerIdPrefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** Base58 is long division: both ways are remembered, for as many peers as a busy node knows. */
const rememberedMax = 16_384
const peerIds = new Map<string, PeerId>()
const publicKeys = new Map<PeerId, Uint8Array>()

export function peerIdOf(publicKey: Uint8Array): PeerId {
  if (publicKey.length !== 32) throw new RangeError(`public key of ${publicKey.length} bytes, expected 32`)
  const text = Buffer.from(publicKey.buffer, publicKey.byteOffset, 32).toString('latin1')
  return peerIds.get(text) ?? keep(peerIds, text, encodedPeerId(publicKey), rememberedMax)
}

function encodedPeerId(publicKey: Uint8Array): PeerId {
  const multihash = new Uint8Array(38)
  multihash.set(ed25519PeerIdPrefix)
  multihash.set(publicKey, 6)
  return base58btc.baseEncode(multihash) as PeerId
}

/** The 32-byte Ed25519 key inside a peer id. Throws `RangeError` for a peer id of another key type. */
export function publicKeyOf(peer: PeerId): Uint8Array {
  return (publicKeys.get(peer) ?? keep(publicKeys, peer, decodedPublicKey(peer), rememberedMax)).slice()
}

function decodedPublicKey(peer: PeerId): Uint8Array {
  const multihash = base58btc.baseDecode(peer)
  if (multihash.length !== 38 || ed25519PeerIdPrefix.some((byte, at) => multihash[at] !== byte)) {
    throw new RangeError(`peer id ${peer} does not hold an Ed25519 key`)
  }
  return multihash.subarray(6)
}

export function parsePeerId(text: string): PeerId {
  try {
    return peerIdOf(publicKeyOf(text as PeerId))
  } catch {
    throw new RangeError(`"${text.slice(0, 80)}" is not a peer id, expected one that begins with 12D3KooW`)
  }
}

export function parseAddress(text: string): Address {
  if (!/^0:[0-9a-f]{64}$/.test(text)) {
    throw new RangeError(`"${text.slice(0, 80)}" is not a raw basechain address, expected 0: and 64 hex digits`)
  }
  return text as Address
}

export function addressOf(account: Uint8Array): Address {
  if (account.length !== 32) throw new RangeError(`account of ${account.length} bytes, expected 32`)
  return `0:${Buffer.from(account).toString('hex')}` as Address
}

export function accountOf(address: Address): Uint8Array {
  return Buffer.from(address.slice(2), 'hex')
}

export function parseModelKey(text: string): ModelKey {
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new RangeError(`"${text.slice(0, 80)}" is not a model key, expected 64 hex digits`)
  }
  return text as ModelKey
}

/** Two providers that hold the same weights and template agree on this key without talking to each other. */
export function modelKeyOf(weightsSha256: Uint8Array, chatTemplate: string): ModelKey {
  const template = createHash('sha256').update(chatTemplate).digest()
  return sha256Hex('silkmesh/model/1', weightsSha256, template)
}

/** For weights nobody here can hash (an engine behind an API): the key stands for the name its operator declares. */
export function declaredModelKeyOf(name: string): ModelKey {
  const known = declaredKeys.get(name)
  if (known) return known
  const key = sha256Hex('silkmesh/model-name/1', new TextEncoder().encode(name))
  return name.length > declaredCharsMax ? key : keep(declaredKeys, name, key, rememberedMax)
}

/** Asked for with every request. Longer names are not those of models: hashed each time. */
const declaredCharsMax = 256
const declaredKeys = new Map<string, ModelKey>()

function sha256Hex(domain: string, ...parts: readonly Uint8Array[]): ModelKey {
  const hash = createHash('sha256').update(`${domain}\0`)
  for (const part of parts) hash.update(part)
  return hash.digest('hex') as ModelKey
}

/** Where every provider is found, whatever it serves: for a peer that asks what the mesh has. */
export const meshKey: ModelKey = declaredModelKeyOf('silkmesh')

/** Where every hub is found. */
export const hubKey: ModelKey = declaredModelKeyOf('silkmesh/hub')

/** Where every settler that takes vouchers of anybody is found. */
export const settlerKey: ModelKey = declaredModelKeyOf('silkmesh/settler')
