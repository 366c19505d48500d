// Settings: where a value comes from, what it may be, and what a person is told otherwise.

import { describe, expect, test } from 'vitest'
import {
  type Config,
  configOf,
  type Layer,
  listSettings,
  type Origin,
  resolveConfig,
  settings,
} from '../../node/config.ts'
import { MeshError } from '../../protocol/errors.ts'
import { nanoMax } from '../../protocol/money.ts'

function layer(origin: Origin, values: Readonly<Record<string, unknown>>): Layer {
  return {
    origin,
    describe: (group, name) => `${origin} ${group}.${name}`,
    lookup: (group, name) => values[`${group}.${name}`],
  }
}

/** The value a text or anything else becomes, or the message it is refused with. */
function read(setting: string, raw: unknown): unknown {
  try {
    const { config } = resolveConfig([layer('flag', { [setting]: raw })])
    const [group, name] = setting.split('.')
    return (config as unknown as Record<string, Record<string, unknown>>)[group ?? '']?.[name ?? '']
  } catch (error) {
    if (error instanceof MeshError && error.code === 'bad-request') return error.message
    throw error
  }
}

describe('layers', () => {
  const flag = layer('flag', { 'gateway.port': 1 })
  const environment = layer('environment', { 'gateway.port': '2', 'engine.slots': '2' })
  const file = layer('file', { 'gateway.port': 3, 'engine.slots': 3, 'engine.model': 'three' })
  const { config, origins } = resolveConfig([flag, environment, file])

  test('a flag wins over the environment, the environment over the file, the file over the default', () => {
    expect(config.gateway.port).toBe(1)
    expect(config.engine.slots).toBe(2)
    expect(config.engine.model).toBe('three')
    expect(config.engine.threads).toBe(settings.engine.threads.default)
  })

  test('tell where each value came from', () => {
    const names = ['gateway.port', 'engine.slots', 'engine.model', 'engine.threads']
    expect(names.map((name) => origins.get(name))).toEqual(['flag', 'environment', 'file', 'default'])
  })

  test('a worse layer is not even read where a better one knows', () => {
    const broken = layer('file', { 'gateway.port': 'nonsense' })
    expect(resolveConfig([flag, broken]).config.gateway.port).toBe(1)
  })

  test('a value that says no is a value', () => {
    expect(
      resolveConfig([layer('flag', { 'network.dcutr': false }), layer('file', { 'network.dcutr': true })]).config
        .network.dcutr,
    ).toBe(false)
    expect(
      resolveConfig([layer('flag', { 'gateway.port': 0 }), layer('file', { 'gateway.port': 5 })]).config.gateway.port,
    ).toBe(0)
  })

  test('an error names the source, the value and the expectation', () => {
    expect(() => resolveConfig([layer('environment', { 'gateway.port': 'eighty' })])).toThrow(
      new MeshError('bad-request', 'environment gateway.port: "eighty", expected a whole number from 0 to 65535'),
    )
  })
})

describe('a whole number', () => {
  test.each([0, 65_535, '0', '65535'])('may be %j', (raw) => {
    expect(read('gateway.port', raw)).toBe(Number(raw))
  })

  test.each([
    -1,
    65_536,
    '65536',
    '-1',
    1.5,
    '1.5',
    '',
    ' 1',
    '0x10',
    '1e3',
    true,
    null,
    [],
    Number.NaN,
    '9'.repeat(16),
  ])('may not be %j', (raw) => {
    expect(read('gateway.port', raw)).toBe(
      `flag gateway.port: ${JSON.stringify(raw)}, expected a whole number from 0 to 65535`,
    )
  })
})

describe('an amount', () => {
  test.each([
    ['0', 0n],
    ['0.25', 250_000_000n],
    [2, 2_000_000_000n],
    ['18446744073.709551615', nanoMax],
  ])('may be %j GRAM', (raw, amount) => {
    expect(read('provider.promptPriceNano', raw)).toBe(amount)
  })

  test.each(['-1', '1e3', '', 'much', '18446744073.709551616', 1e-7, null, true])('may not be %j', (raw) => {
    expect(read('provider.promptPriceNano', raw)).toMatch(
      /^flag provider\.promptPriceNano: .*(expected GRAM as a decimal|at most 18446744073\.709551615)/,
    )
  })
})

