// When a provider serves: its hours in its own zone, and a pause by whoever runs it.

import '../seed.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Overrides } from '../../node/config.ts'
import { changesAtMs, isOpenAt, parseSchedule } from '../../node/provider/schedule.ts'
import { decodeAdvert } from '../../protocol/advert.ts'
import { advertProtocol } from '../../protocol/ids.ts'
import { quiet } from '../manual-clock.ts'
import { countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { Payer } from './payer.ts'
import { addressOfNumber, identityOf } from './peers.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** A Monday, midnight UTC. */
const mondayMs = Date.UTC(2026, 5, 1)
const at = (day: number, time: string): number => {
  const [hour = 0, minute = 0] = time.split(':').map(Number)
  return mondayMs + day * dayMs + hour * hourMs + minute * 60_000
}

describe('hours', () => {
  test.each([
    ['22:00-07:00', 0, '21:59', false],
    ['22:00-07:00', 0, '22:00', true],
    ['22:00-07:00', 1, '06:59', true],
    ['22:00-07:00', 1, '07:00', false],
    ['sat', 5, '00:00', true],
    ['sat', 5, '23:59', true],
    ['sat', 6, '00:00', false],
    ['mon-fri', 4, '12:00', true],
    ['mon-fri', 5, '12:00', false],
    ['sat-mon', 0, '12:00', true],
    ['sat-mon', 1, '12:00', false],
    ['fri 22:00-02:00', 5, '01:59', true],
    ['fri 22:00-02:00', 4, '01:59', false],
    ['fri 22:00-02:00', 6, '01:00', false],
    ['09:00-24:00', 2, '23:59', true],
    ['09:00-24:00', 2, '00:30', false],
    ['00:00-24:00', 2, '00:30', true],
  ])('%s on day %i at %s: open %s', (entry, day, time, isOpen) => {
    expect(isOpenAt(parseSchedule([entry], 'UTC'), at(day, time))).toBe(isOpen)
  })

  test('of several entries are all of them', () => {
    const schedule = parseSchedule(['22:00-07:00', 'sat', 'sun'], 'UTC')
    expect(
      [at(0, '12:00'), at(0, '23:00'), at(5, '12:00'), at(6, '23:00')].map((ms) => isOpenAt(schedule, ms)),
    ).toEqual([false, true, true, true])
  })

  test('are those of the zone, in summer and in winter', () => {
    const schedule = parseSchedule(['22:00-23:00'], 'Europe/Berlin')
    const open = (ms: number): boolean => isOpenAt(schedule, ms)
    expect([open(Date.UTC(2026, 6, 1, 20, 30)), open(Date.UTC(2026, 6, 1, 21, 30))]).toEqual([true, false])
    expect([open(Date.UTC(2026, 0, 1, 20, 30)), open(Date.UTC(2026, 0, 1, 21, 30))]).toEqual([false, true])
  })

  test('none means always', () => {
    const schedule = parseSchedule([], 'UTC')
    expect(isOpenAt(schedule, mondayMs)).toBe(true)
    expect(changesAtMs(schedule, mondayMs)).toBeUndefined()
  })

  test('change at their edges, also where the clocks were moved in between', () => {
    const schedule = parseSchedule(['04:00-05:00'], 'Europe/Berlin')
    const evening = Date.UTC(2026, 2, 28, 20) // the clocks go forward that night
    expect(changesAtMs(schedule, evening)).toBe(Date.UTC(2026, 2, 29, 2))
    expect(changesAtMs(schedule, Date.UTC(2026, 9, 24, 20))).toBe(Date.UTC(2026, 9, 25, 3)) // and back
  })

  test('that never end never change', () => {
    expect(changesAtMs(parseSchedule(['mon-sun'], 'UTC'), at(2, '10:00'))).toBeUndefined()
  })

  const time = fc
    .tuple(fc.nat({ max: 23 }), fc.nat({ max: 59 }))
    .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`)
  const entry = fc
    .tuple(fc.constantFrom('', 'mon', 'sat', 'tue-thu', 'fri-mon'), time, time)
    .map(([days, from, to]) => `${days} ${from}-${to}`.trim())

  test('are the same until they change, and others then', () => {
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 1, maxLength: 3 }),
        fc.constantFrom('UTC', 'Asia/Kathmandu', 'America/New_York'),
        fc.nat({ max: 365 * 24 * 60 }),
        (entries, zone, minutes) => {
          const schedule = parseSchedule(entries, zone)
          const nowMs = mondayMs + minutes * 60_000 + 12_345
          const changeMs = changesAtMs(schedule, nowMs)
          const isOpen = isOpenAt(schedule, nowMs)
          const untilMs = Math.min(changeMs ?? Number.POSITIVE_INFINITY, nowMs + dayMs)
          for (let ms = nowMs; ms < untilMs; ms += 7 * 60_000) expect(isOpenAt(schedule, ms)).toBe(isOpen)
          if (changeMs === undefined) return
          expect(isOpenAt(schedule, changeMs - 1)).toBe(isOpen)
          expect(isOpenAt(schedule, changeMs)).toBe(!isOpen)
        },
      ),
      { numRuns: 60 },
    )
  })

  test.each(['', 'someday', '25:00-26:00', '22:00', 'mon-', '22:60-23:00', 'mon tue', '24:01-02:00'])(
    '"%s" is refused with an example',
    (wrong) => {
      expect(() => parseSchedule([wrong], 'UTC')).toThrow(/expected days, hours or both, such as sat/)
    },
  )

  test('of a zone that nobody knows are refused', () => {
    expect(() => parseSchedule([], 'Mars/Olympus')).toThrow('zone "Mars/Olympus", expected an IANA name')
  })
})

interface Stage {
  readonly mesh: MemoryMesh
  readonly provider: Peer
  readonly consumer: Peer
}

async function stageOf(config: Overrides = {}, tokenMs = 10): Promise<Stage> {
  const mesh = new MemoryMesh()
  const consumer = await mesh.start({ number: 1, roles: { consumer: { escrow: mesh.escrow(1) } } })
  const provider = await mesh.start({
    number: 2,
    roles: { provider: { payout: addressOfNumber(0x22) } },
    engine: countingEngine({ pause: () => mesh.clock.sleep(tokenMs), slots: 1 }),
    config,
  })
  await mesh.clock.advance(2_000)
  return { mesh, provider, consumer }
}

/** What it offers, by its own word and as another peer has heard. */
async function offered({ consumer, mesh, provider }: Stage): Promise<readonly [own: number, heard: number]> {
  const stream = await mesh.networkOf(identityOf(7)).open(provider.identity.peerId, advertProtocol)
  const adverts: Uint8Array[] = []
  for await (const bytes of stream.frames) adverts.push(bytes)
  const own = adverts.map((bytes) => decodeAdvert(bytes).offers.length)[0] ?? -1
  return [own, consumer.node.directory.candidates('m').length]
}

describe('a pause', () => {
  test('withdraws what is offered, and resuming offers it again', async () => {
    const stage = await stageOf()
    expect(await offered(stage)).toEqual([1, 1])
    stage.provider.node.serving?.pause()
    await stage.mesh.clock.advance(2_000)
    expect(await offered(stage)).toEqual([0, 0])
    stage.provider.node.serving?.resume()
    await stage.mesh.clock.advance(2_000)
    expect(await offered(stage)).toEqual([1, 1])
    expect(stage.provider.events.filter(({ type }) => type === 'serving-changed')).toMatchObject([
      { state: 'paused' },
      { state: 'open' },
    ])
  })

  test('lets what runs finish, and turns away what waits and what comes', async () => {
    const { mesh, provider } = await stageOf()
    const running = await Payer.open(mesh, 11, provider.identity.peerId)
    await mesh.clock.advance(100)
    const waiting = await Payer.open(mesh, 12, provider.identity.peerId)
    expect(waiting.of('queued')).toHaveLength(1)
    provider.node.serving?.pause()
    await quiet()
    const late = await Payer.open(mesh, 13, provider.identity.peerId)
    const refusal = { code: 'draining', message: 'this provider is paused', retryAfterMs: undefined }
    expect(waiting.of('fail')).toMatchObject([refusal])
    expect(late.of('fail')).toMatchObject([refusal])
    expect(provider.node.serving).toMatchObject({ state: 'paused', active: 1, queued: 0 })
    await mesh.clock.advance(5_000)
    expect(running.of('end')).toMatchObject([{ finish: 'length' }])
  })

  test('twice is one, and ends with one resume', async () => {
    const { provider } = await stageOf()
    provider.node.serving?.pause()
    provider.node.serving?.pause()
    provider.node.serving?.resume()
    expect(provider.node.serving?.state).toBe('open')
    expect(provider.events.filter(({ type }) => type === 'serving-changed')).toHaveLength(2)
  })

  test('does not keep the node from stopping', async () => {
    const { mesh, provider } = await stageOf()
    provider.node.serving?.pause()
    await mesh.clock.finish(provider.node.stop())
    provider.node.serving?.resume()
    expect(provider.events.at(-1)).not.toMatchObject({ type: 'advert-published', models: ['m'] })
  })
})

describe('a provider with hours', () => {
  /** The mesh's clock begins on a Friday at 08:00 UTC. */
  const hours = { provider: { schedule: ['22:00-07:00'] }, settlement: { intervalMs: hourMs } }
  const untilOpenMs = 14 * hourMs

  test('offers nothing outside of them, and refuses with the time until they begin', async () => {
    const stage = await stageOf(hours)
    expect(new Date(stage.mesh.clock.now()).toISOString()).toBe('2027-01-15T08:00:02.000Z')
    expect(await offered(stage)).toEqual([0, 0])
    expect(stage.provider.node.serving).toMatchObject({ state: 'closed' })
    const payer = await Payer.open(stage.mesh, 11, stage.provider.identity.peerId)
    expect(payer.of('fail')).toMatchObject([
      { code: 'draining', message: 'this provider is outside its hours', retryAfterMs: untilOpenMs - 2_000 },
    ])
  })

  test('opens when they begin and closes when they end, and what runs then finishes', async () => {
    const stage = await stageOf(hours, 1_000)
    await stage.mesh.clock.advance(untilOpenMs)
    expect(stage.provider.node.serving).toMatchObject({ state: 'open' })
    expect(await offered(stage)).toEqual([1, 1])
    await stage.mesh.clock.advance(9 * hourMs - 10_000)
    const payer = await Payer.open(stage.mesh, 11, stage.provider.identity.peerId, { sampling: { tokensMax: 20 } })
    await stage.mesh.clock.advance(10_000)
    expect(stage.provider.node.serving).toMatchObject({ state: 'closed', active: 1 })
    expect(await offered(stage)).toEqual([0, 0])
    await stage.mesh.clock.advance(15_000)
    expect(payer.of('end')).toMatchObject([{ finish: 'length', receipt: { usage: { completionTokens: 20 } } }])
  })

  test('that is paused when they begin stays paused', async () => {
    const stage = await stageOf(hours)
    stage.provider.node.serving?.pause()
    await stage.mesh.clock.advance(untilOpenMs)
    expect(stage.provider.node.serving).toMatchObject({ state: 'paused' })
    stage.provider.node.serving?.resume()
    expect(stage.provider.node.serving).toMatchObject({ state: 'open' })
  })
})
