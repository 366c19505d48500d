// Both sides of each bound of the wire: what is at it decodes, what is one beyond is a violation that names it.

import { describe, expect, test } from 'vitest'
import { type Advert, decodeAdvert, encodeAdvert, type Offer } from '../../protocol/advert.ts'
import {
  decodeConsumerFrame,
  decodeProviderFrame,
  encodeFrame,
  type Open,
  type ProviderFrame,
} from '../../protocol/frames.ts'
import { limits } from '../../protocol/limits.ts'
import { WireFrame } from '../../protocol/mesh.js'
import { nanoMax } from '../../protocol/money.ts'
import {
  decodeSettleReply,
  decodeSettleRequest,
  encodeSettleReply,
  encodeSettleRequest,
} from '../../protocol/settlement.ts'
import { decodeVocabulary, encodeVocabulary } from '../../protocol/vocabulary.ts'
import { priceNanoMax } from './arbitraries.ts'
import { violationOf } from './damage.ts'
import { fixedAdvert, fixedFrames, providerKey } from './fixed.ts'

interface Bound {
  /** Encodes a message whose bounded part measures this much. */
  readonly encode: (size: number) => Uint8Array
  readonly decode: (bytes: Uint8Array) => unknown
  readonly violation: RegExp
}

const repeated = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item)

const opened = (change: Partial<Open>): Uint8Array => encodeFrame({ ...fixedFrames.open, ...change })
const open = (violation: RegExp, change: (size: number) => Partial<Open>): Bound => ({
  encode: (size) => opened(change(size)),
  decode: decodeConsumerFrame,
  violation,
})

const answer = (violation: RegExp, frame: (size: number) => ProviderFrame): Bound => ({
  encode: (size) => encodeFrame(frame(size)),
  decode: decodeProviderFrame,
  violation,
})

const sealed = (change: Partial<Advert>): Uint8Array =>
  encodeAdvert({ ...fixedAdvert, ...change }, providerKey.publicKey, providerKey.sign)
const advert = (violation: RegExp, change: (size: number) => Partial<Advert>): Bound => ({
  encode: (size) => sealed(change(size)),
  decode: decodeAdvert,
  violation,
})
const [offer] = fixedAdvert.offers
const offered = (violation: RegExp, change: (size: number) => Partial<Offer>): Bound =>
  advert(violation, (size) => ({ offers: offer ? [{ ...offer, ...change(size) }] : [] }))

/** So many bytes, in tokens of so many each. */
function vocabularyOf(size: number, tokenBytes: number): Uint8Array {
  const whole = Math.floor(size / (tokenBytes + 2))
  const rest = size - whole * (tokenBytes + 2)
  const tokens = repeated(whole, new Uint8Array(tokenBytes))
  return encodeVocabulary(rest >= 2 ? [...tokens, new Uint8Array(rest - 2)] : tokens)
}

/** The message, grown to this many bytes by a field that nobody knows. */
function padded(message: Uint8Array, bytes: number): Uint8Array {
  const header = 6 // tag of field 2047, type bytes, and a length of four bytes
  const length = bytes - message.length - header
  const varint = [length & 127, (length >> 7) & 127, (length >> 14) & 127, length >> 21].map((part, at) =>
    at < 3 ? part | 128 : part,
  )
  return Buffer.concat([message, Uint8Array.of(0xfa, 0x7f, ...varint), new Uint8Array(length)])
}

