// The store on disk keeps the store's contract, also on a disk that is full.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openStore } from '../../node/adapters/sqlite.ts'
import { type StoreUnderTest, storeContract } from './store.contract.ts'

const entryBytesMax = 65_536

async function make(home: string): Promise<StoreUnderTest> {
  const open = (): ReturnType<typeof openStore> => openStore({ path: join(home, 'store.db'), entryBytesMax })
  const filler = join(home, 'filler')
  let store = open()
  onTestFinished(() => store.close())
  return {
    store,
    entryBytesMax,
    faults: { ENOSPC: () => writeFileSync(filler, new Uint8Array(freeBytes(home))) },
    // In one process a lock outlives a crash, so this closes; the crash itself is test/adapters/sqlite.test.ts.
    reopen: async () => {
      await store.close()
      rmSync(filler, { force: true })
      store = open()
      return store
    },
  }
}

function freeBytes(home: string): number {
  const { bavail, bsize } = statfsSync(home)
  return bavail * bsize
}

function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'silkmesh-store-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  return home
}

storeContract('sqlite', () => make(temporaryHome()))

/** A small disk of its own, which only root on Linux may have. */
function smallDisk(): string {
  const home = temporaryHome()
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', home], { stdio: 'ignore' })
  onTestFinished(() => {
    execFileSync('umount', ['-l', home])
  })
  return home
}

function mayMount(): boolean {
  const home = mkdtempSync(join(tmpdir(), 'silkmesh-store-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', home], { stdio: 'ignore' })
    execFileSync('umount', [home])
    return true
  } catch {
    return false
  } finally {
    rmSync(home, { recursive: true })
  }
}

if (mayMount()) storeContract('sqlite on a small disk', async () => make(smallDisk()), ['ENOSPC'])
