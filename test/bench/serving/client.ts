// A client that costs little: it reads bytes, notes when the first and the last of an answer came, and parses only the end.

import { Agent, type IncomingMessage, request } from 'node:http'

export interface Target {
  /** Such as `http://127.0.0.1:8333/v1`. */
  readonly baseUrl: string
  readonly apiKey: string
}

export interface Timing {
  readonly startMs: number
  /** The first text of the answer, not the stream's opening. */
  readonly firstMs: number
  readonly endMs: number
  readonly completionTokens: number
}

const agent = new Agent({ keepAlive: true, maxSockets: 512 })

export function stream(target: Target, body: object): Promise<Timing> {
  const text = JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } })
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    authorization: `Bearer ${target.apiKey}`,
  }
  const startMs = performance.now()
  return new Promise((resolve, reject) => {
    const asked = request(`${target.baseUrl}/chat/completions`, { method: 'POST', headers, agent }, (response) => {
      read(response, startMs).then(resolve, reject)
    })
    asked.on('error', reject)
    asked.end(text)
  })
}

async function read(response: IncomingMessage, startMs: number): Promise<Timing> {
  let firstMs: number | undefined
  let last = ''
  for await (const bytes of response) {
    const text = String(bytes)
    if (firstMs === undefined && /"content":"[^"]/.test(text)) firstMs = performance.now()
    last = (last + text).slice(-2_048)
  }
  const endMs = performance.now()
  if (response.statusCode !== 200 || firstMs === undefined || last.includes('"error"')) {
    throw new Error(`answer ${response.statusCode}: ${last.slice(0, 400)}`)
  }
  return { startMs, firstMs, endMs, completionTokens: Number(/"completion_tokens":(\d+)/.exec(last)?.[1] ?? 0) }
}

/** Sorted; the share of them at or below. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

/** Tokens a second of streams that ran together, from the first token of any to the end of all. */
export function tokensPerSecond(timings: readonly Timing[]): number {
  const tokens = timings.reduce((sum, { completionTokens }) => sum + completionTokens, 0)
  const fromMs = Math.min(...timings.map(({ firstMs }) => firstMs))
  const toMs = Math.max(...timings.map(({ endMs }) => endMs))
  return (1_000 * tokens) / (toMs - fromMs)
}
