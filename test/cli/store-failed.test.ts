// A disk that takes no more under a running `silkmesh up`: it ends by itself, says which file, and the exit code tells a supervisor.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask, type GatewayAddress } from '../../node/cli/gateway-client.ts'
import { asMeshError } from '../../protocol/errors.ts'
import { freshPayout, type Peer, TestMesh } from '../e2e/mesh.ts'
import { price, storyEngine } from '../policy/scripted.ts'
import { expectRefusal, freshHome, lastJson, Started } from './silkmesh.ts'

/** No file grows beyond: what a start writes fits, and a few vouchers. */
const fileKiBMax = 60
/** A request writes several pages of 4 KiB: by then the books are full. */
const requestsMax = fileKiBMax / 4

let mesh: TestMesh
let provider: Peer
beforeAll(async () => {
  mesh = await TestMesh.start()
  const { cachedNano: cachedPriceNano, completionNano: completionPriceNano, promptNano: promptPriceNano } = price
  provider = await mesh.peer({
    roles: { provider: { payout: freshPayout() } },
    engine: storyEngine({ tokens: 12 }),
    config: { provider: { cachedPriceNano, completionPriceNano, promptPriceNano } },
  })
})
afterAll(() => mesh[Symbol.asyncDispose]())

it.skipIf(process.platform === 'win32')(
  'ends by itself once its books cannot grow, with code 1, the name of the file and no stack trace',
  async () => {
    const home = freshHome()
    const bootstrap = provider.network.addresses().join(',')
    const chain = ['--endpoint', mesh.localnet.endpoint, '--set', 'chain.requestsPerSecond=1000']
    const net = ['--bootstrap', bootstrap, '--listen', '/ip4/127.0.0.1/tcp/0', '--port', '0']
    const up = new Started(['up', '--home', home, '--deposit', '2', ...chain, ...net, '--json'], { fileKiBMax })
    const { gateway } = await up.event('ready')
    await up.event('advert-accepted')
    const question = { model: 'm', messages: [{ role: 'user', content: 'hello' }], maxTokens: 12 }
    const outcomes: string[] = []
    while (outcomes.length < requestsMax && (outcomes.at(-1) ?? 'answered') === 'answered') {
      const answer = ask(gateway as GatewayAddress, question, () => undefined, new AbortController().signal)
      outcomes.push(
        await answer.then(
          () => 'answered',
          (error: unknown) => asMeshError(error).code,
        ),
      )
    }
    expect(outcomes[0]).toBe('answered')
    expect(outcomes.at(-1)).not.toBe('answered')
    const ended = await up.ended
    expectRefusal(ended, 1, 'store-failed', 'books.sqlite')
    expect(lastJson(ended)).toMatchObject({ ok: false, error: { code: 'store-failed' } })
    const faults = ended.stdout.split('\n').filter((line) => line.includes('nothing is served any more'))
    expect(faults).toHaveLength(1)
  },
  60_000,
)
