// A bounded map drops what was kept longest ago, and nothing else.

import { expect, test } from 'vitest'
import { keep } from '../../protocol/keep.ts'

test('everything is kept up to the bound', () => {
  const map = new Map<string, number>()
  for (const [at, name] of ['a', 'b', 'c'].entries()) keep(map, name, at, 3)
  expect([...map.keys()]).toEqual(['a', 'b', 'c'])
})

test('one more drops the oldest', () => {
  const map = new Map<string, number>()
  for (const [at, name] of ['a', 'b', 'c', 'd'].entries()) keep(map, name, at, 3)
  expect([...map.keys()]).toEqual(['b', 'c', 'd'])
})

test('what is kept again is the newest, with its new value', () => {
  const map = new Map<string, number>()
  for (const [at, name] of ['a', 'b', 'c', 'a', 'd'].entries()) keep(map, name, at, 3)
  expect([...map]).toEqual([
    ['c', 2],
    ['a', 3],
    ['d', 4],
  ])
})

test('what was kept comes back', () => {
  expect(keep(new Map<string, number>(), 'a', 7, 1)).toBe(7)
})