/** Every bound of the table; the type makes a new one without a test an error. */
const bounds: Record<Exclude<keyof typeof limits, 'reasonCharsMax'>, readonly Bound[]> = {
  openBytesMax: [
    {
      encode: (size) => padded(opened({}), size),
      decode: decodeConsumerFrame,
      violation: /frame of 1048577 bytes, at most 1048576/,
    },
  ],
  frameBytesMax: [
    {
      encode: (size) => padded(encodeFrame(fixedFrames.voucher), size),
      decode: decodeConsumerFrame,
      violation: /voucher frame of 65537 bytes, at most 65536/,
    },
    {
      encode: (size) => padded(encodeFrame(fixedFrames.cancel), size),
      decode: decodeConsumerFrame,
      violation: /cancel frame of 65537 bytes, at most 65536/,
    },
    {
      encode: (size) => padded(encodeFrame(fixedFrames.accept), size),
      decode: decodeProviderFrame,
      violation: /frame of 65537 bytes, at most 65536/,
    },
    {
      encode: (size) => padded(encodeSettleRequest([fixedFrames.voucher.voucher]), size),
      decode: decodeSettleRequest,
      violation: /settle request of 65537 bytes, at most 65536/,
    },
    {
      encode: (size) => padded(encodeSettleReply({ accepted: 1, code: undefined, message: '' }), size),
      decode: decodeSettleReply,
      violation: /settle reply of 65537 bytes, at most 65536/,
    },
  ],
  deltaBytesMax: [
    answer(/delta of 16385 bytes, at most 16384/, (size) => ({ ...fixedFrames.delta, text: 'x'.repeat(size) })),
    answer(/delta of 16386 bytes/, (size) => ({ ...fixedFrames.delta, text: 'é'.repeat(Math.ceil(size / 2)) })),
  ],
  messagesMax: [
    open(/repeated field "messages" had too many/, (size) => ({
      messages: repeated(size, { role: 'user', content: '' }),
    })),
  ],
  toolsMax: [
    open(/repeated field "list" had too many/, (size) => ({
      tools: { list: repeated(size, { name: 'x', description: '', parameters: '' }), choice: 'auto', isParallel: true },
    })),
  ],
  toolCallsMax: [
    open(/129 tool calls, at most 128/, (size) => ({
      messages: [{ role: 'assistant', content: '', toolCalls: repeated(size, { id: '1', name: 'x', arguments: '' }) }],
    })),
    answer(/repeated field "toolCalls" had too many/, (size) => ({
      ...fixedFrames.delta,
      toolCalls: repeated(size, { index: 0, arguments: '' }),
    })),
  ],
  toolNameCharsMax: [
    open(/tool name of 65 characters, at most 64/, (size) => ({
      tools: {
        list: [{ name: 'x'.repeat(size), description: '', parameters: '' }],
        choice: 'auto',
        isParallel: true,
      },
    })),
  ],
  toolCallIdCharsMax: [
    open(/tool call id of 65 characters, at most 64/, (size) => ({
      messages: [{ role: 'tool', content: '', toolCallId: 'x'.repeat(size) }],
    })),
  ],
  logitBiasMax: [
    open(/repeated field "logitBias" had too many/, (size) => ({
      sampling: { logitBias: repeated(size, { tokenId: 1, bias: 1 }) },
    })),
  ],
  logprobsMax: [
    open(/logprobs 21, at most 20/, (logprobs) => ({ sampling: { logprobs } })),
    answer(/21 alternatives, at most 20/, (size) => ({
      ...fixedFrames.delta,
      tokens: 1,
      tokenIds: [1],
      logprobs: [
        { bytes: new Uint8Array(1), logprob: -1, top: repeated(size, { bytes: new Uint8Array(1), logprob: -1 }) },
      ],
    })),
  ],
  inputsMax: [
    open(/repeated field "inputs" had too many/, (size) => ({ messages: [], inputs: repeated(size, 'x') })),
    answer(/embedding 256, at most 255/, (size) => ({
      type: 'embedding',
      index: size - 1,
      vector: Float32Array.of(1),
    })),
  ],
  embeddingValuesMax: [
    answer(/embedding of 64004 bytes, expected 4 to 64000/, (size) => ({
      type: 'embedding',
      index: 0,
      vector: new Float32Array(size),
    })),
  ],
  vocabularyBytesMax: [
    {
      encode: (size) => vocabularyOf(size, limits.vocabularyTokenBytesMax),
      decode: decodeVocabulary,
      violation: /vocabulary of 8388609 bytes, at most 8388608/,
    },
  ],
  vocabularyTokensMax: [
    {
      encode: (tokens) => vocabularyOf(2 * tokens, 0),
      decode: decodeVocabulary,
      violation: /vocabulary of more tokens, at most 524288/,
    },
  ],
  vocabularyTokenBytesMax: [
    {
      encode: (bytes) => encodeVocabulary([new Uint8Array(bytes)]),
      decode: decodeVocabulary,
      violation: /token 0 of 1025 bytes, at most 1024/,
    },
  ],
  featuresMax: [offered(/17 features, at most 16/, (size) => ({ features: repeated(size, 'chat') }))],
  featureCharsMax: [
    offered(/feature of 25 characters, at most 24/, (size) => ({ features: ['x'.repeat(size) as 'chat', 'chat'] })),
  ],
  stopsMax: [open(/repeated field "stop" had too many/, (size) => ({ sampling: { stop: repeated(size, 'x') } }))],
  stopBytesMax: [
    open(/stop of 257 bytes, at most 256/, (size) => ({ sampling: { stop: ['x'.repeat(size)] } })),
    open(/stop of 258 bytes, at most 256/, (size) => ({ sampling: { stop: ['é'.repeat(Math.ceil(size / 2))] } })),
  ],
  tokensMax: [
    open(/max tokens 16777217/, (tokensMax) => ({ sampling: { tokensMax } })),
    answer(/prompt tokens 16777217/, (promptTokens) => ({ ...fixedFrames.accept, promptTokens })),
    answer(/credit tokens 16777217/, (creditTokens) => ({ ...fixedFrames.accept, creditTokens })),
    answer(/delta index 16777217/, (index) => ({ ...fixedFrames.delta, index })),
    ...(['promptTokens', 'completionTokens'] as const).map((name) =>
      answer(/tokens 16777217, at most 16777216/, (size) => {
        const { receipt } = fixedFrames.end
        return { ...fixedFrames.end, receipt: { ...receipt, usage: { ...receipt.usage, [name]: size } } }
      }),
    ),
    offered(/context 16777217/, (contextTokens) => ({ contextTokens })),
  ],
  resumeTokenIdsMax: [
    open(/repeated field "resumeTokenIds" had too many/, (size) => ({ resumeTokenIds: repeated(size, 1) })),
  ],
  deltaTokensMax: [
    answer(/delta tokens 4097/, (tokens) => ({ ...fixedFrames.delta, tokens, tokenIds: [] })),
    answer(/repeated field "tokenIds" had too many/, (tokens) => ({
      ...fixedFrames.delta,
      tokens,
      tokenIds: repeated(tokens, 1),
    })),
  ],
  advertBytesMax: [
    {
      encode: (size) => padded(sealed({}), size),
      decode: decodeAdvert,
      violation: /advert of 8193 bytes, at most 8192/,
    },
  ],
  offersMax: [
    advert(/repeated field "offers" had too many/, (size) => ({
      offers: repeated(size, { ...offer, name: 'm' } as Offer),
    })),
  ],
  addressesMax: [
    advert(/repeated field "addresses" had too many/, (size) => ({ addresses: repeated(size, '/ip4/10.0.0.1/tcp/1') })),
  ],
  addressCharsMax: [advert(/address of 257 characters, at most 256/, (size) => ({ addresses: ['x'.repeat(size)] }))],
  modelNameCharsMax: [offered(/model name of 97 characters, at most 96/, (size) => ({ name: 'x'.repeat(size) }))],
  agentCharsMax: [advert(/agent of 65 characters, at most 64/, (size) => ({ agent: 'x'.repeat(size) }))],
  voucherBatchMax: [
    {
      encode: (size) => encodeSettleRequest(repeated(size, fixedFrames.voucher.voucher)),
      decode: decodeSettleRequest,
      violation: /repeated field "vouchers" had too many/,
    },
    {
      encode: (accepted) => encodeSettleReply({ accepted, code: undefined, message: '' }),
      decode: decodeSettleReply,
      violation: /accepted vouchers 11, at most 10/,
    },
  ],
  deadlineMsMax: [open(/deadline 3600001, at most 3600000/, (deadlineMs) => ({ deadlineMs }))],
}

