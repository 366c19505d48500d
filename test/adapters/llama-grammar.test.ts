// Answers that must have a form: numbers as patterns, and JSON Schema through llama.cpp's own grammar, checked by Ajv.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LlamaEngine, startLlamaEngine } from '../../node/adapters/llama/engine.ts'
import { integerRange } from '../../node/adapters/llama/number-grammar.ts'
import { defaultRandomModel, writeRandomGguf } from '../../node/models/random-gguf.ts'
import type { ModelKey } from '../../protocol/ids.ts'
import type { Sampling } from '../../protocol/task.ts'

describe('integers between two bounds', () => {
  /** What a grammar of literals, ranges, groups and repetitions says is a pattern but for its blanks and quotes. */
  const pattern = (min: number, max: number): RegExp => new RegExp(`^(${integerRange(min, max).replace(/[ "]/g, '')})$`)
  const bound = fc.oneof(fc.integer({ min: -130, max: 130 }), fc.integer({ min: -100_000, max: 100_000 }))

  test('are let through, and no other', () => {
    fc.assert(
      fc.property(bound, fc.nat(5_000), fc.array(bound), (min, span, others) => {
        const max = min + span
        const integers = pattern(min, max)
        for (const each of [min - 1, min, min + 1, 0, max - 1, max, max + 1, 10 * max, ...others]) {
          expect([each, integers.test(String(each))]).toEqual([each, each >= min && each <= max])
        }
      }),
      { numRuns: 300 },
    )
  })

  test('may be open at either end', () => {
    fc.assert(
      fc.property(bound, bound, (end, each) => {
        expect(pattern(end, Number.POSITIVE_INFINITY).test(String(each))).toBe(each >= end)
        expect(pattern(Number.NEGATIVE_INFINITY, end).test(String(each))).toBe(each <= end)
      }),
    )
  })

  test('have no leading zeros and no negative zero', () => {
    for (const text of ['00', '01', '-0', '-01', '+1', '1.0']) expect(pattern(-200, 200).test(text)).toBe(false)
  })
})

/**
 * llama.cpp reads UTF-8 that is longer than it must be as the character it would be, and text shows it as none. Models do not
 * write such; one of random weights does, after these bytes.
 */
const overlong = [0xc0, 0xc1, 0xe0, 0xf0].map((byte) => ({ tokenId: tokenOfByte(byte), bias: -100 }))

/** Three control tokens come first, then all bytes. */
function tokenOfByte(byte: number): number {
  return 3 + byte
}

function declared({ models }: LlamaEngine): ModelKey {
  if (!models[0]) throw new Error('an engine without a model')
  return models[0].key
}

