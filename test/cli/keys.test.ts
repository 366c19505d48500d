// Keys from the command that makes them to the gateway that takes them, with every process a real one.

import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Localnet, startLocalnet } from '../../contracts/localnet/localnet.ts'
import { openStore } from '../../node/adapters/sqlite.ts'
import { systemClock } from '../../node/adapters/system.ts'
import { KeyFolder } from '../../node/cli/key-files.ts'
import { run } from '../../node/cli/keys.ts'
import { Budgets } from '../../node/gateway/budgets.ts'
import { type ApiKey, makeKey } from '../../node/gateway/keys.ts'
import { type Ended, expectRefusal, freshHome, keyedHome, lastJson, Started, silkmesh } from './silkmesh.ts'

const keys = (home: string, ...words: readonly string[]) => silkmesh(['keys', ...words, '--home', home, '--json'])

/** Every text in every file below. */
function textsIn(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'latin1'))
    .join('\n')
}

describe('silkmesh keys', () => {
  it('tells the same date when a key is made and when it is listed', async () => {
    const home = freshHome()
    const made = await silkmesh(['keys', 'add', '--name', 'ci', '--expires', '30d', '--home', home])
    const listed = await silkmesh(['keys', 'list', '--home', home])
    const dateIn = ({ stdout }: Ended) => /until (\S+)/.exec(stdout)?.[1] ?? 'no date'
    expect(Date.parse(dateIn(made))).toBeGreaterThan(0)
    expect(dateIn(listed)).toBe(dateIn(made))
  })

  it('makes a key whose secret is told once and kept nowhere', async () => {
    const home = freshHome()
    const made = lastJson(
      await keys(
        home,
        'add',
        '--name',
        'ci',
        '--budget',
        '5',
        '--budget-day',
        '0.5',
        '--max-cost',
        '0.1',
        '--models',
        'a,b',
        '--expires',
        '2999-01-31',
      ),
    )
    const terms = {
      name: 'ci',
      expiresAt: '2999-01-31T00:00:00.000Z',
      models: ['a', 'b'],
      budgetNano: '5000000000',
      dayBudgetNano: '500000000',
      requestNanoMax: '100000000',
    }
    const secret = String(made['secret'])
    expect(made).toMatchObject({ ok: true, ...terms, key: secret.slice(0, 18) })
    expect(secret).toMatch(/^sk-silkmesh-[0-9a-f]{64}$/)
    expect(textsIn(home)).not.toContain(secret.slice(18, 34))
    expect(statSync(join(home, 'keys')).mode & 0o777).toBe(0o700)
    expect(statSync(join(home, 'keys', 'ci.json')).mode & 0o777).toBe(0o600)

    const none = { spentNano: '0', heldNano: '0', leftNano: '5000000000', daySpentNano: '0', dayLeftNano: '500000000' }
    expect(lastJson(await keys(home, 'list'))).toMatchObject({ ok: true, keys: [{ ...terms, ...none, days: {} }] })
    expect(lastJson(await keys(home, 'show', 'ci'))).toMatchObject({ ok: true, ...terms, ...none })
    expect(lastJson(await keys(home, 'remove', 'ci'))).toEqual({ ok: true, removed: 'ci' })
    expect(lastJson(await keys(home, 'list'))).toEqual({ ok: true, keys: [] })
  })

  it('lets commands at once make one key of a name, and every key of another', async () => {
    const home = freshHome()
    const names = ['same', 'one', 'same', 'two']
    const codes = await Promise.all(names.map(async (name) => (await keys(home, 'add', '--name', name)).code))
    expect(codes.filter((_, at) => names[at] === 'same').sort()).toEqual([0, 2])
    const { keys: all } = lastJson(await keys(home, 'list')) as { keys: { name: string }[] }
    expect(all.map(({ name }) => name)).toEqual(['one', 'same', 'two'])
  })

  it('says what was spent when nothing runs', async () => {
    const home = freshHome()
    await keys(home, 'add', '--name', 'ci', '--budget', '5')
    const [key] = folderOf(home).list()
    const store = openStore({ path: join(home, 'books.sqlite'), entryBytesMax: 65_536 })
    const budgets = await Budgets.open(store, systemClock)
    ;(await budgets.hold(key ?? expect.unreachable(), 4_000_000_000n)).end(1_500_000_000n)
    expectStoreInUse(await silkmesh(['keys', 'list', '--home', home]))
    await store.close()
    const listed = await silkmesh(['keys', 'list', '--home', home])
    expect(listed.stdout).toMatch(/ci +sk-silkmesh-[0-9a-f]{6}…, 1\.5 of 5 GRAM spent, 3\.5 left/)
    const shown = await silkmesh(['keys', 'show', 'ci', '--home', home])
    expect(shown.stdout).toMatch(/\n {4}\d{4}-\d\d-\d\d {2}1\.5 GRAM\n/)
  })

  it('refuses words that it does not know', async () => {
    const home = freshHome()
    expectRefusal(await silkmesh(['keys', 'add', '--home', home]), 2, "'--name <name>' not specified")
    expectRefusal(await silkmesh(['keys', 'add', '--name', 'A/B', '--home', home]), 2, '"A/B" is no name for a key')
    expectRefusal(await silkmesh(['keys', 'shout']), 2, "unknown command 'shout'")
  })

  it.each([
    [{ budget: 'much' }, '--budget: "much" is not an amount'],
    [{ budgetDay: '0' }, '--budget-day: 0 GRAM, expected from 0.000000001 to 18446744073.709551615'],
    [{ maxCost: '-1' }, '--max-cost: "-1" is not an amount'],
    [{ models: 'a,,b' }, '--models "a,,b", expected 1 to 64 names'],
    [{ models: 'a'.repeat(97) }, 'expected 1 to 64 names'],
    [{ expires: '2027-02-31' }, '--expires "2027-02-31"'],
    [{ expires: '2020-01-01' }, 'or a date to come'],
    [{ expires: '0d' }, '--expires "0d"'],
    [{ expires: 'soon' }, '--expires "soon"'],
  ])('refuses %j', async (flags, says) => {
    const home = freshHome()
    await expect(run('add', { name: 'a', home, json: true, ...flags }, [])).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining(says),
    })
    expect(folderOf(home).list()).toEqual([])
  })

  it.each([
    ['remove', 'nobody', 'no key "nobody"; `silkmesh keys list`'],
    ['remove', '../gateway', 'is no name for a key'],
    ['show', 'nobody', 'no key "nobody"'],
  ])('refuses to %s %s', async (verb, name, says) => {
    const home = keyedHome()
    await expect(run(verb, { home, json: true }, [name])).rejects.toThrow(says)
  })
})

