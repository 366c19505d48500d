// What a careless user types and has: each is refused by the real command with the value, the next step and no stack trace.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { openStore } from '../../node/adapters/sqlite.ts'
import { run as runExplain } from '../../node/cli/explain.ts'
import { run as runIdentity } from '../../node/cli/identity.ts'
import { run as runKeys } from '../../node/cli/keys.ts'
import { run as runLedger } from '../../node/cli/ledger.ts'
import { openLedgerDoor } from '../../node/cli/ledger-door.ts'
import { forgetRunning, noteRunning } from '../../node/cli/running.ts'
import { run as runUp } from '../../node/cli/up.ts'
import { run as runWallet } from '../../node/cli/wallet.ts'
import { type Ended, expectRefusal, freshHome, keyedHome, lastJson, silkmesh } from './silkmesh.ts'

let localnet: Localnet
let endpoint: string
let holder: Server
let busyPort: string
beforeAll(async () => {
  localnet = await startLocalnet({ port: 0, blockMs: 0 })
  endpoint = localnet.endpoint
  holder = createServer()
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
  const address = holder.address()
  busyPort = String(typeof address === 'object' && address ? address.port : 0)
})
afterAll(async () => {
  holder.close()
  await localnet.close()
})

const account = `0:${'1'.repeat(64)}`
const peer = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const loopback = ['--listen', '/ip4/127.0.0.1/tcp/0']
/** Nothing listens there: refused at once. */
const deadEndpoint = 'http://127.0.0.1:1/api/v2/jsonRPC'

interface Case {
  readonly what: string
  readonly args: () => readonly string[]
  /** PORT and ENDPOINT stand for the busy port and the chain. */
  readonly says: readonly string[]
}

const of = (what: string, args: () => readonly string[], ...says: readonly string[]): Case => ({ what, args, says })

/** All cases of a table at once, each in a home of its own; every failure is told, not only the first. */
function refuses(code: number, cases: readonly Case[]): void {
  const ended = new Map<Case, Promise<Ended>>()
  beforeAll(() => {
    for (const one of cases) {
      const args = one.args()
      ended.set(one, silkmesh(args.includes('--home') ? args : [...args, '--home', freshHome()]))
    }
  })
  it.each(cases)('$what', async (one) => {
    const says = one.says.map((text) => text.replace('PORT', busyPort).replace('ENDPOINT', endpoint))
    expectRefusal((await ended.get(one)) ?? expect.fail('not run'), code, ...says)
  })
}

describe('words that are not understood', () => {
  refuses(2, [
    of('a command misspelt', () => ['jion'], "unknown command 'jion'", 'did you mean join?', '`silkmesh --help`'),
    of(
      'an option misspelt',
      () => ['join', '--prise', '1'],
      "'--prise'",
      'did you mean --price?',
      '`silkmesh join --help`',
    ),
    of(
      'an option without its value',
      () => ['join', '--home', freshHome(), '--price'],
      '--price <gram>',
      '`silkmesh join --help`',
    ),
    of('a word missing', () => ['wallet', 'deposit'], "'gram'", '`silkmesh wallet deposit --help`'),
    of('a word too many', () => ['config', 'everything'], 'everything', '`silkmesh config --help`'),
    of('an order the wallet has not', () => ['wallet', 'withdraw'], "'withdraw'", '`silkmesh wallet --help`'),
    of('--set without a value', () => ['config', '--set', 'port'], '"port"', 'expected group.name=value'),
    of(
      '--set of an unknown group',
      () => ['config', '--set', 'gate.port=1'],
      'gate.port',
      'the groups are node, network',
    ),
    of('--set of an unknown name', () => ['config', '--set', 'gateway.prt=1'], 'gateway.prt', 'gateway has host, port'),
    of('--set of a name objects have', () => ['config', '--set', 'node.toString=1'], 'node.toString', 'node has home'),
    of('a number that is none', () => ['up', '--port', 'many'], '--port: "many"', 'from 0 to 65535'),
    of('a number out of bounds', () => ['config', '--set', 'engine.slots=0'], 'engine.slots: "0"', 'from 1 to 1024'),
    of(
      'an amount that is none',
      () => ['wallet', 'deposit', 'all'],
      'deposit: "all"',
      'GRAM as a decimal such as 0.25, of at most nine places and at most 18446744073.709551615',
    ),
    of('an account that is none', () => ['wallet', 'reserve', 'me', '1', '1'], 'payee "me"', 'a TON address', 'UQ…'),
    of('a reservation of no time', () => ['wallet', 'reserve', account, '1', '0'], 'hours "0"', 'from 1 to 720'),
    of('no providers for a demo', () => ['demo', '--providers', '0'], '--providers "0"', 'from 1 to 16'),
    of('no question', () => ['chat'], 'silkmesh chat "What is a provider?"'),
  ])
})