/** Short strings, so that a model that draws at random comes to an end. */
const word = { type: 'string', minLength: 1, maxLength: 6 }
const schemas: Readonly<Record<string, object>> = {
  'an enum of any values': { enum: ['Rome', 7, null, true, { a: [1, 'x"y\\\n'] }] },
  'a constant': { const: { nested: ['é', { deep: -1.5 }] } },
  'required and optional properties': {
    type: 'object',
    properties: {
      a: { type: 'boolean' },
      b: word,
      c: { type: 'null' },
      d: { type: 'integer', minimum: -3, maximum: 12 },
    },
    required: ['b', 'd'],
    additionalProperties: false,
  },
  'only optional properties': {
    type: 'object',
    properties: { a: { type: 'boolean' }, b: { type: 'boolean' }, c: { type: 'boolean' } },
    additionalProperties: false,
  },
  'a map': { type: 'object', additionalProperties: { type: 'boolean' }, maxProperties: 0 },
  'an array of a length': { type: 'array', items: { enum: [1, 2, 3] }, minItems: 2, maxItems: 4 },
  'a tuple': { type: 'array', prefixItems: [word, { type: 'boolean' }], items: false },
  'a tuple and more': {
    type: 'array',
    prefixItems: [{ type: 'boolean' }],
    items: { type: 'null' },
    minItems: 2,
    maxItems: 3,
  },
  'several types': { type: ['boolean', 'null', 'integer'], maximum: 9_000, minimum: 0 },
  'an alternative': { anyOf: [{ type: 'boolean' }, { type: 'array', items: { type: 'null' }, maxItems: 2 }] },
  'one of several that share nothing': {
    oneOf: [
      { type: 'object', properties: { kind: { const: 'a' }, x: word }, required: ['kind', 'x'] },
      { type: 'object', properties: { kind: { const: 'b' } }, required: ['kind'] },
    ],
  },
  'a definition that names itself': {
    $ref: '#/$defs/tree',
    $defs: {
      tree: {
        type: 'object',
        properties: {
          leaf: { type: 'boolean' },
          more: { type: 'array', items: { $ref: '#/$defs/tree' }, maxItems: 1 },
        },
        required: ['leaf', 'more'],
        additionalProperties: false,
      },
    },
  },
  'a number from zero': { type: 'number', minimum: 0 },
  'exclusive bounds': { type: 'integer', exclusiveMinimum: 4, exclusiveMaximum: 7 },
  'notes for people': {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'T',
    description: 'D',
    type: 'boolean',
    default: true,
    examples: [1],
  },
}
const formats: Readonly<Record<string, RegExp>> = {
  date: /^\d{4}-\d{2}-\d{2}$/,
  time: /^\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/,
  'date-time': /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  ipv4: /^(\d{1,3}\.){3}\d{1,3}$/,
}

