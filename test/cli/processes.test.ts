// What a command leaves behind however it ends: its state and its books, and no process.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { expectRefusal, freshHome, lastJson, Started, silkmesh } from './silkmesh.ts'

const loopback = ['--listen', '/ip4/127.0.0.1/tcp/0']
const account = `0:${'2'.repeat(64)}`

function childrenOf(pid: number | undefined): readonly number[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child, parent]) => (child !== undefined && parent === pid ? [child] : []))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** A process that was told to end, or whose parent is gone, may still be on its way. */
async function gone(pids: readonly number[]): Promise<void> {
  await expect.poll(() => pids.filter(isAlive), { timeout: 10_000 }).toEqual([])
}

describe('silkmesh chain', () => {
  it('keeps its state over a polite end, and lets no second one at it', async () => {
    const home = freshHome()
    const first = new Started(['chain', '--home', home, '--port', '0', '--block-ms', '0', '--json'])
    const { faucet } = await first.event('ready')
    const paid = await fetch(String(faucet), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ address: account, amountNano: '7' }),
    })
    expect(paid.status).toBe(200)
    expectRefusal(await silkmesh(['chain', '--home', home, '--port', '0']), 1, 'in use by another local chain')
    expect(await first.kill('SIGTERM')).toMatchObject({ code: 0, stderr: '' })

    const second = new Started(['chain', '--home', home, '--port', '0', '--json', '--exit-with-parent'], { input: '' })
    const { endpoint } = await second.event('ready')
    const balance = await fetch(new URL(`getAddressBalance?address=${account}`, String(endpoint)))
    expect(await balance.json()).toMatchObject({ result: '7' })
    second.child.stdin?.end() // whoever started it is gone
    expect(await second.ended).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('a provider and a consumer', () => {
  let localnet: Localnet
  beforeAll(async () => {
    localnet = await startLocalnet({ port: 0, blockMs: 0 })
  })
  afterAll(() => localnet.close())

  const provider = (home: string, ...args: readonly string[]): readonly string[] => [
    'join',
    '--home',
    home,
    '--endpoint',
    localnet.endpoint,
    ...loopback,
    '--json',
    ...args,
  ]
  const consumer = (home: string, ...args: readonly string[]): readonly string[] => {
    const quick = ['--set', 'consumer.escrowCheckMs=100', '--set', 'consumer.discoverMs=1000']
    return [
      'up',
      '--home',
      home,
      '--endpoint',
      localnet.endpoint,
      '--port',
      '0',
      ...loopback,
      ...quick,
      '--json',
      ...args,
    ]
  }

  it('Ctrl-C while the engine starts ends both processes with code 130', async () => {
    const home = freshHome()
    const join_ = new Started(provider(home))
    await expect.poll(() => childrenOf(join_.child.pid).length, { timeout: 20_000 }).toBe(1)
    const children = childrenOf(join_.child.pid)
    expectRefusal(await join_.kill('SIGINT'), 130, 'stopped before it was done')
    await gone(children)
    expect(existsSync(join(home, 'running.json'))).toBe(false)
  })

  it('are used, refused, killed and restarted from the command line, and nobody is left over', async () => {
    const [providerHome, consumerHome] = [freshHome(), freshHome()]
    const inHome = ['--home', consumerHome]
    const provides = new Started(provider(providerHome, '--exit-with-parent'), { input: '' })
    const { addresses } = await provides.event('ready')
    const engine = childrenOf(provides.child.pid)
    expect(engine).toHaveLength(1)
    const [bootstrap = ''] = addresses as string[]

    const up = new Started(consumer(consumerHome, '--bootstrap', bootstrap))
    await up.event('ready')
    await up.event('advert-accepted')
    const [empty, unknown, stranger, models] = await Promise.all([
      silkmesh(['chat', 'hi', ...inHome]),
      silkmesh(['chat', 'hi', '--model', 'gpt-7', ...inHome]),
      silkmesh(['chat', 'hi', '--key', 'sk-guess', ...inHome]),
      silkmesh(['models', '--wait', '3', '--json', ...inHome]), // found through the node that runs for this home
    ])
    expectRefusal(empty, 1, 'escrow', '`silkmesh wallet deposit <gram>`')
    expectRefusal(unknown, 2, 'no provider serves "gpt-7" now; the mesh serves silkmesh-tiny', '`silkmesh models`')
    expectRefusal(stranger, 2, 'this API key is not known here', '--key')
    expect(lastJson(models)).toMatchObject({ ok: true, models: [{ name: 'silkmesh-tiny', providers: 1 }] })

    const wallet = [...inHome, '--endpoint', localnet.endpoint]
    expect((await silkmesh(['wallet', 'faucet', ...wallet])).code).toBe(0)
    expect((await silkmesh(['wallet', 'deposit', '2', ...wallet])).code).toBe(0)
    // the words of a question are joined as they were typed
    const answer = await silkmesh(['chat', 'What', 'is', 'a', 'provider?', '--json', ...inHome])
    expect(lastJson(answer)).toMatchObject({
      ok: true,
      model: 'silkmesh-tiny',
      text: expect.stringMatching(/provider|price/i),
    })

    const asking = new Started(['chat', '--max-tokens', '300', 'What is gossipsub?', ...inHome])
    await up.event('first-token', 2)
    await up.kill('SIGKILL')
    expect((await asking.ended).stderr).not.toContain('    at ')
    expectRefusal(await silkmesh(['chat', 'hi', ...inHome]), 1, 'no gateway answers at', '`silkmesh up`')

    const back = new Started(consumer(consumerHome, '--bootstrap', bootstrap))
    await back.event('ready')
    await back.event('advert-accepted')
    expect(lastJson(await silkmesh(['chat', 'What is a peer?', '--json', ...inHome]))).toMatchObject({ ok: true })
    expect((await back.kill('SIGINT')).code).toBe(0)
    expectRefusal(await silkmesh(['chat', 'hi', ...inHome]), 2, 'no gateway runs for home', '`silkmesh up`')

    provides.child.stdin?.end() // whoever started it is gone
    expect((await provides.ended).code).toBe(0)
    await gone(engine)
  }, 120_000)
})
