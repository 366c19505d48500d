// Randomness from the seed for code that draws it from ambient sources: while installed, `Math.random` and what Node's
// crypto hands out come from the running host's stream. Keys that Node generates natively stay unpredictable; only their
// length reaches what others see.

import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import type { Random } from '../../node/ports.ts'
import { runningHost } from './host.ts'
import { replaceAll } from './virtual-time.ts'

type Filled = NodeJS.ArrayBufferView | ArrayBuffer
type Done<T> = (error: Error | null, value: T) => void

/** `others` serves code that runs on no host. The function returned puts the real sources back. */
export function installVirtualRandom(others: Random): () => void {
  const source = (): Random => runningHost()?.random ?? others
  const fill = <T extends Filled>(target: T, offset = 0, size?: number): T => {
    const all = ArrayBuffer.isView(target)
      ? new Uint8Array(target.buffer, target.byteOffset, target.byteLength)
      : new Uint8Array(target)
    const part = all.subarray(offset, size === undefined ? undefined : offset + size)
    part.set(source().bytes(part.length))
    return target
  }
  const randomUUID = (): string => {
    const bytes = Buffer.from(source().bytes(16))
    bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6) // RFC 9562: version 4
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }
  const randomBytes = (size: number, done?: Done<Buffer>): Buffer | undefined => {
    const bytes = Buffer.from(source().bytes(size))
    if (!done) return bytes
    queueMicrotask(() => done(null, bytes))
    return undefined
  }
  const randomInt = (from: number, to?: number): number => {
    const [low, high] = to === undefined ? [0, from] : [from, to]
    return low + Math.floor(source().next() * (high - low))
  }
  const undo = [
    ...replaceAll(Math, { random: () => source().next() }),
    ...replaceAll(globalThis.crypto, { getRandomValues: (target: Filled) => fill(target), randomUUID }),
    ...replaceAll(crypto, { randomBytes, randomFillSync: fill, randomInt, randomUUID }),
  ]
  syncBuiltinESMExports()
  return () => {
    for (const put of undo.toReversed()) put()
    syncBuiltinESMExports()
  }
}
