// The engine over node-llama-cpp keeps the engine's contract.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLlamaEngine } from '../../node/adapters/llama/engine.ts'
import { engineContract } from './engine.contract.ts'

engineContract(
  'llama',
  async () => {
    const modelsDir = await mkdtemp(join(tmpdir(), 'silkmesh-engine-'))
    const engine = await startLlamaEngine({ model: 'builtin', slots: 4, threads: 1, gpu: false, modelsDir })
    return {
      engine,
      stop: async () => {
        await engine.stop()
        await rm(modelsDir, { recursive: true })
      },
    }
  },
  { tokenIds: true },
)
