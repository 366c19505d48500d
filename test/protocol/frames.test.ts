// The frames of the inference protocol: round trips, who may send what, and nothing but a violation for anything else.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { failures } from '../../protocol/errors.ts'
import { decodeConsumerFrame, decodeProviderFrame, encodeFrame, type Open } from '../../protocol/frames.ts'
import { limits } from '../../protocol/limits.ts'
import { WireFrame } from '../../protocol/mesh.js'
import { consumerFrame, open, providerFrame } from './arbitraries.ts'
import { damaged, damages, expectViolationOrNothing, violationOf } from './damage.ts'
import { fixedFrames } from './fixed.ts'

describe('round trips', () => {
  test('what a consumer sends is what a provider reads', () => {
    fc.assert(
      fc.property(consumerFrame, (frame) => {
        expect(decodeConsumerFrame(encodeFrame(frame))).toEqual(frame)
      }),
      { numRuns: 500 },
    )
  })

  test('what a provider sends is what a consumer reads', () => {
    fc.assert(
      fc.property(providerFrame, (frame) => {
        expect(decodeProviderFrame(encodeFrame(frame))).toEqual(frame)
      }),
      { numRuns: 1_000 },
    )
  })

  // The generated encoder once wrote amounts of 2^31 to 2^32 − 1 as one byte and four of whatever was in memory.
  test.each(Array.from({ length: 64 }, (_, power) => power))(
    'amounts around 2^%i arrive as they were sent',
    (power) => {
      const { voucher } = fixedFrames.voucher
      for (const amountNano of [(1n << BigInt(power)) - 1n, 1n << BigInt(power), (1n << BigInt(power + 1)) - 1n]) {
        const sent = { type: 'voucher' as const, voucher: { ...voucher, terms: { ...voucher.terms, amountNano } } }
        expect(decodeConsumerFrame(encodeFrame(sent))).toEqual(sent)
      }
    },
  )

  test('one frame has one encoding', () => {
    fc.assert(
      fc.property(consumerFrame, (frame) => {
        const bytes = encodeFrame(frame)
        expect(Buffer.from(encodeFrame(decodeConsumerFrame(bytes))).equals(bytes)).toBe(true)
      }),
    )
  })

  test('what is decoded does not depend on the kind of byte array', () => {
    const bytes = encodeFrame(fixedFrames.open)
    expect(decodeConsumerFrame(Uint8Array.from(bytes))).toEqual(decodeConsumerFrame(Buffer.from(bytes)))
  })

  test('a top_p too small for the wire stays above 0', () => {
    const frame: Open = { ...fixedFrames.open, sampling: { topP: 1e-300 } }
    expect(decodeConsumerFrame(encodeFrame(frame))).toMatchObject({ sampling: { topP: 2 ** -149 } })
  })

  test('a field of a newer peer is ignored', () => {
    const unknown = [0xfa, 0x7f, 0x03, 1, 2, 3] // field 2047, three bytes
    const bytes = Buffer.concat([encodeFrame(fixedFrames.queued), Uint8Array.from(unknown)])
    expect(decodeProviderFrame(bytes)).toEqual(fixedFrames.queued)
  })

  test('a failure of a newer peer reads as internal', () => {
    const bytes = WireFrame.encode({ fail: { code: 9_999, message: 'new' } })
    expect(decodeProviderFrame(bytes)).toMatchObject({ type: 'fail', code: 'internal', message: 'new' })
  })

  test("a failure's text has no control characters and at most the bounded length", () => {
    const message = `\u001b[2J${'x'.repeat(limits.reasonCharsMax + 100)}`
    const bytes = WireFrame.encode({ fail: { code: failures.busy.wire, message } })
    expect(decodeProviderFrame(bytes)).toMatchObject({ message: ` [2J${'x'.repeat(limits.reasonCharsMax - 4)}` })
  })
})

