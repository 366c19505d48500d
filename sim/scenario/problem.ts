// What is wrong with a scenario: where, what stands there, what was expected. The only error a scenario can cause.

/** Keys and indices from the top of the file. */
export type Path = readonly (string | number)[]

export interface Problem {
  readonly path: Path
  /** As shown, such as `is "5 minutes"` or `lacks count`. */
  readonly what: string
  readonly expected: string
  readonly hint?: string | undefined
  /** The key itself is wrong, not what it holds. */
  readonly isKey?: boolean | undefined
}

export type Report = (problem: Problem) => void

export interface Position {
  readonly line: number
  readonly column: number
}

/** Its message is for people as it is: one line a problem, `file:line:column: …`. There is no stack to look at. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError'
  readonly problems: readonly Problem[]

  constructor(message: string, problems: readonly Problem[]) {
    super(message)
    this.problems = problems
    this.stack = message
  }
}

const problemsMax = 20

export function scenarioError(
  file: string,
  problems: readonly Problem[],
  locate: (problem: Problem) => Position | undefined,
): ScenarioError {
  return new ScenarioError(problemLines(file, problems, locate).join('\n'), problems)
}

/** One a place, from the top of the file. */
export function problemLines(
  file: string,
  problems: readonly Problem[],
  locate: (problem: Problem) => Position | undefined,
): readonly string[] {
  const placed = problems
    .map((problem) => ({ problem, at: locate(problem) }))
    .sort((a, b) => (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0))
  const all = placed.map(({ problem, at }) => {
    const { path, what, expected, hint } = problem
    const place = at ? `${file}:${at.line}:${at.column}` : file
    const subject = path.length === 0 ? 'the file' : pathText(path)
    return `${place}: ${subject} ${what}, expected ${expected}${hint === undefined ? '' : `; ${hint}`}`
  })
  const lines = [...new Set(all)].slice(0, problemsMax)
  const rest = new Set(all).size - lines.length
  return [...lines, ...(rest > 0 ? [`and ${rest} more`] : [])]
}

/** `population[0].count`. */
export function pathText(path: Path): string {
  return path.map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`)).join('')
}

export function shown(value: unknown): string {
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? 'absent')
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

/** `did you mean count?` where one of the known names is near enough. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, edits: editsBetween(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)
  const [best] = ranked
  return best && best.edits <= Math.max(2, Math.floor(name.length / 3)) ? `did you mean ${best.candidate}?` : undefined
}

/** Levenshtein’s distance, with two neighbours swapped as one edit. */
function editsBetween(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const swap =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (beforeLast[j - 2] ?? 0) + 1 : Infinity
      row.push(
        Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1), swap),
      )
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}
