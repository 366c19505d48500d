// Profiles of modelled engines: those that come along, what is refused and how, and what is fitted to measurements.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { calibrateEngine, doubtsOf } from '../../sim/model/engine/calibrate.ts'
import { type Cost, costTerms, iterationMs } from '../../sim/model/engine/cost.ts'
import type { LoggedRequest } from '../../sim/model/engine/log.ts'
import { costOf, decodeProfile, encodeProfile, loadProfile, type Profile } from '../../sim/model/engine/profile.ts'
import { replay } from '../../sim/model/engine/replay.ts'
import { calibrateSplitwise } from '../../sim/model/engine/splitwise.ts'
import { exponential, integer, seededRandom } from '../../sim/random.ts'

const profiles = join(import.meta.dirname, '../../sim/profiles')
const data = join(import.meta.dirname, '../../../shared/data')
const splitwise = join(data, 'splitwise_perf_model.csv')
const names = readdirSync(profiles).map((file) => file.replace(/\.json$/, ''))

const folder = mkdtempSync(join(tmpdir(), 'silkmesh-profile-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('profiles', () => {
  test('those that come along load by name, say where they are from, and read back as written', () => {
    expect(names).toEqual(expect.arrayContaining(['cpu-tiny', 'rtx4090-llama3.1-8b', 'h100-llama2-70b-tp4']))
    for (const name of names) {
      const profile = loadProfile(name)
      expect(profile.name).toBe(name)
      expect(profile.source.length).toBeGreaterThan(20)
      expect(decodeProfile(JSON.parse(encodeProfile(profile)), 'again')).toEqual(profile)
    }
  })

  test.each<[string, (json: Record<string, unknown>) => unknown, string]>([
    [
      'a missing field',
      ({ kvTokens: _, ...rest }) => rest,
      'P: kvTokens is absent, expected a whole number from 1 to 1000000000',
    ],
    [
      'a fraction of a block',
      (json) => ({ ...json, blockTokens: 1.5 }),
      'P: blockTokens is 1.5, expected a whole number',
    ],
    ['a text for a number', (json) => ({ ...json, maxNumSeqs: '4' }), 'P: maxNumSeqs is "4", expected a whole number'],
    ['a field it does not know', (json) => ({ ...json, kvtokens: 1 }), 'P: kvtokens is 1, expected one of name, '],
    [
      'less memory than one context',
      (json) => ({ ...json, kvTokens: 500 }),
      'P: kvTokens is "496 in whole blocks", expected at least contextTokens, 512',
    ],
    [
      'an unknown kind',
      (json) => ({ ...json, parameters: { kind: 'guess' } }),
      'P: parameters.kind is "guess", expected "calibrated" or "spec"',
    ],
    [
      'a term below 0',
      (json) => ({ ...json, parameters: { kind: 'calibrated', cost: { stepMs: -1 } } }),
      'P: parameters.cost.stepMs is -1, expected a number from 0',
    ],
    ['a list', () => [], 'P is [], expected an object'],
  ])('%s is refused, with file and field', (_, change, message) => {
    const path = join(folder, 'p.json')
    const json: Record<string, unknown> = JSON.parse(readFileSync(join(profiles, 'cpu-tiny.json'), 'utf8'))
    writeFileSync(path, JSON.stringify(change(json)))
    expect(() => loadProfile(path)).toThrow(message.replace('P', path))
  })

  test('what is no file and no JSON is refused by its name', () => {
    expect(() => loadProfile('no-such-machine')).toThrow('profile no-such-machine cannot be read')
    const path = join(folder, 'p.json')
    writeFileSync(path, '{')
    expect(() => loadProfile(path)).toThrow(`${path} is not JSON`)
  })

  test('an iteration never takes less with more in it', () => {
    for (const name of names) {
      const cost = costOf(loadProfile(name))
      let before = 0
      for (let tokens = 1; tokens <= 4_096; tokens *= 2) {
        const takes = iterationMs(cost, { tokens, sequences: 1, contextTokens: 0, pairs: 0 })
        expect(takes).toBeGreaterThanOrEqual(before)
        before = takes
      }
    }
  })
})

