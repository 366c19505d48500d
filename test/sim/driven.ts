// Modelled ports under a test that knows no virtual time: whatever is awaited makes time pass until it settles.

import type { Kernel } from '../../sim/kernel.ts'

/** Long enough for anything a port waits for. */
const stretchMs = 600_000

/** Works that time passes for. Only one run of a kernel may be under way, or it would not wait for microtasks. */
const pumps = new WeakMap<Kernel, { pending: number; isRunning: boolean }>()

/** The very promise, which settles in the order in which others do. */
export function drive<T>(kernel: Kernel, work: Promise<T>): Promise<T> {
  const pump = pumps.get(kernel) ?? { pending: 0, isRunning: false }
  pumps.set(kernel, pump)
  pump.pending += 1
  const done = (): void => {
    pump.pending -= 1
  }
  work.then(done, done)
  if (!pump.isRunning) void run(kernel, pump)
  return work
}

/** Ends also where what is waited for never settles, as with ports of a dead node. */
async function run(kernel: Kernel, pump: { pending: number; isRunning: boolean }): Promise<void> {
  pump.isRunning = true
  do {
    await kernel.run(kernel.now() + stretchMs, () => pump.pending === 0)
    await new Promise(setImmediate) // what was asked for meanwhile has scheduled its events then
  } while (pump.pending > 0 && kernel.waiting > 0)
  pump.isRunning = false
}

/** The same port, each of whose methods drives. */
export function driven<Port extends object>(kernel: Kernel, port: Port): Port {
  return new Proxy(port, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      return (...args: readonly unknown[]): unknown => {
        const result: unknown = Reflect.apply(member, target, args)
        return result instanceof Promise ? drive(kernel, result) : result
      }
    },
  })
}