describe.each(Object.entries(bounds))('%s', (name, cases) => {
  const max = limits[name as keyof typeof limits]

  test.each(cases)('$violation', ({ encode, decode, violation }) => {
    decode(encode(max))
    expect(violationOf(() => decode(encode(max + 1)))).toMatch(violation)
  })
})

describe('bounds that belong to one field', () => {
  const price = { promptNano: priceNanoMax, completionNano: priceNanoMax, cachedNano: priceNanoMax }

  test.each(['promptNano', 'completionNano', 'cachedNano'] as const)('%s of a price', (name) => {
    decodeConsumerFrame(opened({ priceMax: price }))
    const beyond = opened({ priceMax: { ...price, [name]: priceNanoMax + 1n } })
    expect(violationOf(() => decodeConsumerFrame(beyond))).toMatch(/price of 1000000000000001 nano/)
  })

  test('the cost of the largest request at the largest price still fits a frame', () => {
    expect((2n * BigInt(limits.tokensMax) * priceNanoMax) / 1_000_000n).toBeLessThan(nanoMax)
  })

  test('a place in a queue', () => {
    decodeProviderFrame(encodeFrame({ ...fixedFrames.queued, position: 1_000_000 }))
    const beyond = encodeFrame({ ...fixedFrames.queued, position: 1_000_001 })
    expect(violationOf(() => decodeProviderFrame(beyond))).toMatch(/queue position 1000001/)
  })

  test.each([
    ['slots', { slots: 65_536, slotsFree: 0 }, { slots: 65_537, slotsFree: 0 }, /slots 65537, at most 65536/],
    ['free slots', { slots: 4, slotsFree: 4 }, { slots: 4, slotsFree: 5 }, /free slots 5, at most 4/],
    ['the queue', { queued: 1_000_000 }, { queued: 1_000_001 }, /queue 1000001, at most 1000000/],
  ])('%s of an offer', (_, within, beyond, violation) => {
    const encode = (change: Partial<Offer>): Uint8Array => sealed({ offers: [{ ...offer, ...change } as Offer] })
    decodeAdvert(encode(within))
    expect(violationOf(() => decodeAdvert(encode(beyond)))).toMatch(violation)
  })

  test('the largest amount of a voucher', () => {
    const { terms, signature } = fixedFrames.voucher.voucher
    const voucher = { terms: { ...terms, amountNano: nanoMax }, signature }
    expect(decodeConsumerFrame(encodeFrame({ type: 'voucher', voucher }))).toMatchObject({ voucher })
  })
})

describe('reasonCharsMax', () => {
  const reason = 'x'.repeat(limits.reasonCharsMax)

  test('a longer reason is cut where it is sent and where it is read', () => {
    for (const message of [reason, `${reason}!`]) {
      expect(decodeProviderFrame(encodeFrame({ ...fixedFrames.fail, message }))).toMatchObject({ message: reason })
      expect(decodeProviderFrame(WireFrame.encode({ fail: { code: 1, message } }))).toMatchObject({ message: reason })
      expect(decodeSettleReply(encodeSettleReply({ accepted: 0, code: 'busy', message })).message).toBe(reason)
    }
  })
})

test('what is kept of a frame does not keep the frame in memory', () => {
  const bytes = padded(opened({}), limits.openBytesMax)
  const frame = decodeConsumerFrame(bytes)
  expect(frame.type === 'open' && frame.best?.signature.buffer.byteLength).toBe(64)
})
