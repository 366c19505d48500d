// One hop with nothing behind it, for comparison: `server` answers by itself, `proxy URL` passes on what another server says,
// `gateway` is our gateway over an answer that is there at once. Each prints its port.
//   node test/bench/serving/hop.ts server|gateway|proxy [URL]

import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../../node/adapters/system.ts'
import { createGateway, keyRing } from '../../../node/gateway/http.ts'
import { serveGateway } from '../../../node/gateway/listen.ts'
import type { Inference, InferenceEvent, InferenceResult } from '../../../node/inference.ts'
import type { PeerId } from '../../../protocol/ids.ts'

const chunk = (delta: object, finish: string | null): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-0',
    object: 'chat.completion.chunk',
    created: 0,
    model: 'instant',
    choices: [{ index: 0, delta, finish_reason: finish }],
  })}\n\n`

const answer = `${chunk({ role: 'assistant', content: '' }, null)}${chunk({ content: ' word' }, null)}${chunk({}, 'stop')}data: [DONE]\n\n`

const price = { promptNano: 1n, completionNano: 1n, cachedNano: 0n }
const provider = '12D3KooWInstant' as PeerId

const instant: Inference = {
  models: () => [],
  async *infer(): AsyncGenerator<InferenceEvent, InferenceResult, undefined> {
    const about = { requestId: '00'.repeat(16), provider, modelName: 'instant' }
    yield { type: 'accepted', ...about, price, promptTokens: 16 }
    yield { type: 'delta', text: ' word', tokens: 1, tokenIds: [1] }
    const usage = { promptTokens: 16, cachedTokens: 0, completionTokens: 1 }
    return { ...about, finish: 'stop', usage, costNano: 17n, failovers: 0 }
  },
}

const [kind, target = ''] = process.argv.slice(2)
process.on('disconnect', () => process.exit(0))

if (kind === 'gateway') {
  const gateway = createGateway({
    inference: instant,
    clock: systemClock,
    apiKeys: keyRing(['key']),
    metrics: async () => '',
    health: () => ({ ok: true }),
  })
  const { url } = await serveGateway(gateway, { host: '127.0.0.1', port: 0, allowPublic: false })
  process.send?.(Number(new URL(url).port))
} else {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const server = createServer((incoming, response) => {
    if (kind === 'server') {
      incoming.resume().on('end', () => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end(answer)
      })
      return
    }
    const { headers, method = 'GET', url = '/' } = incoming
    const passed = request(new URL(url, target), { method, headers, agent }, (reply) => {
      response.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(response)
    })
    passed.on('error', () => response.writeHead(502).end())
    incoming.pipe(passed)
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
}
