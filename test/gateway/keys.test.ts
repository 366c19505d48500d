// What an API key lets its holder do, seen from outside: which models, until when, and for how much.

import { describe, expect, it } from 'vitest'
import { Budgets } from '../../node/gateway/budgets.ts'
import type { Gateway, GatewayOptions } from '../../node/gateway/http.ts'
import { keyed } from '../../node/gateway/keyed.ts'
import {
  type ApiKey,
  decodeKey,
  encodeKey,
  type KeyRing,
  keyRing,
  makeKey,
  parseKeyName,
} from '../../node/gateway/keys.ts'
import type { InferenceEvent, InferenceRequest } from '../../node/inference.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Nano } from '../../protocol/money.ts'
import { ManualClock, quiet } from '../manual-clock.ts'
import { MemoryStore } from '../memory-store.ts'
import {
  accepted,
  ask,
  chat,
  delta,
  gatewayOf,
  hanging,
  inferenceOf,
  key as ownerSecret,
  result,
  type Script,
  served,
} from './scripted.ts'

const nowMs = 1_700_000_000_000

function made(limits: Partial<ApiKey>): { readonly key: ApiKey; readonly secret: string } {
  const { key, secret } = makeKey('5a'.repeat(32), { name: 'ci', createdAtMs: nowMs })
  return { key: { ...key, ...limits }, secret }
}

function ringOf(key: ApiKey, secret: string): KeyRing {
  const owner = keyRing([ownerSecret])
  return { size: 2, find: (shown) => (shown === secret ? key : owner.find(shown)), list: () => [key] }
}

interface Stage {
  readonly gateway: Gateway
  readonly budgets: Budgets
  readonly clock: ManualClock
  readonly asked: readonly InferenceRequest[]
  readonly key: ApiKey
  chat(body?: object): Promise<Response>
  get(path: string): Promise<Response>
}

/** A gateway with one key given out. */
async function staged(limits: Partial<ApiKey>, script: Script, more: Partial<GatewayOptions> = {}): Promise<Stage> {
  const { key, secret } = made(limits)
  const clock = new ManualClock(nowMs)
  const budgets = await Budgets.open(new MemoryStore(), clock)
  const asked: InferenceRequest[] = []
  const gateway = gatewayOf(script, {
    clock,
    budgets,
    apiKeys: ringOf(key, secret),
    inference: inferenceOf((request, signal) => {
      asked.push(request)
      return script(request, signal)
    }),
    ...more,
  })
  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
  return {
    gateway,
    budgets,
    clock,
    asked,
    key,
    chat: (body = {}) => chat(gateway, body, { headers }),
    get: (path) => ask(gateway, path, { headers }),
  }
}

/** Answers at this cost, and tells it as the consumer does. */
function costing(nano: Nano): Script {
  return async function* ({ spent }) {
    yield accepted
    yield delta('a')
    spent?.(nano)
    return { ...result, costNano: nano }
  }
}

/** Begins, and then fails with this. */
function failing(error: MeshError, ...events: readonly InferenceEvent[]): Script {
  return async function* () {
    yield* events
    throw error
  }
}

async function errorOf(response: Response): Promise<unknown> {
  return { status: response.status, ...((await response.json()) as object) }
}

