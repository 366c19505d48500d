// Reads scenario files. Everything that is wrong with one is told at once, each with file, line and column.

import { readFileSync, statSync } from 'node:fs'
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { type Document, isCollection, isMap, isNode, LineCounter, type Node, parseDocument } from 'yaml'
import {
  nearest,
  type Path,
  type Position,
  type Problem,
  pathText,
  problemLines,
  ScenarioError,
  scenarioError,
  shown,
} from './problem.ts'
import type { RawScenario } from './raw.ts'
import { scenarioFrom } from './read.ts'
import type { Scenario } from './scenario.ts'
import { type SweepPoint, sourceAt } from './sweep.ts'

const fileBytesMax = 4_194_304
const schema: SchemaNode = JSON.parse(readFileSync(new URL('./scenario.schema.json', import.meta.url), 'utf8'))

interface SchemaNode {
  readonly [keyword: string]: unknown
  readonly title?: string
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, SchemaNode>>
}

/** `useDefaults` fills in what the schema says, so that defaults stand in one place. */
const ajv = new Ajv2020({
  allErrors: true,
  verbose: true,
  useDefaults: true,
  allowUnionTypes: true,
  strictRequired: false,
})
const validate = ajv.compile<RawScenario>(schema)

/** `seed` stands in for the file's. Throws `ScenarioError`. */
export function loadScenario(file: string, { seed }: { readonly seed?: string | number } = {}): Scenario {
  const text = textOf(file)
  const lines = new LineCounter()
  const document = parseDocument(withPlainPaths(text), { lineCounter: lines, prettyErrors: false })
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const [broken] = document.errors
  if (broken) {
    const problem = { path: [], what: `is no YAML here (${broken.message})`, expected: 'YAML' }
    throw scenarioError(file, [problem], () => at(broken.pos[0]))
  }
  const source: unknown = withBrackets(document.toJS({ maxAliasCount: 100 }))
  if (source === null) {
    throw scenarioError(file, [{ path: [], what: 'is empty', expected: 'a scenario; sim/scenarios/ holds some' }], () =>
      at(0),
    )
  }
  const locate = (problem: Problem): Position | undefined => {
    const offset = offsetOf(document, problem)
    return offset === undefined ? undefined : at(offset)
  }
  const replaced = seed === undefined || !isObject(source) ? source : { ...source, seed }
  const scenario = build(replaced, file, locate)
  const warnings = new Set(scenario.warnings)
  for (const axis of scenario.sweep) {
    for (const [index, value] of axis.values.entries()) {
      // what is wrong at a point of the sweep stands in the sweep
      const blamed: Problem = { path: ['sweep', axis.path, index], what: '', expected: '' }
      const point = scenarioAt(scenario, { [axis.path]: value }, (problem) =>
        locate(problem.path[0] === 'sweep' ? problem : blamed),
      )
      for (const warning of point.warnings) if (!isTold(warning, warnings)) warnings.add(warning)
    }
  }
  return { ...scenario, warnings: [...warnings] }
}

/** From an object such as a manifest’s `source`. Throws `ScenarioError`. */
export function scenarioOf(source: unknown, file: string): Scenario {
  return build(source, file, () => undefined)
}

/** The scenario with a sweep’s values put in, and no sweep. Throws `ScenarioError`. */
export function scenarioAt(
  { source, file }: Scenario,
  point: SweepPoint,
  locate: (problem: Problem) => Position | undefined = () => undefined,
): Scenario {
  const problems: Problem[] = []
  const changed = sourceAt(source, point, (problem) => problems.push(problem))
  if (problems.length > 0) throw scenarioError(file, problems, locate)
  return build(changed, file, locate)
}

function build(source: unknown, file: string, locate: (problem: Problem) => Position | undefined): Scenario {
  const raw: unknown = structuredClone(source)
  if (!validate(raw)) throw scenarioError(file, problemsOf(validate.errors ?? []), locate)
  const problems: Problem[] = []
  const doubts: Problem[] = []
  const scenario = scenarioFrom(
    raw,
    source,
    file,
    (problem) => problems.push(problem),
    (doubt) => doubts.push(doubt),
  )
  if (problems.length > 0) throw scenarioError(file, problems, locate)
  return { ...scenario, warnings: problemLines(file, doubts, locate) }
}

/** The same of another place: a point of a sweep has what the file has, and is blamed on the sweep. */
function isTold(warning: string, told: ReadonlySet<string>): boolean {
  const plain = (text: string): string => text.replace(/^.*?:\d+:\d+: /, '')
  return [...told].some((other) => plain(other) === plain(warning))
}

function textOf(file: string): string {
  try {
    const { size } = statSync(file)
    if (size <= fileBytesMax) return readFileSync(file, 'utf8')
    throw new ScenarioError(`${file}: ${size} bytes, expected at most ${fileBytesMax}`, [])
  } catch (error) {
    if (error instanceof ScenarioError) throw error
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new ScenarioError(`${file}: cannot be read (${reason}), expected a scenario; sim/scenarios/ holds some`, [])
  }
}

