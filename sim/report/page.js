// The plots of one run's report: latency, time series, providers, money. Runs in a browser, inlined after charts.js.

;(() => {
  const { d3, Plot, data, colours, ramp, draw, plot, legend, rampLegend, timeAxis, bandMarks, at, duration, number } =
    globalThis.charts
  const { endMs, bands, warmupMs } = data
  const grid = { stroke: 'var(--grid)', strokeOpacity: 1 }
  const tipOptions = { fill: 'var(--card)', stroke: 'var(--line)', fontSize: 12 }
  const isNarrow = (width) => width < 480

  // latency ------------------------------------------------------------------------------------------------------------

  for (const id of ['ttft', 'e2e']) {
    draw(id, (width) => {
      const curves = data[id]
      const colourOf = (index) => (index === 0 ? 'var(--ink)' : colours[(index - 1) % colours.length])
      const points = curves.flatMap(({ key, points: of }, index) =>
        of.map(([ms, share]) => ({ key, ms: Math.max(ms, 0.1), share, colour: colourOf(index), isAll: index === 0 })),
      )
      const [low, high] = d3.extent(points, ({ ms }) => ms)
      const domain = [low * 0.9, Math.max(high * 1.1, low * 2)]
      // whole decades, and halves of them where the span is short
      const decades = Math.log10(domain[1] / domain[0])
      const factors = decades > 2.2 ? [1] : decades > 1 ? [1, 3] : [1, 2, 3, 5, 7]
      const ticks = d3
        .range(-1, 9)
        .flatMap((power) => factors.map((factor) => factor * 10 ** power))
        .filter((ms) => ms >= domain[0] && ms <= domain[1])
      const all = curves[0].points
      const marked = [0.5, 0.95, 0.99].flatMap((share) => {
        const ms = all.find(([, reached]) => reached >= share)?.[0]
        return ms === undefined ? [] : [{ share, ms }]
      })
      return [
        curves.length > 1 &&
          legend(
            curves.map(({ key, count }, index) => ({ name: `${key} (${number(count)})`, colour: colourOf(index) })),
          ),
        plot({
          width,
          height: 250,
          x: { type: 'log', domain, ticks, tickFormat: duration, label: null },
          y: { domain: [0, 1], ticks: [0, 0.25, 0.5, 0.75, 1], tickFormat: (share) => `${share * 100} %`, label: null },
          marks: [
            Plot.gridY([0, 0.25, 0.5, 0.75, 1], grid),
            Plot.gridX(ticks, grid),
            Plot.line(points, {
              x: 'ms',
              y: 'share',
              z: 'key',
              stroke: 'colour',
              strokeWidth: ({ isAll }) => (isAll ? 2.4 : 1.6),
              curve: 'linear',
            }),
            Plot.dot(marked, { x: 'ms', y: 'share', r: 3.5, fill: 'var(--ink)', stroke: 'var(--card)' }),
            Plot.text(marked, {
              x: 'ms',
              y: 'share',
              text: ({ share }) => `p${share * 100}`,
              // to the right of a rising curve there is room, at its end there is only below
              dx: 7,
              dy: ({ share }) => (share > 0.96 ? 14 : 6),
              textAnchor: 'start',
              fill: 'var(--ink)',
              stroke: 'var(--card)',
              strokeWidth: 3,
              filter: ({ share }) => share !== 0.99,
            }),
            Plot.tip(
              points,
              Plot.pointer({
                x: 'ms',
                y: 'share',
                title: ({ key, ms, share }) => `${key}\n${+(share * 100).toFixed(1)} % within ${duration(ms)}`,
                ...tipOptions,
              }),
            ),
          ],
        }),
      ]
    })
  }

  // over time ----------------------------------------------------------------------------------------------------------

  const warmup = () =>
    warmupMs > 0 ? [Plot.ruleX([warmupMs], { stroke: 'var(--soft)', strokeDasharray: '2,3', strokeOpacity: 0.8 })] : []

  draw('traffic', (width) => {
    const { binMs, rows } = data.traffic
    const x = timeAxis(endMs, width)
    const bins = rows.map(([fromMs, ok, failed, active]) => ({
      fromMs,
      toMs: Math.min(endMs, fromMs + binMs),
      ok,
      failed,
      active,
    }))
    const ended = bins
      .filter(({ ok, failed }) => ok + failed > 0)
      .map((bin) => ({ ...bin, rate: bin.ok / (bin.ok + bin.failed) }))
    const worst = d3.min(ended, ({ rate }) => rate) ?? 1
    // from the whole tenth below the worst, so that small dips are seen
    const floor = Math.min(0.9, Math.floor(worst * 10 - 1e-9) / 10)
    const top = (label) =>
      Plot.text([label], {
        frameAnchor: 'top-left',
        dx: 6,
        dy: 4,
        fill: 'var(--ink)',
        fontWeight: 600,
        stroke: 'var(--card)',
        strokeWidth: 4,
      })
    const middle = ({ fromMs, toMs }) => (fromMs + toMs) / 2
    const peersUp = (data.series.peersUp ?? []).map(([ms, value]) => ({ ms, value }))
    const panel = (options) => plot({ width, marginTop: 6, marginBottom: 6, ...options, x: { ...x, ...options.x } })
    const tip = (title) =>
      Plot.tip(
        bins,
        Plot.pointerX({
          x: middle,
          title: (bin) => `${at(bin.fromMs)} to ${at(bin.toMs)}\n${title(bin)}`,
          ...tipOptions,
        }),
      )
    return [
      legend([
        { name: 'answered', colour: 'var(--c1)', shape: 'box' },
        { name: 'failed', colour: 'var(--c2)', shape: 'box' },
        { name: 'under way', colour: 'var(--c3)' },
        ...(bands.length > 0
          ? [{ name: 'fault', colour: 'color-mix(in srgb, var(--band) 35%, transparent)', shape: 'box' }]
          : []),
        ...(warmupMs > 0 ? [{ name: 'end of warm-up', colour: 'var(--soft)', shape: 'dashed' }] : []),
      ]),
      panel({
        height: 128,
        marginTop: 22,
        x: { axis: null },
        y: { domain: [floor, 1], ticks: 3, tickFormat: (share) => `${+(share * 100).toFixed(1)} %`, label: null },
        marks: [
          ...bandMarks(bands, endMs, true, width - 60),
          Plot.gridY({ ...grid, ticks: 3 }),
          ...warmup(),
          Plot.line(ended, { x: middle, y: 'rate', stroke: 'var(--c1)', strokeWidth: 1.8, curve: 'step', clip: true }),
          Plot.dot(
            ended.filter(({ rate }) => rate < 1),
            { x: middle, y: 'rate', r: 2.4, fill: 'var(--c2)' },
          ),
          top('success rate'),
          tip(({ ok, failed }) =>
            ok + failed === 0 ? 'none ended' : `${+((100 * ok) / (ok + failed)).toFixed(2)} % answered`,
          ),
        ],
      }),
      panel({
        height: 128,
        x: { axis: null },
        y: { ticks: 3, label: null, tickFormat: number, nice: true },
        marks: [
          ...bandMarks(bands, endMs),
          Plot.gridY({ ...grid, ticks: 3 }),
          ...warmup(),
          Plot.rectY(bins, { x1: 'fromMs', x2: 'toMs', y: 'ok', fill: 'var(--c1)', insetRight: 0.5 }),
          Plot.rectY(bins, {
            x1: 'fromMs',
            x2: 'toMs',
            y1: 'ok',
            y2: ({ ok, failed }) => ok + failed,
            fill: 'var(--c2)',
            insetRight: 0.5,
          }),
          Plot.ruleY([0], { stroke: 'var(--line)' }),
          top(`ended, each ${duration(binMs)}`),
          tip(({ ok, failed }) => `${ok} answered, ${failed} failed`),
        ],
      }),
      panel({
        height: 142,
        marginBottom: peersUp.length > 0 ? 6 : 26,
        x: peersUp.length > 0 ? { axis: null } : {},
        y: { ticks: 3, label: null, tickFormat: number, nice: true, zero: true },
        marks: [
          ...bandMarks(bands, endMs),
          Plot.gridY({ ...grid, ticks: 3 }),
          ...warmup(),
          Plot.areaY(bins, { x: middle, y: 'active', fill: 'var(--c3)', fillOpacity: 0.16 }),
          Plot.lineY(bins, { x: middle, y: 'active', stroke: 'var(--c3)', strokeWidth: 1.8 }),
          top('requests under way'),
          tip(({ active }) => `${active} under way`),
        ],
      }),
      peersUp.length > 0 &&
        panel({
          height: 112,
          marginBottom: 26,
          y: { ticks: 3, label: null, tickFormat: number, nice: true },
          marks: [
            ...bandMarks(bands, endMs),
            Plot.gridY({ ...grid, ticks: 3 }),
            ...warmup(),
            Plot.line(peersUp, { x: 'ms', y: 'value', stroke: 'var(--c4)', strokeWidth: 1.8, curve: 'step-after' }),
            top('peers running'),
          ],
        }),
    ]
  })

  draw('dots', (width) => {
    const dots = data.dots.map(([ms, tookMs, outcome, failovers, request]) => ({
      ms,
      tookMs: Math.max(1, tookMs),
      outcome,
      failovers,
      request,
    }))
    const [low, high] = d3.extent(dots, ({ tookMs }) => tookMs)
    const of = (filter) => dots.filter(filter)
    const place = { x: 'ms', y: 'tookMs' }
    return [
      legend([
        { name: 'answered', colour: 'var(--c1)', shape: 'dot' },
        { name: 'answered after a failover', colour: 'var(--c4)', shape: 'ring' },
        { name: 'failed', colour: 'var(--c2)', shape: 'dot' },
        { name: 'left or lost', colour: 'var(--soft)', shape: 'ring' },
      ]),
      plot({
        width,
        height: isNarrow(width) ? 240 : 300,
        marginTop: 22,
        x: timeAxis(endMs, width),
        y: {
          type: 'log',
          domain: [low * 0.8, Math.max(high * 1.2, low * 3)],
          ticks: 4,
          tickFormat: duration,
          label: null,
        },
        marks: [
          ...bandMarks(bands, endMs, true, width - 60),
          Plot.gridY({ ...grid, ticks: 4 }),
          ...warmup(),
          Plot.dot(
            of(({ outcome, failovers }) => outcome === 'ok' && failovers === 0),
            { ...place, r: 1.8, fill: 'var(--c1)', fillOpacity: 0.5 },
          ),
          Plot.dot(
            of(({ outcome }) => outcome === 'left' || outcome === 'lost'),
            { ...place, r: 2.4, stroke: 'var(--soft)' },
          ),
          Plot.dot(
            of(({ outcome, failovers }) => outcome === 'ok' && failovers > 0),
            { ...place, r: 3, stroke: 'var(--c4)', strokeWidth: 1.5 },
          ),
          Plot.dot(
            of(({ outcome }) => outcome === 'failed'),
            { ...place, r: 2.8, fill: 'var(--c2)' },
          ),
          Plot.tip(
            dots,
            Plot.pointer({
              ...place,
              title: ({ request, ms, tookMs, outcome, failovers }) =>
                `request ${request}, ${outcome}\nat ${at(ms)}, took ${duration(tookMs)}${failovers > 0 ? `\n${failovers} failovers` : ''}`,
              ...tipOptions,
            }),
          ),
        ],
      }),
    ]
  })

  draw('codes', (width) => {
    const codes = data.codes.map(([code, count]) => ({ code, count }))
    const marginLeft = Math.min(width * 0.4, 24 + 6.6 * d3.max(codes, ({ code }) => code.length))
    return plot({
      width,
      height: 26 + codes.length * 24,
      marginLeft,
      marginRight: 48,
      marginTop: 2,
      marginBottom: 2,
      x: { axis: null },
      y: { label: null, domain: codes.map(({ code }) => code), tickSize: 0 },
      marks: [
        Plot.barX(codes, { x: 'count', y: 'code', fill: 'var(--c2)', insetTop: 2, insetBottom: 2 }),
        Plot.text(codes, {
          x: 'count',
          y: 'code',
          text: ({ count }) => number(count),
          dx: 6,
          textAnchor: 'start',
          fill: 'var(--ink)',
        }),
      ],
    })
  })

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
    return [
      rampLegend('idle', 'full'),
      plot({
        width,
        height: 34 + subjects.length * height,
        marginTop: 4,
        marginLeft: isNamed ? Math.min(160, 18 + 6.4 * d3.max(subjects, (name) => name.length)) : 14,
        x: timeAxis(endMs, width),
        y: { type: 'band', domain: subjects, axis: isNamed ? 'left' : null, label: null, tickSize: 0, padding: 0.06 },
        color: { type: 'threshold', domain: [2, 13, 25, 38, 50, 63, 75, 88], range: ramp },
        marks: [
          Plot.barX(cells, { x1: 'fromMs', x2: 'toMs', y: 'subject', fill: 'percent' }),
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
        y: { label: null, ticks: 5, nice: true, tickFormat: number },
        marks: [
          ...bandMarks(bands, endMs),
          Plot.gridY({ ...grid, ticks: 5 }),
          Plot.areaY(prices, { x: 'ms', y1: 'p10', y2: 'p90', fill: 'var(--c1)', fillOpacity: 0.16 }),
          Plot.areaY(prices, { x: 'ms', y1: 'p25', y2: 'p75', fill: 'var(--c1)', fillOpacity: 0.24 }),
          Plot.lineY(prices, { x: 'ms', y: 'p50', stroke: 'var(--c1)', strokeWidth: 2.2 }),
          Plot.text(['GRAM a million tokens'], { frameAnchor: 'top-left', dx: -44, dy: -20, fill: 'var(--soft)' }),
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
        Plot.text(['of earnings'], { frameAnchor: 'top-left', dx: -44, dy: -20, fill: 'var(--soft)' }),
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

  const gramLabel = Plot.text(['GRAM'], { frameAnchor: 'top-left', dx: -44, dy: -20, fill: 'var(--soft)' })
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
          gramLabel,
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
    const unpaid = seriesOf('unpaidNanoMax')
    const windows = seriesOf('windowNano')
    return [
      legend([
        { name: 'unpaid', colour: 'var(--c1)' },
        ...(windows.length > 0 ? [{ name: 'window', colour: 'var(--c2)', shape: 'dashed' }] : []),
      ]),
      plot({
        width,
        height: 250,
        marginTop: 26,
        marginLeft: 60,
        x: timeAxis(endMs, width),
        y: { label: null, ticks: 5, nice: true, tickFormat: number, zero: true },
        marks: [
          ...bandMarks(bands, endMs),
          Plot.gridY({ ...grid, ticks: 5 }),
          Plot.areaY(unpaid, { x: 'ms', y: 'value', fill: 'var(--c1)', fillOpacity: 0.16, curve: 'step-after' }),
          Plot.line(unpaid, { x: 'ms', y: 'value', stroke: 'var(--c1)', strokeWidth: 2, curve: 'step-after' }),
          Plot.line(windows, { x: 'ms', y: 'value', stroke: 'var(--c2)', strokeWidth: 1.8, strokeDasharray: '5,3' }),
          gramLabel,
          Plot.tip(
            unpaid,
            Plot.pointerX({
              x: 'ms',
              y: 'value',
              title: ({ ms, value }) => `${at(ms)}\n${number(value)} GRAM unpaid`,
              ...tipOptions,
            }),
          ),
        ],
      }),
    ]
  })
})()
