// Whether what a workload asks for fits the models it asks: no model holds more than its context, prompt and answer together.

import { readTrace } from '../trace.ts'
import { type Path, type Report, shown } from './problem.ts'
import type { RawGroup } from './raw.ts'
import type { Group, Sizes, Workload } from './scenario.ts'
import { isBuiltInTrace, traces } from './traces.ts'

/** `least` and `most` tokens. */
type Extent = readonly [least: number, most: number]

/** A prompt that never fits is a problem; one that may not fit is a doubt, since it will be cut. */
export function checkFit(raw: readonly RawGroup[], groups: readonly Group[], report: Report, doubt: Report): void {
  const contexts = contextsOf(groups)
  for (const [at, { models, workload }] of groups.entries()) {
    const given = raw[at]?.workload
    if (!workload || !given) continue
    const asked = models?.flatMap(([model, weight]) => (weight > 0 ? [model] : [])) ?? [...contexts.keys()]
    const [model, contextTokens] = smallestOf(asked, contexts)
    if (model === undefined || contextTokens === undefined) continue
    const [prompt, completion] = extentsOf(workload)
    const from = given.prompt === undefined ? given.trace : given.prompt
    const path: Path = [
      'population',
      at,
      'workload',
      ...(from === undefined ? [] : [given.prompt === undefined ? 'trace' : 'prompt']),
    ]
    const what = from === undefined ? 'asks by default' : `is ${shown(from)}`
    const holds = `${model} holds ${contextTokens} tokens, prompt and answer together`
    if (prompt[0] >= contextTokens) {
      report({ path, what, expected: `prompts of at most ${contextTokens - 1} tokens`, hint: holds })
    } else if (prompt[1] + completion[1] > contextTokens) {
      const most = `${what}, up to ${prompt[1]} tokens with answers of up to ${completion[1]}`
      doubt({
        path,
        what: most,
        expected: `at most ${contextTokens} together`,
        hint: `${holds}; what is longer is cut`,
      })
    }
  }
}

/** Prompt and answer together, by model: the smallest context that anybody offers. */
export function contextsOf(groups: readonly Group[]): ReadonlyMap<string, number> {
  const contexts = new Map<string, number>()
  for (const { contextTokens, model } of groups.flatMap(({ engines }) => engines)) {
    contexts.set(model, Math.min(contexts.get(model) ?? Number.POSITIVE_INFINITY, contextTokens))
  }
  return contexts
}

function smallestOf(
  models: readonly string[],
  contexts: ReadonlyMap<string, number>,
): readonly [model?: string, contextTokens?: number] {
  const known = models.flatMap((model) => {
    const contextTokens = contexts.get(model)
    return contextTokens === undefined ? [] : [[model, contextTokens] as const]
  })
  return known.toSorted(([, a], [, b]) => a - b)[0] ?? []
}

function extentsOf({ arrivals, completion, prompt }: Workload): readonly [prompt: Extent, completion: Extent] {
  const [context, generated] = prompt && completion ? [none, none] : tracedExtents(arrivals)
  return [prompt ? extentOf(prompt) : context, completion ? extentOf(completion) : generated]
}

const none: Extent = [0, 0]

function tracedExtents(arrivals: Workload['arrivals']): readonly [Extent, Extent] {
  const trace = arrivals.process === 'trace' ? arrivals.trace : 'azure-2023-conversation'
  if (isBuiltInTrace(trace)) {
    const { context, generated } = traces[trace]
    return [extentOf({ kind: 'quantiles', points: context }), extentOf({ kind: 'quantiles', points: generated })]
  }
  let [contextMost, generatedMost] = [0, 0]
  // the longest tell: a trace with a few that are too long is no mistake
  for (const { contextTokens, generatedTokens } of readTrace(trace)) {
    contextMost = Math.max(contextMost, contextTokens)
    generatedMost = Math.max(generatedMost, generatedTokens)
  }
  return [
    [1, contextMost],
    [1, generatedMost],
  ]
}

function extentOf(sizes: Sizes): Extent {
  switch (sizes.kind) {
    case 'fixed':
      return [sizes.tokens, sizes.tokens]
    case 'uniform':
      return [sizes.min, sizes.max]
    case 'log-normal':
      return [1, sizes.max]
    case 'quantiles':
      return [sizes.points[0]?.[1] ?? 1, sizes.points.at(-1)?.[1] ?? 1]
  }
}
