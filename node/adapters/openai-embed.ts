// Vectors of texts from a server of OpenAI's API, a few texts a request.

import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { property, type Upstream } from './openai-upstream.ts'

/** The longest vectors of so many, written as JSON numbers, are within the bound on an answer. */
const inputsPerRequest = 16

/** In the inputs' order. Throws `MeshError`. */
export async function* embedAll(
  upstream: Upstream,
  id: string,
  inputs: readonly string[],
  signal: AbortSignal,
  msMax?: number,
): AsyncGenerator<Float32Array, void, undefined> {
  for (let at = 0; at < inputs.length; at += inputsPerRequest) {
    const input = inputs.slice(at, at + inputsPerRequest)
    const body = { model: id, input, encoding_format: 'float' }
    const data = property(await upstream.json('/v1/embeddings', body, signal, msMax), 'data')
    const vectors = Array.isArray(data) ? data.toSorted((a, b) => indexOf(a) - indexOf(b)) : []
    if (vectors.length !== input.length) {
      throw new MeshError(
        'engine-failed',
        `${upstream.root}/v1/embeddings answered with ${vectors.length} vectors for ${input.length} inputs`,
      )
    }
    for (const vector of vectors) yield readVector(upstream, property(vector, 'embedding'))
  }
}

function indexOf(value: unknown): number {
  return Number(property(value, 'index') ?? 0)
}

function readVector({ root }: Upstream, value: unknown): Float32Array {
  const isVector =
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= limits.embeddingValuesMax &&
    value.every((each) => Number.isFinite(each))
  if (isVector) return Float32Array.from(value)
  const what = Array.isArray(value) ? `${value.length} values` : typeof value
  throw new MeshError(
    'engine-failed',
    `${root}/v1/embeddings sent a vector of ${what}, expected 1 to ${limits.embeddingValuesMax} numbers`,
  )
}
