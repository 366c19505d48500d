// A sweep as one picture and one table for a document: a panel a figure, a row a value of the first parameter, a colour a value of
// the second, means with their intervals. Plain SVG, drawn without a browser.

import { metricOf, type Unit } from '../metrics.ts'
import { seedInterval } from './compare.ts'
import { formatValue, significant } from './format.ts'
import { parametersOf, pointsAt } from './points.ts'
import { escaped } from './shell.ts'
import type { Interval } from './statistics.ts'
import type { RunSummary } from './write.ts'

export interface Figure {
  /** Paths that were swept; the first makes rows, the second colours. */
  readonly parameters: readonly string[]
  readonly rows: readonly string[]
  readonly colours: readonly string[]
  readonly panels: readonly Panel[]
}

export interface Panel {
  readonly name: string
  readonly what: string
  readonly cells: readonly { readonly row: string; readonly colour: string; readonly interval: Interval }[]
}

/** Throws `RangeError` where the runs do not differ in one or two parameters, or lack a figure. */
export function figureOf(runs: readonly RunSummary[], names: readonly string[]): Figure {
  const parameters = parametersOf(runs)
  if (parameters.length === 0 || parameters.length > 2) {
    throw new RangeError(
      `${parameters.length} parameters differ between the runs, expected one or two: ${parameters.join(', ')}`,
    )
  }
  const points = pointsAt(parameters, runs).map(({ values, runs: of }) => {
    const [row = '', colour = ''] = values.map(String)
    return { row, colour, runs: of }
  })
  const panels = names.map((name) => {
    const cells = points.flatMap(({ row, colour, runs: of }) => {
      const interval = seedInterval(of, name)
      return interval ? [{ row, colour, interval }] : []
    })
    if (cells.length === 0)
      throw new RangeError(`no run has a figure ${name}; docs/simulation.md says where their names are`)
    return { name, what: metricOf(name)?.what ?? '', cells }
  })
  const rows = [...new Set(points.map(({ row }) => row))]
  const colours = [...new Set(points.map(({ colour }) => colour))]
  return { parameters, rows, colours, panels }
}

