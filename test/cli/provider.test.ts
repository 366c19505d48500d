// A provider is paused and resumed by command, and stays as it was told over a restart.

import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { orderPause } from '../../node/cli/pausing.ts'
import { forgetRunning, noteRunning } from '../../node/cli/running.ts'
import { countingEngine } from '../policy/memory-mesh.ts'
import { startTestUpstream, type TestUpstream } from '../ports/engine.upstream.ts'
import { expectRefusal, freshHome, lastJson, Started, silkmesh } from './silkmesh.ts'

describe('silkmesh provider', () => {
  let upstream: TestUpstream
  beforeAll(async () => {
    upstream = await startTestUpstream(countingEngine())
  })
  afterAll(() => upstream.stop())

  const joining = (home: string, ...args: readonly string[]): Started => {
    const nowhere = ['--endpoint', 'http://127.0.0.1:9/api/v2/jsonRPC', '--payout', `0:${'2'.repeat(64)}`]
    const words = [
      'join',
      '--home',
      home,
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      ...nowhere,
      '--json',
      '--exit-with-parent',
    ]
    return new Started([...words, '--engine-url', upstream.url, ...args], { input: '' })
  }
  const command = async (verb: string, home: string) =>
    lastJson(await silkmesh(['provider', verb, '--home', home, '--json']))

  it('pauses and resumes the one that runs, before and after a restart', async () => {
    const home = freshHome()
    expect(await command('status', home)).toEqual({ type: 'provider', isPaused: false, isRunning: false })
    expect(await command('pause', home)).toEqual({ type: 'provider', isPaused: true, isRunning: false })
    expect(statSync(join(home, 'provider.json')).mode & 0o777).toBe(0o600)

    const first = joining(home)
    expect(await first.event('serving-changed')).toMatchObject({ state: 'paused' })
    await first.event('ready')
    expect(await command('status', home)).toMatchObject({ isPaused: true, isRunning: true, state: 'paused', active: 0 })
    expect(await command('resume', home)).toMatchObject({ isPaused: false, isRunning: true, state: 'open' })
    expect(await first.event('advert-published', 2)).toMatchObject({ models: ['m'] })
    expect(await command('pause', home)).toMatchObject({ isPaused: true, state: 'paused' })
    expect(await first.event('advert-published', 3)).toMatchObject({ models: [] })
    await first.kill('SIGKILL')
    expect(await command('status', home)).toEqual({ type: 'provider', isPaused: true, isRunning: false })

    const second = joining(home)
    expect(await second.event('serving-changed')).toMatchObject({ state: 'paused' })
    await second.event('ready')
    expect(await second.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  })

  it('says that nobody answers where it was told to join', async () => {
    const nobody = '/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
    const node = joining(freshHome(), '--bootstrap', nobody)
    expect(await node.event('fault')).toMatchObject({ where: 'bootstrap', code: 'unreachable' })
    await node.kill('SIGTERM')
  })

  it('is refused where another kind of node runs, and nothing is noted', async () => {
    const home = freshHome()
    noteRunning(home, { addresses: [], roles: ['consumer'] })
    const ended = await silkmesh(['provider', 'pause', '--home', home])
    forgetRunning(home)
    expectRefusal(ended, 1, `runs for ${home} is a consumer: it provides nothing`, 'is --home right?')
    expect(existsSync(join(home, 'provider.json'))).toBe(false)
  })

  it('says where nothing can be written, and what it expects', async () => {
    const ended = await silkmesh(['provider', 'pause', '--home', join(freshHome(), 'nobody')])
    expectRefusal(ended, 2, 'there is no home at ', 'is --home right?')
    const file = join(freshHome({ file: '' }), 'file')
    expect(() => orderPause(file, true)).toThrow('provider.json cannot be written (not a directory); is --home right?')
    expectRefusal(await silkmesh(['provider', 'halt']), 2, "unknown command 'halt'", '`silkmesh provider --help`')
  })

  it('refuses a price or hours that it cannot read, with an example', async () => {
    const wrong = async (setting: string) => silkmesh(['join', '--home', freshHome(), '--set', setting])
    expectRefusal(await wrong('provider.prices=m'), 2, 'expected model=prompt/completion/cached in GRAM')
    expectRefusal(await wrong('provider.schedule=nightly'), 2, 'such as sat, mon-fri, 22:00-07:00')
    expectRefusal(await wrong('provider.scheduleZone=Mars'), 2, 'expected an IANA name such as Europe/Berlin')
  })
})
