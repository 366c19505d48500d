// A model's file: where it is, that it is one, and the hash of its weights.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const builtinModelPath = fileURLToPath(new URL('../../models/silkmesh-tiny.gguf', import.meta.url))

/** Below this a hash takes no noticeable time and is not remembered. */
const cachedBytesMin = 64 * 1024 * 1024

/** `undefined` for an `hf:` URI, which must be downloaded. Throws `RangeError` for another scheme. */
export function pathOfModel(model: string): string | undefined {
  if (model === 'builtin') return builtinModelPath
  if (/^hf:[^/]+\/[^/:]+([/:][^/:].*)?$/.test(model)) return undefined
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(model)?.[1] // two letters at least: C:\ is a path
  if (scheme !== undefined) {
    throw new RangeError(`model "${model}", expected builtin, a path to a GGUF file, or hf:owner/repository/file.gguf`)
  }
  return resolve(model)
}

/** Every file of the model: one, or all parts of a split one. Throws `RangeError` when one is missing or no GGUF. */
export async function checkModelFiles(path: string): Promise<readonly string[]> {
  const files = partsOf(path)
  for (const file of files) await checkGguf(file)
  return files
}

/** A name for people: the file's own, without what says that it is a GGUF. A download's is the one at its source. */
export function nameOfModel(model: string, path: string): string {
  const [, repository, quantization, file] = /^hf:[^/]+\/([^/:]+)(?::([^/]+)|\/([^#]+))?/.exec(model) ?? []
  if (quantization !== undefined) return `${repository}-${quantization}`
  return basename(file ?? path).replace(/(-00001-of-\d{5})?\.gguf$/i, '')
}

/** `model-00001-of-00003.gguf` is loaded with its two siblings. */
function partsOf(path: string): readonly string[] {
  const split = /^(.*)-00001-of-(\d{5})\.gguf$/.exec(basename(path))
  if (!split) return [path]
  const [, stem = '', count = '1'] = split
  return Array.from({ length: Number(count) }, (_, part) =>
    join(dirname(path), `${stem}-${String(part + 1).padStart(5, '0')}-of-${count}.gguf`),
  )
}

/** A name's length, an empty name's type and the smallest value: no tensor or metadata entry is shorter. */
const ggufEntryBytesMin = 13n

/** Native code would end the process on some of these; a person gets the path and the reason instead. */
async function checkGguf(path: string): Promise<void> {
  const head = Buffer.alloc(24)
  let bytesRead: number
  let size: number
  try {
    const file = await open(path, 'r')
    try {
      bytesRead = (await file.read(head, 0, head.length, 0)).bytesRead
      size = (await file.stat()).size
    } finally {
      await file.close()
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') throw new RangeError(`model file ${path} does not exist`)
    if (code === 'EISDIR') throw new RangeError(`model ${path} is a directory, expected a GGUF file`)
    if (code === 'EACCES') throw new RangeError(`model file ${path} may not be read by this user`)
    throw error
  }
  if (bytesRead < 8 || head.toString('latin1', 0, 4) !== 'GGUF') {
    const seen = head.toString('hex', 0, Math.min(4, bytesRead))
    throw new RangeError(
      `${path} is not a GGUF file: it begins with ${seen || 'nothing'}, expected 47475546 ("GGUF"). ` +
        'Other formats are converted with the scripts of llama.cpp',
    )
  }
  // A reader that trusts these counts takes what lies past the end for zeros, and loops over as many as are claimed.
  const entries = head.readBigUInt64LE(8) + head.readBigUInt64LE(16)
  if (bytesRead < head.length || entries * ggufEntryBytesMin > BigInt(size)) {
    throw new RangeError(`${path} is damaged: it claims ${entries} entries in ${size} bytes; download it again`)
  }
}

/**
 * SHA-256 over the files' bytes in order. That of a big file is remembered in `modelsDir` by path, size and time of
 * change, so that only the first start reads it all.
 */
export async function sha256OfFiles(
  files: readonly string[],
  modelsDir: string,
  onProgress: (ratio: number) => void,
): Promise<Uint8Array> {
  const stats = await Promise.all(files.map((file) => stat(file, { bigint: true })))
  const bytesTotal = stats.reduce((sum, { size }) => sum + Number(size), 0)
  const identity = files.map((file, at) => [file, String(stats[at]?.size), String(stats[at]?.mtimeNs)])
  const cachePath =
    bytesTotal < cachedBytesMin
      ? undefined
      : join(modelsDir, 'sha256', createHash('sha256').update(JSON.stringify(identity)).digest('hex'))
  const cached = cachePath === undefined ? undefined : await remembered(cachePath)
  if (cached) return cached

  const hash = createHash('sha256')
  let bytesDone = 0
  for (const file of files) {
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
      hash.update(chunk)
      bytesDone += chunk.length
      onProgress(bytesDone / bytesTotal)
    }
  }
  const digest = hash.digest()
  if (cachePath !== undefined) await remember(cachePath, digest).catch(() => undefined) // then the next start hashes again
  return digest
}

async function remembered(path: string): Promise<Uint8Array | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    return /^[0-9a-f]{64}$/.test(text) ? Buffer.from(text, 'hex') : undefined
  } catch {
    return undefined // not hashed yet, or unreadable: hashing again is always right
  }
}

/** Written beside and renamed: several nodes of one machine may share the directory. */
async function remember(path: string, digest: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const partial = `${path}.${process.pid}`
  await writeFile(partial, Buffer.from(digest).toString('hex'))
  await rename(partial, path)
}
