// `silkmesh ledger`: what a home earned and spent, to the nano, line by line; whether books, ledger and chain agree.

import { existsSync, statSync, writeFileSync } from 'node:fs'
import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import { formatGram } from '../../protocol/money.ts'
import { systemClock } from '../adapters/system.ts'
import { Journal } from '../ledger/journal.ts'
import { csvOf, type Identity, identitiesOf, linesOf, type StatementLine } from '../ledger/statement.ts'
import { decodeTold, type Told, type ToldMismatch, told } from '../ledger/wire.ts'
import { openChain } from './accounts.ts'
import { type Invocation, invocationOf } from './flags.ts'
import { failureOf, type Stated } from './gateway-client.ts'
import { assertHome, openHomeStore, storePathIn } from './home.ts'
import { askLedgerDoor } from './ledger-door.ts'
import { reasonOf } from './private-files.ts'
import { printJson } from './terminal.ts'

/** Told without --csv. */
const linesShown = 20

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const { config, isJson, terminal } = invocation
  const nowMs = systemClock.now()
  const sinceMs = flags['since'] === undefined ? 0 : sinceOf(String(flags['since']), nowMs)
  const accepted = flags['accept'] === undefined ? undefined : nanoOf(String(flags['accept']))
  const isCheck = flags['check'] === true
  const csvPath = flags['csv'] === undefined || flags['csv'] === '-' ? undefined : String(flags['csv'])
  assertHome(invocation.home)
  if (csvPath !== undefined && flags['yes'] !== true) assertNoFile(csvPath)
  if (isCheck) await assertOwnChain(invocation)
  if (accepted !== undefined) await accept(invocation, accepted)
  const { accounts, entries, mismatches, unseen } = await ledgerOf(invocation, isCheck)
  const { confirmMs } = config.settlement
  const identities = identitiesOf(accounts, { nowMs, confirmMs })
  const lines = linesOf(entries, sinceMs)
  const isSound = mismatches.length === 0 && identities.every(({ isEqual }) => isEqual)
  if (flags['csv'] !== undefined) {
    const csv = csvOf(lines, moment)
    if (csvPath === undefined) process.stdout.write(csv)
    else writeCsv(csvPath, csv)
  }
  if (isJson) {
    for (const line of lines) printJson({ type: 'line', ...jsonOf(line) })
    printJson({ type: 'ledger', ok: isSound, identities, mismatches, unseen })
  } else if (flags['csv'] !== '-') {
    if (identities.length === 0) terminal.ok('ledger', 'nothing was earned or spent yet')
    for (const each of identities) show(invocation, each)
    if (csvPath !== undefined) terminal.ok('csv', `${counted(lines.length, 'line')} in ${csvPath}`)
    else for (const line of lines.slice(-linesShown)) terminal.line(lineText(line))
    if (unseen > 0) {
      terminal.warn(
        'not compared',
        `${counted(unseen, 'account')}: this chain shows no escrow there; is --endpoint of the right one?`,
      )
    }
    const compared = isCheck && unseen === 0 ? 'books, ledger and chain' : 'books and ledger'
    if (isSound) terminal.ok('agrees', `${compared}, to the nano`)
  }
  for (const mismatch of mismatches) tell(invocation, mismatch)
  if (!isSound) process.exitCode = 1
}

/** A node that runs compares with the chain that it settles on: another, named here, would be passed over in silence. */
async function assertOwnChain({ home, origins }: Invocation): Promise<void> {
  const named = ['chain.endpoint', 'chain.network'].find((setting) => origins.get(setting) === 'flag')
  if (named === undefined || (await askLedgerDoor(home, { isCheck: false })) === undefined) return
  throw new MeshError(
    'bad-request',
    `a node runs for ${home} and compares with its own chain, not with the ${named.replace('chain.', '')} named here; ` +
      'leave that out, or stop the node first',
  )
}

/** A device, such as /dev/stdout, holds nothing that could be lost. */
function assertNoFile(path: string): void {
  if (!existsSync(path) || !statSync(path).isFile()) return
  throw new MeshError('bad-request', `--csv ${path} is there already; name another file, or add --yes to replace it`)
}

function writeCsv(path: string, csv: string): void {
  try {
    writeFileSync(path, csv, { mode: 0o600 })
  } catch (error) {
    const problem = `--csv ${path} cannot be written (${reasonOf(error)})`
    throw new MeshError('bad-request', `${problem}; name a file in a folder that exists`)
  }
}

