// Files that only their owner may read, whole or not there at all.

import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { MeshError } from '../../protocol/errors.ts'

/** Read only where no other user of this machine can. Throws `bad-request` naming the mode and the command that mends it. */
export function readOwn(path: string, what: string): string {
  try {
    const mode = statSync(path).mode & 0o777
    if ((mode & 0o077) !== 0 && process.platform !== 'win32') {
      throw new MeshError(
        'bad-request',
        `${path} can be read by others on this machine (mode ${mode.toString(8)}) and holds ${what}; ` +
          `\`chmod 600 ${path}\` closes it`,
      )
    }
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw new MeshError(
      'bad-request',
      `${path} cannot be used (${reasonOf(error)}), expected ${what} in a file of this user's`,
      { cause: error },
    )
  }
}

/** The text of a key file, made where there is none. Throws `bad-request` where it has another form. */
export function keyText(path: string, form: RegExp, what: string, make: () => string): string {
  try {
    if (!existsSync(path)) createFile(path, `${make()}\n`) // where another process was first, its key counts
  } catch (cause) {
    throw new MeshError('bad-request', `${path} cannot be made (${reasonOf(cause)}), expected a home of this user's`, {
      cause,
    })
  }
  const text = readOwn(path, what).trim()
  if (form.test(text)) return text
  throw new MeshError(
    'bad-request',
    `${path} does not hold ${what}; restore it from a backup, or move it away to start with a new one, which owns nothing of what this one did`,
  )
}

/**
 * Whole and on disk before it has its name: a crash leaves no half file. False where there is one already, which is left
 * as it is.
 */
export function createFile(path: string, text: string): boolean {
  const scratch = draft(path, text)
  try {
    linkSync(scratch, path)
    syncFolder(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    unlinkSync(scratch)
  }
}

/** Whole and on disk before it takes the place of what there was. */
export function replaceFile(path: string, text: string): void {
  const scratch = draft(path, text)
  try {
    renameSync(scratch, path)
  } catch (error) {
    unlinkSync(scratch)
    throw error
  }
  syncFolder(path)
}

function draft(path: string, text: string): string {
  const scratch = `${path}.${process.pid}.new`
  rmSync(scratch, { force: true }) // of a process of this number that was killed
  const file = openSync(scratch, 'wx', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  return scratch
}

/** A name that came, went or changed is durable only once its directory is. */
export function syncFolder(path: string): void {
  if (process.platform === 'win32') return // directories cannot be opened there
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** In words: `ENOENT: no such file or directory, open 'x'` → `no such file or directory`. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return /^E[A-Z]+: ([^,]+)/.exec(message)?.[1] ?? message
}