describe('an answer by JSON Schema', () => {
  let dir: string
  let engine: LlamaEngine
  const never = new AbortController().signal

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'silkmesh-grammar-'))
    const path = join(dir, 'random.gguf')
    // Of random weights: it draws from all that the grammar lets through.
    writeRandomGguf(path, {
      ...defaultRandomModel,
      dim: 32,
      layers: 1,
      ffn: 32,
      headDim: 32,
      kvHeads: 1,
      vocabulary: 300,
    })
    engine = await startLlamaEngine({
      model: path,
      slots: 2,
      contextTokens: 1_024,
      threads: 1,
      gpu: false,
      modelsDir: dir,
    })
  })
  afterAll(async () => {
    await engine?.stop()
    await rm(dir, { recursive: true })
  })

  interface Answer {
    readonly text: string
    readonly tokenIds: readonly number[]
    readonly finish: string
  }

  async function ask(
    schema: unknown,
    over: Partial<Sampling> = {},
    resumeTokenIds: readonly number[] = [],
  ): Promise<Answer> {
    const model = declared(engine)
    const format = { type: 'json', schema: JSON.stringify(schema) } as const
    const messages = [{ role: 'user', content: 'JSON' }] as const
    const sampling = { temperature: 1, format, logitBias: overlong, ...over }
    const prompt = await engine.prepare({ model, messages, sampling, resumeTokenIds }, never)
    const generation = engine.generate(prompt, never)
    let text = ''
    const tokenIds: number[] = []
    for (;;) {
      const next = await generation.next()
      if (next.done) return { text, tokenIds, finish: next.value }
      text += next.value.text
      tokenIds.push(...next.value.tokenIds)
    }
  }

  test.each(Object.entries(schemas))('satisfies %s', async (_, schema) => {
    const isValid = new Ajv2020({ strict: false }).compile(schema)
    for (const seed of [1, 2, 3, 4]) {
      const { finish, text } = await ask(schema, { seed })
      expect([text, finish, isValid(JSON.parse(text))]).toEqual([text, 'stop', true])
    }
  })

  test.each(Object.entries(formats))('satisfies the format %s', async (format, pattern) => {
    const value: unknown = JSON.parse((await ask({ type: 'string', format }, { seed: 1 })).text)
    expect(value).toMatch(pattern)
    if (format.startsWith('date')) expect(new Date(String(value)).getTime()).not.toBeNaN()
  })

  test('keeps to a length that is long', async () => {
    const { text } = await ask(
      { type: 'string', minLength: 300, maxLength: 400 },
      { seed: 2, logitBias: [{ tokenId: tokenOfByte(0x61), bias: 30 }] },
    )
    expect([...String(JSON.parse(text))].length).toBeGreaterThanOrEqual(300)
  })

  test('goes on in the grammar where it was cut', async () => {
    const schema = schemas['required and optional properties']
    const isValid = new Ajv2020().compile(schema ?? {})
    const vocabulary = (await engine.vocabulary?.(declared(engine))) ?? []
    const { tokenIds } = await ask(schema, { seed: 3 })
    for (let cut = 1; cut < tokenIds.length; cut += 1) {
      const before = tokenIds.slice(0, cut)
      const rest = await ask(schema, { seed: cut }, before)
      const text = Buffer.concat(
        [...before, ...rest.tokenIds].map((id) => vocabulary[id] ?? new Uint8Array()),
      ).toString()
      expect([text, text.endsWith(rest.text), isValid(JSON.parse(text))]).toEqual([text, true, true])
    }
  })

  test('is refused where it would go on from tokens that do not fit, and the engine serves on', async () => {
    const { tokenIds } = await ask({ const: 'ab' })
    await expect(ask({ const: 'xy' }, {}, tokenIds.slice(0, -1))).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining('to resume from'),
    })
    // The token that ends answers would make llama.cpp abort.
    await expect(ask({ const: 'xy' }, {}, [2])).rejects.toMatchObject({ code: 'bad-request' })
    expect((await ask({ const: 'xy' })).text).toBe('"xy"')
  })

  test.each([
    [{ type: 'string', pattern: 'a+' }, 'pattern', '#'],
    [{ type: 'object', properties: { a: { type: 'array', uniqueItems: true } } }, 'uniqueItems', '#/properties/a'],
    [{ type: 'string', format: 'email' }, 'format', '#'],
    [{ type: 'number', maximum: 3 }, 'maximum', '#'],
    [{ not: {} }, 'not', '#'],
    [{ oneOf: [{ type: 'string' }, { type: 'string', maxLength: 2 }] }, 'oneOf', '#'],
    [{ allOf: [{ type: 'object' }, { type: 'object' }] }, 'allOf', '#'],
    [{ type: 'string', maxLength: 1_001 }, 'maxLength', '#'],
    [{ type: 'integer', minimum: 3, maximum: 2 }, 'minimum', '#'],
    [{ $ref: 'https://example.org/schema' }, '$ref', '#'],
    [{ type: 'object', required: ['a'], additionalProperties: false }, 'required', '#'],
    [{ type: 'text' }, 'type', '#'],
  ])('is refused for %j, by the keyword', async (schema, keyword, at) => {
    await expect(ask(schema)).rejects.toMatchObject({
      code: 'unsupported',
      param: 'response_format',
      message: expect.stringContaining(`response_format: the JSON Schema keyword "${keyword}" at ${at}`),
    })
  })

  test('is refused for what is no schema, or is more than llama.cpp reads', async () => {
    const format = (schema: string) => ask(true, { format: { type: 'json', schema } })
    await expect(format('{')).rejects.toMatchObject({ code: 'bad-request', param: 'response_format' })
    await expect(format('[]')).rejects.toMatchObject({ code: 'unsupported', param: 'response_format' })
    const large = {
      type: 'object',
      properties: Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`p${at}`, {}])),
    }
    await expect(ask(large)).rejects.toMatchObject({ code: 'unsupported', param: 'response_format' })
    let deep: object = { type: 'null' }
    for (let depth = 0; depth < 100; depth += 1) deep = { type: 'array', items: deep }
    await expect(ask(deep)).rejects.toMatchObject({ code: 'unsupported', param: 'response_format' })
    const endless = { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }
    await expect(ask(endless)).rejects.toMatchObject({ code: 'unsupported', param: 'response_format' })
    expect((await ask({ type: 'null' })).text).toBe('null')
  })
})
