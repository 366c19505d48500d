// The store as the parts of a node see it: its first failure is the last thing it does, and the node hears of it. After a failed sync
// nobody can know what reached the disk, so nothing is tried again that could look as if it had.

import { MeshError } from '../protocol/errors.ts'
import type { Store } from './ports.ts'

/** `failed` is told once. What a store refuses and goes on after, such as an entry too large, is no failure. */
export function guarded(store: Store, failed: (error: MeshError) => void): Store {
  let failure: MeshError | undefined
  const once = async <T>(work: () => Promise<T>): Promise<T> => {
    if (failure) throw failure
    try {
      return await work()
    } catch (error) {
      if (failure) throw failure
      if (!(error instanceof MeshError) || error.code !== 'store-failed') throw error
      failure = error
      failed(error)
      throw error
    }
  }
  return {
    append: (log, entry) => once(() => store.append(log, entry)),
    read: (log) => once(() => store.read(log)),
    rewrite: (log, entries) => once(() => store.rewrite(log, entries)),
  }
}
