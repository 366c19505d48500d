// The engine over an OpenAI API keeps the engine's contract, in front of a real model behind real HTTP.

import { tmpdir } from 'node:os'
import { startLlamaEngine } from '../../node/adapters/llama/engine.ts'
import { startOpenAiEngine } from '../../node/adapters/openai-engine.ts'
import { engineContract } from './engine.contract.ts'
import { startTestUpstream } from './engine.upstream.ts'

engineContract(
  'openai',
  async () => {
    const behind = await startLlamaEngine({ model: 'builtin', slots: 4, threads: 1, gpu: false, modelsDir: tmpdir() })
    const upstream = await startTestUpstream(behind)
    const engine = await startOpenAiEngine({ baseUrl: upstream.url, slots: 4 })
    return {
      engine,
      stop: async () => {
        await engine.stop()
        await upstream.stop()
        await behind.stop()
      },
    }
  },
  { tokenIds: false },
)
