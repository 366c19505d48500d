// Where a setting comes from, as `silkmesh config` tells it: flag before environment before file before default.

import { describe, expect, it } from 'vitest'
import { freshHome, lastJson, type RunOptions, silkmesh } from './silkmesh.ts'

interface Row {
  readonly name: string
  readonly value: string
  readonly origin: string
  readonly variable: string
}

const file = 'gateway:\n  port: 1111\n  host: 127.0.0.9\nprovider:\n  creditTokens: 33\n  completionPriceNano: 0.5\n'

async function settingsOf(args: readonly string[], options: RunOptions = {}): Promise<ReadonlyMap<string, Row>> {
  const ended = await silkmesh(['config', '--json', ...args], options)
  expect(ended.code, ended.stderr).toBe(0)
  return new Map((lastJson(ended)['settings'] as Row[]).map((row) => [row.name, row]))
}

describe('silkmesh config', () => {
  it('shows each setting from the highest layer that knows it', async () => {
    const home = freshHome({ 'config.yaml': file })
    const env = { SILKMESH_GATEWAY_PORT: '2222', SILKMESH_PROVIDER_CREDIT_TOKENS: '44', SILKMESH_ENGINE_SLOTS: '' }
    const settings = await settingsOf(['--home', home, '--set', 'gateway.port=3333'], { env })
    expect(settings.get('gateway.port')).toMatchObject({ value: '3333', origin: 'flag' })
    expect(settings.get('provider.creditTokens')).toMatchObject({ value: '44', origin: 'environment' })
    expect(settings.get('gateway.host')).toMatchObject({ value: '127.0.0.9', origin: 'file' })
    expect(settings.get('provider.completionPriceNano')).toMatchObject({ value: '0.5 GRAM', origin: 'file' })
    expect(settings.get('engine.slots')).toMatchObject({ value: '4', origin: 'default' }) // set to nothing is not set
  })

  it('takes the home, and with it the file, from the environment', async () => {
    const env = { SILKMESH_NODE_HOME: freshHome({ 'config.yaml': file }) }
    expect((await settingsOf([], { env })).get('gateway.port')).toMatchObject({ value: '1111', origin: 'file' })
  })

  it('names for every setting a variable that sets it', async () => {
    const settings = await settingsOf(['--home', freshHome()])
    const { variable } = settings.get('network.allowPrivateAddresses') ?? expect.fail('no such setting')
    const set = await settingsOf(['--home', freshHome()], { env: { [variable]: 'false' } })
    expect(set.get('network.allowPrivateAddresses')).toMatchObject({ value: 'false', origin: 'environment' })
    expect(new Set([...settings.values()].map((row) => row.variable)).size).toBe(settings.size)
  })

  it('says that a key is set, and not the key', async () => {
    const { stdout } = await silkmesh(['config', '--home', freshHome(), '--set', 'chain.apiKey=hunter2'])
    expect(stdout).toMatch(/^chain\.apiKey +\(set\) +flag/m)
    expect(stdout).not.toContain('hunter2')
  })

  it('accepts a file whose groups are commented out', async () => {
    const home = freshHome({ 'config.yaml': 'gateway:\n#  port: 1\n' })
    expect((await settingsOf(['--home', home])).get('gateway.port')).toMatchObject({ origin: 'default' })
  })

  it.each(['--help', '--version', 'join --help', 'wallet --help', 'wallet reserve --help'])(
    'silkmesh %s answers on standard output',
    async (words) => {
      const { code, stdout, stderr } = await silkmesh(words.split(' '))
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(words === '--version' ? /^\d+\.\d+\.\d+\n$/ : /^Usage: silkmesh /)
    },
  )
})
