// `silkmesh identity`: the keys of a home – sealed by a passphrase, written down as words, restored from them, rotated.

import { text as textOf } from 'node:stream/consumers'
import { MeshError } from '../../protocol/errors.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import { phraseWords, seedOfWords, wordsOf, wordsOfSeed } from '../adapters/phrase.ts'
import { type Invocation, invocationOf } from './flags.ts'
import { existingHome, type Home } from './home.ts'
import { newPassphrase, readLine } from './passphrase.ts'
import { readOwn } from './private-files.ts'
import { createSecrets, hasSecrets, type Secrets, secretsOfWords, secretsPath, writeSecrets } from './secrets.ts'
import { printJson } from './terminal.ts'
import { wholeNumber } from './words.ts'

type Flags = Readonly<Record<string, unknown>>

const verbs: Readonly<Record<string, (invocation: Invocation, flags: Flags) => Promise<void>>> = {
  show,
  encrypt,
  decrypt,
  backup,
  restore,
}

export async function run(verb: string, flags: Flags): Promise<void> {
  await verbs[verb]?.(invocationOf({ ...flags }), flags)
}

async function show(invocation: Invocation): Promise<void> {
  say(invocation, await existingHome(invocation.home, invocation.passphrase))
}

async function encrypt(invocation: Invocation): Promise<void> {
  const home = await existingHome(invocation.home, invocation.passphrase)
  if (home.isSealed) {
    throw new MeshError(
      'bad-request',
      `${secretsPath(home.path)} is sealed already; \`silkmesh identity decrypt\` first, to seal it by another passphrase`,
    )
  }
  await writeSecrets(home.path, home.secrets, await newPassphrase(invocation.passphrase))
  say(invocation, { ...home, isSealed: true })
}

async function decrypt(invocation: Invocation): Promise<void> {
  const home = await existingHome(invocation.home, invocation.passphrase)
  if (!home.isSealed) throw new MeshError('bad-request', `the keys of ${home.path} are not sealed`)
  await writeSecrets(home.path, home.secrets, undefined)
  say(invocation, { ...home, isSealed: false })
}

/** The words are printed to whoever asks for them at a terminal; into an object only where that is asked for, too. */
async function backup(invocation: Invocation, flags: Flags): Promise<void> {
  const { isJson, terminal } = invocation
  const isRevealed = flags['reveal'] === true
  if (isJson && !isRevealed) {
    throw new MeshError('bad-request', 'with --json the words are printed only where --reveal is given as well')
  }
  const home = await existingHome(invocation.home, invocation.passphrase)
  if (flags['yes'] !== true) await confirm('Whoever sees these words has the coins. Is nobody looking? Type yes: ')
  const { identitySeed, rotation, walletSeed, words } = home.secrets
  const parts = words
    ? [{ what: 'phrase', words }]
    : [
        { what: 'identity', words: wordsOfSeed(identitySeed) },
        { what: 'wallet', words: wordsOfSeed(walletSeed) },
      ]
  const { peerId } = identityFrom(identitySeed)
  if (isJson) {
    printJson({ ok: true, peerId, rotation, words: parts.flatMap((part) => part.words) })
    return
  }
  for (const part of parts) {
    terminal.line()
    for (let at = 0; at < part.words.length; at += wordsPerLine) {
      const line = part.words.slice(at, at + wordsPerLine)
      terminal.line(line.map((word, column) => `${String(at + column + 1).padStart(2)} ${word.padEnd(9)}`).join(' '))
    }
  }
  terminal.line()
  if (words) terminal.ok('phrase', 'on paper, in this order; wallet apps (W5) take it, too, and show the same wallet')
  else {
    const kept =
      'this home was made before there were phrases: its two keys are two times 24 words, no wallet app takes them'
    terminal.ok('phrase', `on paper, all ${2 * phraseWords} in this order, the first block first; ${kept}`)
  }
  terminal.ok('identity', peerId)
  terminal.ok('restore', `silkmesh identity restore${rotation === 0 || !words ? '' : ` --rotation ${rotation}`}`)
}

const wordsPerLine = 6

async function restore(invocation: Invocation, flags: Flags): Promise<void> {
  const { home: path, passphrase } = invocation
  const rotation = wholeNumber('--rotation', flags['rotation'] ?? '0', 1_000)
  if (hasSecrets(path)) {
    throw new MeshError(
      'bad-request',
      `${path} has keys already, which a restore would lose; choose a new home with --home`,
    )
  }
  const words = wordsOf(await phraseText(flags['wordsFile']))
  const seal = flags['encrypt'] === true ? await newPassphrase(passphrase) : passphrase.stated()
  const secrets = await secretsOf(words, rotation)
  if (!(await createSecrets(path, secrets, seal))) throw new MeshError('bad-request', `${path} has keys by now`)
  say(invocation, { path, secrets, isSealed: seal !== undefined })
  invocation.terminal.warn(
    'one home',
    'never run two homes of one identity: each would sign without knowing of the other',
  )
}

async function secretsOf(words: readonly string[], rotation: number): Promise<Secrets> {
  if (words.length !== 2 * phraseWords) return secretsOfWords(words, rotation)
  return {
    identitySeed: seedOfWords(`first ${phraseWords}`, words.slice(0, phraseWords)),
    walletSeed: seedOfWords(`last ${phraseWords}`, words.slice(phraseWords)),
    words: undefined,
    rotation,
    leaving: undefined,
  }
}

/** Of a file of this user's, of a terminal, or piped in. */
async function phraseText(file: unknown): Promise<string> {
  if (file !== undefined) return readOwn(String(file), 'a backup phrase')
  if (process.stdin.isTTY !== true) return textOf(process.stdin)
  return readLine('The words of the backup phrase, not shown, then Enter: ', false)
}

/** Throws where the answer is not yes, or there is nobody to give it. */
export async function confirm(question: string): Promise<void> {
  if (process.stdin.isTTY !== true) {
    throw new MeshError('bad-request', 'nobody is there to confirm it; --yes says that it is meant')
  }
  if ((await readLine(question, true)).trim().toLowerCase() !== 'yes') {
    throw new MeshError('cancelled', 'not confirmed; nothing was done')
  }
}

function say({ isJson, terminal }: Invocation, home: Pick<Home, 'path' | 'secrets' | 'isSealed'>): void {
  const { identitySeed, rotation, words } = home.secrets
  const { peerId } = identityFrom(identitySeed)
  const from = words ? `derived from ${phraseWords} words` : `two keys, ${2 * phraseWords} words`
  terminal.ok('identity', `${peerId}${rotation === 0 ? '' : `, the ${rotation + 1}. of this home`}`)
  if (home.isSealed) terminal.ok('keys', `${secretsPath(home.path)}, sealed by a passphrase; ${from}`)
  else terminal.warn('keys', `in ${home.path}, not sealed; ${from}`, '`silkmesh identity encrypt`')
  if (isJson) printJson({ ok: true, peerId, rotation, isSealed: home.isSealed, isPhrase: words !== undefined })
}
