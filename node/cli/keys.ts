// `silkmesh keys`: API keys for others, each with what it may use and spend.

import { randomBytes } from 'node:crypto'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { formatGram } from '../../protocol/money.ts'
import { systemClock } from '../adapters/system.ts'
import { Budgets } from '../gateway/budgets.ts'
import { type KeyView, keyView } from '../gateway/key-view.ts'
import { type ApiKey, keyModelsMax, makeKey, parseKeyName } from '../gateway/keys.ts'
import { type Invocation, invocationOf } from './flags.ts'
import { keyViews } from './gateway-client.ts'
import { existingHome, type Home, openHome, openHomeStore } from './home.ts'
import { KeyFolder } from './key-files.ts'
import { runningNode } from './running.ts'
import { printJson } from './terminal.ts'
import { amountOf } from './words.ts'

type Flags = Readonly<Record<string, unknown>>
type Verb = (parts: Parts, flags: Flags, words: readonly string[]) => Promise<void>

interface Parts {
  readonly invocation: Invocation
  readonly home: Home
  readonly folder: KeyFolder
}

const verbs: Readonly<Record<string, Verb>> = { add, list, show, remove }

export async function run(verb: string, flags: Flags, words: readonly string[]): Promise<void> {
  const invocation = invocationOf({ ...flags })
  const open = verb === 'add' ? openHome : existingHome
  const home = await open(invocation.home, invocation.passphrase)
  const folder = new KeyFolder(home, (message) => process.stderr.write(`! ${message}\n`))
  await verbs[verb]?.({ invocation, home, folder }, flags, words)
}

async function add({ invocation, folder }: Parts, flags: Flags): Promise<void> {
  const { isJson, terminal } = invocation
  const nowMs = Math.floor(systemClock.now() / 1_000) * 1_000 // a key's dates are told in seconds, here as by the gateway
  const amount = (flag: string, value: unknown) => (value === undefined ? undefined : amountOf(flag, String(value)))
  const { key, secret } = makeKey(randomBytes(32).toString('hex'), {
    name: parseKeyName(String(flags['name'])),
    createdAtMs: nowMs,
    expiresAtMs: flags['expires'] === undefined ? undefined : momentOf(String(flags['expires']), nowMs),
    models: flags['models'] === undefined ? undefined : modelsOf(String(flags['models'])),
    budgetNano: amount('--budget', flags['budget']),
    dayNano: amount('--budget-day', flags['budgetDay']),
    requestNano: amount('--max-cost', flags['maxCost']),
  })
  folder.add(key)
  if (isJson) return printJson({ ok: true, ...told(keyView(key, undefined)), secret })
  terminal.ok('key', `${key.name}: ${termsOf(key)}`)
  terminal.ok('secret', secret)
  terminal.line('It is shown this once: the home keeps its digest only. A running `silkmesh up` takes it from now on.')
}

async function list(parts: Parts): Promise<void> {
  const { isJson, terminal } = parts.invocation
  const views = await look(parts)
  if (isJson) return printJson({ ok: true, keys: views.map(told) })
  if (views.length === 0) terminal.line("no keys but the home's own; `silkmesh keys add --name <name>` makes one")
  for (const view of views) sayView(parts.invocation, view)
}

async function show(parts: Parts, _flags: Flags, [name = '']: readonly string[]): Promise<void> {
  const { isJson, terminal } = parts.invocation
  const view = (await look(parts)).find((each) => each.name === name)
  if (!view) throw new MeshError('bad-request', `no key "${name}"; \`silkmesh keys list\` shows which there are`)
  if (isJson) return printJson({ ok: true, ...told(view) })
  sayView(parts.invocation, view)
  for (const [date, nano] of Object.entries(view.days ?? {})) terminal.line(`    ${date}  ${gram(nano)} GRAM`)
}

async function remove({ invocation, folder }: Parts, _flags: Flags, [name = '']: readonly string[]): Promise<void> {
  folder.remove(parseKeyName(name))
  if (invocation.isJson) return printJson({ ok: true, removed: name })
  invocation.terminal.ok('removed', `${name}; requests under way end as they would`)
}

/** How long a gateway that was noted may take to say that it is there. */
const answerMs = 3_000

