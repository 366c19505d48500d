// The node's settings as scenarios name them: checked by the node's own table, with durations and amounts in human units.

import { type Overrides, settings } from '../../node/config.ts'
import { nearest, type Path, type Report, shown } from './problem.ts'
import { durationMsOf } from './units.ts'

interface Setting {
  readonly default: unknown
  readonly parse: (value: unknown) => unknown
}

const table: Readonly<Record<string, Readonly<Record<string, Setting>>>> = settings

export type SettingValues = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** `{consumer: {attemptsMax: 2, connectMs: 3s}}`, each value parsed by the node's table. What is wrong is reported and left out. */
export function overridesOf(values: SettingValues, path: Path, report: Report): Overrides {
  const overrides: Record<string, Record<string, unknown>> = {}
  for (const [group, members] of Object.entries(values)) {
    for (const [name, value] of Object.entries(members)) {
      const parsed = settingValue(group, name, value, [...path, group, name], report)
      if (parsed !== undefined) overrides[group] = { ...overrides[group], [name]: parsed }
    }
  }
  return overrides as Overrides
}

export function settingValue(group: string, name: string, value: unknown, path: Path, report: Report): unknown {
  const members = table[group]
  const setting = members?.[name]
  if (!members || !setting) {
    const known = members ? Object.keys(members) : Object.keys(table)
    const hint = nearest(members ? name : group, known) ?? `known: ${known.join(', ')}`
    const where = members ? path : path.slice(0, -1)
    report({ path: where, isKey: true, what: 'is no setting of a node', expected: 'one that it has', hint })
    return undefined
  }
  try {
    return setting.parse(humanValue(setting, value))
  } catch (error) {
    const [, expected] = /, (?:expected )?(.+)$/.exec(error instanceof Error ? error.message : '') ?? []
    report({ path, what: `is ${shown(value)}`, expected: expected ?? 'a value that the node takes' })
    return undefined
  }
}

/** Later ones win, setting by setting. */
export function mergedOverrides(...overrides: readonly Overrides[]): Overrides {
  const merged: Record<string, object> = {}
  for (const override of overrides) {
    for (const [group, values] of Object.entries(override)) merged[group] = { ...merged[group], ...values }
  }
  return merged
}

function humanValue(setting: Setting, value: unknown): unknown {
  if (typeof value !== 'string') return value
  if (typeof setting.default === 'bigint') return value.replace(/ ?GRAM$/, '')
  return typeof setting.default === 'number' && /[a-z]$/.test(value) ? Math.round(durationMsOf(value)) : value
}
