// A disk that keeps what was synced and, after a crash, an uncertain part of what was being written; and the store on it.

import { crc32 } from 'node:zlib'
import type { Store } from '../../node/ports.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Scheduler, Timer } from '../kernel.ts'
import type { Life } from '../life.ts'
import type { DiskSpec } from '../plan.ts'
import { integer, type SeededRandom } from '../random.ts'

export interface ModelDiskOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly spec: DiskSpec
  /** As the real node opens its store. */
  readonly entryBytesMax?: number | undefined
}

/**
 * What a write can end with: no room is left, the disk was made read-only, the write failed, or the sync after it did. Only after
 * the last nobody knows what reached the medium.
 */
export const diskFaults = ['ENOSPC', 'EROFS', 'EIO on write', 'EIO on sync'] as const
export type DiskFault = (typeof diskFaults)[number]

const entryBytesDefault = 65_536
/** Of the real store: a log's name, and what one group commit takes. */
const logNameCharsMax = 64
const groupWritesMax = 4_096

interface Write {
  readonly log: string
  readonly replace: boolean
  readonly entries: readonly Uint8Array[]
  readonly atMs: number
  readonly resolve: () => void
  readonly reject: (error: MeshError) => void
}

/**
 * Writes that are asked for while one group is being synced make the next, as in the real store: each waits for one sync,
 * however many there are. A crash leaves the first few of the group that was being synced, as many as the seed says; with
 * `tornWrites` also a part of the next one, which the checksum finds when the disk is mounted again.
 */
export class ModelDisk {
  readonly #scheduler: Scheduler
  readonly #random: SeededRandom
  readonly #spec: DiskSpec
  readonly #entryBytesMax: number
  /** What is durable. */
  readonly #logs = new Map<string, Uint8Array[]>()
  /** Frames behind the last sync as a crash left them, not looked at yet. */
  #remnant: Uint8Array = new Uint8Array()
  /** Asked for and not durable, oldest first; the group that is being synced at its beginning. */
  #waiting: Write[] = []
  #groupAtMs = 0
  #sync: Timer | undefined
  #life: Life | undefined
  #coming: DiskFault | undefined
  /** Why this incarnation writes nothing any more. */
  #failure: MeshError | undefined
  #syncs = 0
  #torn = 0

  constructor({ scheduler, random, spec, entryBytesMax }: ModelDiskOptions) {
    this.#scheduler = scheduler
    this.#random = random
    this.#spec = spec
    this.#entryBytesMax = entryBytesMax ?? entryBytesDefault
  }