describe('addresses that lead nowhere', () => {
  refuses(2, [
    of(
      'no chain endpoint',
      () => ['wallet', 'balance'],
      'no chain endpoint is set',
      '`silkmesh chain`',
      '--endpoint http',
    ),
    of('an endpoint that is no URL', () => ['wallet', 'address', '--endpoint', 'ton'], '"ton"', 'an http or https URL'),
    of('no peer to start from', () => ['models'], 'no peer to start from', 'pass --bootstrap'),
    of('no gateway for this home', () => ['chat', 'hi'], 'no gateway runs for home', '`silkmesh up`'),
    of('a gateway that is no URL', () => ['chat', 'hi', '--url', 'here'], '"here"', 'http://127.0.0.1:8333/v1'),
    of(
      'a malformed bootstrap address',
      () => ['up', '--port', '0', '--endpoint', endpoint, '--bootstrap', 'somewhere', ...loopback],
      'bootstrap address "somewhere"',
      'expected such as /ip4/',
    ),
    of(
      'a gateway for others that was not meant for them',
      () => ['up', '--endpoint', deadEndpoint, '--host', '0.0.0.0', '--port', '0', ...loopback],
      'gateway host 0.0.0.0 is not loopback',
      '--allow-public',
    ),
    of(
      'a port of the demo that is taken',
      () => ['demo', '--port', busyPort],
      '--port PORT',
      'in use',
      'choose another',
    ),
  ])
})

describe('a port that is taken', () => {
  it.each<readonly [string, () => readonly string[], string]>([
    ['to listen on', () => ['settle', '--listen', `/ip4/127.0.0.1/tcp/${busyPort}`], '--listen'],
    ['of the gateway', () => ['up', '--port', busyPort, ...loopback], '--port'],
    ['of the chain', () => ['chain', '--port', busyPort], '--port'],
  ])('%s is named with its flag, and no home is made', async (_, args, flag) => {
    const home = join(freshHome(), 'new')
    const others = args()[0] === 'chain' ? [] : ['--endpoint', deadEndpoint]
    const ended = await silkmesh([...args(), ...others, '--home', home])
    expectRefusal(ended, 2, `port ${busyPort} on 127.0.0.1 is in use`, `choose another with ${flag}`)
    expect(existsSync(home)).toBe(false)
  })

  it('by the gateway of the same home is not to be answered by another port', async () => {
    const home = keyedHome()
    const gateway = { baseUrl: `http://127.0.0.1:${busyPort}/v1`, apiKey: 'k' }
    noteRunning(home, { addresses: [], gateway })
    const up = runUp({ home, port: busyPort, endpoint: deadEndpoint, json: true })
    await expect(up.finally(() => forgetRunning(home))).rejects.toThrow(
      `the gateway of ${home} runs already at ${gateway.baseUrl} (process ${process.pid}); use it, or stop it first`,
    )
  })
})

describe('what does not answer', () => {
  refuses(1, [
    of(
      'a chain that is down',
      () => ['wallet', 'balance', '--home', keyedHome(), '--endpoint', deadEndpoint],
      deadEndpoint,
      'is --endpoint right',
    ),
    of(
      'a URL that is no chain',
      () => ['wallet', 'balance', '--home', keyedHome(), '--endpoint', endpoint.replace('/api/v2/jsonRPC', '')],
      'HTTP 404',
      'it ends in /api/v2/jsonRPC',
    ),
    of(
      'a bootstrap peer that is down',
      () => ['peers', '--wait', '1', '--bootstrap', `/ip4/127.0.0.1/tcp/1/p2p/${peer}`],
      `no answer within 1 s from /ip4/127.0.0.1/tcp/1/p2p/${peer}`,
      'is that peer up?',
    ),
    of(
      'a gateway that is something else',
      () => ['chat', 'hi', '--url', endpoint, '--key', 'k'],
      'ENDPOINT answered 404',
      'not as a gateway does',
    ),
    of(
      'an inference server that is down',
      () => ['join', '--endpoint', endpoint, '--engine-url', 'http://127.0.0.1:1', ...loopback],
      'http://127.0.0.1:1',
      'next: `silkmesh doctor`',
    ),
    of(
      'an escrow not opened yet',
      () => ['wallet', 'unlock', '--home', keyedHome(), '--endpoint', endpoint],
      'no escrow runs there',
      'deposit',
    ),
  ])
})