/**
 * YAML takes `[` within `{…}` for a list, and a sweep's paths are full of them: from `sweep:` on, `a[0].b:` is read as
 * `a(0).b:`, which is as long, so that positions hold.
 */
function withPlainPaths(text: string): string {
  const start = /^sweep:/m.exec(text)?.index ?? text.length
  const paths = text
    .slice(start)
    .replace(/[\w.]+(?:\[\d+\][\w.]*)+(?=\s*:)/g, (path) => path.replaceAll('[', '(').replaceAll(']', ')'))
  return text.slice(0, start) + paths
}

function withBrackets(source: unknown): unknown {
  if (!isObject(source) || !isObject(source['sweep'])) return source
  const sweep = Object.fromEntries(
    Object.entries(source['sweep']).map(([path, values]) => [path.replaceAll('(', '[').replaceAll(')', ']'), values]),
  )
  return { ...source, sweep }
}

/** Where the value stands, or its key; or the nearest thing around it that stands in the file at all. */
function offsetOf(document: Document, { path, isKey }: Problem): number | undefined {
  for (let length = path.length; length >= 0; length -= 1) {
    const part = path.slice(0, length)
    if (isKey && length === path.length) {
      const key = keyOffset(document, part)
      if (key !== undefined) return key
    }
    const node = nodeAt(document, part)
    if (node?.range) return node.range[0]
  }
  return undefined
}

function nodeAt(document: Document, path: Path): Node | undefined {
  let node: unknown = document.contents
  for (const [at, part] of path.entries()) {
    if (!isCollection(node)) return undefined
    node = node.get(part, true) ?? node.get(path[at - 1] === 'sweep' ? plainPath(part) : part, true)
  }
  return isNode(node) ? node : undefined
}

function keyOffset(document: Document, path: Path): number | undefined {
  const parent = nodeAt(document, path.slice(0, -1))
  const name = path.at(-1)
  if (!isMap(parent) || name === undefined) return undefined
  const pair = parent.items.find(({ key }) => {
    const text = isNode(key) && 'value' in key ? key.value : key
    return text === name || text === plainPath(name)
  })
  return isNode(pair?.key) ? pair.key.range?.[0] : undefined
}

function plainPath(part: string | number): string | number {
  return typeof part === 'number' ? part : part.replaceAll('[', '(').replaceAll(']', ')')
}

/** One problem a place: what is not even of the right type is not also out of range. */
function problemsOf(errors: readonly ErrorObject[]): readonly Problem[] {
  const problems = new Map<string, Problem>()
  for (const error of errors) {
    const problem = problemOf(error)
    const key = `${pathText(problem.path)} ${problem.isKey === true ? 'key' : problem.what.startsWith('lacks') ? problem.what : ''}`
    if (!problems.has(key)) problems.set(key, problem)
  }
  return [...problems.values()]
}

function problemOf({ instancePath, keyword, params, parentSchema, data }: ErrorObject): Problem {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part.replaceAll('~1', '/').replaceAll('~0', '~')))
  const node: SchemaNode = parentSchema ?? {}
  const expected = titleOf(node) ?? `${keyword} ${shown(params)}`
  if (keyword === 'additionalProperties') {
    const name = String(params['additionalProperty'])
    const known = Object.keys(node.properties ?? {})
    const hint = nearest(name, known)
    return { path: [...path, name], isKey: true, what: 'is no known key', expected: `one of ${known.join(', ')}`, hint }
  }
  if (keyword === 'propertyNames' || 'propertyName' in params) {
    const name = String(params['propertyName'])
    return { path: [...path, name], isKey: true, what: 'is no known key', expected }
  }
  if (keyword === 'required') {
    const name = String(params['missingProperty'])
    const member = node.properties?.[name]
    return { path, what: `lacks ${name}`, expected: (member && titleOf(member)) ?? 'it' }
  }
  if (keyword === 'enum' && Array.isArray(params['allowedValues'])) {
    const allowed = params['allowedValues'].map(String)
    const hint = typeof data === 'string' ? nearest(data, allowed) : undefined
    return { path, what: `is ${shown(data)}`, expected: `one of ${allowed.join(', ')}`, hint }
  }
  const isBare = typeof data === 'number' && /^a (duration|bandwidth|rate)/.test(expected)
  return { path, what: `is ${shown(data)}`, expected, hint: isBare ? 'write the unit, too' : undefined }
}

function titleOf(node: SchemaNode): string | undefined {
  if (node.title !== undefined) return node.title
  const [, name] = /^#\/\$defs\/(.+)$/.exec(node.$ref ?? '') ?? []
  const definitions = schema['$defs']
  const definition = name !== undefined && isObject(definitions) ? definitions[name] : undefined
  return isObject(definition) && typeof definition['title'] === 'string' ? definition['title'] : undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