describe('a key', () => {
  it('is refused from the moment it expires', async () => {
    const stage = await staged({ expiresAtMs: nowMs + 1_000 }, costing(1n))
    await stage.clock.advance(999)
    expect((await stage.chat()).status).toBe(200)
    await stage.clock.advance(1)
    expect(await errorOf(await stage.chat())).toMatchObject({
      status: 401,
      error: {
        code: 'unauthorized',
        message: 'the API key "ci" expired at 2023-11-14T22:13:21.000Z; its owner can make another',
      },
    })
  })

  it('uses the models it was given and no other', async () => {
    const stage = await staged({ models: ['tiny', 'another'] }, costing(1n))
    expect((await stage.chat({ model: 'tiny' })).status).toBe(200)
    expect(await errorOf(await stage.chat({ model: 'org/big' }))).toMatchObject({
      status: 403,
      error: {
        code: 'forbidden',
        type: 'permission_error',
        param: 'model',
        message: 'the API key "ci" may not use the model "org/big", only tiny, another',
      },
    })
    expect(stage.asked.map(({ model }) => model)).toEqual(['tiny'])
  })

  it('is shown the models it may use', async () => {
    const stage = await staged({ models: ['tiny'] }, costing(1n))
    expect(await (await stage.get('/v1/models')).json()).toMatchObject({ data: [{ id: 'tiny' }] })
    expect((await stage.get('/v1/models/org/big')).status).toBe(404)
  })

  it.each(['/metrics', '/v1/keys'])('does not see its owner’s %s', async (path) => {
    const stage = await staged({}, costing(1n))
    expect(await errorOf(await stage.get(path))).toMatchObject({ status: 403, error: { code: 'forbidden' } })
    expect((await ask(stage.gateway, path)).status).toBe(200)
  })

  it('sees where it stands, and its owner sees all', async () => {
    const stage = await staged({ budgetNano: 1_000n, dayNano: 400n, models: ['tiny'] }, costing(84n))
    await stage.chat()
    const view = {
      object: 'key',
      name: 'ci',
      key: 'sk-silkmesh-5a5a5a',
      created: 1_700_000_000,
      expires: null,
      models: ['tiny'],
      budget_nano: '1000',
      day_budget_nano: '400',
      request_nano_max: null,
      spent_nano: '84',
      held_nano: '0',
      left_nano: '916',
      day_spent_nano: '84',
      day_left_nano: '316',
      days: { '2023-11-14': '84' },
    }
    expect(await (await stage.get('/v1/key')).json()).toEqual(view)
    expect(await (await ask(stage.gateway, '/v1/keys')).json()).toEqual({ object: 'list', data: [view] })
    expect(await (await ask(stage.gateway, '/v1/key')).json()).toMatchObject({ name: 'owner', budget_nano: null })
  })
})

