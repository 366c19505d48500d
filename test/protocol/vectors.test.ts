// Golden bytes: a change of the wire must be noticed here before a peer of another version notices it.

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { decodeAdvert, encodeAdvert } from '../../protocol/advert.ts'
import { decodeConsumerFrame, decodeProviderFrame, encodeFrame } from '../../protocol/frames.ts'
import { encodeSettleReply, encodeSettleRequest } from '../../protocol/settlement.ts'
import { fixedAdvert, fixedFrames, providerKey } from './fixed.ts'

function vectorsOf(name: string): Record<string, string> {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'))
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string | undefined): Uint8Array => Uint8Array.from(Buffer.from(text ?? '', 'hex'))

describe('frames', () => {
  const golden = vectorsOf('frames')

  test('there is one of every fixed frame', () => {
    expect(Object.keys(golden)).toEqual([...Object.keys(fixedFrames), 'settleRequest', 'settleReply'])
  })

  test.each(Object.entries(fixedFrames))('%s is encoded to its golden bytes', (name, frame) => {
    expect(hex(encodeFrame(frame))).toBe(golden[name])
  })

  test.each(Object.entries(fixedFrames))('%s is decoded from its golden bytes', (name, frame) => {
    const isConsumers = frame.type === 'open' || frame.type === 'voucher' || frame.type === 'cancel'
    const decode = isConsumers ? decodeConsumerFrame : decodeProviderFrame
    expect(decode(bytes(golden[name]))).toEqual(frame)
  })

  test('the settle messages are encoded to theirs', () => {
    const { voucher } = fixedFrames.voucher
    expect(hex(encodeSettleRequest([voucher, voucher]))).toBe(golden['settleRequest'])
    expect(hex(encodeSettleReply({ accepted: 1, code: 'busy', message: 'full' }))).toBe(golden['settleReply'])
  })
})

describe('advert', () => {
  const golden = vectorsOf('advert')

  test('is encoded to its golden bytes', () => {
    expect(hex(encodeAdvert(fixedAdvert, providerKey.publicKey, providerKey.sign))).toBe(golden['advert'])
  })

  test('is decoded from its golden bytes', () => {
    expect(decodeAdvert(bytes(golden['advert']))).toEqual(fixedAdvert)
  })
})
