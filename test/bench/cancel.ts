// How soon a client that hangs up stops the decoder of a provider: HTTP to the consumer's process, libp2p to the provider's,
// and messages to its engine's.

import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultRandomModel, writeRandomGguf } from '../../node/models/random-gguf.ts'
import type { Generated } from './serving/cancel-peer.ts'
import { percentile, type Target } from './serving/client.ts'
import { startBenchMesh } from './serving/mesh.ts'

const rounds = 40
const seenChunks = 20
const tokensMax = 2_000
const untilMsMax = 20_000

export async function measure(): Promise<Readonly<Record<string, unknown>>> {
  const dir = mkdtempSync(join(tmpdir(), 'silkmesh-bench-'))
  try {
    const model = join(dir, 'random-60m.gguf')
    writeRandomGguf(model, defaultRandomModel)
    const peer = join(import.meta.dirname, 'serving/cancel-peer.ts')
    await using mesh = await startBenchMesh({ engine: { script: peer, args: [model] }, requestsMax: 8 })
    const toStopMs: number[] = []
    const after: number[] = []
    let perSecond = 0
    for (let round = 0; round < rounds; round += 1) {
      const hungUpAtMs = await hangUp(mesh.gateway)
      const told = mesh.provider.event(
        (event) => event['type'] === 'generated' && event['round'] === round,
        untilMsMax,
        never,
      )
      const { deltas, stoppedAtMs } = (await told) as unknown as Generated
      toStopMs.push(stoppedAtMs - hungUpAtMs)
      after.push(deltas.reduce((sum, { atMs, tokens }) => sum + (atMs > hungUpAtMs ? tokens : 0), 0))
      const [first, last] = [deltas[0], deltas.at(-1)]
      const all = deltas.reduce((sum, { tokens }) => sum + tokens, 0)
      if (first && last) perSecond = Math.round((1_000 * all) / (last.atMs - first.atMs))
    }
    return {
      cancelMs: { p50: round(percentile(toStopMs, 0.5)), p99: round(percentile(toStopMs, 0.99)) },
      tokensAfterCancel: { p50: percentile(after, 0.5), max: Math.max(...after) },
      tokensPerSecond: perSecond,
      rounds,
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Reads a while, breaks the connection, and tells when. */
function hangUp({ apiKey, baseUrl }: Target): Promise<number> {
  const messages = [{ role: 'user', content: 'hello' }]
  const text = JSON.stringify({ model: 'random-60m', messages, temperature: 0, max_tokens: tokensMax, stream: true })
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` }
  return new Promise((resolve, reject) => {
    const asked = request(`${baseUrl}/chat/completions`, { method: 'POST', headers }, (response) => {
      let chunks = 0
      response.on('data', (bytes: Buffer) => {
        if (response.statusCode !== 200) reject(new Error(bytes.toString()))
        chunks += 1
        if (chunks !== seenChunks) return
        asked.destroy()
        resolve(performance.timeOrigin + performance.now())
      })
    })
    asked.on('error', () => undefined) // it was broken off from here
    asked.end(text)
  })
}

function round(ms: number): number {
  return Math.round(10 * ms) / 10
}

const never = new AbortController().signal