describe('a budget', () => {
  it.each([
    ['what is left in all', { budgetNano: 1_000n }, {}, 1_000n],
    ['what is left of the day', { budgetNano: 1_000n, dayNano: 900n }, {}, 900n],
    ['what a request of the key may cost', { budgetNano: 1_000n, requestNano: 800n }, {}, 800n],
    ['what the caller allows', { budgetNano: 1_000n, requestNano: 800n }, { max_cost: '0.0000007' }, 700n],
    ['what the node allows', {}, {}, 2_000n],
  ] as const)('bounds a request by %s', async (_, limits, body, nano) => {
    const stage = await staged(limits, costing(1n), { requestNanoMax: 2_000n })
    expect((await stage.chat(body)).status).toBe(200)
    expect(stage.asked[0]?.costNanoMax).toBe(nano)
  })

  it('holds for a request no more than its model could cost at every provider tried', async () => {
    const stage = await staged({ budgetNano: 10_000_000_000n }, costing(1n), { attemptsMax: 4 })
    await stage.chat()
    const [{ contextTokens, priceMax } = expect.unreachable()] = served
    const perMillionNano = priceMax.promptNano + priceMax.completionNano
    expect(stage.asked[0]?.costNanoMax).toBe((BigInt(4 * contextTokens) * perMillionNano) / 1_000_000n + 1n)
  })

  it('is shared by the choices of one call, which hold it once', async () => {
    const stage = await staged({ budgetNano: 1_000n }, costing(100n), { requestNanoMax: 2_000n })
    expect((await stage.chat({ n: 2, max_cost: '0.0000009' })).status).toBe(200)
    expect(stage.asked.map(({ costNanoMax }) => costNanoMax)).toEqual([450n, 450n])
    await quiet()
    expect(stage.budgets.standing(stage.key)).toMatchObject({ spentNano: 200n, heldNano: 0n })
  })

  it('that is gone is a 402 saying what is left of it, before anything is asked of the mesh', async () => {
    const stage = await staged({ budgetNano: 100n }, costing(100n))
    expect((await stage.chat()).status).toBe(200)
    const response = await stage.chat()
    expect(response.headers.get('x-silkmesh-budget')).toBe('key')
    expect(response.headers.get('x-silkmesh-budget-left-nano')).toBe('0')
    expect(response.headers.get('x-should-retry')).toBe('false')
    expect(response.headers.get('retry-after')).toBe(null)
    expect(await errorOf(response)).toMatchObject({
      status: 402,
      error: {
        code: 'over-budget',
        type: 'insufficient_quota',
        message: '0 GRAM are left of the 0.0000001 GRAM of the key "ci"',
        budget: 'key',
        left_nano: '0',
      },
    })
    expect(stage.asked.length).toBe(1)
  })

  it('of a day that is gone says when the next one begins', async () => {
    const stage = await staged({ dayNano: 100n }, costing(100n))
    await stage.chat()
    const response = await stage.chat()
    expect(response.status).toBe(402)
    expect(response.headers.get('retry-after')).toBe('6400') // 22:13:20 UTC
    expect(await response.json()).toMatchObject({ error: { budget: 'day' } })
    await stage.clock.advance(6_400_000)
    expect((await stage.chat()).status).toBe(200)
  })

  it('too small for the prompt is a 402 that says whose it is', async () => {
    const tooDear = new MeshError(
      'over-budget',
      'the prompt may cost 200 nano, and of the 100 that this request may cost 0 are spent',
    )
    const stage = await staged({ dayNano: 100n }, failing(tooDear))
    const response = await stage.chat()
    expect(response.headers.get('x-silkmesh-budget')).toBe('day')
    expect(await errorOf(response)).toMatchObject({
      status: 402,
      error: {
        message: `${tooDear.message}; 0.0000001 GRAM are left of the 0.0000001 GRAM of the key "ci" today (UTC)`,
        left_nano: '100',
      },
    })
    expect(stage.budgets.standing(stage.key)).toMatchObject({ spentNano: 0n, heldNano: 0n })
  })

  it('is held while a request runs, and given back when its client leaves', async () => {
    const { script, cleaned } = hanging(accepted, delta('a'))
    const stage = await staged({ budgetNano: 100n }, async function* (request, signal) {
      try {
        return yield* script(request, signal)
      } finally {
        request.spent?.(30n)
      }
    })
    const streaming = await stage.chat({ stream: true })
    expect((await stage.chat()).status).toBe(402)
    await streaming.body?.cancel()
    await cleaned
    await quiet()
    expect(stage.budgets.standing(stage.key)).toMatchObject({ spentNano: 30n, heldNano: 0n, leftNano: 70n })
  })

  it('pays nothing for a request that nobody accepted', async () => {
    const stage = await staged({ budgetNano: 100n }, failing(new MeshError('busy', 'every slot is taken')))
    expect((await stage.chat()).status).toBe(503)
    await quiet()
    expect(stage.budgets.standing(stage.key)).toMatchObject({ spentNano: 0n, heldNano: 0n })
  })

  it('counts in full what was accepted and never accounted for', async () => {
    const stage = await staged({ budgetNano: 100n }, failing(new MeshError('internal', 'lost'), accepted, delta('a')))
    expect((await stage.chat()).status).toBe(500)
    await quiet()
    expect(stage.budgets.standing(stage.key)).toMatchObject({ spentNano: 100n, heldNano: 0n })
  })

  it('that cannot be written down serves nobody', async () => {
    const store = new MemoryStore()
    const budgets = await Budgets.open(store, new ManualClock(nowMs))
    const stage = await staged({ budgetNano: 100n }, costing(1n), { budgets })
    store.fail(new MeshError('store-failed', 'the disk is full'))
    expect((await stage.chat()).status).toBe(503)
    expect(stage.asked).toEqual([])
    expect((await chat(stage.gateway, {})).status).toBe(200) // the owner's key is under no budget
  })

  it('is never exceeded by requests that run at once', async () => {
    const release = Promise.withResolvers<void>()
    let costNano = 0n
    const stage = await staged(
      { budgetNano: 1_000n, requestNano: 300n },
      async function* ({ costNanoMax = 0n, spent }) {
        yield accepted
        await release.promise
        costNano += costNanoMax
        spent?.(costNanoMax)
        return { ...result, costNano: costNanoMax }
      },
    )
    const answers = Array.from({ length: 10 }, () => stage.chat())
    await quiet()
    release.resolve()
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200).length).toBe(4) // 300, 300, 300 and the last 100
    expect(statuses.filter((status) => status === 402).length).toBe(6)
    expect(costNano).toBe(1_000n)
  })
})

