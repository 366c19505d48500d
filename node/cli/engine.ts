// The engine a provider asked for: llama.cpp in a process of its own, or somebody's OpenAI-compatible server.

import { join } from 'node:path'
import { startLlamaEngine } from '../adapters/llama/engine.ts'
import { startOpenAiEngine } from '../adapters/openai-engine.ts'
import type { Engine } from '../ports.ts'
import type { Invocation } from './flags.ts'

export interface RunningEngine {
  readonly engine: Engine & { stop(): Promise<void> }
  /** For people: what runs where, how fast. */
  readonly summary: string
}

export async function startEngine({ config, home, terminal }: Invocation): Promise<RunningEngine> {
  const { apiKey, contextTokens, gpu, model, slots, threads, url } = config.engine
  if (url !== '') {
    const engine = await startOpenAiEngine({
      baseUrl: url,
      ...(apiKey === '' ? {} : { apiKey }),
      ...(model === 'builtin' ? {} : { model }),
      slots,
      ...(contextTokens === 0 ? {} : { contextTokens }),
    })
    return { engine, summary: `${engine.models.map(({ name }) => name).join(', ')} at ${url}` }
  }
  const engine = await startLlamaEngine({
    model,
    slots,
    ...(contextTokens === 0 ? {} : { contextTokens }),
    threads: threads === 0 ? 'auto' : threads,
    gpu: gpu === 'off' ? false : 'auto',
    modelsDir: join(home, 'models'),
    onProgress: (progress) => {
      if (progress.phase === 'note') terminal.warn('engine', progress.message)
      else if (progress.phase === 'measure') terminal.progress('measuring tokens/s')
      else terminal.progress(`${progress.phase} ${model} ${Math.floor(progress.ratio * 100)} %`)
    },
  })
  terminal.progress('')
  const [served] = engine.models
  const { build } = engine
  return {
    engine,
    summary:
      `${served?.name} · ${served?.decodeTokensPerSecond} tokens/s decode, ${served?.prefillTokensPerSecond} prefill · ` +
      `${build.engine} on ${build.device}, ${build.threads} thread${build.threads === 1 ? '' : 's'}, ${engine.slots} slots`,
  }
}
