// `npm run bench -- settlement curve`: the network fee as a share of what is settled, drawn to docs/costs.svg and written into docs/costs.md.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { settings } from '../../../node/config.ts'
import { leastReferenceNano } from '../../../node/settlement/rule.ts'
import type { ChannelCost, MerkleCost } from './alternatives.ts'
import { type Line, linesSvg } from './lines-svg.ts'

export interface SettlementFigures {
  /** Of vouchers to new payees of an empty ledger, by batch. */
  readonly nanoPerVoucher: Readonly<Record<string, number>>
  /** Of a voucher settled alone, as soon as it is worth it, where fifteen other payees are in the ledger. */
  readonly overheadPercentAtDefaults: number
  /** Payees known before → batch → nano a voucher to a new payee. */
  readonly byKnownPayees: Table
  /** The same to payees that are known. */
  readonly againByKnownPayees: Table
  /** Of an escrow, by known payees. */
  readonly rentNanoPerYear: Readonly<Record<string, number>>
  readonly alternatives: {
    readonly channel: ChannelCost
    readonly fanOut: Table
    readonly merkle: readonly MerkleCost[]
  }
  readonly gas: Readonly<Record<string, number>>
  readonly code: { readonly hash: string; readonly bytes: number; readonly cells: number; readonly bits: number }
}

type Table = Readonly<Record<string, Readonly<Record<string, number>>>>

const gram = 1e9
const docs = join(import.meta.dirname, '../../../docs')
const thresholdNano = Number(settings.settlement.thresholdNano.default)
const ageDays = settings.settlement.ageMsMax.default / 86_400_000

const thresholdsGram = [0.01, 0.02, 0.05, 0.06, 0.1, 0.2, 0.5, 1] as const
const pairCounts = [1, 3, 10, 30, 100, 300, 1_000] as const
const revenuesGram = [0.1, 1, 10, 100] as const
const limitPercent = 1

export function writeCosts(figures: SettlementFigures): void {
  const path = join(docs, 'costs.md')
  const whole = { prices: pricesOf(figures), curve: curveOf(figures), revenue: revenueOf(figures) }
  let text = readFileSync(path, 'utf8')
  for (const [name, lines] of Object.entries(whole)) {
    const [from, to] = [`<!-- bench:settlement ${name} -->`, '<!-- /bench -->']
    const start = text.indexOf(from)
    const end = text.indexOf(to, start)
    if (start < 0 || end < 0) throw new Error(`${path} has no place for its figures, expected ${from}`)
    text = `${text.slice(0, start + from.length)}\n${lines.join('\n')}\n${text.slice(end)}`
  }
  writeFileSync(path, text)
  writeFileSync(join(docs, 'costs.svg'), drawn(figures))
}

/** Nano a voucher, side by side. */
function pricesOf({
  alternatives,
  againByKnownPayees,
  byKnownPayees,
  rentNanoPerYear,
}: SettlementFigures): readonly string[] {
  const { channel, fanOut, merkle } = alternatives
  const cells = (table: Readonly<Record<string, number>> | undefined) =>
    [1, 2, 5, 10].map((batch) => money(table?.[batch]))
  const one = (nano: number) => [money(nano), '–', '–', '–']
  return [
    row('design', '1', '2', '5', '10', 'besides'),
    '|---|---|---|---|---|---|',
    ...Object.entries(byKnownPayees).map(([known, table]) =>
      row(
        `escrow of ${plural(known)}, new ones paid`,
        ...cells(table),
        `rent ${money(rentNanoPerYear[known])} a year, of the whole escrow`,
      ),
    ),
    ...Object.entries(againByKnownPayees)
      .filter(([known]) => known !== '0')
      .map(([known, table]) => row(`escrow of ${plural(known)}, known ones paid again`, ...cells(table), '')),
    row(
      'channel a pair',
      ...one(channel.settleNano),
      `${money(channel.deployNano)} once and ${money(channel.rentNanoPerYear)} a year a pair; a deposit for each payee`,
    ),
    ...Object.entries(fanOut).map(([known, table]) =>
      row(`wallet v5 fans out to an escrow of ${plural(known)}`, ...cells(table), 'the wallet needs coins'),
    ),
    ...merkle.map(({ by, claimNano, depth, rootNano }) =>
      row(
        `Merkle claim, depth ${depth}, by ${by === 'wallet' ? 'wallet' : 'external message'}`,
        ...one(claimNano),
        `${money(rootNano)} a root; every leaf has to be known to its payee`,
      ),
    ),
  ]
}