function expectStoreInUse({ code, stderr, stdout }: Awaited<ReturnType<typeof silkmesh>>): void {
  expect(stderr).toContain('what the keys spent is not known')
  expect(stderr).toContain('is in use by process')
  expect(stdout).toContain('? of 5 GRAM spent')
  expect(code).toBe(0)
}

function folderOf(home: string, damaged: string[] = []): KeyFolder {
  return new KeyFolder({ path: home, apiKey: 'sk-owner' }, (message) => damaged.push(message))
}

describe('the folder of keys', () => {
  const make = (name: string, digit: string) => makeKey(digit.repeat(64), { name, createdAtMs: 1 })

  it('is read again at the next key shown after it changed, in whatever process', () => {
    const home = freshHome()
    const [gateway, command] = [folderOf(home), folderOf(home)]
    const [a, b] = [make('a', 'a'), make('b', 'b')]
    expect(gateway.find(a.secret)).toBe(undefined)
    command.add(a.key)
    expect(gateway.find(a.secret)).toEqual(a.key)
    command.add(b.key)
    expect([gateway.find(a.secret), gateway.find(b.secret)]).toEqual([a.key, b.key])
    command.remove('a')
    expect([gateway.find(a.secret), gateway.find(b.secret)]).toEqual([undefined, b.key])
    expect(gateway.find('sk-owner')).toBe('owner')
    rmSync(join(home, 'keys'), { recursive: true })
    expect(gateway.find(b.secret)).toBe(undefined)
  })

  it('is read once while it stays as it is', () => {
    const home = freshHome()
    const damaged: string[] = []
    const gateway = folderOf(home, damaged)
    mkdirSync(join(home, 'keys'))
    writeFileSync(join(home, 'keys', 'bad.json'), '{')
    const longAgo = new Date(1_700_000_000_000)
    utimesSync(join(home, 'keys'), longAgo, longAgo)
    for (let shown = 0; shown < 5; shown += 1) gateway.find('sk-guess')
    expect(damaged.length).toBe(1) // told at each reading
  })

  it('leaves out what is no key, says so, and keeps the others', () => {
    const home = freshHome()
    const damaged: string[] = []
    const folder = folderOf(home, damaged)
    const { key, secret } = make('a', 'a')
    folder.add(key)
    const write = (name: string, text: string): void => writeFileSync(join(home, 'keys', name), text)
    write('half.json', '{"name":"half"')
    write('other.json', readFileSync(join(home, 'keys', 'a.json'), 'utf8'))
    write('a.json.123.new', 'left by a crash')
    expect(folder.find(secret)).toEqual(key)
    expect(folder.list()).toEqual([key])
    expect(damaged.some((message) => message.includes('half.json holds no API key'))).toBe(true)
    expect(damaged.some((message) => message.includes('other.json holds no API key (it holds the key "a")'))).toBe(true)
    expect(damaged.some((message) => message.includes('.new'))).toBe(false)
  })

  it.skipIf(process.getuid?.() === 0)('that cannot be read is said, and lets nobody in', () => {
    const home = freshHome()
    const damaged: string[] = []
    const folder = folderOf(home, damaged)
    const { key, secret } = make('a', 'a')
    folder.add(key)
    chmodSync(join(home, 'keys', 'a.json'), 0)
    expect(folder.find(secret)).toBe(undefined)
    expect(damaged[0]).toContain('EACCES')
  })

  it('gives a key made again under its old name a new budget', async () => {
    const home = freshHome()
    const ids = ['a', 'b'].map((digit) => {
      const { key }: { key: ApiKey } = make('ci', digit)
      folderOf(home).add(key)
      folderOf(home).remove('ci')
      return key.id
    })
    expect(new Set(ids).size).toBe(2)
  })
})

