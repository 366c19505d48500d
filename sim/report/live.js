// The live view: shows each sample as it arrives. Runs in a browser, inlined; needs nothing else.

;(() => {
  const pointsMax = 600
  const samples = []
  const show = (id, text) => {
    document.getElementById(id).textContent = text
  }
  const three = (value) =>
    Math.abs(value) >= 1000
      ? Math.round(value).toLocaleString('en').replaceAll(',', '\u2009')
      : String(+value.toPrecision(3))
  const duration = (ms) =>
    ms < 120_000 ? `${three(ms / 1000)} s` : ms < 7_200_000 ? `${three(ms / 60_000)} min` : `${three(ms / 3_600_000)} h`
  const rateOf = ({ requestsDone, requestsFailed }) =>
    requestsDone > 0 ? 1 - requestsFailed / requestsDone : undefined

  const sparks = {
    success: rateOf,
    active: ({ requestsActive }) => requestsActive,
    rate: ({ eventsPerSecond }) => eventsPerSecond,
    speed: ({ timesRealTime }) => timesRealTime,
    memory: ({ rssBytes }) => rssBytes,
  }

  function spark(id, of) {
    const values = samples.map(of).filter((value) => value !== undefined)
    const [low, high] = [Math.min(...values), Math.max(...values)]
    const y = (value) => (high === low ? 22 : 40 - (36 * (value - low)) / (high - low))
    const points = values.map(
      (value, index) => `${((200 * index) / Math.max(1, values.length - 1)).toFixed(1)},${y(value).toFixed(1)}`,
    )
    document
      .querySelector(`[data-spark="${id}"] path`)
      .setAttribute('d', points.length > 1 ? `M${points.join('L')}` : '')
  }

  function draw() {
    const last = samples.at(-1)
    if (!last) return
    const rate = rateOf(last)
    show('success', rate === undefined ? '–' : `${three(rate * 100)} %`)
    show(
      'success-also',
      `${three(last.requestsDone)} ended · ${three(last.requestsFailed)} failed${last.violations ? ` · ${last.violations} violations` : ''}`,
    )
    show('active', three(last.requestsActive))
    show('active-also', last.peersUp === undefined ? '\u00a0' : `${three(last.peersUp)} peers running`)
    show('rate', three(last.eventsPerSecond))
    show('rate-also', `${three(last.events)} so far`)
    show('speed', `${three(last.timesRealTime)} ×`)
    show('speed-also', last.etaMs === undefined ? '\u00a0' : `${duration(last.etaMs)} left`)
    show('memory', `${three(last.rssBytes / 1e6)} MB`)
    const share = Math.min(1, last.virtualMs / last.totalMs)
    document.getElementById('progress').value = share
    show('reached', `${duration(last.virtualMs)} of ${duration(last.totalMs)}`)
    document.title = `${Math.round(share * 100)} % · silkmesh`
    for (const [id, of] of Object.entries(sparks)) spark(id, of)
  }

  const take = (sample) => {
    samples.push(sample)
    if (samples.length > pointsMax) samples.shift()
  }
  const events = new EventSource('/events')
  events.addEventListener('history', ({ data }) => {
    samples.length = 0
    for (const sample of JSON.parse(data)) take(sample)
    show('state', 'running')
    draw()
  })
  events.addEventListener('message', ({ data }) => {
    take(JSON.parse(data))
    draw()
  })
  events.addEventListener('end', ({ data }) => {
    events.close()
    if (JSON.parse(data).hasReport) location.reload()
    else show('state', 'over: the report has the rest')
  })
  events.addEventListener('error', () => show('state', 'no connection: the run has ended, or is busy'))
})()
