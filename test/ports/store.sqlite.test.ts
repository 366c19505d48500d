// The store on disk keeps the store's contract.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openStore } from '../../node/adapters/sqlite.ts'
import { storeContract } from './store.contract.ts'

const entryBytesMax = 65_536

storeContract('sqlite', async () => {
  const home = mkdtempSync(join(tmpdir(), 'silkmesh-store-'))
  const open = (): ReturnType<typeof openStore> => openStore({ path: join(home, 'store.db'), entryBytesMax })
  let store = open()
  onTestFinished(async () => {
    await store.close()
    rmSync(home, { recursive: true })
  })
  return {
    store,
    entryBytesMax,
    // In one process a lock outlives a crash, so this closes; the crash itself is test/adapters/sqlite.test.ts.
    reopen: async () => {
      await store.close()
      store = open()
      return store
    },
  }
})
