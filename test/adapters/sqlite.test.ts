// The store against what disks and processes do: kill -9, torn writes, damage, full disks, two nodes on one home.

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type OpenStore, openStore } from '../../node/adapters/sqlite.ts'
import { MeshError } from '../../protocol/errors.ts'

const entryBytesMax = 65_536
const child = fileURLToPath(new URL('sqlite.child.ts', import.meta.url))

function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'silkmesh-store-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  return home
}

function open(path: string): OpenStore {
  const store = openStore({ path, entryBytesMax })
  onTestFinished(() => store.close())
  return store
}

function start(...command: readonly string[]): ChildProcessWithoutNullStreams {
  const [program = '', ...rest] = command
  const started = spawn(program, rest)
  onTestFinished(() => {
    started.kill('SIGKILL')
  })
  return started
}

async function firstLine(started: ChildProcessWithoutNullStreams): Promise<string> {
  for await (const line of createInterface({ input: started.stdout })) return line
  throw new Error('the child printed nothing')
}

function failureOf(run: () => unknown): MeshError {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(MeshError)
    if (error instanceof MeshError) return error
  }
  throw new Error('expected a MeshError')
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const numbersOf = (entries: readonly Uint8Array[]): number[] =>
  entries.map((entry) => Buffer.from(entry).readUInt32LE(0))
const isContiguous = (numbers: readonly number[]): boolean =>
  numbers.every((number, index) => index === 0 || number === (numbers[index - 1] ?? 0) + 1)

describe('a process killed with -9', () => {
  test('has lost nothing it acknowledged, twenty times on one store', async () => {
    const path = join(temporaryHome(), 'store.db')
    for (let round = 0; round < 20; round += 1) {
      const writer = start(process.execPath, child, path, 'append')
      let acknowledged = -1
      let lines = 0
      for await (const line of createInterface({ input: writer.stdout })) {
        acknowledged = Number(line)
        lines += 1
        // Another point each round, on both sides of the log's compaction; what was still printed is read to its end.
        if (lines === 1 + round * 47) writer.kill('SIGKILL')
      }
      const store = openStore({ path, entryBytesMax })
      const numbers = numbersOf(await store.read('numbers'))
      await store.close()
      expect(lines).toBeGreaterThan(0)
      expect(isContiguous(numbers)).toBe(true)
      expect(numbers.at(-1)).toBeGreaterThanOrEqual(acknowledged)
    }
  })

  test('holds no lock any more', async () => {
    const path = join(temporaryHome(), 'store.db')
    const holder = start(process.execPath, child, path, 'hold')
    await firstLine(holder)
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    await open(path).append('vouchers', text('a'))
  })
})

describe('a write torn by a power cut', () => {
  test('leaves whole groups from the beginning, wherever it was torn', async () => {
    const home = temporaryHome()
    const path = join(home, 'store.db')
    const store = open(path)
    for (let group = 0; group < 10; group += 1) {
      await Promise.all([0, 1, 2].map((part) => store.append('groups', text(`${group}.${part}`))))
    }
    const walBytes = statSync(`${path}-wal`).size
    const lengths = new Set<number>()
    for (let cut = 0; cut <= 40; cut += 1) {
      const torn = join(home, `torn-${cut}.db`)
      copyFileSync(path, torn)
      copyFileSync(`${path}-wal`, `${torn}-wal`)
      truncateSync(`${torn}-wal`, Math.floor((walBytes * cut) / 40))
      const reopened = openStore({ path: torn, entryBytesMax })
      const entries = (await reopened.read('groups')).map((entry) => new TextDecoder().decode(entry))
      await reopened.close()
      expect(entries).toEqual(
        Array.from({ length: entries.length }, (_, index) => `${Math.floor(index / 3)}.${index % 3}`),
      )
      lengths.add(entries.length)
    }
    expect([...lengths]).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30])
  })
})

describe('a home in use', () => {
  test('by another process is refused, naming the file and that process', async () => {
    const path = join(temporaryHome(), 'store.db')
    const holder = start(process.execPath, child, path, 'hold')
    expect(await firstLine(holder)).toBe('holding')
    const failure = failureOf(() => openStore({ path, entryBytesMax }))
    expect(failure.code).toBe('store-failed')
    expect(failure.message).toContain(`${path} is in use by process ${holder.pid}`)
  })

  test('by this process is refused too', () => {
    const path = join(temporaryHome(), 'store.db')
    open(path)
    expect(failureOf(() => openStore({ path, entryBytesMax })).message).toContain(`process ${process.pid}`)
  })

  test('is free again after close', async () => {
    const path = join(temporaryHome(), 'store.db')
    await open(path).close()
    await open(path).append('vouchers', text('a'))
  })
})

