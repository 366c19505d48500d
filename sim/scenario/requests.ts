// Who asks for what and when: a group's workload as planned requests.

import type { PlannedRequest } from '../plan.ts'
import type { SeededRandom } from '../random.ts'
import { exponential, integer } from '../random.ts'
import { readTrace } from '../trace.ts'
import { renewal, traced, type Window } from './arrivals.ts'
import { geometric, tokensOf, weighted } from './draw.ts'
import type { Group, Sizes, Weights, Workload } from './scenario.ts'
import { isBuiltInTrace, traces } from './traces.ts'

export interface Demand {
  readonly group: Group
  readonly workload: Workload
  /** Names of the group's members. */
  readonly members: readonly string[]
  readonly models: Weights
  /** Prompt and completion together, by model. */
  readonly contextTokens: ReadonlyMap<string, number>
  readonly window: Window
  readonly random: SeededRandom
}

const conversation = traces['azure-2023-conversation']
/** The first byte of an answer is taken to come within this, where a plan must guess when an answer ends. */
const firstTokenMs = 500

/** In no particular order. */
export function* requestsOf(demand: Demand): Generator<PlannedRequest> {
  const { members, random, window, workload } = demand
  const { arrivals, diurnal } = workload
  if (members.length === 0) return
  switch (arrivals.process) {
    case 'renewal': {
      for (const name of members) {
        const own = random.fork(name)
        const [times, sizes] = [own.fork('arrivals'), own.fork('sizes')]
        let count = 0
        for (const atMs of renewal(times, arrivals.perMs / workload.turns, arrivals.cv, window, diurnal)) {
          count += 1
          yield* talk(demand, sizes, name, `${name}/${count}`, atMs)
        }
      }
      return
    }
    case 'closed': {
      for (const name of members) yield* closed(demand, random.fork(name), name, arrivals.thinkMs)
      return
    }
    case 'paced':
    case 'explicit': {
      const sizes = random.fork('sizes')
      const times = arrivals.process === 'explicit' ? arrivals.atMs : paced(arrivals.everyMs, window)
      for (const [at, atMs] of [...times].entries()) {
        const name = members[at % members.length] ?? ''
        yield* one(demand, sizes, name, `${name}/${at + 1}`, atMs)
      }
      return
    }
    case 'trace':
      yield* replayed(demand, arrivals.trace, arrivals.scale)
  }
}

function* paced(everyMs: number, { fromMs, untilMs }: Window): Generator<number> {
  for (let at = 0; fromMs + at * everyMs < untilMs; at += 1) yield fromMs + at * everyMs
}

function* closed(demand: Demand, own: SeededRandom, name: string, thinkMs: number): Generator<PlannedRequest> {
  const { window } = demand
  const [times, sizes] = [own.fork('arrivals'), own.fork('sizes')]
  let atMs = window.fromMs + exponential(times, thinkMs)
  for (let count = 1; atMs < window.untilMs; count += 1) {
    let endMs = atMs
    for (const request of talk(demand, sizes, name, `${name}/${count}`, atMs)) {
      endMs = request.atMs + answerMs(demand, request)
      yield request
    }
    atMs = Math.max(endMs, atMs + firstTokenMs) + exponential(times, thinkMs)
  }
}

function* replayed(demand: Demand, trace: string, scale: number): Generator<PlannedRequest> {
  const { members, random, window, workload } = demand
  const [times, sizes, who] = [random.fork('arrivals'), random.fork('sizes'), random.fork('consumers')]
  const next = (): string => members[integer(who, members.length)] ?? ''
  let count = 0
  if (isBuiltInTrace(trace)) {
    const facts = traces[trace]
    const shape = { prompt: facts.context, completion: facts.generated }
    for (const atMs of traced(times, facts, scale, window, workload.diurnal)) {
      count += 1
      const name = next()
      yield* one(demand, sizes, name, `${name}/${count}`, atMs, {
        prompt: { kind: 'quantiles', points: shape.prompt },
        completion: { kind: 'quantiles', points: shape.completion },
      })
    }
    return
  }
  const rows = readTrace(trace)
  const firstMs = rows[0]?.atMs ?? 0
  for (const row of rows) {
    const atMs = window.fromMs + (row.atMs - firstMs) / scale
    if (atMs >= window.untilMs) return
    count += 1
    const name = next()
    yield* one(demand, sizes, name, `${name}/${count}`, atMs, {
      prompt: { kind: 'fixed', tokens: Math.max(1, row.contextTokens) },
      completion: { kind: 'fixed', tokens: Math.max(1, row.generatedTokens) },
    })
  }
}

interface Shape {
  readonly prompt: Sizes
  readonly completion: Sizes
}

const usual: Shape = {
  prompt: { kind: 'quantiles', points: conversation.context },
  completion: { kind: 'quantiles', points: conversation.generated },
}

/** One conversation: each later prompt begins with all that was said before. */
function* talk(
  demand: Demand,
  random: SeededRandom,
  consumer: string,
  name: string,
  fromMs: number,
): Generator<PlannedRequest> {
  const { window, workload } = demand
  const turns = geometric(random, workload.turns)
  const model = weighted(demand.models, random.next())
  let atMs = fromMs
  let saidTokens = 0
  for (let turn = 0; turn < turns; turn += 1) {
    const request = drawn(demand, random, { consumer, conversation: name, model, atMs, saidTokens }, usual)
    // a conversation ends where its model can hold no more
    if (request.promptTokens < saidTokens || atMs >= window.untilMs) return
    yield request
    saidTokens = request.promptTokens + request.completionTokens
    atMs = micro(atMs + answerMs(demand, request) + exponential(random, workload.gapMs))
  }
}

function* one(
  demand: Demand,
  random: SeededRandom,
  consumer: string,
  name: string,
  atMs: number,
  shape: Shape = usual,
): Generator<PlannedRequest> {
  const model = weighted(demand.models, random.next())
  yield drawn(demand, random, { consumer, conversation: name, model, atMs, saidTokens: 0 }, shape)
}

interface Start {
  readonly consumer: string
  readonly conversation: string
  readonly model: string
  readonly atMs: number
  readonly saidTokens: number
}

function drawn(
  { contextTokens, workload }: Demand,
  random: SeededRandom,
  { consumer, conversation, model, atMs, saidTokens }: Start,
  shape: Shape,
): PlannedRequest {
  const context = contextTokens.get(model) ?? Number.POSITIVE_INFINITY
  const promptDrawn = saidTokens + tokensOf(random, workload.prompt ?? shape.prompt)
  const completionDrawn = tokensOf(random, workload.completion ?? shape.completion)
  // what does not fit the model is cut, as a caller would: the answer to half the context or more, then the prompt to the rest
  const roomTokens = Math.max(Math.floor(context / 2), context - promptDrawn)
  const completionTokens = Math.max(1, Math.min(completionDrawn, roomTokens))
  const promptTokens = Math.max(1, Math.min(promptDrawn, context - completionTokens))
  const [leaves, where] = [random.next() < workload.leave, random.next()]
  const request = { atMs: micro(atMs), consumer, model, promptTokens, completionTokens, conversation }
  return leaves && completionTokens > 1
    ? { ...request, leaveAfterTokens: 1 + Math.floor(where * (completionTokens - 1)) }
    : request
}

function answerMs({ workload }: Demand, { completionTokens }: PlannedRequest): number {
  return firstTokenMs + completionTokens * workload.tokenMs
}

/** Plans are written and compared as text: whole microseconds. */
function micro(ms: number): number {
  return Math.floor(ms * 1_000) / 1_000
}
