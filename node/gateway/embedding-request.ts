// /v1/embeddings: texts as vectors, in batches as large as one request to the mesh may be.

import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { accountOf, sumOf } from './answer.ts'
import { hints } from './chat-request.ts'
import type { Asked, Endpoint, Gathered } from './endpoint.ts'
import { readBody, readText, readWhole, readWord, rulesOf, unsupported, wrong } from './fields.ts'
import { requireSize, taskBytesMax } from './messages.ts'
import { type RequestHeaders, readRouting, routingNames } from './routing.ts'

export const embeddingEndpoint: Endpoint = {
  path: '/v1/embeddings',
  names: new Map([['messages', 'input']]),
  read: readEmbedding,
}

/** As many as OpenAI takes. */
const inputsMax = 2_048

function readEmbedding(given: unknown, headers: RequestHeaders): Asked {
  const body = readBody(given, rules)
  const routing = readRouting(body, headers)
  const encoding = readWord('encoding_format', body['encoding_format'], ['float', 'base64']) ?? 'float'
  const dimensions = readWhole('dimensions', body['dimensions'], 1, limits.embeddingValuesMax)
  const batches = batchesOf(readInputs(body['input']))
  return {
    requests: batches.map((inputs) => {
      const task = { messages: [], inputs, sampling: {} }
      requireSize(task, 'input')
      return { ...routing, ...task }
    }),
    isStreaming: false,
    checkVector: ({ length }) => {
      if (dimensions === undefined || dimensions === length) return
      throw unsupported('dimensions', `dimensions ${dimensions} is not supported, this model's vectors have ${length}`)
    },
    whole: (runs) => embeddingList(runs, batches, encoding),
    writer: () => {
      throw new TypeError('embeddings are never streamed')
    },
  }
}

const rules = rulesOf(
  { input: 'read', encoding_format: 'read', dimensions: 'read' },
  ['read', routingNames],
  ['hint', hints],
)

function readInputs(value: unknown): readonly string[] {
  if (typeof value === 'string') return [readInput('input', value)]
  if (!Array.isArray(value) || value.length === 0 || value.length > inputsMax) {
    throw wrong('input', value, `a text or a list of 1 to ${inputsMax} texts`)
  }
  if (value.every((each) => typeof each === 'number' || Array.isArray(each))) {
    throw unsupported('input', 'input is token ids, which is not supported, expected a text or a list of texts')
  }
  return value.map((text: unknown, at) => readInput(`input[${at}]`, text))
}

function readInput(param: string, value: unknown): string {
  const text = readText(param, value)
  if (text === '') throw wrong(param, value, 'a text of at least one character')
  return text
}

/** In order; each within the wire's bounds, unless one text alone is over them. */
function batchesOf(inputs: readonly string[]): readonly (readonly string[])[] {
  const batches: string[][] = []
  let bytes = 0
  for (const input of inputs) {
    const size = Buffer.byteLength(input)
    const last = batches.at(-1)
    if (last && last.length < limits.inputsMax && bytes + size <= taskBytesMax) {
      last.push(input)
      bytes += size
    } else {
      batches.push([input])
      bytes = size
    }
  }
  return batches
}

function embeddingList(
  runs: readonly Gathered[],
  batches: readonly (readonly string[])[],
  encoding: 'float' | 'base64',
): string {
  const vectors = runs.flatMap((run, at) => {
    const count = batches[at]?.length ?? 0
    if (run.vectors.length === count) return run.vectors
    throw new MeshError('protocol-violation', `${run.vectors.length} vectors for ${count} inputs`)
  })
  const results = runs.map(({ result }) => result)
  const { promptTokens } = sumOf(results)
  return JSON.stringify({
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: encoding === 'base64' ? base64Of(vector) : [...vector],
    })),
    model: results[0]?.modelName,
    usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
    silkmesh: accountOf(results),
  })
}

/** Little-endian 32-bit floats. */
function base64Of(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [at, value] of vector.entries()) bytes.writeFloatLE(value, at * 4)
  return bytes.toString('base64')
}