describe('what is not a store', () => {
  async function filled(entries: number): Promise<string> {
    const path = join(temporaryHome(), 'store.db')
    const store = openStore({ path, entryBytesMax })
    for (let index = 0; index < entries; index += 1)
      await store.append('vouchers', text(`voucher ${index} `.repeat(40)))
    await store.close()
    return path
  }

  function expectRefusedUntouched(path: string, message: RegExp): void {
    const before = readFileSync(path)
    const failure = failureOf(() => openStore({ path, entryBytesMax }))
    expect(failure.code).toBe('store-failed')
    expect(failure.message).toContain(path)
    expect(failure.message).toMatch(message)
    expect(readFileSync(path).equals(before)).toBe(true)
  }

  test('a file of garbage is refused and left as it is', () => {
    const path = join(temporaryHome(), 'store.db')
    writeFileSync(path, 'not a database at all\n'.repeat(500))
    expectRefusedUntouched(path, /not a readable store.*left as it is.*restore a copy/s)
  })

  test('an empty file is refused: a store never is', () => {
    const path = join(temporaryHome(), 'store.db')
    writeFileSync(path, '')
    expectRefusedUntouched(path, /it is empty/)
  })

  test('a database of another program is refused', () => {
    const path = join(temporaryHome(), 'store.db')
    const other = new DatabaseSync(path)
    other.exec('CREATE TABLE photos (id INTEGER)')
    other.close()
    expectRefusedUntouched(path, /database of another program/)
  })

  test('a store of a later format is refused, naming both formats', async () => {
    const path = await filled(1)
    const later = new DatabaseSync(path)
    later.exec('PRAGMA user_version = 99')
    later.close()
    expectRefusedUntouched(path, /format 99 and this version of silkmesh reads 1/)
  })

  test('a store cut in half is refused', async () => {
    const path = await filled(100)
    truncateSync(path, Math.floor(statSync(path).size / 2))
    expectRefusedUntouched(path, /not a readable store/)
  })

  test('a store with an overwritten page is refused', async () => {
    const path = await filled(100)
    const bytes = readFileSync(path)
    bytes.fill(0xff, 5 * 4_096, 6 * 4_096)
    writeFileSync(path, bytes)
    expectRefusedUntouched(path, /not a readable store/)
  })

  test('an entry whose bytes changed on disk is not given out, and nothing is written after it', async () => {
    const path = await filled(3)
    const bytes = readFileSync(path)
    const at = bytes.indexOf('voucher 1')
    bytes.write('Voucher', at)
    writeFileSync(path, bytes)
    const store = open(path)
    await expect(store.read('vouchers')).rejects.toThrow(/entry 2 of log "vouchers" is not what was written/)
    await expect(store.append('vouchers', text('x'))).rejects.toMatchObject({ code: 'store-failed' })
  })
})

