// Frames survive any cutting of the bytes that carry them, and nothing is allocated on a stranger's word.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeFrame, FrameDecoder } from '../../node/adapters/libp2p/framing.ts'
import { YamuxFrameGuard } from '../../node/adapters/libp2p/guards.ts'
import { MeshError } from '../../protocol/errors.ts'

function decodeAll(chunks: readonly Uint8Array[], frameBytesMax: number): Uint8Array[] {
  const frames: Uint8Array[] = []
  const decoder = new FrameDecoder(frameBytesMax)
  for (const chunk of chunks) decoder.decode(chunk, (frame) => frames.push(frame))
  return frames
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let at = 0
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

describe('frames', () => {
  test('come out as they went in, however the bytes are cut', () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 12 })
    const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(frames, sizes, (given, cuts) => {
        const bytes = Buffer.concat(given.map(encodeFrame))
        expect(decodeAll(cut(bytes, cuts), 400)).toEqual(given)
      }),
    )
  })

  test('a large frame comes out whole from small pieces', () => {
    const frame = new Uint8Array(300_000).map((_, at) => at % 251)
    const [decoded] = decodeAll(cut(encodeFrame(frame), [1_399]), 1_048_576)
    expect(Buffer.compare(decoded ?? new Uint8Array(), frame)).toBe(0)
  })

  test('do not share memory with the packet they came in', () => {
    const packet = Buffer.from(encodeFrame(Uint8Array.of(1, 2, 3)))
    const [frame] = decodeAll([packet], 16)
    packet.fill(0)
    expect(frame).toEqual(Uint8Array.of(1, 2, 3))
    expect(frame?.buffer.byteLength).toBe(3)
  })

  test.each([
    [100, Uint8Array.of(101), 'frame of 101 bytes, at most 100'],
    [16_384, Uint8Array.of(0x81, 0x80, 0x01), 'frame of 16385 bytes, at most 16384'],
    [100, Uint8Array.of(0xff, 0xff), 'length prefix longer than 1 bytes'],
    [1_048_576, Uint8Array.of(0xff, 0xff, 0xff, 0xff), 'length prefix longer than 3 bytes'],
    [16_384, Uint8Array.of(0x85, 0x00), 'length prefix padded with zeros'],
  ])('of at most %i bytes refuse the prefix %o', (frameBytesMax, bytes, message) => {
    const decoding = (): Uint8Array[] => decodeAll([bytes], frameBytesMax)
    expect(decoding).toThrow(MeshError)
    expect(decoding).toThrow(message)
  })

  test('of the largest size pass, and one byte more does not', () => {
    expect(decodeAll([encodeFrame(new Uint8Array(1_000))], 1_000)).toHaveLength(1)
    expect(() => decodeAll([encodeFrame(new Uint8Array(1_001))], 1_000)).toThrow(MeshError)
  })

  test('hold no more than twice what arrived, whatever was announced', () => {
    const decoder = new FrameDecoder(1_048_576)
    const announced = encodeFrame(new Uint8Array(1_048_576))
    let arrived = 0
    for (const chunk of cut(announced, [700])) {
      arrived += chunk.length
      decoder.decode(chunk, () => undefined)
      expect(decoder.heldBytes).toBeLessThanOrEqual(Math.max(4_096, 2 * arrived))
    }
    expect(decoder.heldBytes).toBe(0)
    expect(decoder.isInsideFrame).toBe(false)
  })

  test('garbage either decodes to bounded frames or is refused, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (garbage) => {
        try {
          for (const frame of decodeAll([garbage], 64)) expect(frame.length).toBeLessThanOrEqual(64)
        } catch (error) {
          expect(error).toMatchObject({ name: 'MeshError', code: 'protocol-violation' })
        }
      }),
    )
  })
})

describe('yamux frames', () => {
  const header = (type: number, length: number): Buffer => {
    const bytes = Buffer.alloc(12)
    bytes.writeUInt8(type, 1)
    bytes.writeUInt32BE(length, 8)
    return bytes
  }

  test('pass up to the bound, however they are cut', () => {
    const packets = fc.array(fc.tuple(fc.constantFrom(0, 1, 2), fc.integer({ min: 0, max: 300 })), { maxLength: 10 })
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(packets, sizes, (given, cuts) => {
        const bytes = Buffer.concat(
          // only data frames carry bytes; elsewhere the length is a number
          given.flatMap(([type, length]) => [header(type, length), Buffer.alloc(type === 0 ? length : 0, 255)]),
        )
        const guard = new YamuxFrameGuard(300)
        for (const chunk of cut(bytes, cuts)) guard.check(chunk)
      }),
    )
  })

  test('beyond the bound are refused at their header', () => {
    const guard = new YamuxFrameGuard(300)
    guard.check(header(1, 4_000_000_000))
    guard.check(Buffer.concat([header(0, 300), Buffer.alloc(300)]))
    expect(() => guard.check(header(0, 301))).toThrow('yamux frame of 301 bytes, at most 300')
  })
})
