// How `silkmesh ledger` asks the node that runs for a home, which alone may read its books: by loopback, with a key that only
// the owner of the home can read.

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { asMeshError, MeshError } from '../../protocol/errors.ts'

const host = '127.0.0.1'
/** A question is one line. */
const questionCharsMax = 256
/** A check reads the chain for every payee, and once more where it differs. */
const answerMs = 300_000

export interface Question {
  /** Also compare with the chain now. */
  readonly isCheck: boolean
}

/** Answers until the function that is returned is called. */
export function openLedgerDoor(home: string, answer: (question: Question) => Promise<string>): Promise<() => void> {
  const key = randomBytes(32)
  const server = createServer((socket) => {
    let text = ''
    socket.setEncoding('utf8')
    socket.on('error', () => undefined)
    socket.on('data', (part: string) => {
      text += part
      if (text.length > questionCharsMax) socket.destroy()
      if (!text.endsWith('\n')) return
      const [stated = '', word] = text.trim().split(' ')
      const given = Buffer.from(stated, 'hex')
      if (given.length !== key.length || !timingSafeEqual(given, key)) {
        socket.destroy()
        return
      }
      answer({ isCheck: word === 'check' }).then(
        (told) => socket.end(told),
        (error: unknown) => {
          const { code, message } = asMeshError(error, 'internal')
          socket.end(JSON.stringify({ error: { code, message } }))
        },
      )
    })
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, () => {
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      writeFileSync(pathIn(home), `${JSON.stringify({ port, key: key.toString('hex') })}\n`, { mode: 0o600 })
      server.unref()
      resolve(() => {
        rmSync(pathIn(home), { force: true })
        server.close()
      })
    })
  })
}

/** Undefined where no node answers for this home. */
export async function askLedgerDoor(home: string, { isCheck }: Question): Promise<string | undefined> {
  let door: { readonly port?: unknown; readonly key?: unknown }
  try {
    door = JSON.parse(readFileSync(pathIn(home), 'utf8')) as typeof door
  } catch {
    return undefined
  }
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(Number(door.port), host, () =>
      socket.write(`${String(door.key)} ${isCheck ? 'check' : 'tell'}\n`),
    )
    socket.setEncoding('utf8')
    socket.setTimeout(answerMs, () => socket.destroy(new MeshError('timeout', `the node of ${home} did not answer`)))
    socket.on('data', (part: string) => {
      text += part
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNREFUSED' ? resolve(undefined) : reject(error),
    )
    socket.on('close', () => resolve(text === '' ? undefined : text))
  })
}

function pathIn(home: string): string {
  return join(home, 'ledger.json')
}