describe('who may send what', () => {
  test('a provider that gets a frame of a provider sees a violation that names it', () => {
    fc.assert(
      fc.property(providerFrame, (frame) => {
        expect(violationOf(() => decodeConsumerFrame(encodeFrame(frame)))).toBe(`a consumer sent a ${frame.type} frame`)
      }),
      { numRuns: 200 },
    )
  })

  test('a consumer that gets a frame of a consumer sees a violation that names it', () => {
    fc.assert(
      fc.property(consumerFrame, (frame) => {
        expect(violationOf(() => decodeProviderFrame(encodeFrame(frame)))).toBe(`a provider sent a ${frame.type} frame`)
      }),
      { numRuns: 200 },
    )
  })

  test.each([
    ['no bytes', []],
    ['a type of a newer protocol', [0x5a, 0x00]],
    ['only an unknown number', [0x98, 0x06, 0x01]],
  ])('%s is a violation', (_, bytes) => {
    expect(violationOf(() => decodeConsumerFrame(Uint8Array.from(bytes)))).toBe('frame of an unknown type')
    expect(violationOf(() => decodeProviderFrame(Uint8Array.from(bytes)))).toBe('frame of an unknown type')
  })
})

describe('illegal fields', () => {
  const opened = (change: object): Uint8Array => encodeFrame({ ...fixedFrames.open, ...change })
  const sampled = (change: object): Uint8Array => opened({ sampling: { ...fixedFrames.open.sampling, ...change } })

  test.each([
    ['a temperature below 0', sampled({ temperature: -0.1 }), /temperature -0.1.*, expected 0 to 2/],
    ['a temperature above 2', sampled({ temperature: 2.1 }), /temperature 2.09.*, expected 0 to 2/],
    ['a temperature that is no number', sampled({ temperature: Number.NaN }), /temperature NaN/],
    ['a top_p of 0', sampled({ topP: 0 }), /top_p 0, expected above 0/],
    ['a top_p above 1', sampled({ topP: 1.1 }), /top_p 1.10/],
    ['a top_p that is no number', sampled({ topP: Number.NaN }), /top_p NaN/],
    [
      'a role nobody has',
      opened({ messages: [{ role: 'wizard', content: '' }] }),
      /role "wizard", expected system, user, /,
    ],
    ['a short request id', opened({ requestId: 'aa' }), /request id of 1 bytes, expected 16/],
    ['a short model key', opened({ modelKey: 'aa' }), /model key of 1 bytes, expected 32/],
    ['a short escrow', opened({ escrow: '0:aa' }), /escrow of 1 bytes, expected 32/],
    [
      'a cached price above the prompt price',
      opened({ priceMax: { promptNano: 1n, completionNano: 1n, cachedNano: 2n } }),
      /cached price 2 above the prompt price 1/,
    ],
    [
      'no price',
      WireFrame.encode({
        open: {
          requestId: new Uint8Array(16),
          modelKey: new Uint8Array(32),
          messages: [{ role: 'user', content: '', toolCalls: [], toolCallId: '' }],
          inputs: [],
          escrow: new Uint8Array(32),
          deadlineMs: 0,
          resumeText: '',
          resumeTokenIds: [],
        },
      }),
      /price is missing/,
    ],
    [
      'a short voucher signature',
      encodeFrame({ type: 'voucher', voucher: { ...fixedFrames.voucher.voucher, signature: new Uint8Array(63) } }),
      /voucher signature of 63 bytes, expected 64/,
    ],
  ])('%s is a violation', (_, bytes, message) => {
    expect(violationOf(() => decodeConsumerFrame(bytes))).toMatch(message)
  })

  test.each([
    [
      'more ids than tokens',
      encodeFrame({ ...fixedFrames.delta, tokens: 1, tokenIds: [1, 2] }),
      /delta of 1 tokens with 2 ids/,
    ],
    [
      'fewer ids than tokens',
      encodeFrame({ ...fixedFrames.delta, tokens: 3, tokenIds: [1, 2] }),
      /delta of 3 tokens with 2 ids/,
    ],
    [
      'more cached than prompt tokens',
      encodeFrame({ ...fixedFrames.accept, promptTokens: 1, cachedTokens: 2 }),
      /cached tokens 2, at most 1/,
    ],
    ['no finish', WireFrame.encode({ end: { finish: 0 } }), /finish 0, expected 1 to 3/],
    ['an unknown finish', WireFrame.encode({ end: { finish: 4 } }), /finish 4, expected 1 to 3/],
    ['an end without a receipt', WireFrame.encode({ end: { finish: 1 } }), /receipt is missing/],
    [
      'an accept without a price',
      WireFrame.encode({ accept: { promptTokens: 0, cachedTokens: 0, creditTokens: 0 } }),
      /price is missing/,
    ],
    [
      'an accept without a tab',
      WireFrame.encode({
        accept: { price: fixedFrames.accept.price, promptTokens: 0, cachedTokens: 0, creditTokens: 0 },
      }),
      /tab is missing/,
    ],
    [
      'a short payee',
      WireFrame.encode({ tab: { owedNano: 0n, epoch: 0, payee: new Uint8Array(31), globalId: 0 } }),
      /payee of 31 bytes, expected 32/,
    ],
  ])('%s is a violation', (_, bytes, message) => {
    expect(violationOf(() => decodeProviderFrame(bytes))).toMatch(message)
  })
})

