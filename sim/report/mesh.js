// The two drawings that no plotting library has ready: connections around a circle, and payments between groups.
// Runs in a browser, inlined after charts.js.

;(() => {
  const { d3, data, draw, legend, colours, number } = globalThis.charts
  const kinds = {
    provider: { name: 'provider', colour: 'var(--c1)' },
    consumer: { name: 'consumer', colour: 'var(--c3)' },
    other: { name: 'settler or other', colour: 'var(--soft)' },
    adversary: { name: 'adversary', colour: 'var(--c2)' },
  }

  function titled(selection, text) {
    selection.append('title').text(text)
    return selection
  }

  draw('topology', (width) => {
    const { regions, nodes, links, between } = data.topology
    // a few peers on a large circle look lost
    const side = Math.min(width, nodes.length > 0 && nodes.length < 40 ? 420 : 680)
    const radius = side / 2 - 36
    const svg = d3
      .create('svg')
      .attr('viewBox', [-width / 2, -side / 2, width, side])
      .attr('width', width)
      .attr('height', side)
      .attr('aria-hidden', 'true')
    const total = d3.sum(regions, ({ peers }) => peers)
    const gap = regions.length > 1 ? Math.min(0.06, 0.6 / regions.length) : 0
    const free = 2 * Math.PI - gap * regions.length
    let angle = 0
    const arcs = regions.map(({ name, peers }) => {
      const from = angle
      angle += (free * peers) / total + gap
      return { name, peers, from, to: angle - gap }
    })
    const ring = svg.append('g').selectAll('g').data(arcs).join('g')
    titled(
      ring
        .append('path')
        .attr('d', ({ from, to }) =>
          d3.arc()({ innerRadius: radius + 10, outerRadius: radius + 13, startAngle: from, endAngle: to }),
        )
        .attr('fill', 'var(--soft)'),
      ({ name, peers }) => `${name}: ${peers} peers`,
    )
    // names follow the ring, so that none runs over the page's edge; one that does not fit is in its arc's tooltip
    const isLow = ({ from, to }) => Math.cos((from + to) / 2) < 0
    ring
      .append('path')
      .attr('id', (_, index) => `region-${index}`)
      .attr('fill', 'none')
      .attr('d', (arc) => {
        const [a, b] = isLow(arc) ? [arc.to, arc.from] : [arc.from, arc.to]
        const at = radius + (isLow(arc) ? 30 : 20)
        const point = (angle_) => `${at * Math.sin(angle_)},${-at * Math.cos(angle_)}`
        return `M${point(a)}A${at},${at} 0 ${arc.to - arc.from > Math.PI ? 1 : 0} ${isLow(arc) ? 0 : 1} ${point(b)}`
      })
    ring
      .filter(({ name, from, to }) => name.length * 7 < (to - from) * radius)
      .append('text')
      .attr('font-size', side < 480 ? 11.5 : 13)
      .attr('fill', 'var(--ink)')
      .attr('text-anchor', 'middle')
      .append('textPath')
      .attr('href', ({ name }) => `#region-${arcs.findIndex((arc) => arc.name === name)}`)
      .attr('startOffset', '50%')
      .text(({ name }) => name)

    if (nodes.length === 0) {
      const most = d3.max(between, ([, , count]) => count)
      const middleOf = (index) => (arcs[index].from + arcs[index].to) / 2
      const curve = d3.lineRadial().curve(d3.curveBundle.beta(0.85))
      titled(
        svg
          .append('g')
          .attr('fill', 'none')
          .attr('stroke', 'var(--c1)')
          .selectAll('path')
          .data(between.filter(([a, b]) => a !== b))
          .join('path')
          .attr('d', ([a, b]) =>
            curve([
              [middleOf(a), radius],
              [0, 0],
              [middleOf(b), radius],
            ]),
          )
          .attr('stroke-width', ([, , count]) => Math.max(1, (30 * count) / most))
          .attr('stroke-opacity', 0.35),
        ([a, b, count]) => `${regions[a].name} – ${regions[b].name}: ${count} connections`,
      )
      return svg.node()
    }

    const seen = regions.map(() => 0)
    const placed = nodes.map((node) => {
      const arc = arcs[node.region]
      seen[node.region] += 1
      return { ...node, angle: arc.from + ((arc.to - arc.from) * (seen[node.region] - 0.5)) / arc.peers, arc }
    })
    const curve = d3.lineRadial().curve(d3.curveBundle.beta(0.9))
    const inner = radius * 0.45
    const path = ([a, b]) => {
      const [from, to] = [placed[a], placed[b]]
      const middle = ({ arc }) => [(arc.from + arc.to) / 2, inner]
      const way =
        from.region === to.region ? [[(from.angle + to.angle) / 2, radius * 0.72]] : [middle(from), [0, 0], middle(to)]
      return curve([[from.angle, radius], ...way, [to.angle, radius]])
    }
    // many lines are drawn fainter, so that bundles show and no blot does
    const opacity = Math.max(0.1, Math.min(0.45, 15 / Math.sqrt(links.length + 1)))
    const lines = svg
      .append('g')
      .attr('fill', 'none')
      .selectAll('path')
      .data(links)
      .join('path')
      .attr('d', path)
      .attr('stroke', ([a, b]) =>
        placed[a].kind === 'adversary' || placed[b].kind === 'adversary' ? 'var(--c2)' : 'var(--c1)',
      )
      .attr('stroke-opacity', opacity)
    const size = Math.max(1.8, Math.min(5, (Math.PI * radius) / nodes.length))
    const dots = svg
      .append('g')
      .selectAll('circle')
      .data(placed)
      .join('circle')
      .attr('cx', (node) => radius * Math.sin(node.angle))
      .attr('cy', (node) => -radius * Math.cos(node.angle))
      .attr('r', size)
      .attr('fill', ({ kind }) => kinds[kind].colour)
      .attr('stroke', 'var(--card)')
      .attr('stroke-width', 0.8)
      .on('pointerenter', (_, node) => {
        const index = placed.indexOf(node)
        lines
          .attr('stroke-opacity', ([a, b]) => (a === index || b === index ? 0.9 : 0.04))
          .attr('stroke-width', ([a, b]) => (a === index || b === index ? 1.6 : 1))
      })
      .on('pointerleave', () => lines.attr('stroke-opacity', opacity).attr('stroke-width', 1))
    titled(dots, ({ name, kind, degree }) => `${name} (${kinds[kind].name}), ${degree} connections`)
    const present = Object.keys(kinds).filter((kind) => nodes.some((node) => node.kind === kind))
    return [legend(present.map((kind) => ({ ...kinds[kind], shape: 'dot' }))), svg.node()]
  })

  draw('flow', (width) => {
    const { from, to, links } = data.flow
    const isNarrow = width < 560
    const room = isNarrow ? 0 : Math.min(200, width * 0.24)
    const bar = 10
    const rows = Math.max(from.length, to.length)
    const height = Math.max(90, rows * 52)
    const gap = isNarrow ? 26 : 14
    const scale = (height - gap * (rows - 1)) / d3.sum(links, ([, , amount]) => amount)
    const top = isNarrow ? 18 : 4
    const stack = (names, side) => {
      const sums = names.map((_, index) =>
        d3.sum(
          links.filter((link) => link[side] === index),
          ([, , amount]) => amount,
        ),
      )
      let y = top
      return sums.map((sum, index) => {
        const box = { name: names[index], sum, y, height: Math.max(1, sum * scale), next: y }
        y += box.height + gap
        return box
      })
    }
    const [left, right] = [stack(from, 0), stack(to, 1)]
    const [x0, x1] = [room, width - room]
    const svg = d3
      .create('svg')
      .attr('viewBox', [0, 0, width, height + top + 4])
      .attr('width', width)
      .attr('height', height + top + 4)
      .attr('aria-hidden', 'true')
    const sorted = [...links].sort((a, b) => a[0] - b[0] || a[1] - b[1])
    const ribbons = sorted.map(([a, b, amount]) => {
      const [source, target] = [left[a], right[b]]
      const [y0, y1] = [source.next, target.next]
      const thickness = amount * scale
      source.next += thickness
      target.next += thickness
      const middle = (x0 + x1) / 2
      const d = `M${x0 + bar},${y0}C${middle},${y0} ${middle},${y1} ${x1 - bar},${y1}V${y1 + thickness}C${middle},${y1 + thickness} ${middle},${y0 + thickness} ${x0 + bar},${y0 + thickness}Z`
      return { d, a, text: `${source.name} → ${target.name}: ${number(amount)} GRAM` }
    })
    titled(
      svg
        .append('g')
        .selectAll('path')
        .data(ribbons)
        .join('path')
        .attr('d', ({ d }) => d)
        .attr('fill', ({ a }) => colours[a % colours.length])
        .attr('fill-opacity', 0.3),
      ({ text }) => text,
    )
    const side = (boxes, x, anchor, textX, colour) => {
      const group = svg.append('g').selectAll('g').data(boxes).join('g')
      group
        .append('rect')
        .attr('x', x)
        .attr('y', ({ y }) => y)
        .attr('width', bar)
        .attr('height', (box) => box.height)
        .attr('rx', 2)
        .attr('fill', colour)
      const text = group
        .append('text')
        .attr('x', textX)
        .attr('y', (box) => (isNarrow ? box.y - 6 : box.y + box.height / 2))
        .attr('text-anchor', anchor)
        .attr('dominant-baseline', isNarrow ? 'auto' : 'middle')
        .attr('font-size', 12.5)
      text
        .append('tspan')
        .attr('fill', 'var(--ink)')
        .text(({ name }) => `${name.length > 22 ? `${name.slice(0, 21)}…` : name} `)
      text
        .append('tspan')
        .attr('fill', 'var(--soft)')
        .text(({ sum }) => number(sum))
    }
    side(left, x0, isNarrow ? 'start' : 'end', isNarrow ? 0 : x0 - 8, (_, index) => colours[index % colours.length])
    side(right, x1 - bar, isNarrow ? 'end' : 'start', isNarrow ? width : x1 + 8, 'var(--soft)')
    return [svg.node()]
  })
})()