describe('the choices of one call', () => {
  const ended = new AbortController()
  const parts = async (script: Script) => ({
    inference: inferenceOf(script),
    budgets: await Budgets.open(new MemoryStore(), new ManualClock(nowMs)),
    requestNanoMax: 10_000n,
    attemptsMax: 1,
  })
  const request: InferenceRequest = { model: 'tiny', messages: [], sampling: {} }
  const { signal } = new AbortController()

  it('share one hold, which ends with the call', async () => {
    const call = new AbortController()
    const { key } = made({ budgetNano: 1_000n })
    const ceilings: unknown[] = []
    const all = await parts((asked, signal) => {
      ceilings.push(asked.costNanoMax)
      return costing(100n)(asked, signal)
    })
    const mesh = keyed(all, key, { choices: 3, ended: call.signal })
    await Promise.all([1, 2, 3].map(() => drain(mesh.infer({ ...request, costNanoMax: 900n }, signal))))
    expect(ceilings).toEqual([300n, 300n, 300n])
    expect(all.budgets.standing(key)).toMatchObject({ heldNano: 900n, running: 1 })
    call.abort()
    await quiet()
    expect(all.budgets.standing(key)).toMatchObject({ heldNano: 0n, spentNano: 300n })
  })

  it('may not be more than were said', async () => {
    const { key } = made({ budgetNano: 1_000n })
    const ceilings: unknown[] = []
    const all = await parts((asked, signal) => {
      ceilings.push(asked.costNanoMax)
      return costing(asked.costNanoMax ?? 0n)(asked, signal)
    })
    const mesh = keyed(all, key, { choices: 1, ended: ended.signal })
    await drain(mesh.infer(request, signal))
    await drain(mesh.infer(request, signal))
    expect(ceilings).toEqual([1_000n, 0n])
  })

  it('share the owner’s max_cost too', async () => {
    const ceilings: unknown[] = []
    const all = await parts((asked, signal) => {
      ceilings.push(asked.costNanoMax)
      return costing(1n)(asked, signal)
    })
    const mesh = keyed(all, 'owner', { choices: 2, ended: ended.signal })
    await drain(mesh.infer({ ...request, costNanoMax: 900n }, signal))
    await drain(mesh.infer(request, signal))
    expect(ceilings).toEqual([450n, undefined])
  })

  it('left before the hold is on disk cost nothing', async () => {
    const call = new AbortController()
    const { key } = made({ budgetNano: 1_000n })
    const store = new MemoryStore()
    const budgets = await Budgets.open(store, new ManualClock(nowMs))
    store.hold()
    const mesh = keyed({ ...(await parts(costing(5n))), budgets }, key, { choices: 1, ended: call.signal })
    const events = mesh.infer(request, signal)
    const first = events.next()
    const left = events.return({ ...result })
    call.abort()
    await quiet()
    expect(budgets.standing(key).heldNano).toBe(1_000n)
    store.flush()
    await first
    await left
    await quiet()
    expect(budgets.standing(key).heldNano).toBe(0n)
  })
})

async function drain(events: AsyncGenerator<InferenceEvent, unknown>): Promise<void> {
  for await (const _ of events);
}

describe('a key at rest', () => {
  it('comes back as it was, and holds nothing of the secret but its first digits', () => {
    const { key, secret } = made({ budgetNano: 5n, expiresAtMs: 9, models: ['a'], dayNano: 4n, requestNano: 3n })
    expect(decodeKey(encodeKey(key))).toEqual(key)
    expect(encodeKey(key)).not.toContain(secret.slice('sk-silkmesh-'.length + 6))
    expect(secret).toBe(`sk-silkmesh-${'5a'.repeat(32)}`)
  })

  it.each([
    ['{"budgetNano":5}', 'budgetNano is 5'],
    ['{"dayNano":"-5"}', 'dayNano is "-5"'],
    ['{"budgetHour":"5"}', 'unknown field "budgetHour"'],
    ['{"models":[]}', 'models is []'],
    ['{"models":[""]}', 'models holds ""'],
    ['{"expiresAtMs":"soon"}', 'expiresAtMs is "soon"'],
    ['{"sha256":"5a"}', 'sha256 is "5a"'],
  ])('is not guessed at: %s', (change, message) => {
    const fields: unknown = JSON.parse(encodeKey(made({}).key))
    expect(() => decodeKey(JSON.stringify({ ...Object(fields), ...Object(JSON.parse(change)) }))).toThrow(message)
  })

  it.each(['', 'A', 'a b', '../a', '-a', '.a', 'a/b', 'a'.repeat(49)])('is not called %j', (name) => {
    expect(() => parseKeyName(name)).toThrow('is no name for a key')
  })
})