/** Of the node that runs for this home, or out of its books where none does. */
async function ledgerOf(invocation: Invocation, isCheck: boolean): Promise<Told> {
  const answer = await askLedgerDoor(invocation.home, { isCheck })
  if (answer !== undefined) {
    const { error } = JSON.parse(answer) as { readonly error?: Stated }
    if (error !== undefined) throw failureOf(error)
    return decodeTold(answer)
  }
  return withJournal(invocation, async (journal) => {
    if (isCheck && journal.mismatches.length === 0) await checkChain(invocation, journal)
    return told(journal)
  })
}

async function checkChain({ config, terminal }: Invocation, journal: Journal): Promise<void> {
  terminal.progress('reading the chain')
  await journal.check(openChain(config, () => undefined))
  terminal.progress('')
}

async function withJournal<T>({ config, home }: Invocation, work: (journal: Journal) => Promise<T>): Promise<T> {
  const store = openHomeStore({ storePath: storePathIn(home) })
  try {
    const { linesMax } = config.ledger
    const { confirmMs } = config.settlement
    const journal = new Journal({ clock: systemClock, store, observe: () => undefined }, { linesMax, confirmMs })
    await journal.recover()
    return await work(journal)
  } finally {
    await store.close()
  }
}

/** What is typed is the amount that is believed from now on: nobody accepts what they have not read. */
async function accept(invocation: Invocation, nano: bigint): Promise<void> {
  await withJournal(invocation, async (journal) => {
    if (journal.mismatches.length === 0) await checkChain(invocation, journal).catch(() => undefined)
    const mismatch = journal.mismatches.find(({ leftNano }) => leftNano === nano)
    if (!mismatch) {
      const amounts = journal.mismatches.map(({ left, leftNano }) => `${leftNano} (${left})`).join(', ')
      throw new MeshError(
        'bad-request',
        `--accept ${nano}: nothing differs by what would make it so; ${amounts === '' ? 'books and ledger agree' : `it could be ${amounts}`}`,
      )
    }
    await journal.accept(mismatch)
    invocation.terminal.ok(
      'accepted',
      `${mismatch.left} are believed: ${formatGram(mismatch.leftNano)} GRAM ${mismatch.what}`,
    )
  })
}

function show({ terminal }: Invocation, { isEqual, name, nano, parts, role }: Identity): void {
  const sum = parts.map((part) => `${part.name} ${formatGram(part.nano)}`).join(' + ')
  const text = `${name} ${formatGram(nano)} GRAM = ${sum}`
  if (isEqual) terminal.ok(role, text)
  else terminal.warn(role, `${text}: these do not add up`)
}

function tell({ isJson, terminal }: Invocation, { left, leftNano, message }: ToldMismatch): void {
  if (isJson) return
  terminal.warn('differs', message)
  terminal.line(
    `A node of this home serves and signs nothing until that is settled. Restore a copy of the home's books if you have one; or, once no\nnode runs, \`silkmesh ledger --accept ${leftNano}\` to believe ${left}.`,
  )
}

function lineText({ account, atMs, line, nano, note, request, transaction }: StatementLine): string {
  const words = [moment(atMs), account.role, line, `${formatGram(nano)} GRAM`, request?.slice(0, 8), note, transaction]
  return words.filter((word) => word !== undefined && word !== '').join('  ')
}

function jsonOf({ account, atMs, ...line }: StatementLine): Record<string, unknown> {
  return { time: moment(atMs), ...account, ...line }
}

const moment = (atMs: number): string => new Date(atMs).toISOString()

function nanoOf(text: string): bigint {
  if (/^\d{1,20}$/.test(text)) return BigInt(text)
  throw new MeshError(
    'bad-request',
    `--accept "${text.slice(0, 40)}", expected the nano that \`silkmesh ledger --check\` names`,
  )
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** So long ago (`12h`, `30d`), or a date, which begins at 0:00 UTC. */
function sinceOf(text: string, nowMs: number): number {
  const [, count, unit = ''] = /^(\d{1,4})([mhdw])$/.exec(text) ?? []
  if (count !== undefined) return nowMs - Number(count) * (unitMs[unit] ?? 0)
  const atMs = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(atMs)) return atMs
  throw new MeshError(
    'bad-request',
    `--since "${text.slice(0, 40)}", expected so long ago, such as 12h or 30d, or a date such as 2030-01-31`,
  )
}
