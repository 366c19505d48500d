// The API keys a home gave out: one file each in its `keys` folder, without the secret, so that two commands at once cannot
// undo each other's work and a running gateway sees a change at its next request.

import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../protocol/errors.ts'
import { type ApiKey, type Bearer, decodeKey, encodeKey, holderOf, type KeyRing, keyRing } from '../gateway/keys.ts'
import type { Home } from './home.ts'
import { createFile } from './private-files.ts'

/** Every one is compared with each key shown: a thousand take a third of a millisecond. */
const keysMax = 1_000
/**
 * Two changes within one tick of the file system's clock leave the folder's time the same. One is 10 ms or less on the
 * systems in use, 2 s on FAT: a folder that changed so lately is read again each time.
 */
const unsettledMs = 2_000

export class KeyFolder implements KeyRing {
  readonly #path: string
  readonly #owner: KeyRing
  readonly #damaged: (message: string) => void
  #keys: readonly ApiKey[] = []
  #digests: readonly Uint8Array[] = []
  /** The folder as it was when last read; undefined while it may have changed since. */
  #seen: string | undefined

  /** `damaged` is told of files that hold no key; nobody can use what was in them. */
  constructor({ path, apiKey }: Pick<Home, 'path' | 'apiKey'>, damaged: (message: string) => void) {
    this.#path = join(path, 'keys')
    this.#owner = keyRing([apiKey])
    this.#damaged = damaged
  }

  get size(): number {
    return this.#owner.size + this.list().length
  }

  find(secret: string): Bearer | undefined {
    this.#refresh()
    const owner = this.#owner.find(secret)
    const at = holderOf(secret, this.#digests)
    return owner ?? this.#keys[at]
  }

  list(): readonly ApiKey[] {
    this.#refresh()
    return this.#keys
  }

  /** Throws `bad-request` where there is one of this name, or no room. On disk when it returns. */
  add(key: ApiKey): void {
    if (this.list().length >= keysMax) {
      throw new MeshError(
        'bad-request',
        `${keysMax} keys exist, the most there can be; \`silkmesh keys remove\` some first`,
      )
    }
    mkdirSync(this.#path, { recursive: true, mode: 0o700 })
    if (!createFile(this.#pathOf(key.name), encodeKey(key))) {
      throw new MeshError(
        'bad-request',
        `a key "${key.name}" exists; choose another name, or \`silkmesh keys remove ${key.name}\` first`,
      )
    }
    this.#sync()
  }

  /** Throws `bad-request` where there is none of this name. Gone for good when it returns. */
  remove(name: string): void {
    try {
      unlinkSync(this.#pathOf(name))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      throw new MeshError('bad-request', `no key "${name}"; \`silkmesh keys list\` shows which there are`)
    }
    this.#sync()
  }

  #pathOf(name: string): string {
    return join(this.#path, `${name}.json`)
  }

  #refresh(): void {
    const folder = statSync(this.#path, { throwIfNoEntry: false, bigint: true })
    const now = folder ? `${folder.ino} ${folder.mtimeNs} ${folder.ctimeNs}` : 'none'
    if (now === this.#seen) return
    this.#read()
    this.#seen = !folder || Date.now() - Number(folder.mtimeMs) > unsettledMs ? now : undefined
  }

  #read(): void {
    const keys: ApiKey[] = []
    for (const file of namesIn(this.#path)) {
      try {
        const key = decodeKey(readFileSync(join(this.#path, file), 'utf8'))
        if (`${key.name}.json` !== file) throw new RangeError(`it holds the key "${key.name}"`)
        keys.push(key)
      } catch (error) {
        if (codeOf(error) === 'ENOENT') continue // removed meanwhile
        const reason = error instanceof Error ? error.message : String(error)
        this.#damaged(`${join(this.#path, file)} holds no API key (${reason}); remove it and make another key`)
      }
    }
    this.#keys = keys
    this.#digests = keys.map(({ sha256 }) => Buffer.from(sha256, 'hex'))
  }

  /** A name that came or went is durable only once its directory is. */
  #sync(): void {
    if (process.platform === 'win32') return // directories cannot be opened there
    const directory = openSync(this.#path, 'r')
    try {
      fsyncSync(directory)
    } finally {
      closeSync(directory)
    }
  }
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .slice(0, keysMax)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