describe('models that are none', () => {
  const join_ = (model: string): readonly string[] => ['join', '--endpoint', endpoint, '--model', model, ...loopback]
  refuses(2, [
    of(
      'a file of another kind',
      () => join_(join(freshHome({ 'text.gguf': 'once upon a time' }), 'text.gguf')),
      'text.gguf is not a GGUF file',
      'expected 47475546',
    ),
  ])

  it('a GGUF file cut short fails with its path and what llama.cpp says', async () => {
    const whole = readFileSync(new URL('../../node/models/silkmesh-tiny.gguf', import.meta.url))
    const path = join(freshHome(), 'half.gguf')
    writeFileSync(path, whole.subarray(0, whole.length / 2))
    expectRefusal(
      await silkmesh([...join_(path), '--home', freshHome()]),
      1,
      path,
      'corrupted or incomplete',
      '--model',
    )
  })
})

describe('a home that cannot be used', () => {
  const inHome =
    (files: Readonly<Record<string, string>>, ...args: readonly string[]) =>
    (): readonly string[] => [...args, '--home', freshHome(files)]
  const balance = ['wallet', 'balance', '--endpoint', deadEndpoint]
  const key = 'ab'.repeat(32)
  refuses(2, [
    of('a file', () => ['config', '--home', join(freshHome({ f: '' }), 'f')], 'f is not a directory', '--home'),
    of(
      'below a file',
      () => ['config', '--home', join(freshHome({ f: '' }), 'f', 'g')],
      'g is not a directory',
      '--home',
    ),
    of(
      'a damaged identity',
      inHome({ 'identity.key': key.slice(1) }, ...balance),
      'identity.key',
      '64 hex digits',
      'backup',
    ),
    of('an empty wallet key', inHome({ 'wallet.key': '' }, ...balance), 'wallet.key', '64 hex digits', 'backup'),
    of(
      'a damaged gateway key',
      inHome({ 'gateway.key': 'sk-1', 'wallet.key': key }, ...balance),
      'gateway.key',
      'a gateway key',
      'backup',
    ),
    of('broken YAML', inHome({ 'config.yaml': 'node:\n  home: [' }, 'config'), 'config.yaml:2 is not YAML'),
    of('a list for settings', inHome({ 'config.yaml': '- a' }, 'config'), 'config.yaml: expected groups of settings'),
    of('a setting outside a group', inHome({ 'config.yaml': 'port: 1' }, 'config'), '"port: 1"', 'settings below it'),
    of('an unknown setting', inHome({ 'config.yaml': 'gateway: {prt: 1}' }, 'config'), 'gateway.prt', 'host, port'),
    of(
      'a wrong type',
      inHome({ 'config.yaml': 'gateway: {port: [1]}' }, 'config'),
      'gateway.port: [1]',
      'whole number',
    ),
    of(
      'a configuration that is a directory',
      inHome({ 'config.yaml/x': '' }, 'config'),
      'config.yaml: it is a directory',
    ),
  ])

  it('with damaged books is refused, and they are left as they are', async () => {
    const books = 'this was a database once'
    const home = freshHome({ 'books.sqlite': books })
    const ended = await silkmesh(['up', '--home', home, '--endpoint', endpoint, '--port', '0', ...loopback])
    expectRefusal(ended, 1, 'books.sqlite is not a readable store', 'restore a copy')
    expect(readFileSync(join(home, 'books.sqlite'), 'utf8')).toBe(books)
  })

  it('with books that another process holds is refused, and doctor takes them for a running node', async () => {
    const home = freshHome()
    const store = openStore({ path: join(home, 'books.sqlite'), entryBytesMax: 1_024 })
    try {
      const [settle, doctor] = await Promise.all([
        silkmesh(['settle', '--home', home, '--endpoint', endpoint, ...loopback]),
        silkmesh(['doctor', '--json', '--home', home, '--engine-url', 'http://127.0.0.1:1', ...loopback]),
      ])
      expectRefusal(settle, 1, `books.sqlite is in use by process ${process.pid}`, 'another --home')
      expect(lastJson(doctor)['checks']).toContainEqual(
        expect.objectContaining({ what: 'books', state: 'ok', detail: expect.stringContaining('a node runs') }),
      )
      expect(doctor.code).toBe(1) // no engine, no chain
    } finally {
      await store.close()
    }
  })
})

