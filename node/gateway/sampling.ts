// How a model is to choose its tokens: the parameters that all endpoints of text share.

import { limits } from '../../protocol/limits.ts'
import type { LogitBias, Sampling } from '../../protocol/task.ts'
import { type Fields, isFields, readNumber, readWhole, wrong } from './fields.ts'

export const samplingNames = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'logit_bias',
  'seed',
  'stop',
] as const

/** All but the answer's length, format and log probabilities, which each endpoint says in its own way. */
export function readSampling(body: Fields): Sampling {
  const topP = readNumber('top_p', body['top_p'], 0, 1)
  if (topP === 0) throw wrong('top_p', 0, 'a number above 0, at most 1')
  // −1 is how some servers write "all of them".
  const topK = body['top_k'] === -1 ? 0 : readWhole('top_k', body['top_k'], 0, topKMax)
  const repetition = readNumber('repetition_penalty', body['repetition_penalty'], 0.01, 10)
  return {
    temperature: readNumber('temperature', body['temperature'], 0, 2),
    topP,
    // What asks for nothing is left out: clients send it unasked, and engines without the feature can serve them.
    ...given('topK', topK, 0),
    ...given('minP', readNumber('min_p', body['min_p'], 0, 1), 0),
    ...given('presencePenalty', readNumber('presence_penalty', body['presence_penalty'], -2, 2), 0),
    ...given('frequencyPenalty', readNumber('frequency_penalty', body['frequency_penalty'], -2, 2), 0),
    ...given('repetitionPenalty', repetition, 1),
    ...readLogitBias(body['logit_bias']),
    seed: readWhole('seed', body['seed'], 0, seedMax),
    stop: readStop(body['stop']),
  }
}

/** The wire's are 32 bits. */
const seedMax = 0xffff_ffff
/** Above any vocabulary in use. */
const topKMax = 1_048_576

/** Choices of one request differ, as they do without a seed. */
export function seedOf(sampling: Sampling, choice: number): Sampling {
  if (sampling.seed === undefined || choice === 0) return sampling
  return { ...sampling, seed: (sampling.seed + choice) % (seedMax + 1) }
}

function given<Name extends keyof Sampling>(
  name: Name,
  value: number | undefined,
  neutral: number,
): { readonly [K in Name]?: number } {
  return value === undefined || value === neutral ? {} : ({ [name]: value } as { readonly [K in Name]?: number })
}

function readLogitBias(value: unknown): { readonly logitBias?: readonly LogitBias[] } {
  if (value === undefined || value === null) return {}
  if (!isFields(value)) throw wrong('logit_bias', value, 'an object of token ids with a bias of -100 to 100')
  const entries = Object.entries(value)
  if (entries.length === 0) return {}
  if (entries.length > limits.logitBiasMax) {
    throw wrong('logit_bias', value, `at most ${limits.logitBiasMax} token ids, got ${entries.length}`)
  }
  return {
    logitBias: entries.map(([name, bias]) => {
      const tokenId = /^\d{1,9}$/.test(name) ? Number(name) : undefined
      if (tokenId === undefined) throw wrong('logit_bias', name, 'a token id')
      return { tokenId, bias: readNumber(`logit_bias.${name}`, bias ?? Number.NaN, -100, 100) ?? 0 }
    }),
  }
}

function readStop(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length > limits.stopsMax) throw wrong('stop', value, `at most ${limits.stopsMax} texts`)
  return list.map((text, at) => {
    if (typeof text !== 'string' || text === '' || Buffer.byteLength(text) > limits.stopBytesMax) {
      const param = Array.isArray(value) ? `stop[${at}]` : 'stop'
      throw wrong(param, text, `a text of 1 to ${limits.stopBytesMax} bytes`)
    }
    return text.toWellFormed()
  })
}