/** What is spent is in the store, which a running node holds: that one is asked, by its gateway. */
async function look({ folder, home, invocation }: Parts): Promise<readonly KeyView[]> {
  const keys = folder.list()
  if (keys.length === 0) return []
  const gateway = runningNode(invocation.home)?.gateway
  if (gateway) {
    try {
      return await keyViews(gateway, AbortSignal.timeout(answerMs))
    } catch {
      // It was killed, most likely: then nobody holds the store.
    }
  }
  try {
    const store = openHomeStore(home)
    try {
      const budgets = await Budgets.open(store, systemClock)
      return keys.map((key) => keyView(key, budgets))
    } finally {
      await store.close()
    }
  } catch (error) {
    process.stderr.write(`! what the keys spent is not known: ${asMeshError(error, 'store-failed').message}\n`)
    return keys.map((key) => keyView(key, undefined))
  }
}

function sayView({ terminal }: Invocation, view: KeyView): void {
  const isOver = view.expires !== null && view.expires * 1_000 <= systemClock.now()
  const spent = (nano: string | null, budget: string | null) =>
    `${nano === null ? '?' : gram(nano)}${budget === null ? '' : ` of ${gram(budget)}`} GRAM`
  const detail = [
    `${view.key}…`,
    `${spent(view.spent_nano, view.budget_nano)} spent`,
    ...(view.left_nano === null ? [] : [`${gram(view.left_nano)} left`]),
    `today ${spent(view.day_spent_nano, view.day_budget_nano)}`,
    ...(view.held_nano === null || view.held_nano === '0' ? [] : [`${gram(view.held_nano)} held by running requests`]),
    ...(view.request_nano_max === null ? [] : [`a request up to ${gram(view.request_nano_max)}`]),
    view.models === null ? 'any model' : view.models.join(' '),
    ...(view.expires === null ? [] : [`${isOver ? 'expired' : 'until'} ${moment(view.expires)}`]),
  ].join(', ')
  if (isOver) terminal.warn(view.name, detail)
  else terminal.ok(view.name, detail)
}

function termsOf({ budgetNano, dayNano, expiresAtMs, models, requestNano }: ApiKey): string {
  return [
    budgetNano === undefined ? 'no budget in all' : `${formatGram(budgetNano)} GRAM in all`,
    ...(dayNano === undefined ? [] : [`${formatGram(dayNano)} GRAM a day (UTC)`]),
    ...(requestNano === undefined ? [] : [`${formatGram(requestNano)} GRAM a request`]),
    models === undefined ? 'any model' : `only ${models.join(', ')}`,
    expiresAtMs === undefined ? 'no expiry' : `until ${new Date(expiresAtMs).toISOString()}`,
  ].join(', ')
}

/** As the command line names its fields. */
function told(view: KeyView): Record<string, unknown> {
  return {
    name: view.name,
    key: view.key,
    createdAt: view.created === null ? null : moment(view.created),
    expiresAt: view.expires === null ? null : moment(view.expires),
    models: view.models,
    budgetNano: view.budget_nano,
    dayBudgetNano: view.day_budget_nano,
    requestNanoMax: view.request_nano_max,
    spentNano: view.spent_nano,
    heldNano: view.held_nano,
    leftNano: view.left_nano,
    daySpentNano: view.day_spent_nano,
    dayLeftNano: view.day_left_nano,
    days: view.days,
  }
}

const gram = (nano: string): string => formatGram(BigInt(nano))
const moment = (unixS: number): string => new Date(unixS * 1_000).toISOString()

function modelsOf(text: string): readonly string[] {
  const models = text.split(',').map((name) => name.trim())
  const isWrong = models.some((name) => name === '' || name.length > limits.modelNameCharsMax)
  if (!isWrong && models.length <= keyModelsMax) return models
  throw new MeshError('bad-request', `--models "${text.slice(0, 80)}", expected 1 to ${keyModelsMax} names such as a,b`)
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** A time from now (`12h`, `30d`), or a date, which begins at 0:00 UTC. */
function momentOf(text: string, nowMs: number): number {
  const [, count, unit = ''] = /^(\d{1,4})([mhdw])$/.exec(text) ?? []
  const atMs = count === undefined ? dateMs(text) : nowMs + Number(count) * (unitMs[unit] ?? 0)
  if (atMs > nowMs) return atMs
  throw new MeshError(
    'bad-request',
    `--expires "${text.slice(0, 40)}", expected a time from now such as 12h or 30d, or a date to come such as 2030-01-31`,
  )
}

/** NaN for anything else, such as a day that the month does not have. */
function dateMs(text: string): number {
  const isDate = /^\d{4}-\d\d-\d\d$/.test(text)
  const isMoment = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z$/.test(text)
  const atMs = isDate || isMoment ? Date.parse(text) : Number.NaN
  return Number.isNaN(atMs) || new Date(atMs).toISOString().slice(0, 10) !== text.slice(0, 10) ? Number.NaN : atMs
}
