// A sweep’s points: values put into a scenario’s source at paths such as population[0].count.

import { nearest, type Path, pathText, type Report } from './problem.ts'
import type { SweepAxis } from './scenario.ts'

/** Path → value. */
export type SweepPoint = Readonly<Record<string, unknown>>

/** Every combination, the last axis fastest; one empty point where nothing is swept. */
export function pointsOf(axes: readonly SweepAxis[]): readonly SweepPoint[] {
  return axes.reduce<readonly SweepPoint[]>(
    (points, { path, values }) => points.flatMap((point) => values.map((value) => ({ ...point, [path]: value }))),
    [{}],
  )
}

/** A copy with the point’s values in it and no sweep. */
export function sourceAt(source: unknown, point: SweepPoint, report: Report): unknown {
  const copy: unknown = structuredClone(source)
  if (!isContainer(copy)) return copy
  delete copy['sweep']
  for (const [path, value] of Object.entries(point)) put(copy, path, value, report)
  return copy
}

function put(root: Container, path: string, value: unknown, report: Report): void {
  const at: Path = ['sweep', path]
  const parts = path.split(/[.[\]]+/).filter((part) => part !== '')
  const expected = 'a path into the scenario such as population[0].count or network.loss'
  let parent: Container = root
  const done: (string | number)[] = []
  for (const [index, part] of parts.entries()) {
    const key = keyIn(parent, part)
    if (key === undefined) {
      const known = Array.isArray(parent) ? `${pathText(done)} has ${parent.length} items` : undefined
      report({ path: at, isKey: true, what: `leads nowhere at ${part}`, expected, hint: known })
      return
    }
    if (index === parts.length - 1) {
      parent[key] = structuredClone(value)
      return
    }
    // a part that the file leaves to its defaults begins empty
    const next = parent[key] ?? {}
    if (!isContainer(next)) {
      const hint = nearest(part, Object.keys(parent))
      report({ path: at, isKey: true, what: `leads nowhere after ${part}`, expected, hint })
      return
    }
    parent[key] = next
    done.push(key)
    parent = next
  }
  report({ path: at, isKey: true, what: 'is empty', expected })
}

/** In a list: an index, or the name or role of one item. */
function keyIn(parent: Container, part: string): string | undefined {
  if (!Array.isArray(parent)) return part === '__proto__' ? undefined : part
  if (/^\d+$/.test(part)) return Number(part) < parent.length ? part : undefined
  const at = parent.findIndex((item: unknown) => isContainer(item) && (item['name'] ?? item['role']) === part)
  return at >= 0 ? String(at) : undefined
}

type Container = Record<string, unknown>

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null
}
