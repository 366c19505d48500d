// Hands out the vocabularies of what is served: consumers recount by them. Serves /silkmesh/vocabulary/1.0.0.

import { MeshError } from '../../protocol/errors.ts'
import type { ModelKey } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { encodeVocabulary, vocabularySha256 } from '../../protocol/vocabulary.ts'
import type { Clock, Engine, Stream } from '../ports.ts'
import { within } from '../waits.ts'

/** A piece of a vocabulary; the frame's own bound is a little above. */
const pieceBytes = 61_440
const requestMs = 10_000

export class Vocabularies {
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #encoded = new Map<string, Uint8Array>()
  readonly #digests = new Map<ModelKey, string>()

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine
    this.#clock = clock
  }

  /** Asks the engine for each model's; one that has none, or too large a one, is not offered. */
  async load(): Promise<void> {
    for (const { key } of this.#engine.models) {
      const vocabulary = await this.#engine.vocabulary?.(key)
      if (!vocabulary || vocabulary.length > limits.vocabularyTokensMax) continue
      if (vocabulary.some(({ length }) => length > limits.vocabularyTokenBytesMax)) continue
      const encoded = encodeVocabulary(vocabulary)
      if (encoded.length > limits.vocabularyBytesMax) continue
      const digest = vocabularySha256(encoded)
      this.#encoded.set(digest, encoded)
      this.#digests.set(key, digest)
    }
  }

  /** Hex; undefined where the model's is not handed out. */
  digestOf(model: ModelKey): string | undefined {
    return this.#digests.get(model)
  }

  /** One frame names the digest; the answer is the bytes in pieces, and the end. */
  async serve(stream: Stream): Promise<void> {
    const frames = stream.frames[Symbol.asyncIterator]()
    const first = await within(this.#clock, requestMs, 'the digest of a vocabulary', () => frames.next())
    if (first.done) return stream.close()
    const encoded = this.#encoded.get(Buffer.from(first.value).toString('hex'))
    if (!encoded) throw new MeshError('not-found', 'no vocabulary of this digest is handed out here')
    for (let at = 0; at < encoded.length; at += pieceBytes) await stream.send(encoded.subarray(at, at + pieceBytes))
    await stream.close()
  }
}
