// The plots of a run's report about providers and money. Runs in a browser, inlined after charts.js.

;(() => {
  const { d3, Plot, data, ramp, draw, plot, legend, rampLegend, timeAxis, bandMarks, at, number } = globalThis.charts
  const { grid, tipOptions, isNarrow, unitLabel } = globalThis.charts
  const { endMs, bands } = data

  // providers ----------------------------------------------------------------------------------------------------------

  draw('heat', (width) => {
    const { binMs, subjects, rows } = data.heat
    const cells = rows.flatMap((row, index) =>
      row.flatMap((percent, bin) =>
        percent < 0
          ? []
          : [{ subject: subjects[index], fromMs: bin * binMs, toMs: Math.min(endMs, (bin + 1) * binMs), percent }],
      ),
    )
    const height = Math.max(8, Math.min(22, 620 / subjects.length))
    const isNamed = height >= 11 && !isNarrow(width)
    // where nobody is busy the ramp ends earlier, and says so: else all would look the same
    const most = d3.max(cells, ({ percent }) => percent)
    const top = [2, 5, 10, 25, 50, 100].find((percent) => percent >= most) ?? 100
    return [
      rampLegend('idle', top === 100 ? 'full' : `${top} % in use`),
      plot({
        width,
        height: 34 + subjects.length * height,
        marginTop: 4,
        marginLeft: isNamed ? Math.min(160, 18 + 6.4 * d3.max(subjects, (name) => name.length)) : 14,
        x: timeAxis(endMs, width),
        y: { type: 'band', domain: subjects, axis: isNamed ? 'left' : null, label: null, tickSize: 0, padding: 0.06 },
        color: {
          type: 'threshold',
          domain: [0.02, ...d3.range(1, 8).map((step) => step / 8)].map((share) => share * top),
          range: ramp,
        },
        marks: [
          Plot.barX(cells, { x1: 'fromMs', x2: 'toMs', y: 'subject', fill: 'percent', shapeRendering: 'crispEdges' }),
          ...bands.map(({ fromMs }) =>
            Plot.ruleX([fromMs], { stroke: 'var(--band)', strokeWidth: 1.2, strokeDasharray: '3,2' }),
          ),
          Plot.tip(
            cells,
            Plot.pointer({
              x: ({ fromMs, toMs }) => (fromMs + toMs) / 2,
              y: 'subject',
              title: ({ subject, fromMs, percent }) => `${subject}\nat ${at(fromMs)}: ${percent} % in use`,
              ...tipOptions,
            }),
          ),
        ],
      }),
    ]
  })

  draw('prices', (width) => {
    const prices = data.prices.map(([ms, p10, p25, p50, p75, p90]) => ({ ms, p10, p25, p50, p75, p90 }))
    return [
      legend([
        { name: 'median', colour: 'var(--c1)' },
        { name: 'middle half', colour: 'color-mix(in srgb, var(--c1) 40%, transparent)', shape: 'box' },
        { name: 'middle four fifths', colour: 'color-mix(in srgb, var(--c1) 18%, transparent)', shape: 'box' },
      ]),
      plot({
        width,
        height: 250,
        marginTop: 26,
        x: timeAxis(endMs, width),
        y: { label: null, ticks: 5, nice: true, zero: true, tickFormat: number },
        marks: [
          ...bandMarks(bands, endMs),
          Plot.gridY({ ...grid, ticks: 5 }),
          Plot.areaY(prices, { x: 'ms', y1: 'p10', y2: 'p90', fill: 'var(--c1)', fillOpacity: 0.16 }),
          Plot.areaY(prices, { x: 'ms', y1: 'p25', y2: 'p75', fill: 'var(--c1)', fillOpacity: 0.24 }),
          Plot.lineY(prices, { x: 'ms', y: 'p50', stroke: 'var(--c1)', strokeWidth: 2.2 }),
          unitLabel('GRAM a million tokens'),
          Plot.tip(
            prices,
            Plot.pointerX({
              x: 'ms',
              y: 'p50',
              title: ({ ms, p10, p50, p90 }) => `${at(ms)}\nmedian ${number(p50)}\n${number(p10)} to ${number(p90)}`,
              ...tipOptions,
            }),
          ),
        ],
      }),
    ]
  })

  draw('lorenz', (width) => {
    const points = data.lorenz.map(([share, earned]) => ({ share, earned }))
    const percent = (share) => `${share * 100} %`
    return plot({
      width,
      height: 272,
      marginTop: 26,
      marginBottom: 34,
      x: {
        domain: [0, 1],
        ticks: [0, 0.25, 0.5, 0.75, 1],
        tickFormat: percent,
        label: 'of providers, poorest first',
        labelAnchor: 'center',
        labelArrow: 'none',
      },
      y: { domain: [0, 1], ticks: [0, 0.25, 0.5, 0.75, 1], tickFormat: percent, label: null },
      marks: [
        Plot.gridY([0.25, 0.5, 0.75, 1], grid),
        Plot.line(
          [
            [0, 0],
            [1, 1],
          ],
          { stroke: 'var(--soft)', strokeDasharray: '3,3' },
        ),
        Plot.areaY(points, { x: 'share', y: 'earned', fill: 'var(--c1)', fillOpacity: 0.16 }),
        Plot.line(points, { x: 'share', y: 'earned', stroke: 'var(--c1)', strokeWidth: 2.2 }),
        unitLabel('of earnings'),
        Plot.tip(
          points,
          Plot.pointerX({
            x: 'share',
            y: 'earned',
            title: ({ share, earned }) =>
              `the poorest ${(share * 100).toFixed(0)} % earn ${(earned * 100).toFixed(1)} %`,
            ...tipOptions,
          }),
        ),
      ],
    })
  })

  // money --------------------------------------------------------------------------------------------------------------

  const seriesOf = (name) => (data.series[name] ?? []).map(([ms, value]) => ({ ms, value: value / 1e9 }))

  draw('money', (width) => {
    const lines = [
      { name: 'signed', of: seriesOf('spentNano'), colour: 'var(--c1)' },
      { name: 'settled', of: seriesOf('settledNano'), colour: 'var(--c3)' },
      { name: 'fees', of: seriesOf('feesNano'), colour: 'var(--c2)' },
    ].filter(({ of }) => of.length > 1)
    const settledAt = new Map(
      (lines.find(({ name }) => name === 'settled')?.of ?? []).map(({ ms, value }) => [ms, value]),
    )
    const owed = lines[0].of
      .filter(({ ms }) => settledAt.has(ms))
      .map(({ ms, value }) => ({ ms, value, settled: settledAt.get(ms) }))
    return [
      legend([
        ...lines.map(({ name, colour }) => ({ name, colour })),
        ...(owed.length > 1
          ? [{ name: 'not settled yet', colour: 'color-mix(in srgb, var(--c1) 22%, transparent)', shape: 'box' }]
          : []),
      ]),
      plot({
        width,
        height: 250,
        marginTop: 26,
        x: timeAxis(endMs, width),
        y: { label: null, ticks: 5, nice: true, tickFormat: number, zero: true },
        marks: [
          ...bandMarks(bands, endMs),
          Plot.gridY({ ...grid, ticks: 5 }),
          Plot.areaY(owed, { x: 'ms', y1: 'settled', y2: 'value', fill: 'var(--c1)', fillOpacity: 0.14 }),
          ...lines.map(({ of, colour, name }) =>
            Plot.line(of, {
              x: 'ms',
              y: 'value',
              stroke: colour,
              strokeWidth: 2,
              curve: name === 'signed' ? 'linear' : 'step-after',
            }),
          ),
          unitLabel('GRAM'),
          ...lines.slice(0, 1).map(({ of }) =>
            Plot.tip(
              of,
              Plot.pointerX({
                x: 'ms',
                y: 'value',
                title: ({ ms, value }) =>
                  `${at(ms)}\nsigned ${number(value)}${settledAt.has(ms) ? `\nsettled ${number(settledAt.get(ms))}` : ''}`,
                ...tipOptions,
              }),
            ),
          ),
        ],
      }),
    ]
  })

  draw('exposure', (width) => {
    // a window is often a few tens of thousands of nano: as GRAM it would be all noughts
    const largest = d3.max(
      [...(data.series.unpaidNanoMax ?? []), ...(data.series.windowNano ?? [])],
      ([, value]) => value,
    )
    const [unit, per] = largest < 1e6 ? ['nano', 1] : ['GRAM', 1e9]
    const of = (name) => (data.series[name] ?? []).map(([ms, value]) => ({ ms, value: value / per }))
    const unpaid = of('unpaidNanoMax')
    const windows = of('windowNano')
    return [
      legend([
        { name: 'unpaid', colour: 'var(--c1)' },
        ...(windows.length > 0 ? [{ name: 'window', colour: 'var(--c2)', shape: 'dashed' }] : []),
      ]),
      plot({
        width,
        height: 250,
        marginTop: 26,
        marginLeft: 56,
        x: timeAxis(endMs, width),
        y: { label: null, ticks: 5, nice: true, tickFormat: number, zero: true },
        marks: [
          ...bandMarks(bands, endMs),
          Plot.gridY({ ...grid, ticks: 5 }),
          Plot.areaY(unpaid, { x: 'ms', y: 'value', fill: 'var(--c1)', fillOpacity: 0.16, curve: 'step-after' }),
          Plot.line(unpaid, { x: 'ms', y: 'value', stroke: 'var(--c1)', strokeWidth: 2, curve: 'step-after' }),
          Plot.line(windows, { x: 'ms', y: 'value', stroke: 'var(--c2)', strokeWidth: 1.8, strokeDasharray: '5,3' }),
          unitLabel(unit),
          Plot.tip(
            unpaid,
            Plot.pointerX({
              x: 'ms',
              y: 'value',
              title: ({ ms, value }) => `${at(ms)}\n${number(value)} ${unit} unpaid`,
              ...tipOptions,
            }),
          ),
        ],
      }),
    ]
  })
})()
