// Modelled ports under a test that knows no virtual time: whatever is awaited makes time pass until it settles.

import type { Kernel } from '../../sim/kernel.ts'

/** Long enough for anything a port waits for. */
const stretchMs = 600_000

/** Works that time passes for, by kernel. */
const pending = new WeakMap<Kernel, number>()

/** The very promise, which settles in the order in which others do. */
export function drive<T>(kernel: Kernel, work: Promise<T>): Promise<T> {
  const before = pending.get(kernel) ?? 0
  pending.set(kernel, before + 1)
  const done = (): void => {
    pending.set(kernel, (pending.get(kernel) ?? 1) - 1)
  }
  work.then(done, done)
  if (before === 0) void kernel.run(kernel.now() + stretchMs, () => pending.get(kernel) === 0)
  return work
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