describe('a switch', () => {
  test.each([
    [true, true],
    ['true', true],
    ['1', true],
    [false, false],
    ['false', false],
    ['0', false],
  ])('may be %j', (raw, value) => {
    expect(read('network.mdns', raw)).toBe(value)
  })

  test.each(['yes', '', 1, 0, null, 'TRUE'])('may not be %j', (raw) => {
    expect(read('network.mdns', raw)).toBe(`flag network.mdns: ${JSON.stringify(raw)}, expected true or false`)
  })
})

describe('a text', () => {
  test.each(['', 'x'.repeat(4_096)])('may be "%s"', (raw) => {
    expect(read('engine.model', raw)).toBe(raw)
  })

  test.each(['x'.repeat(4_097), 7, null])('may not be %j', (raw) => {
    expect(read('engine.model', raw)).toMatch(/^flag engine\.model: .*expected a text$/)
  })
})

describe('a choice', () => {
  test.each(['silent', 'human', 'json'])('may be %s', (raw) => {
    expect(read('node.logLevel', raw)).toBe(raw)
  })

  test.each(['', 'Human', 'debug', 1])('may not be %j', (raw) => {
    expect(read('node.logLevel', raw)).toBe(
      `flag node.logLevel: ${JSON.stringify(raw)}, expected one of silent, human, json`,
    )
  })
})

describe('a list', () => {
  const eight = Array.from({ length: 8 }, (_, index) => `/ip4/10.0.0.${index}/tcp/1`)

  test.each([
    [eight, eight],
    [eight.join(','), eight],
    ['', []],
    [[], []],
  ])('may be %j', (raw, value) => {
    expect(read('network.listen', raw)).toEqual(value)
  })

  test.each([
    [[...eight, 'x'], '9 entries, at most 8'],
    [[...eight, 'x'].join(','), '9 entries, at most 8'],
    [[1], '[1], expected a list of texts'],
    [7, '7, expected a list of texts'],
    [null, 'null, expected a list of texts'],
  ])('may not be %j', (raw, message) => {
    expect(read('network.listen', raw)).toBe(`flag network.listen: ${message}`)
  })
})

describe('the table', () => {
  const listed = listSettings(resolveConfig([]))

  test('shows every setting once, with a value, its origin and a reason', () => {
    const names = Object.entries(settings).flatMap(([group, members]) =>
      Object.keys(members).map((name) => `${group}.${name}`),
    )
    expect(listed.map(({ name }) => name)).toEqual(names)
    for (const { value, origin, reason } of listed) {
      expect(value).not.toBe('')
      expect(origin).toBe('default')
      expect(reason).not.toBe('')
    }
  })

  test('has only defaults that it would itself accept', () => {
    const { config } = resolveConfig([])
    const defaults = Object.entries(settings).flatMap(([group, members]) =>
      Object.keys(members).map((name): [string, unknown] => {
        const value = (config as unknown as Record<string, Record<string, unknown>>)[group]?.[name]
        return [`${group}.${name}`, typeof value === 'bigint' ? settingText(value) : value]
      }),
    )
    expect(resolveConfig([layer('file', Object.fromEntries(defaults))]).config).toEqual(config)
  })

  test('shows amounts in GRAM', () => {
    expect(listed.find(({ name }) => name === 'provider.promptPriceNano')?.value).toBe('0.02 GRAM')
  })
})

function settingText(nano: bigint): string {
  return `${nano / 1_000_000_000n}.${(nano % 1_000_000_000n).toString().padStart(9, '0')}`
}

test('a configuration for tests has the defaults and the replaced values', () => {
  const config: Config = configOf({ gateway: { port: 5 } }, { gateway: { host: '::1' }, engine: { slots: 9 } })
  expect(config.gateway).toEqual({ ...resolveConfig([]).config.gateway, port: 5, host: '::1' })
  expect(config.engine.slots).toBe(9)
  expect(config.consumer).toEqual(resolveConfig([]).config.consumer)
})