describe('where nothing can be written', () => {
  test('a directory in place of the file is refused and left as it is', () => {
    const path = join(temporaryHome(), 'store.db')
    mkdirSync(path, { mode: 0o755 })
    expect(failureOf(() => openStore({ path, entryBytesMax })).message).toContain(`cannot open the store ${path}`)
    expect(statSync(path).mode & 0o777).toBe(0o755)
  })

  test('a file in place of the directory is refused', () => {
    const home = join(temporaryHome(), 'home')
    writeFileSync(home, '')
    expect(failureOf(() => openStore({ path: join(home, 'store.db'), entryBytesMax })).code).toBe('store-failed')
  })

  test('a directory that may not be written is refused', ({ skip }) => {
    if (process.platform === 'win32') skip('no such permission there')
    const home = join(temporaryHome(), 'home')
    mkdirSync(home, { mode: 0o555 })
    asOrdinaryUser(() => {
      const failure = failureOf(() => openStore({ path: join(home, 'store.db'), entryBytesMax }))
      expect(failure.message).toMatch(/cannot open the store .*EACCES.*--home/s)
    })
  })

  /** Root may write anywhere, so it steps down to an unnamed user meanwhile. */
  function asOrdinaryUser(run: () => void): void {
    const root = process.getuid?.() === 0
    if (root) process.seteuid?.(65_534)
    try {
      run()
    } finally {
      if (root) process.seteuid?.(0)
    }
  }

  test('a full disk rejects the append and every later one, and what was acknowledged stays', async ({ skip }) => {
    const home = temporaryHome()
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', home], { stdio: 'ignore' })
    } catch {
      skip('mounting a small disk needs root on Linux')
    }
    onTestFinished(() => {
      execFileSync('umount', ['-l', home])
    })
    const path = join(home, 'store.db')
    const store = openStore({ path, entryBytesMax })
    let acknowledged = 0
    const fill = async (): Promise<void> => {
      for (;;) {
        await store.append('vouchers', new Uint8Array(10_000))
        acknowledged += 1
      }
    }
    await expect(fill()).rejects.toMatchObject({
      code: 'store-failed',
      message: expect.stringMatching(/store\.db could not be written.*full.*free space/s),
    })
    await expect(store.append('vouchers', text('small'))).rejects.toMatchObject({ code: 'store-failed' })
    await expect(store.rewrite('vouchers', [])).rejects.toMatchObject({ code: 'store-failed' })
    await store.close()
    expect(acknowledged).toBeGreaterThan(10)
    expect(await open(path).read('vouchers')).toHaveLength(acknowledged)
  })

  test('a write that fails ends the service, and what was acknowledged is there', async ({ skip }) => {
    if (process.platform === 'win32') skip('no limit on file sizes there')
    const path = join(temporaryHome(), 'store.db')
    // 128 KiB a file: SQLite's write then fails with an input/output error.
    const writer = start('bash', '-c', 'ulimit -f 128; exec "$@"', 'bash', process.execPath, child, path, 'append')
    const [errors, lines] = await Promise.all([collect(writer.stderr), collect(writer.stdout)])
    expect(errors).toMatch(/could not be written or read \(.+\): nothing is stored any more/)
    const acknowledged = Number(lines.trimEnd().split('\n').at(-1))
    expect(acknowledged).toBeGreaterThan(0)
    const numbers = numbersOf(await open(path).read('numbers'))
    expect(isContiguous(numbers)).toBe(true)
    expect(numbers.at(-1)).toBeGreaterThanOrEqual(acknowledged)
  })

  async function collect(stream: AsyncIterable<Buffer>): Promise<string> {
    let all = ''
    for await (const chunk of stream) all += chunk.toString()
    return all
  }
})

describe('the files', () => {
  test('are for their owner alone', async ({ skip }) => {
    if (process.platform === 'win32') skip('no such permissions there')
    const home = join(temporaryHome(), 'deep', 'home')
    const path = join(home, 'store.db')
    await open(path).append('vouchers', text('a'))
    expect(statSync(home).mode & 0o777).toBe(0o700)
    for (const file of [path, `${path}-wal`, `${path}.pid`]) expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test('are the store alone once it is closed', async () => {
    const path = join(temporaryHome(), 'store.db')
    const store = openStore({ path, entryBytesMax })
    await store.append('vouchers', text('a'))
    await store.close()
    await store.close()
    expect([existsSync(path), existsSync(`${path}-wal`), existsSync(`${path}.pid`)]).toEqual([true, false, false])
  })

  test('take nothing more after close', async () => {
    const store = open(join(temporaryHome(), 'store.db'))
    const last = store.append('vouchers', text('in time'))
    await store.close()
    await last
    await expect(store.append('vouchers', text('too late'))).rejects.toThrow(/is closed/)
  })
})

describe('a group', () => {
  test('larger than the bound of what waits in memory is written all the same', async () => {
    const store = open(join(temporaryHome(), 'store.db'))
    const appended = Array.from({ length: 10_000 }, (_, index) => store.append('vouchers', text(String(index))))
    await Promise.all(appended)
    const entries = await store.read('vouchers')
    expect(entries.map((entry) => new TextDecoder().decode(entry))).toEqual(appended.map((_, index) => String(index)))
  })

  test.each(['', 'x'.repeat(65)])('refuses a log named "%s"', async (log) => {
    const store = open(join(temporaryHome(), 'store.db'))
    await expect(store.append(log, text('a'))).rejects.toThrow(RangeError)
    await expect(store.read(log)).rejects.toThrow(RangeError)
  })
})