  /** Since the beginning: syncs done, and half-written frames that a checksum found. */
  get figures(): { readonly syncs: number; readonly torn: number } {
    return { syncs: this.#syncs, torn: this.#torn }
  }

  /** The store of one incarnation. What the one before had not synced was lost by `crash`, or is written now. */
  mount(life: Life): Store {
    if (this.#life && this.#life !== life && !this.#life.isOver) {
      throw new Error('the disk is in use by an incarnation that still lives')
    }
    this.#sync?.cancel()
    this.#sync = undefined
    for (const write of this.#waiting.splice(0)) this.#apply(write)
    this.#recover()
    this.#failure = undefined
    this.#life = life
    const alive = <T>(work: () => Promise<T>): Promise<T> =>
      life.isOver ? new Promise<never>(() => {}) : life.during(work())
    return {
      append: (log, entry) => alive(() => this.#write(log, [entry], false)),
      rewrite: (log, entries) => alive(() => this.#write(log, entries, true)),
      read: (log) => alive(() => this.#read(log)),
    }
  }

  /** The power went, or the process was killed: from here on the disk is as it was at this moment. */
  crash(): void {
    this.#sync?.cancel()
    this.#sync = undefined
    this.#life = undefined
    this.#leave(this.#waiting.splice(0))
  }

  /** The next sync ends with this, and nothing is written until the disk is mounted again. */
  fail(fault: DiskFault): void {
    this.#coming = fault
  }

  #write(log: string, entries: readonly Uint8Array[], replace: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      checkName(log)
      for (const entry of entries) {
        if (entry.length > this.#entryBytesMax) {
          throw new RangeError(`entry of ${entry.length} bytes for log "${log}", at most ${this.#entryBytesMax}`)
        }
      }
      if (this.#failure) throw this.#failure
      const copies = entries.map((entry) => Uint8Array.from(entry))
      this.#waiting.push({ log, replace, entries: copies, atMs: this.#scheduler.now(), resolve, reject })
      if (!this.#sync) this.#beginSync()
    })
  }

  /** Whatever was asked for before is read too: the real store writes it first. */
  async #read(log: string): Promise<readonly Uint8Array[]> {
    checkName(log)
    const last = this.#waiting.at(-1)
    if (last) {
      await new Promise<void>((resolve, reject) => {
        const barrier = { ...last, replace: false, entries: [], resolve, reject }
        this.#waiting.push(barrier)
      })
    }
    if (this.#failure) throw this.#failure
    return (this.#logs.get(log) ?? []).map((entry) => Uint8Array.from(entry))
  }

  #beginSync(): void {
    this.#groupAtMs = this.#scheduler.now()
    this.#sync = this.#scheduler.at(this.#groupAtMs + this.#spec.syncMs, () => this.#endSync())
  }

  #endSync(): void {
    const group = this.#waiting.splice(0, this.#groupLength())
    this.#sync = undefined
    if (this.#coming) {
      this.#failure = failureOf(this.#coming)
      if (this.#coming === 'EIO on sync') this.#leave(group)
      this.#coming = undefined
      for (const { reject } of [...group, ...this.#waiting.splice(0)]) reject(this.#failure)
      return
    }
    this.#syncs += 1
    for (const write of group) this.#apply(write)
    for (const { resolve } of group) resolve()
    if (this.#waiting.length > 0) this.#beginSync()
  }

  /** What was asked for up to the moment at which the sync began. */
  #groupLength(): number {
    const later = this.#waiting.findIndex(({ atMs }) => atMs > this.#groupAtMs)
    return Math.min(later < 0 ? this.#waiting.length : later, groupWritesMax)
  }

  #apply({ log, replace, entries }: Pick<Write, 'log' | 'replace' | 'entries'>): void {
    const before = this.#logs.get(log)
    if (replace || !before) this.#logs.set(log, [...entries])
    else before.push(...entries)
  }

  /** What of these writes lies on the medium when nobody waited for the sync to end. */
  #leave(writes: readonly Write[]): void {
    const begun = writes.filter(({ atMs }) => atMs <= this.#groupAtMs).slice(0, groupWritesMax)
    const whole = integer(this.#random, begun.length + 1)
    const frames = begun.slice(0, whole).map(encodeFrame)
    const next = begun[whole]
    if (next && this.#spec.tornWrites) frames.push(torn(encodeFrame(next), this.#random))
    this.#remnant = Buffer.concat([this.#remnant, ...frames])
  }

  /** Takes what is whole, and drops what follows the first frame that is not. */
  #recover(): void {
    const { writes, isTorn } = decodeFrames(this.#remnant)
    for (const write of writes) this.#apply(write)
    if (isTorn) this.#torn += 1
    this.#remnant = new Uint8Array()
  }
}

function checkName(log: string): void {
  if (log.length === 0 || log.length > logNameCharsMax) {
    throw new RangeError(`log name of ${log.length} characters, expected 1 to ${logNameCharsMax}`)
  }
}

const whyOf: Readonly<Record<DiskFault, string>> = {
  ENOSPC: 'no space is left',
  EROFS: 'the disk may only be read',
  'EIO on write': 'the medium took no write',
  'EIO on sync': 'what reached the medium is not known',
}

function failureOf(fault: DiskFault): MeshError {
  return new MeshError('store-failed', `${fault}: ${whyOf[fault]}; nothing is stored until the node is started again`)
}

/** Length and checksum of the body, each four bytes. */
const headBytes = 8
/** Kind, length of the name, count of entries. */
const bodyBytesMin = 6

function encodeFrame({ log, replace, entries }: Write): Buffer {
  const name = Buffer.from(log)
  const head = Buffer.alloc(2)
  head.writeUInt8(replace ? 1 : 0, 0)
  head.writeUInt8(name.length, 1)
  const body = Buffer.concat([head, name, uint32(entries.length), ...entries.flatMap((e) => [uint32(e.length), e])])
  return Buffer.concat([uint32(body.length), uint32(crc32(body)), body])
}

/** A write that the power cut: the medium ends, or goes on with sectors that were never written. */
function torn(frame: Buffer, random: SeededRandom): Buffer {
  const kept = frame.subarray(0, 1 + integer(random, frame.length - 1))
  return random.next() < 0.5 ? kept : Buffer.concat([kept, Buffer.alloc(frame.length - kept.length)])
}

function decodeFrames(bytes: Uint8Array): { readonly writes: readonly FrameBody[]; readonly isTorn: boolean } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const writes: FrameBody[] = []
  let at = 0
  while (at + headBytes + bodyBytesMin <= buffer.length) {
    const end = at + headBytes + buffer.readUInt32LE(at)
    const body = buffer.subarray(at + headBytes, end)
    // a head of zeros would be the right checksum of nothing
    if (end > buffer.length || body.length < bodyBytesMin || crc32(body) !== buffer.readUInt32LE(at + 4)) break
    writes.push(decodeBody(body))
    at = end
  }
  return { writes, isTorn: at < buffer.length }
}

type FrameBody = Pick<Write, 'log' | 'replace' | 'entries'>

/** The checksum held: what is here is what was written. */
function decodeBody(body: Buffer): FrameBody {
  const nameEnd = 2 + body.readUInt8(1)
  const entries: Uint8Array[] = []
  let at = nameEnd + 4
  for (let count = body.readUInt32LE(nameEnd); count > 0; count -= 1) {
    const end = at + 4 + body.readUInt32LE(at)
    entries.push(Uint8Array.from(body.subarray(at + 4, end)))
    at = end
  }
  return { log: body.toString('utf8', 2, nameEnd), replace: body.readUInt8(0) === 1, entries }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