describe('calibration', () => {
  const truth: Cost = {
    stepMs: 2,
    weightsMs: 12,
    tokenMs: 0.05,
    sequenceMs: 0.03,
    contextMs: 0.0002,
    pairMs: 0.000_003,
  }
  const base = loadProfile('rtx4090-llama3.1-8b-spec')

  function logOf(profile: Profile, everyMs: number): LoggedRequest[] {
    const random = seededRandom('calibration')
    let arrivalMs = 0
    const requests = Array.from({ length: 80 }, () => {
      arrivalMs += exponential(random, everyMs)
      return { arrivalMs, promptTokens: 100 + integer(random, 2_000), completionTokens: 100 + integer(random, 600) }
    })
    return replay(requests, profile, truth).map((times, at) => {
      const request = requests[at]
      if (!request) throw new Error('as many results as requests')
      return { ...request, ...times }
    })
  }

  function errorsOf(profile: Profile, log: readonly LoggedRequest[]): number {
    const replayed = replay(log, profile, costOf(profile))
    const relative = replayed.map(({ lastTokenMs, queuedMs }, at) => {
      const logged = log[at]
      return logged ? Math.abs((lastTokenMs - queuedMs) / (logged.lastTokenMs - logged.queuedMs) - 1) : 1
    })
    return relative.reduce((sum, error) => sum + error, 0) / relative.length
  }

  test('a log of a machine with other costs is reproduced', () => {
    const log = logOf(base, 400)
    const { profile } = calibrateEngine({ log, base, limits: 'base', source: 'a test' })
    expect(errorsOf(base, log)).toBeGreaterThan(0.1)
    expect(errorsOf(profile, log)).toBeLessThan(0.02)
    expect(calibrateEngine({ log, base, limits: 'base', source: 'a test' }).profile).toEqual(profile)
  })

  test('how many run at once is read from a log in which requests wait for it', () => {
    const log = logOf({ ...base, maxNumSeqs: 24, kvTokens: 400_000 }, 100)
    const { profile } = calibrateEngine({ log, base, limits: 'log', source: 'a test' })
    expect(profile.maxNumSeqs).toBe(24)
    expect(errorsOf(profile, log)).toBeLessThan(0.02)
  })

  test('the size of the memory is read from a log in which requests wait for it', () => {
    const log = logOf({ ...base, kvTokens: 24_000, contextTokens: 8_192 }, 100)
    const { profile } = calibrateEngine({ log, base, limits: 'log', source: 'a test' })
    expect(Math.abs(profile.kvTokens / 24_000 - 1)).toBeLessThan(0.05)
    expect(errorsOf(profile, log)).toBeLessThan(0.05)
  })

  test('says what a log is too poor for', () => {
    const full = logOf({ ...base, maxNumSeqs: 24, kvTokens: 400_000 }, 100)
    const many = [...full, ...full]
    expect(doubtsOf(many, { base, limits: 'log' })).toEqual([])
    expect(doubtsOf(full, { base, limits: 'log' })).toEqual([
      expect.stringMatching(/^80 requests, expected 100 or more/),
    ])
    const one = full.slice(0, 1)
    expect(doubtsOf(one, { base, limits: 'log' })).toEqual([
      expect.stringMatching(/^1 requests/),
      expect.stringMatching(/^no two requests ran at once/),
      expect.stringMatching(/^no request waited/),
    ])
    expect(doubtsOf(one, { base, limits: 'base' })).toHaveLength(2)
  })

  test.skipIf(!existsSync(splitwise))('the profile of four H100 is what the table of measurements gives', () => {
    const shipped = loadProfile('h100-llama2-70b-tp4')
    const options = { csvPath: splitwise, model: 'llama2-70b', hardware: 'h100-80gb', tensorParallel: 4, base: shipped }
    const { profile, error } = calibrateSplitwise(options)
    for (const term of costTerms) expect(costOf(profile)[term]).toBeCloseTo(costOf(shipped)[term], 6)
    expect(error).toBeLessThan(0.1)
    expect(() => calibrateSplitwise({ ...options, tensorParallel: 3 })).toThrow(
      'no llama2-70b on 3 × h100-80gb, expected one of',
    )
  })
})
