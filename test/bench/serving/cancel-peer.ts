// A provider as `silkmesh join` runs it, that tells when its engine told of tokens and when it was told to stop.
//   node test/bench/serving/cancel-peer.ts HOME MODEL

import { type LlamaEngine, startLlamaEngine } from '../../../node/adapters/llama/engine.ts'
import { walletOf } from '../../../node/cli/accounts.ts'
import { stopped, untilStopped } from '../../../node/cli/exit.ts'
import { invocationOf } from '../../../node/cli/flags.ts'
import { startRuntime } from '../../../node/cli/runtime.ts'
import { printJson } from '../../../node/cli/terminal.ts'
import type { Engine } from '../../../node/ports.ts'

/** One generation, cancelled. Times are of this machine's clock, with parts of a millisecond. */
export interface Generated {
  readonly deltas: readonly { readonly atMs: number; readonly tokens: number }[]
  readonly stoppedAtMs: number
}

function told(engine: LlamaEngine): Engine & { stop(): Promise<void> } {
  let round = 0
  const now = (): number => performance.timeOrigin + performance.now()
  return {
    models: engine.models,
    slots: engine.slots,
    prepare: (generation, signal) => engine.prepare(generation, signal),
    async *generate(prompt, signal) {
      const deltas: { atMs: number; tokens: number }[] = []
      let stoppedAtMs = 0
      signal.addEventListener('abort', () => (stoppedAtMs = now()))
      const generation = engine.generate(prompt, signal)
      try {
        for (;;) {
          const next = await generation.next()
          if (next.done) return next.value
          deltas.push({ atMs: now(), tokens: next.value.tokens })
          yield next.value
        }
      } finally {
        await generation.return('stop')
        printJson({ type: 'generated', round, deltas, stoppedAtMs })
        round += 1
      }
    },
    stop: () => engine.stop(),
  }
}

if (import.meta.main) {
  const [, , home = '', model = ''] = process.argv
  const invocation = invocationOf({ home, json: true, exitWithParent: true, set: [] })
  const signal = untilStopped(true)
  const runtime = await startRuntime({
    invocation,
    signal,
    engine: async () =>
      told(await startLlamaEngine({ model, slots: 1, threads: 1, contextTokens: 4_096, gpu: false, modelsDir: home })),
    roles: async ({ chain, home: own }) => ({ provider: { payout: (await walletOf(own, chain, signal)).address } }),
  })
  printJson({ type: 'ready', peerId: runtime.identity.peerId, addresses: runtime.network.addresses() })
  await stopped(signal)
  await runtime.stop()
}
