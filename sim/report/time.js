// The plots of a run's report about time: latency and what happened when. Runs in a browser, inlined after charts.js.

;(() => {
  const { d3, Plot, data, colours, draw, plot, legend, timeAxis, decades, bandMarks, at, duration, number } =
    globalThis.charts
  const { grid, tipOptions, isNarrow } = globalThis.charts
  const { endMs, bands, warmupMs } = data

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
      const ticks = decades(domain)
      const all = curves[0].points
      const marked = [0.5, 0.95, 0.99].flatMap((share) => {
        const ms = all.find(([, reached]) => reached >= share)?.[0]
        return ms === undefined ? [] : [{ share, ms }]
      })
      // two dots that are near each other share the name of the later
      const perDecade = width / Math.log10(domain[1] / domain[0])
      const named = marked.filter(({ ms }, index) => {
        const next = marked[index + 1]?.ms ?? Number.POSITIVE_INFINITY
        return Math.log10(next / ms) * perDecade > 34
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
            // a rising curve leaves room below and to the right
            Plot.text(named, {
              x: 'ms',
              y: 'share',
              text: ({ share }) => `p${share * 100}`,
              dx: 6,
              dy: 11,
              textAnchor: 'start',
              fill: 'var(--ink)',
              stroke: 'var(--card)',
              strokeWidth: 4,
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
    // what began a moment before the end says nothing about its whole interval
    const whole = bins.filter(({ fromMs, toMs }) => toMs - fromMs > binMs / 2)
    const ended = bins
      .filter(({ ok, failed }) => ok + failed > 0)
      .map((bin) => ({ ...bin, rate: bin.ok / (bin.ok + bin.failed) }))
    const worst = d3.min(ended, ({ rate }) => rate) ?? 1
    // from the whole tenth below the worst, so that small dips are seen
    const floor = Math.min(0.9, Math.floor(worst * 10 - 1e-9) / 10)
    const top = (label) =>
      Plot.text([label], {
        frameAnchor: 'top-left',
        dx: -44,
        dy: -22,
        fill: 'var(--ink)',
        fontWeight: 600,
      })
    const middle = ({ fromMs, toMs }) => (fromMs + toMs) / 2
    const peersUp = (data.series.peersUp ?? []).map(([ms, value]) => ({ ms, value }))
    const panel = (options) => plot({ width, marginTop: 28, marginBottom: 6, ...options, x: { ...x, ...options.x } })
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
        height: 140,
        x: { axis: null },
        y: { domain: [floor, 1], ticks: 3, tickFormat: (share) => `${+(share * 100).toFixed(1)} %`, label: null },
        marks: [
          ...bandMarks(bands, endMs, true, width - 60, 60),
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
        height: 140,
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
        height: 156,
        marginBottom: peersUp.length > 0 ? 6 : 26,
        x: peersUp.length > 0 ? { axis: null } : {},
        y: { ticks: 3, label: null, tickFormat: number, nice: true, zero: true },
        marks: [
          ...bandMarks(bands, endMs),
          Plot.gridY({ ...grid, ticks: 3 }),
          ...warmup(),
          Plot.areaY(whole, { x: middle, y: 'active', fill: 'var(--c3)', fillOpacity: 0.16 }),
          Plot.lineY(whole, { x: middle, y: 'active', stroke: 'var(--c3)', strokeWidth: 1.8 }),
          top('requests under way'),
          tip(({ active }) => `${active} under way`),
        ],
      }),
      peersUp.length > 0 &&
        panel({
          height: 130,
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
    const domain = [low * 0.8, Math.max(high * 1.2, low * 3)]
    const ticks = decades(domain)
    const of = (filter) => dots.filter(filter)
    const place = { x: 'ms', y: 'tookMs' }
    const r = dots.length < 300 ? 3.2 : 1.8
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
          domain,
          ticks,
          tickFormat: duration,
          label: null,
        },
        marks: [
          ...bandMarks(bands, endMs, true, width - 60),
          Plot.gridY(ticks, grid),
          ...warmup(),
          Plot.dot(
            of(({ outcome, failovers }) => outcome === 'ok' && failovers === 0),
            { ...place, r, fill: 'var(--c1)', fillOpacity: 0.5 },
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
})()