describe('a gateway', () => {
  let localnet: Localnet
  beforeAll(async () => {
    localnet = await startLocalnet({ port: 0, blockMs: 0 })
  })
  afterAll(() => localnet.close())

  it('takes and refuses keys while it runs, and a budget outlives its death in the middle of a request', async () => {
    const [providerHome, home] = [freshHome(), freshHome()]
    const chain = ['--endpoint', localnet.endpoint]
    const peer = [...chain, '--listen', '/ip4/127.0.0.1/tcp/0', '--json']
    const provides = new Started(['join', '--home', providerHome, ...peer, '--exit-with-parent'], { input: '' })
    const { addresses } = (await provides.event('ready')) as { addresses: string[] }
    const serve = async () => {
      const up = new Started(['up', '--home', home, '--port', '0', '--bootstrap', String(addresses[0]), ...peer])
      const { gateway } = (await up.event('ready')) as unknown as { gateway: { baseUrl: string } }
      await up.event('advert-accepted')
      const ask = (secret: unknown, path: string, body?: object) =>
        fetch(`${gateway.baseUrl}${path}`, {
          method: body ? 'POST' : 'GET',
          headers: { authorization: `Bearer ${String(secret)}`, 'content-type': 'application/json' },
          ...(body && { body: JSON.stringify(body) }),
        })
      return { up, ask }
    }
    expect((await silkmesh(['wallet', 'faucet', '--home', home, ...chain])).code).toBe(0)
    expect((await silkmesh(['wallet', 'deposit', '2', '--home', home, ...chain])).code).toBe(0)
    const first = await serve()

    const budgetNano = 100_000n // some 600 tokens
    const { secret } = lastJson(await keys(home, 'add', '--name', 'ci', '--budget', '0.0001'))
    const question = { model: 'silkmesh-tiny', messages: [{ role: 'user', content: 'What is a provider?' }] }
    const answer = await first.ask(secret, '/chat/completions', { ...question, max_tokens: 8 })
    expect(answer.status).toBe(200)
    const costNano = BigInt(answer.headers.get('x-silkmesh-cost-nano') ?? '')
    expect(costNano).toBeGreaterThan(0n)
    const { keys: listed } = lastJson(await keys(home, 'list')) as { keys: object[] } // by way of the gateway
    expect(listed).toMatchObject([{ name: 'ci', spentNano: `${costNano}`, leftNano: `${budgetNano - costNano}` }])

    const another = lastJson(await keys(home, 'add', '--name', 'another'))['secret']
    expect((await first.ask(another, '/models')).status).toBe(200)
    await keys(home, 'remove', 'another')
    expect((await first.ask(another, '/models')).status).toBe(401)

    provides.child.kill('SIGSTOP') // so that the next request is under way for as long as it takes to kill its node
    const asking = first.ask(secret, '/chat/completions', question).catch(() => 'cut')
    const heldNano = async () => ((await (await first.ask(secret, '/key')).json()) as { held_nano: string }).held_nano
    await first.up.event('request-started', 2) // it is not before what it may cost is on disk
    expect(await heldNano()).toBe(`${budgetNano - costNano}`)
    await first.up.kill('SIGKILL')
    expect(await asking).toBe('cut')
    provides.child.kill('SIGCONT')
    const after = { name: 'ci', spentNano: `${budgetNano}`, heldNano: '0', leftNano: '0' }
    expect(lastJson(await keys(home, 'list'))).toMatchObject({ keys: [after] }) // from the store

    const second = await serve()
    const refused = await second.ask(secret, '/chat/completions', question)
    expect(refused.status).toBe(402)
    expect(await refused.json()).toMatchObject({ error: { type: 'insufficient_quota', budget: 'key', left_nano: '0' } })
    expect(lastJson(await keys(home, 'list'))).toMatchObject({ keys: [after] })
    await second.up.kill('SIGTERM')
    provides.child.stdin?.end()
    await provides.ended
  }, 120_000)
})
