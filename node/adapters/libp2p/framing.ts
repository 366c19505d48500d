// Frames on a byte stream: an unsigned varint with the length, then the bytes. The length is checked before any memory is
// taken, and memory grows with what arrived, never with what was announced.

import { MeshError } from '../../../protocol/errors.ts'

/** A growing frame starts with this much. */
const firstBytes = 4_096

/** The frame with its length in front, in memory of its own. */
export function encodeFrame(frame: Uint8Array): Uint8Array {
  const prefix: number[] = []
  let rest = frame.length
  for (; rest > 0x7f; rest >>>= 7) prefix.push((rest & 0x7f) | 0x80)
  prefix.push(rest)
  const bytes = new Uint8Array(prefix.length + frame.length)
  bytes.set(prefix)
  bytes.set(frame, prefix.length)
  return bytes
}

export class FrameDecoder {
  readonly #frameBytesMax: number
  readonly #prefixBytesMax: number
  #length = 0
  #prefixBytes = 0
  /** Set while a frame is being filled; grows up to `#length`. */
  #frame: Uint8Array | undefined
  #filled = 0

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax
    this.#prefixBytesMax = Math.max(1, Math.ceil((32 - Math.clz32(frameBytesMax)) / 7))
  }

  /** Memory held for a frame that is not complete yet. */
  get heldBytes(): number {
    return this.#frame?.length ?? 0
  }

  get isInsideFrame(): boolean {
    return this.#frame !== undefined || this.#prefixBytes > 0
  }

  /** Forgets what was begun. */
  drop(): void {
    this.#frame = undefined
    this.#filled = 0
    this.#length = 0
    this.#prefixBytes = 0
  }

  /** Calls `emit` for each frame that became complete. Throws `MeshError` `protocol-violation`. */
  decode(chunk: Uint8Array, emit: (frame: Uint8Array) => void): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#frame === undefined) {
        const isLengthKnown = this.#readPrefix(chunk[at] ?? 0)
        at += 1
        if (!isLengthKnown) continue
        if (chunk.length - at >= this.#length) {
          // a copy, which `slice` of a Buffer is not: a view would keep the whole network buffer alive
          emit(new Uint8Array(chunk.subarray(at, at + this.#length)))
          at += this.#length
          this.#length = 0
          continue
        }
        this.#frame = new Uint8Array(Math.min(this.#length, firstBytes))
      }
      at += this.#fill(this.#frame, chunk.subarray(at))
      if (this.#filled === this.#length) {
        const frame = this.#frame
        this.#frame = undefined
        this.#filled = 0
        this.#length = 0
        emit(frame)
      }
    }
  }

  /** True once the length is known and legal. */
  #readPrefix(byte: number): boolean {
    if (this.#prefixBytes === this.#prefixBytesMax) {
      throw violation(`length prefix longer than ${this.#prefixBytesMax} bytes`)
    }
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#prefixBytes)
    this.#prefixBytes += 1
    if ((byte & 0x80) !== 0) return false
    if (byte === 0 && this.#prefixBytes > 1) throw violation('length prefix padded with zeros')
    if (this.#length > this.#frameBytesMax) {
      throw violation(`frame of ${this.#length} bytes, at most ${this.#frameBytesMax}`)
    }
    this.#prefixBytes = 0
    return true
  }

  #fill(frame: Uint8Array, bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.#length - this.#filled)
    const filled = this.#filled + taken
    let grown = frame
    if (filled > frame.length) {
      grown = new Uint8Array(Math.min(this.#length, Math.max(filled, 2 * frame.length)))
      grown.set(frame.subarray(0, this.#filled))
      this.#frame = grown
    }
    grown.set(bytes.subarray(0, taken), this.#filled)
    this.#filled = filled
    return taken
  }
}

function violation(message: string): MeshError {
  return new MeshError('protocol-violation', message)
}
