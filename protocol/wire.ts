// Field codecs shared by the messages: fixed-length bytes, counts, prices and vouchers, each checked on the way in.

import { MeshError } from './errors.ts'
import { type Address, accountOf, addressOf, type ModelKey, type PeerId, peerIdOf, publicKeyOf } from './ids.ts'
import { limits } from './limits.ts'
import type { WireGrant, WirePrice, WireUsage, WireVoucher } from './mesh.js'
import { type Nano, nanoMax, type Price, type Usage } from './money.ts'
import type { Grant, Voucher } from './voucher.ts'

export function violation(message: string, cause?: unknown): MeshError {
  return new MeshError('protocol-violation', message, { cause })
}

/** Runs a generated decoder; whatever it throws becomes one violation. */
export function decodeBounded<T>(what: string, bytes: Uint8Array, bytesMax: number, decode: () => T): T {
  if (bytes.length > bytesMax) throw violation(`${what} of ${bytes.length} bytes, at most ${bytesMax}`)
  try {
    return decode()
  } catch (error) {
    throw error instanceof MeshError ? error : violation(`${what} does not decode: ${String(error)}`, error)
  }
}

/** A copy: a view would keep its whole frame in memory for as long as somebody holds, say, a voucher's signature. */
export function exactBytes(what: string, bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw violation(`${what} of ${bytes.length} bytes, expected ${length}`)
  return owned(bytes)
}

export function boundedCount(what: string, count: number, max: number): number {
  if (!Number.isSafeInteger(count) || count < 0 || count > max) throw violation(`${what} ${count}, at most ${max}`)
  return count
}

export function boundedText(what: string, text: string, charsMax: number): string {
  if (text.length > charsMax) throw violation(`${what} of ${text.length} characters, at most ${charsMax}`)
  return text
}

/** A stranger's text that will be shown in a terminal: control characters become spaces. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, ' ')
}

export function decodeAddress(what: string, account: Uint8Array): Address {
  return addressOf(exactBytes(what, account, 32))
}

export function decodeModelKey(bytes: Uint8Array): ModelKey {
  return Buffer.from(exactBytes('model key', bytes, 32)).toString('hex') as ModelKey
}

export function encodeModelKey(key: ModelKey): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(key, 'hex'))
}

/** A copy the generated encoders accept: they are typed for bytes over a plain ArrayBuffer. */
export function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes)
}

export function encodeAccount(address: Address): Uint8Array<ArrayBuffer> {
  return owned(accountOf(address))
}

export function boundedNano(what: string, nano: Nano): Nano {
  if (nano < 0n || nano > nanoMax) throw violation(`${what} of ${nano} nano, at most ${nanoMax}`)
  return nano
}

/** Prices beyond this many nano a million tokens would overflow a 64-bit cost at the largest request. */
const priceNanoMax = 1_000_000_000_000_000n

export function decodePrice(wire: WirePrice | undefined): Price {
  if (!wire) throw violation('price is missing')
  const { promptNano, completionNano, cachedNano } = wire
  for (const nano of [promptNano, completionNano, cachedNano]) {
    if (nano > priceNanoMax) throw violation(`price of ${nano} nano a million tokens, at most ${priceNanoMax}`)
  }
  if (cachedNano > promptNano) throw violation(`cached price ${cachedNano} above the prompt price ${promptNano}`)
  return { promptNano, completionNano, cachedNano }
}

export function decodeUsage(wire: WireUsage | undefined): Usage {
  if (!wire) throw violation('usage is missing')
  const promptTokens = boundedCount('prompt tokens', wire.promptTokens, limits.tokensMax)
  const cachedTokens = boundedCount('cached tokens', wire.cachedTokens, promptTokens)
  const completionTokens = boundedCount('completion tokens', wire.completionTokens, limits.tokensMax)
  return { promptTokens, cachedTokens, completionTokens }
}

export function encodeVoucher(voucher: Voucher): WireVoucher {
  const { globalId, escrow, epoch, payee, amountNano } = voucher.terms
  return {
    globalId,
    escrow: encodeAccount(escrow),
    epoch,
    payee: encodeAccount(payee),
    amountNano,
    signature: owned(voucher.signature),
    ...optional('grant', voucher.grant && encodeGrant(voucher.grant)),
  }
}

/** Shape only: whose signature it should be is the caller's to check. */
export function decodeVoucher(wire: WireVoucher): Voucher {
  return {
    terms: {
      globalId: wire.globalId,
      escrow: decodeAddress('escrow', wire.escrow),
      epoch: wire.epoch,
      payee: decodeAddress('payee', wire.payee),
      amountNano: boundedNano('voucher', wire.amountNano),
    },
    signature: exactBytes('voucher signature', wire.signature, 64),
    ...optional('grant', wire.grant && decodeGrant(wire.grant)),
  }
}

function encodeGrant({ amountNano, consumer, signature }: Grant): WireGrant {
  return { consumer: owned(publicKeyOf(consumer)), amountNano, signature: owned(signature) }
}

function decodeGrant({ amountNano, consumer, signature }: WireGrant): Grant {
  return {
    consumer: decodePeer('consumer', consumer),
    amountNano: boundedNano('grant', amountNano),
    signature: exactBytes('grant signature', signature, 64),
  }
}

function decodePeer(what: string, publicKey: Uint8Array): PeerId {
  return peerIdOf(exactBytes(what, publicKey, 32))
}

/** The field alone where it has a value: the generated encoders take an absent field, and no undefined one. */
export function optional<Name extends string, T>(name: Name, value: T | undefined): { [K in Name]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { [K in Name]?: T })
}