describe('garbage', () => {
  const decoders = [decodeConsumerFrame, decodeProviderFrame]

  test('noise is a violation or a frame', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const decode of decoders) expectViolationOrNothing(decode, bytes)
      }),
      { numRuns: 5_000 },
    )
  })

  test('a damaged frame is a violation or a frame', () => {
    fc.assert(
      fc.property(fc.oneof(consumerFrame, providerFrame), damages, (frame, changes) => {
        const bytes = damaged(encodeFrame(frame), changes)
        for (const decode of decoders) expectViolationOrNothing(decode, bytes)
      }),
      { numRuns: 5_000 },
    )
  })

  test('a frame cut anywhere is a violation or a frame', () => {
    for (const frame of Object.values(fixedFrames)) {
      const bytes = encodeFrame(frame)
      for (let length = 0; length < bytes.length; length += 1) {
        for (const decode of decoders) expectViolationOrNothing(decode, bytes.subarray(0, length))
      }
    }
  })

  test.each([
    ['an open', 0x0a],
    ['a voucher', 0x12],
    ['a delta', 0x3a],
    ['an unknown field', 0x7a],
  ])('%s that claims two gigabytes in ten bytes is a violation', (_, tag) => {
    const bytes = Uint8Array.of(tag, 0xff, 0xff, 0xff, 0xff, 0x07, 0x0a, 0xff, 0xff, 0xff)
    for (const decode of decoders) expect(violationOf(() => decode(bytes))).toMatch(/does not decode/)
  })

  test('bytes inside a message that claim two gigabytes are a violation', () => {
    const bytes = Uint8Array.of(0x0a, 0x06, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x07) // open { request_id
    expect(violationOf(() => decodeConsumerFrame(bytes))).toMatch(/does not decode/)
  })

  test('groups nested through a whole frame are a violation', () => {
    const nested = new Uint8Array(limits.openBytesMax).fill(0x0b)
    expect(violationOf(() => decodeConsumerFrame(nested))).toMatch(/does not decode/)
  })

  test('a frame that repeats a field to its end keeps the last', () => {
    const bytes = Buffer.concat(
      Array.from({ length: 2_000 }, (_, position) => encodeFrame({ type: 'queued', position, etaMs: undefined })),
    )
    expect(decodeProviderFrame(bytes)).toMatchObject({ position: 1_999 })
  })

  test('an open is decoded whatever its texts hold', () => {
    fc.assert(
      fc.property(
        open,
        fc.string({ unit: fc.nat({ max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
        (frame, content) => {
          const messages = [{ role: 'user' as const, content }]
          const { inputs: _, text: __, ...rest } = frame
          expect(decodeConsumerFrame(encodeFrame({ ...rest, messages }))).toMatchObject({ messages })
        },
      ),
    )
  })
})
