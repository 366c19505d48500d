// The virtual clock keeps the clock's contract, and dies and freezes with its node.

import { describe, expect, test } from 'vitest'
import { Kernel } from '../../sim/kernel.ts'
import { clockOf, Life } from '../../sim/life.ts'
import { drive } from '../sim/driven.ts'
import { clockContract } from './clock.contract.ts'

for (const skewMs of [0, -2_500.5]) {
  clockContract(`virtual, ${skewMs} ms off`, () => {
    const kernel = new Kernel()
    return { clock: clockOf(kernel, new Life(), skewMs), drive: (work) => drive(kernel, work) }
  })
}

describe('the clock of a node that was killed', () => {
  async function ending(begin: (signal: AbortSignal) => { life: Life; kernel: Kernel; sleep: Promise<void> }) {
    const controller = new AbortController()
    const { kernel, sleep } = begin(controller.signal)
    let ended = 'never'
    sleep.then(
      () => {
        ended = 'slept'
      },
      () => {
        ended = 'aborted'
      },
    )
    controller.abort(new Error('too late'))
    await kernel.run(kernel.now() + 1_000)
    return ended
  }

  test('ends no sleep, whatever its signal does', async () => {
    const ended = await ending((signal) => {
      const [kernel, life] = [new Kernel(), new Life()]
      const sleep = clockOf(kernel, life).sleep(10, signal)
      life.end()
      return { life, kernel, sleep }
    })
    expect(ended).toBe('never')
  })

  test('ends no sleep that begins afterwards', async () => {
    const ended = await ending(() => {
      const [kernel, life] = [new Kernel(), new Life()]
      life.end()
      return { life, kernel, sleep: clockOf(kernel, life).sleep(10, AbortSignal.abort()) }
    })
    expect(ended).toBe('never')
  })
})

test('a sleep that ends while its node is frozen ends when it is thawed, and not before', async () => {
  const [kernel, life] = [new Kernel(), new Life()]
  const order: string[] = []
  const sleep = clockOf(kernel, life)
    .sleep(10)
    .then(() => order.push('slept'))
  life.freeze()
  await kernel.run(kernel.now() + 1_000)
  order.push('thawed')
  life.thaw()
  await sleep
  expect(order).toEqual(['thawed', 'slept'])
})
