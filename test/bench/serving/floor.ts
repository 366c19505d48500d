// node-llama-cpp alone, in a process of its own: as many sequences of one context, greedy, with nothing around them.
//   node test/bench/serving/floor.ts MODEL SEQUENCES CONTEXT; then messages {prompt, streams, tokens, bias}

import { getLlama, type Token, TokenBias } from 'node-llama-cpp'

export interface FloorTask {
  readonly prompt: string
  readonly streams: number
  readonly tokens: number
  /** Ids that are never drawn: those that would end the answer. */
  readonly banned: readonly number[]
}

export interface FloorFigures {
  readonly tokensPerSecond: number
}

const [path = '', sequencesText = '1', contextText = '1024'] = process.argv.slice(2)
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false, maxThreads: 1 })
const model = await llama.loadModel({ modelPath: path })
const context = await model.createContext({
  contextSize: Number(contextText),
  sequences: Number(sequencesText),
  threads: 1,
  flashAttention: false,
})
const sequences = Array.from({ length: Number(sequencesText) }, () => context.getSequence())

process.on('message', (task: FloorTask) => {
  measure(task).then(
    (figures) => process.send?.(figures),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    },
  )
})
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
process.send?.('ready')

async function measure({ banned, prompt, streams, tokens }: FloorTask): Promise<FloorFigures> {
  const promptTokens = model.tokenize(prompt)
  let firstMs = Number.POSITIVE_INFINITY
  let lastMs = 0
  await Promise.all(
    sequences.slice(0, streams).map(async (sequence) => {
      await sequence.clearHistory()
      const tokenBias = banned.length === 0 ? undefined : biasAgainst(banned)
      let count = 0
      const drawn = sequence.evaluateWithMetadata(
        promptTokens,
        {},
        {
          temperature: 0,
          yieldEogToken: true,
          ...(tokenBias && { tokenBias }),
        },
      )
      for await (const _ of drawn) {
        count += 1
        if (count === 1) firstMs = Math.min(firstMs, performance.now())
        if (count === tokens) break
      }
      lastMs = Math.max(lastMs, performance.now())
    }),
  )
  return { tokensPerSecond: (1_000 * streams * tokens) / (lastMs - firstMs) }
}

function biasAgainst(ids: readonly number[]): TokenBias {
  const bias = TokenBias.for(model)
  for (const id of ids) bias.set(id as Token, 'never')
  return bias
}
