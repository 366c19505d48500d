// Lines over logarithmic axes as plain SVG, a panel beside the other: shares between 0.05 and 20 per cent, with the line of 1 %.

export interface Line {
  readonly name: string
  readonly points: readonly (readonly [x: number, percent: number])[]
}

export interface LinePanel {
  readonly title: string
  readonly lines: readonly Line[]
  readonly x: readonly [from: number, to: number]
  /** A vertical line: the default. */
  readonly mark?: number
}

const size = { width: 430, plot: 300, left: 50, top: 64, height: 400, right: 20 }
const percents = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20] as const
const colours = ['#1f77b4', '#e07a1f', '#2a9d4a', '#b3345a', '#6a51a3'] as const

export function linesSvg(title: string, panels: readonly LinePanel[]): string {
  const width = panels.length * size.width
  const height = size.height + 40
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#222">
<title>${title}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="14" y="22" font-weight="600">${title}</text>
${panels.map((panel, at) => `<g transform="translate(${at * size.width} 0)">${panelSvg(panel)}</g>`).join('\n')}
</svg>
`
}

function panelSvg({ lines, mark, title, x: [from, to] }: LinePanel): string {
  const plotWidth = size.width - size.left - size.right
  const bottom = size.top + size.plot
  const right = size.left + plotWidth
  const xOf = (value: number) => size.left + plotWidth * ratio(value, from, to)
  const yOf = (percent: number) => bottom - size.plot * ratio(percent, 0.05, 20)
  const rows = percents.map((percent) => {
    const y = yOf(percent).toFixed(1)
    const isLimit = percent === 1
    return `<line x1="${size.left}" x2="${right}" y1="${y}" y2="${y}" stroke="${isLimit ? '#222' : '#ddd'}"${isLimit ? ' stroke-dasharray="4 3"' : ''}/><text x="${size.left - 6}" y="${Number(y) + 4}" text-anchor="end" fill="#666" font-size="11">${percent} %</text>`
  })
  const columns = powers(from, to).map((value) => {
    const x = xOf(value).toFixed(1)
    return `<line x1="${x}" x2="${x}" y1="${size.top}" y2="${bottom}" stroke="#ddd"/><text x="${x}" y="${bottom + 16}" text-anchor="middle" fill="#666" font-size="11">${value}</text>`
  })
  const drawn = lines.map(({ points }, at) => {
    const path = points.map(([x, y]) => `${xOf(x).toFixed(1)},${yOf(Math.min(20, Math.max(0.05, y))).toFixed(1)}`)
    return `<polyline points="${path.join(' ')}" fill="none" stroke="${colours[at % colours.length]}" stroke-width="2"/>`
  })
  const legend = lines.map(({ name }, at) => {
    const [x, y] = [size.left + (at % 3) * 120, bottom + 36 + Math.floor(at / 3) * 18]
    return `<circle cx="${x}" cy="${y - 4}" r="4.5" fill="${colours[at % colours.length]}"/><text x="${x + 9}" y="${y}">${name}</text>`
  })
  const marked = mark === undefined ? '' : xOf(mark).toFixed(1)
  return [
    `<text x="${size.left}" y="48" fill="#666">${title}</text>`,
    ...rows,
    ...columns,
    ...(marked
      ? [
          `<line x1="${marked}" x2="${marked}" y1="${size.top}" y2="${bottom}" stroke="#222" stroke-dasharray="4 3"/><text x="${Number(marked) + 5}" y="${size.top + 12}" font-size="11">default</text>`,
        ]
      : []),
    ...drawn,
    ...legend,
  ].join('\n')
}

/** Where a value lies between two others on a logarithmic axis. */
function ratio(value: number, from: number, to: number): number {
  return Math.log(value / from) / Math.log(to / from)
}

function powers(from: number, to: number): readonly number[] {
  const count = Math.round(Math.log10(to / from))
  return Array.from({ length: count + 1 }, (_, at) => Number((from * 10 ** at).toPrecision(1)))
}