describe('with --json', () => {
  it('a refusal is one object on standard output too', async () => {
    const [word, value] = await Promise.all([
      silkmesh(['join', '--prise', '1', '--json']),
      silkmesh(['config', '--set', 'gateway.port=x', '--json', '--home', freshHome()]),
    ])
    expect(lastJson(word)).toEqual({
      ok: false,
      error: { code: 'bad-request', message: expect.stringContaining("unknown option '--prise'") },
    })
    expect(lastJson(value)).toMatchObject({
      ok: false,
      error: { code: 'bad-request', message: expect.stringContaining('"x"') },
    })
    expect([word.code, value.code]).toEqual([2, 2])
  })
})

describe('a home mistyped', () => {
  const typo = (): string => join(freshHome(), 'typo')
  type Command = (flags: Record<string, unknown>) => Promise<void>
  it.each<readonly [string, Command]>([
    ['wallet collect', (flags) => runWallet('collect', { ...flags, endpoint: deadEndpoint }, [])],
    ['wallet unlock', (flags) => runWallet('unlock', { ...flags, endpoint: deadEndpoint }, [])],
    ['keys list', (flags) => runKeys('list', flags, [])],
    ['keys remove', (flags) => runKeys('remove', flags, ['ci'])],
    ['ledger', runLedger],
    ['identity show', (flags) => runIdentity('show', flags)],
    ['explain', (flags) => runExplain(flags, [])],
  ])('is not made by %s', async (_words, run) => {
    const home = typo()
    await expect(run({ home, json: true })).rejects.toThrow(home)
    expect(existsSync(home)).toBe(false)
  })

  it('is refused with what to do, and not made', async () => {
    const home = typo()
    const ended = await silkmesh(['wallet', 'balance', '--endpoint', deadEndpoint, '--home', home])
    expectRefusal(ended, 2, `no node has its home at ${home}`, 'is --home right?', '`silkmesh wallet address`')
    expect(existsSync(home)).toBe(false)
  })

  it('is remarked by doctor, and not made', async () => {
    const home = typo()
    const { stdout } = await silkmesh(['doctor', '--home', home, '--engine-url', 'http://127.0.0.1:1', ...loopback])
    expect(stdout).toContain(`none in ${home} yet`)
    expect(stdout).toContain('is --home right?')
    expect(existsSync(home)).toBe(false)
  })
})

it('doctor asks the bootstrap peers of the node that runs, which its own command line did not name', async () => {
  const home = keyedHome()
  const bootstrap = `/ip4/127.0.0.1/tcp/1/p2p/${peer}`
  noteRunning(home, { addresses: [], settings: { 'network.bootstrap': [bootstrap] } })
  const doctor = await silkmesh(['doctor', '--json', '--home', home, '--engine-url', 'http://127.0.0.1:1', ...loopback])
  forgetRunning(home)
  expect(lastJson(doctor)['checks']).toContainEqual(
    expect.objectContaining({ what: 'network', state: 'bad', detail: expect.stringContaining(peer) }),
  )
})

it('ledger --csv leaves a file as it is', async () => {
  const path = join(freshHome({ 'ledger.csv': 'of last year' }), 'ledger.csv')
  const told = runLedger({ home: keyedHome(), csv: path, json: true })
  await expect(told).rejects.toThrow(`--csv ${path} is there already; name another file, or add --yes to replace it`)
  expect(readFileSync(path, 'utf8')).toBe('of last year')
})

it('ledger --check refuses another chain than that of the node that runs', async () => {
  const home = keyedHome()
  const asked: boolean[] = []
  const close = await openLedgerDoor(home, ({ isCheck }) => {
    asked.push(isCheck)
    return Promise.resolve('{}')
  })
  const checking = runLedger({ home, json: true, check: true, endpoint: deadEndpoint })
  await expect(checking.finally(close)).rejects.toMatchObject({
    code: 'bad-request',
    message: expect.stringMatching(/compares with its own chain, not with the endpoint named here; leave that out/),
  })
  expect(asked).toEqual([false])
})

it('a mistake leaves no half-made key behind, and the keys that are there stay the same', async () => {
  const home = freshHome()
  await silkmesh(['wallet', 'deposit', 'x', '--home', home, '--endpoint', endpoint])
  expect(existsSync(join(home, 'secrets.json'))).toBe(false)
  const first = lastJson(await silkmesh(['wallet', 'address', '--home', home, '--endpoint', endpoint, '--json']))
  const second = lastJson(await silkmesh(['wallet', 'address', '--home', home, '--endpoint', endpoint, '--json']))
  expect(second).toEqual(first)
})
