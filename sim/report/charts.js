// What the plots of all pages share: how a plot gets its place and width, time axes, fault bands, legends, numbers.
// Runs in a browser, inlined; d3 and Plot are inlined before it.

globalThis.charts = (() => {
  const { d3, Plot } = globalThis
  const data = JSON.parse(document.getElementById('data').textContent)
  const colours = ['var(--c1)', 'var(--c2)', 'var(--c3)', 'var(--c4)', 'var(--c5)', 'var(--c6)']
  const ramp = d3.range(9).map((step) => `var(--h${step})`)

  const grid = { stroke: 'var(--grid)', strokeOpacity: 1 }
  const tipOptions = { fill: 'var(--card)', stroke: 'var(--line)', fontSize: 12 }
  const isNarrow = (width) => width < 480
  /** Above the left axis. */
  const unitLabel = (unit) => Plot.text([unit], { frameAnchor: 'top-left', dx: -44, dy: -20, fill: 'var(--soft)' })

  /** A page of A4 or Letter between its margins, in CSS pixels, less a figure's own. */
  const paperWidth = 680

  /** Draws `render(width)` in its place, and again when the width changes. What it throws stays within its figure. */
  function draw(id, render) {
    const place = document.querySelector(`[data-plot="${CSS.escape(id)}"]`)
    if (!place) return
    let drawn = 0
    const redraw = (width = Math.floor(place.clientWidth)) => {
      if (width === drawn || width === 0) return
      drawn = width
      try {
        place.replaceChildren(...[render(width)].flat().filter(Boolean))
      } catch (error) {
        place.textContent = `This plot could not be drawn: ${error.message}`
      }
    }
    // in the next frame: drawing in the observer's own turn would change what it observes
    new ResizeObserver(() => requestAnimationFrame(() => redraw())).observe(place)
    addEventListener('beforeprint', () => redraw(place.closest('.wide') ? paperWidth : paperWidth / 2 - 40))
    addEventListener('afterprint', () => redraw())
    redraw()
  }

  /** Plot's own defaults for all of ours. */
  function plot({ width, label, ...options }) {
    const svg = Plot.plot({
      width,
      marginTop: 16,
      marginRight: 12,
      marginBottom: 30,
      marginLeft: 48,
      style: { background: 'transparent', fontSize: '12px', color: 'var(--soft)' },
      ...options,
    })
    // the figure's own text says what it shows
    svg.setAttribute('aria-hidden', 'true')
    return svg
  }

  function legend(entries) {
    const list = document.createElement('ul')
    list.className = 'legend'
    for (const { name, colour, shape = '' } of entries) {
      const item = document.createElement('li')
      const swatch = document.createElement('i')
      swatch.className = shape
      swatch.style.setProperty('--swatch', colour)
      item.append(swatch, name)
      list.append(item)
    }
    return list
  }

  function rampLegend(from, to) {
    const list = legend([])
    const item = document.createElement('li')
    const steps = document.createElement('span')
    steps.className = 'ramp'
    for (const colour of ramp) {
      const step = document.createElement('i')
      step.style.setProperty('--swatch', colour)
      steps.append(step)
    }
    item.append(from, steps, to)
    list.append(item)
    return list
  }

  const second = 1000
  const minute = 60 * second
  const hour = 60 * minute
  const day = 24 * hour
  const clockSteps = [1, 2, 5, 10, 15, 30].flatMap((count) => [count * second, count * minute])
  const timeSteps = [10, 20, 50, 100, 200, 500, ...clockSteps, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day]
    .concat(2 * day, 7 * day, 14 * day, 30 * day)
    .sort((a, b) => a - b)

  /** The time axis: ticks at whole minutes or hours, with the unit in the last label. */
  function timeAxis(endMs, width) {
    const step = timeSteps.find((each) => endMs / each <= Math.max(2, width / 90)) ?? endMs / 4
    const unit =
      step >= day ? [day, 'd'] : step >= hour ? [hour, 'h'] : step >= minute ? [minute, 'min'] : [second, 's']
    const ticks = d3.range(0, endMs + 1, step)
    const name = (ms) => `${+(ms / unit[0]).toFixed(2)}${ms === ticks.at(-1) ? ` ${unit[1]}` : ''}`
    return { domain: [0, endMs], ticks, tickFormat: name, label: null, tickSize: 4 }
  }

  /** Shaded behind everything; labelled where `labels` is set and there is room. */
  function bandMarks(bands, endMs, labels, width, labelsFrom = 0) {
    const shown = bands.map((band) => ({
      ...band,
      toMs: Math.min(endMs, Math.max(band.toMs, band.fromMs + endMs / 600)),
    }))
    const marks = [
      Plot.rectX(shown, {
        x1: 'fromMs',
        x2: 'toMs',
        fill: 'var(--band)',
        fillOpacity: 0.17,
        title: (band) => `${band.label}\n${at(band.fromMs)} to ${at(band.toMs)}`,
      }),
    ]
    if (!labels) return marks
    // a label that would run over the one before it, or over the edge, is left to the tooltip
    let freeFrom = labelsFrom
    const labelled = [...shown]
      .sort((a, b) => a.fromMs - b.fromMs)
      .filter(({ label, fromMs }) => {
        const from = (fromMs / endMs) * width
        const to = from + label.length * 6.2 + 8
        if (from < freeFrom || to > width) return false
        freeFrom = to
        return true
      })
    marks.push(
      Plot.text(labelled, {
        x: 'fromMs',
        text: 'label',
        frameAnchor: 'top-left',
        textAnchor: 'start',
        dy: -13,
        fill: 'var(--open)',
        fontSize: 11,
      }),
    )
    return marks
  }

  /** `20:05`, `1:20:05`, or with milliseconds where the run is short. */
  function at(ms) {
    const two = (part) => String(Math.floor(part)).padStart(2, '0')
    const [hours, minutes, seconds] = [Math.floor(ms / hour), Math.floor(ms / minute) % 60, (ms / second) % 60]
    return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`
  }

  /** Plot hands an index to what formats its ticks: these two take a value alone. */
  const duration = (ms) => durationTo(ms, 3)
  const number = (value) => numberTo(value, 3)

  function durationTo(ms, digits) {
    if (ms < 1) return `${+ms.toPrecision(digits - 1)} ms`
    if (ms < second) return `${+ms.toPrecision(digits)} ms`
    if (ms < 2 * minute) return `${+(ms / second).toPrecision(digits)} s`
    if (ms < 2 * hour) return `${+(ms / minute).toPrecision(digits)} min`
    return `${+(ms / hour).toPrecision(digits)} h`
  }

  function numberTo(value, digits) {
    const size = Math.abs(value)
    if (size >= 1e6) return d3.format(`.${digits}s`)(value).replace('G', ' bn').replace('M', ' M')
    if (size >= 1000) return d3.format(',.0f')(value).replaceAll(',', '\u2009')
    return size !== 0 && size < 1e-4 ? value.toExponential(digits - 2) : String(+value.toPrecision(digits))
  }

  /** Of a logarithmic axis of milliseconds: whole decades, with more between where the span is short. */
  function decades([low, high]) {
    const span = Math.log10(high / low)
    const factors = span > 2.6 ? [1] : span > 1 ? [1, 3] : [1, 2, 3, 5, 7]
    return d3
      .range(-2, 10)
      .flatMap((power) => factors.map((factor) => factor * 10 ** power))
      .filter((ms) => ms >= low && ms <= high)
  }

  return {
    d3,
    Plot,
    data,
    colours,
    ramp,
    draw,
    plot,
    legend,
    rampLegend,
    timeAxis,
    decades,
    bandMarks,
    at,
    duration,
    durationTo,
    number,
    numberTo,
    grid,
    tipOptions,
    isNarrow,
    unitLabel,
  }
})()
