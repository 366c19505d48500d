// The vocabularies of models this peer uses: fetched once by their digest from whoever offers them, verified, kept.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { type PeerId, vocabularyProtocol } from '../../protocol/ids.ts'
import { keep } from '../../protocol/keep.ts'
import { limits } from '../../protocol/limits.ts'
import { decodeVocabulary, vocabularySha256 } from '../../protocol/vocabulary.ts'
import { dialogue } from '../dialogue.ts'
import type { Ports } from '../ports.ts'
import { within } from '../waits.ts'
import { Spelling, type TokenTexts, tokenTextsOf, UsageAudit } from './audit.ts'

/** Some 20 MB each for the largest in use. */
const vocabulariesMax = 8
const fetchMs = 60_000

interface Known {
  readonly tokens: ReturnType<typeof decodeVocabulary>
  readonly texts: TokenTexts
}

export class Vocabularies {
  readonly #ports: Pick<Ports, 'clock' | 'network' | 'observe'>
  readonly #known = new Map<string, Known>()
  readonly #fetching = new Set<string>()
  readonly #stopped = new AbortController()

  constructor(ports: Pick<Ports, 'clock' | 'network' | 'observe'>) {
    this.#ports = ports
  }

  /** To recount one answer, where this vocabulary is known; otherwise it is being fetched from now on. */
  audit(digest: string | undefined, provider: PeerId, stops: readonly string[] = []): UsageAudit | undefined {
    if (digest === undefined) return undefined
    const known = this.#known.get(digest)
    if (known) return new UsageAudit(known.tokens, new Spelling(known.texts), stops)
    if (!this.#fetching.has(digest)) void this.#fetch(digest, provider)
    return undefined
  }

  stop(): void {
    this.#stopped.abort(new MeshError('cancelled', 'the node stopped'))
  }

  async #fetch(digest: string, provider: PeerId): Promise<void> {
    const { clock, network, observe } = this.#ports
    this.#fetching.add(digest)
    try {
      const encoded = await within(
        clock,
        fetchMs,
        `fetching a vocabulary of ${provider}`,
        (signal) =>
          dialogue(network, provider, vocabularyProtocol, signal, async (stream) => {
            await stream.send(Buffer.from(digest, 'hex'))
            return await gather(stream.frames)
          }),
        this.#stopped.signal,
      )
      if (vocabularySha256(encoded) !== digest) {
        throw new MeshError('protocol-violation', `the vocabulary of ${provider} has another digest than it says`)
      }
      const tokens = decodeVocabulary(encoded)
      keep(this.#known, digest, { tokens, texts: tokenTextsOf(tokens) }, vocabulariesMax)
    } catch (error) {
      const { code, message } = asMeshError(error)
      if (!this.#stopped.signal.aborted) observe({ type: 'fault', where: 'vocabulary', code, message }) // tried again with the next answer
    } finally {
      this.#fetching.delete(digest)
    }
  }
}

async function gather(frames: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const frame of frames) {
    bytes += frame.length
    if (bytes > limits.vocabularyBytesMax) {
      throw new MeshError('protocol-violation', `a vocabulary of over ${limits.vocabularyBytesMax} bytes`)
    }
    pieces.push(frame)
  }
  return Buffer.concat(pieces)
}