/** Markdown. */
export function figureTable({ parameters, panels, rows, colours }: Figure): string {
  const lines = colours.flatMap((colour) =>
    rows.map((row) => [
      row,
      ...(parameters.length > 1 ? [colour] : []),
      ...panels.map(({ cells, name }) => {
        const interval = cells.find((cell) => cell.row === row && cell.colour === colour)?.interval
        return interval ? textOf(interval, name) : '–'
      }),
    ]),
  )
  const head = [...parameters.map(lastOf), ...panels.map(({ name }) => name)]
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function textOf({ count, high, mean }: Interval, name: string): string {
  const unit = metricOf(name)?.unit ?? ''
  return count > 1 ? `${formatValue(mean, unit)} ± ${formatValue(high - mean, unit)}` : formatValue(mean, unit)
}

/** `policy` of `population[4].policy`. */
function lastOf(path: string): string {
  return path.split('.').at(-1) ?? path
}

const sizes = { columns: 2, panelWidth: 430, labelWidth: 110, rowHeight: 30, headHeight: 46, footHeight: 26, gap: 18 }
/** Told apart also by who sees no red or no green. */
const palette = ['#1f77b4', '#e07a1f', '#2a9d6f', '#8e5bb5']

export function figureSvg({ colours, panels, parameters, rows }: Figure): string {
  const { columns, footHeight, gap, headHeight, panelWidth, rowHeight } = sizes
  const legendHeight = parameters.length > 1 ? 28 : 0
  const panelHeight = headHeight + rows.length * rowHeight + footHeight
  const width = Math.min(columns, panels.length) * (panelWidth + gap) + gap
  const height = legendHeight + Math.ceil(panels.length / columns) * (panelHeight + gap) + gap
  const drawn = panels.map((panel, at) => {
    const x = gap + (at % columns) * (panelWidth + gap)
    const y = gap + legendHeight + Math.floor(at / columns) * (panelHeight + gap)
    return `<g transform="translate(${x} ${y})">${panelSvg(panel, rows, colours)}</g>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#222">
<title>${escaped(`${panels.map(({ name }) => name).join(', ')} by ${parameters.map(lastOf).join(' and ')}`)}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
${legendHeight > 0 ? legendSvg(parameters[1] ?? '', colours) : ''}
${drawn.join('\n')}
</svg>
`
}

function legendSvg(parameter: string, colours: readonly string[]): string {
  const label = `${lastOf(parameter)}:`
  let x = sizes.gap + 8 * label.length
  const entries = colours.map((colour, at) => {
    const entry = `<circle cx="${x}" cy="26" r="5" fill="${palette[at % palette.length]}"/><text x="${x + 10}" y="30">${escaped(colour)}</text>`
    x += 30 + 8 * colour.length
    return entry
  })
  return `<text x="${sizes.gap}" y="30" fill="#666">${escaped(label)}</text>${entries.join('')}`
}

function panelSvg({ cells, name, what }: Panel, rows: readonly string[], colours: readonly string[]): string {
  const { headHeight, labelWidth, panelWidth, rowHeight } = sizes
  const unit = metricOf(name)?.unit ?? ''
  const { ticks, max } = axisOf(Math.max(...cells.map(({ interval }) => Math.max(interval.mean, interval.high))))
  const plotWidth = panelWidth - labelWidth - 20
  const xOf = (value: number): number => labelWidth + (plotWidth * Math.min(max, Math.max(0, value))) / max
  const bottom = headHeight + rows.length * rowHeight
  const grid = ticks.map((tick) => {
    const x = xOf(tick).toFixed(1)
    return `<line x1="${x}" x2="${x}" y1="${headHeight}" y2="${bottom}" stroke="#ddd"/><text x="${x}" y="${bottom + 16}" text-anchor="middle" fill="#666" font-size="11">${escaped(shortValue(tick, unit))}</text>`
  })
  const labels = rows.map(
    (row, at) =>
      `<text x="${labelWidth - 8}" y="${headHeight + (at + 0.5) * rowHeight + 4}" text-anchor="end">${escaped(row)}</text>`,
  )
  const marks = cells.map(({ colour, interval: { high, low, mean }, row }) => {
    const nth = colours.indexOf(colour)
    const y = headHeight + rows.indexOf(row) * rowHeight + (rowHeight * (nth + 1)) / (colours.length + 1)
    const fill = palette[nth % palette.length]
    return `<line x1="${xOf(low).toFixed(1)}" x2="${xOf(high).toFixed(1)}" y1="${y}" y2="${y}" stroke="${fill}" stroke-width="2" opacity="0.5"/><circle cx="${xOf(mean).toFixed(1)}" cy="${y}" r="4.5" fill="${fill}"/>`
  })
  return [
    `<text y="14" font-weight="600">${escaped(name)}</text><text y="30" fill="#666" font-size="11">${escaped(captionOf(what, unit))}</text>`,
    ...grid,
    ...labels,
    ...marks,
  ].join('\n')
}

/** What an axis has room for: GRAM are said above it. */
function shortValue(value: number, unit: Unit | ''): string {
  if (unit === 'GRAM') return significant(value)
  return unit === 'nano/Mtoken' ? significant(value / 1e9) : formatValue(value, unit)
}

/** What a panel is wide enough for. */
const captionChars = 70

function captionOf(what: string, unit: Unit | ''): string {
  const said = what.length > captionChars ? (what.split(':')[0] ?? '') : what
  return unit === 'GRAM' || unit === 'nano/Mtoken' ? `${said}, GRAM` : said
}

/** From 0 in steps of 1, 2 or 5 times a power of ten, four to eight of them. */
function axisOf(value: number): { readonly ticks: readonly number[]; readonly max: number } {
  const top = value > 0 ? value : 1
  const power = 10 ** Math.floor(Math.log10(top / 4))
  const step = ([1, 2, 5, 10].find((factor) => top / (factor * power) <= 6) ?? 10) * power
  const count = Math.ceil(top / step)
  return { ticks: Array.from({ length: count + 1 }, (_, at) => at * step), max: count * step }
}
