// The plots of a sweep: one a metric, against the first parameter, coloured by the others. Runs in a browser, inlined.

;(() => {
  const { d3, Plot, data, colours, draw, plot, legend, durationTo, number, numberTo, grid, tipOptions, isNarrow } =
    globalThis.charts
  const { parameters, points, metrics } = data
  const isScale = points.every(([value]) => typeof value === 'number')
  const keyOf = (values) => values.slice(1).join(', ')
  const keys = [...new Set(points.map(keyOf))]
  const colourOf = (key) => colours[keys.indexOf(key) % colours.length]
  // seeds only: one point, which stands in the middle
  const xOf = (values) => values[0] ?? 'all seeds'

  const place = document.querySelector('[data-legend]')
  if (place && keys.length > 1) {
    place.append(legend(keys.map((key) => ({ name: key, colour: colourOf(key) }))))
  }

  const formats = {
    share: (value) => `${+(value * 100).toFixed(3)} %`,
    ms: durationTo,
    'nano/Mtoken': (value, digits) => numberTo(value / 1e9, digits),
  }
  const units = { share: '', ms: '', 'nano/Mtoken': 'GRAM a million tokens', count: '', ratio: '' }

  /** What is the same everywhere stands in the middle; elsewhere no two ticks read alike. */
  function axisOf(rows, format) {
    const [low, high] = d3.extent(rows.flatMap((row) => [row.low, row.high, ...row.values]))
    const isFlat = high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high))
    const margin = 0.1 * Math.abs(low) || 1
    const domain = isFlat ? [low - margin, high + margin] : d3.nice(low, high, 4)
    const ticks = isFlat ? [low] : d3.ticks(...domain, 4)
    const digits = [3, 4, 5].find((few) => new Set(ticks.map((tick) => format(tick, few))).size === ticks.length) ?? 6
    return { domain, ticks, tickFormat: (tick) => format(tick, digits), label: null }
  }

  for (const { name, unit, points: of } of metrics) {
    draw(name, (width) => {
      const format = formats[unit] ?? numberTo
      const rows = of.flatMap((figures, index) => {
        if (!figures) return []
        const [mean, low, high, ...values] = figures
        const key = keyOf(points[index])
        return [{ x: xOf(points[index]), key, mean, low, high, values, colour: colourOf(key) }]
      })
      const singles = rows.flatMap(({ x, key, values, colour }) => values.map((value) => ({ x, key, value, colour })))
      const [least, most] = d3.extent(rows, ({ x }) => x)
      // steps that multiply, such as 100, 300, 1000, are even on a logarithmic axis
      const isLog = isScale && least > 0 && most / least >= 8
      const xs = [...new Set(rows.map(({ x }) => x))]
      const x = isScale
        ? { type: isLog ? 'log' : 'linear', ticks: xs.length <= 8 ? xs : 6, tickFormat: number, inset: 18 }
        : { type: 'point', domain: xs, padding: 0.5 }
      const label = parameters[0] ?? ''
      const y = axisOf(rows, format)
      // keys that lie on each other are moved apart a little
      const shift = (index) => (keys.length > 1 && keys.length < 8 ? (index - (keys.length - 1) / 2) * 5 : 0)
      const marks = keys.flatMap((key, index) => {
        const own = { filter: (row) => row.key === key, dx: shift(index) }
        return [
          Plot.line(rows, {
            ...own,
            x: 'x',
            y: 'mean',
            stroke: colourOf(key),
            strokeWidth: 1.8,
            strokeOpacity: isScale ? 1 : 0.35,
          }),
          Plot.dot(singles, { ...own, x: 'x', y: 'value', r: 1.8, fill: colourOf(key), fillOpacity: 0.35 }),
          Plot.ruleX(rows, { ...own, x: 'x', y1: 'low', y2: 'high', stroke: colourOf(key), strokeWidth: 2 }),
          Plot.dot(rows, { ...own, x: 'x', y: 'mean', r: 3.6, fill: colourOf(key), stroke: 'var(--card)' }),
        ]
      })
      return plot({
        width,
        height: isNarrow(width) ? 210 : 230,
        marginTop: 24,
        marginBottom: 38,
        marginLeft: 62,
        x: { ...x, label, labelAnchor: 'center', labelArrow: 'none' },
        y,
        marks: [
          Plot.gridY(y.ticks, grid),
          Plot.text([units[unit] ?? unit], { frameAnchor: 'top-left', dx: -58, dy: -19, fill: 'var(--soft)' }),
          ...marks,
          Plot.tip(
            rows,
            Plot.pointer({
              x: 'x',
              y: 'mean',
              title: (row) =>
                `${label} ${row.x}${row.key === '' ? '' : `, ${row.key}`}\n${format(row.mean, 4)}\n95 %: ${format(row.low, 4)} to ${format(row.high, 4)}\n${row.values.length} seeds`,
              ...tipOptions,
            }),
          ),
        ],
      })
    })
  }
})()