/** Per cent of what is settled, by threshold. */
function curveOf(figures: SettlementFigures): readonly string[] {
  const lines = feeLines(figures)
  return [
    row('threshold, GRAM', ...lines.map(({ name }) => name)),
    `|---|${lines.map(() => '---|').join('')}`,
    ...thresholdsGram.map((threshold) => {
      const isDefault = threshold * gram === thresholdNano
      return row(
        `${threshold}${isDefault ? ' (default)' : ''}`,
        ...lines.map(({ nano }) => share(nano, threshold * gram)),
      )
    }),
  ]
}

/** Per cent of a provider's revenue, by how many payers it comes from. */
function revenueOf(figures: SettlementFigures): readonly string[] {
  const nano = aloneNano(figures)
  const leastDaily = nano / (limitPercent / 100) / ageDays
  return [
    row('revenue a day, GRAM', ...pairCounts.map((pairs) => `${pairs}`)),
    `|---|${pairCounts.map(() => '---|').join('')}`,
    ...revenuesGram.map((revenue) =>
      row(`${revenue}`, ...pairCounts.map((pairs) => share(nano, settledNano(revenue, pairs)))),
    ),
    '',
    `At the defaults a pair stays within ${limitPercent} % from ${money(Math.ceil(leastDaily))} nano a day on.`,
  ]
}

/** What one pair has settled at once: the threshold, or what came together until the oldest of it is too old. */
function settledNano(revenueGram: number, pairs: number): number {
  const aged = (ageDays * revenueGram * gram) / pairs
  return Math.max(Math.min(aged, thresholdNano), Number(leastReferenceNano))
}

function aloneNano({ byKnownPayees }: SettlementFigures): number {
  return byKnownPayees['15']?.['1'] ?? Number.NaN
}

function feeLines({ byKnownPayees }: SettlementFigures): readonly { readonly name: string; readonly nano: number }[] {
  const of = (known: number, batch: number) => byKnownPayees[known]?.[batch] ?? Number.NaN
  return [
    { name: '1 known payee', nano: of(1, 1) },
    { name: '5 known', nano: of(5, 1) },
    { name: '15 known', nano: of(15, 1) },
    { name: '50 known', nano: of(50, 1) },
    { name: '15 known, ten at once', nano: of(15, 10) },
  ]
}

function drawn(figures: SettlementFigures): string {
  const nano = aloneNano(figures)
  const byThreshold: readonly Line[] = feeLines(figures).map(({ name, nano: each }) => ({
    name,
    points: steps(0.01, 1).map((threshold) => [threshold, (100 * each) / (threshold * gram)]),
  }))
  const byPairs: readonly Line[] = revenuesGram.map((revenue) => ({
    name: `${revenue} GRAM a day`,
    points: steps(1, 1_000).map((pairs) => [pairs, (100 * nano) / settledNano(revenue, pairs)]),
  }))
  return linesSvg('Network fee as a share of what is settled', [
    { title: 'by threshold, GRAM', lines: byThreshold, x: [0.01, 1], mark: thresholdNano / gram },
    { title: 'by payers of a provider, at the defaults', lines: byPairs, x: [1, 1_000] },
  ])
}

function steps(from: number, to: number): readonly number[] {
  const count = 40
  return Array.from({ length: count + 1 }, (_, at) => from * (to / from) ** (at / count))
}

function share(nano: number, ofNano: number): string {
  const percent = (100 * nano) / ofNano
  const text = `${Number(percent.toPrecision(2))} %`
  return percent > limitPercent ? `**${text}**` : text
}

function plural(known: string): string {
  return known === '0' ? 'no payee yet' : known === '1' ? 'one payee' : `${known} payees`
}

function money(nano: number | undefined): string {
  return nano === undefined ? '–' : Math.round(nano).toLocaleString('en').replaceAll(',', ' ')
}

function row(...cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
