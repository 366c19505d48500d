// Where the passphrase of a home's keys comes from: the environment, a file, or a person at a terminal, who does not see it.

import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { MeshError } from '../../protocol/errors.ts'
import { readOwn } from './private-files.ts'

export interface Passphrase {
  /** For a sealed file; `what` says for which. Asked of a person where nothing states it. */
  for(what: string): Promise<string>
  /** What environment or file say: with it a new home is sealed from the start. */
  stated(): string | undefined
}

export const passphraseVariable = 'SILKMESH_PASSPHRASE'

/** A passphrase of fewer characters falls to guessing whatever it costs. */
const passphraseCharsMin = 8
const passphraseCharsMax = 1_024

/** Once for a command, however often it is needed. */
export function passphraseFrom(file: string, environment: NodeJS.ProcessEnv): Passphrase {
  let known: Promise<string> | undefined
  const stated = (): string | undefined => statedIn(file, environment)
  return {
    stated,
    for: (what) => {
      known ??= (async () => stated() ?? (await ask(`Passphrase for ${what}: `)))()
      return known
    },
  }
}

/** A new one, typed twice where a person types it. */
export async function newPassphrase({ stated }: Pick<Passphrase, 'stated'>): Promise<string> {
  const given = stated()
  const passphrase = given ?? (await ask('New passphrase: '))
  assertStrong(passphrase)
  if (given === undefined && (await ask('The same again: ')) !== passphrase) {
    throw new MeshError('bad-request', 'the two passphrases differ; nothing was changed')
  }
  return passphrase
}

/** One line, not echoed on a terminal. Throws `bad-request` where nobody is there to type it. */
export async function ask(question: string): Promise<string> {
  if (process.stdin.isTTY !== true) {
    throw new MeshError(
      'bad-request',
      `a passphrase is needed and there is no terminal to ask for it; set ${passphraseVariable}, or --passphrase-file <file>`,
    )
  }
  return readLine(question, false)
}

/** A line of standard input; on a terminal after a question. '' at its end. */
export function readLine(question: string, isEchoed: boolean): Promise<string> {
  const isTerminal = process.stdin.isTTY === true
  let isMuted = false
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (!isMuted) process.stderr.write(chunk)
      done()
    },
  })
  const reader = createInterface({ input: process.stdin, output, terminal: isTerminal })
  return new Promise((resolve, reject) => {
    let line: string | undefined
    reader.once('line', (typed) => {
      line = typed
      reader.close()
    })
    reader.once('SIGINT', () => {
      reader.close()
      reject(new MeshError('cancelled', 'stopped before it was done'))
    })
    reader.once('close', () => {
      if (isMuted) process.stderr.write('\n')
      resolve(line ?? '')
    })
    if (!isTerminal) return
    reader.setPrompt(question)
    reader.prompt()
    isMuted = !isEchoed
  })
}

/** Throws `bad-request` where it is no protection. */
export function assertStrong({ length }: string): void {
  if (length >= passphraseCharsMin && length <= passphraseCharsMax) return
  throw new MeshError(
    'bad-request',
    `a passphrase of ${length} characters, expected ${passphraseCharsMin} to ${passphraseCharsMax}; five random words are good`,
  )
}

function statedIn(file: string, environment: NodeJS.ProcessEnv): string | undefined {
  if (file !== '') return readOwn(file, 'a passphrase').replace(/\r?\n$/, '')
  const text = environment[passphraseVariable]
  return text === undefined || text === '' ? undefined : text
}
