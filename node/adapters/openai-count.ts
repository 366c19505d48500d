// Counts the tokens of a prompt before it is evaluated: exactly where a server can, and never too many where none can.

import { MeshError } from '../../protocol/errors.ts'
import type { Task } from '../../protocol/task.ts'
import { type Body, type Dialect, promptBody } from './openai-dialect.ts'
import { count, property, type Upstream } from './openai-upstream.ts'

/** Inputs to embed are counted one by one: so many at once. */
const countsMax = 8
/** More than text in any common language averages; the template's own tokens are left out. */
const bytesPerToken = 6

/** Of each input, or of the one prompt. A consumer prepays the sum. Throws `MeshError` `engine-failed`. */
export async function countTokens(
  upstream: Upstream,
  dialect: Dialect,
  id: string,
  task: Task,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const one = async (body: Body): Promise<number> => {
    if (dialect === 'openai') return Math.floor(bytesIn(body) / bytesPerToken) + 1
    const told =
      dialect === 'vllm'
        ? await countAsVllm(upstream, id, body, signal)
        : await countAsLlamaServer(upstream, id, body, signal)
    if (told === undefined) throw new MeshError('engine-failed', `${upstream.root}/tokenize gave no count`)
    return told
  }
  if (!task.inputs) return [await one(promptBody(task))]
  const counts: number[] = []
  for (let at = 0; at < task.inputs.length; at += countsMax) {
    const inputs = task.inputs.slice(at, at + countsMax)
    counts.push(...(await Promise.all(inputs.map((prompt) => one({ prompt })))))
  }
  return counts
}

/** Asked once: each server is known by the endpoint that counts its prompts. */
export async function dialectOf(upstream: Upstream, id: string, signal: AbortSignal): Promise<Dialect> {
  const prompts: readonly Body[] = [
    { messages: [{ role: 'user', content: 'hello' }] },
    { prompt: 'hello' }, // models that only embed have no template
  ]
  for (const [dialect, counted] of [
    ['vllm', countAsVllm],
    ['llama-server', countAsLlamaServer],
  ] as const) {
    for (const prompt of prompts) {
      try {
        if (((await counted(upstream, id, prompt, signal)) ?? 0) > 0) return dialect
      } catch (error) {
        if (signal.aborted) throw error // otherwise not that server; one that is down has failed to list its models before
      }
    }
  }
  return 'openai'
}

async function countAsVllm(
  upstream: Upstream,
  id: string,
  body: Body,
  signal: AbortSignal,
): Promise<number | undefined> {
  return count(property(await upstream.json('/tokenize', { model: id, ...body }, signal), 'count'))
}

async function countAsLlamaServer(
  upstream: Upstream,
  id: string,
  body: Body,
  signal: AbortSignal,
): Promise<number | undefined> {
  const model = { model: id } // for one that routes to several
  const prompt =
    body['prompt'] ?? property(await upstream.json('/apply-template', { ...model, ...body }, signal), 'prompt')
  if (typeof prompt !== 'string') return undefined
  const text = { ...model, content: prompt, add_special: true, parse_special: true } // as its endpoints do
  const tokens = property(await upstream.json('/tokenize', text, signal), 'tokens')
  return Array.isArray(tokens) ? tokens.length : undefined
}

/** Of all text in it that a model will see. */
function bytesIn(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (typeof value !== 'object' || value === null) return 0
  // names and roles are the template's business
  return Object.entries(value).reduce((sum, [name, part]) => (isShown(name) ? sum + bytesIn(part) : sum), 0)
}

const hidden: ReadonlySet<string> = new Set(['role', 'type', 'id', 'tool_call_id', 'tool_choice'])

function isShown(name: string): boolean {
  return !hidden.has(name)
}
