// A provider as `silkmesh join` runs it, over an engine that costs nothing: what is left is the mesh itself.
//   node test/bench/serving/peer.ts HOME

import { walletOf } from '../../../node/cli/accounts.ts'
import { stopped, untilStopped } from '../../../node/cli/exit.ts'
import { invocationOf } from '../../../node/cli/flags.ts'
import { startRuntime } from '../../../node/cli/runtime.ts'
import { printJson } from '../../../node/cli/terminal.ts'
import type { Delta, Engine, Finish, Generation } from '../../../node/ports.ts'
import { declaredModelKeyOf } from '../../../protocol/ids.ts'

export const instantModel = 'instant'

/** Of the last message: `20` is twenty tokens at once, `500 100` five hundred tokens at a hundred a second. */
function wishOf({ messages, sampling }: Generation): { readonly tokens: number; readonly perSecond: number } {
  const [tokens = '1', perSecond = '0'] = (messages.at(-1)?.content ?? '').split(' ')
  return { tokens: Math.min(Number(tokens), sampling.tokensMax ?? 4_096), perSecond: Number(perSecond) }
}

const instantEngine: Engine & { stop(): Promise<void> } = {
  models: [
    {
      key: declaredModelKeyOf(instantModel),
      name: instantModel,
      contextTokens: 65_536,
      prefillTokensPerSecond: 1_000_000,
      decodeTokensPerSecond: 1_000_000,
      features: ['chat'],
    },
  ],
  slots: 256,
  prepare: async (generation) => ({ generation, promptTokens: 16, cachedTokens: 0, tokenIds: [] }),
  async *generate({ generation }, signal): AsyncGenerator<Delta, Finish, undefined> {
    const { tokens, perSecond } = wishOf(generation)
    const startMs = performance.now()
    for (let at = 0; at < tokens; at += 1) {
      if (perSecond > 0) await wait(startMs + (1_000 * at) / perSecond - performance.now(), signal)
      yield { text: ' word', tokens: 1, tokenIds: [at] }
    }
    return 'stop'
  },
  stop: async () => undefined,
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
}

if (import.meta.main) {
  const invocation = invocationOf({ home: process.argv[2], json: true, exitWithParent: true, set: [] })
  const signal = untilStopped(true)
  const runtime = await startRuntime({
    invocation,
    signal,
    engine: async () => instantEngine,
    roles: async ({ chain, home }) => ({ provider: { payout: (await walletOf(home, chain, signal)).address } }),
  })
  printJson({ type: 'ready', peerId: runtime.identity.peerId, addresses: runtime.network.addresses() })
  await stopped(signal)
  await runtime.stop()
}
