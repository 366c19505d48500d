// The engine a provider asked for: llama.cpp in a process of its own, or somebody's OpenAI-compatible server.

import { join } from 'node:path'
import { MeshError } from '../../protocol/errors.ts'
import { startLlamaEngine } from '../adapters/llama/engine.ts'
import { startOpenAiEngine } from '../adapters/openai-engine.ts'
import type { Engine } from '../ports.ts'
import type { Invocation } from './flags.ts'

export interface RunningEngine {
  readonly engine: Engine & { stop(): Promise<void> }
  /** For people: what runs where, how fast. */
  readonly summary: string
}

/** `signal` gives up the start. Throws `bad-request` for what its operator can correct, `engine-failed` for the rest. */
export async function startEngine(invocation: Invocation, signal: AbortSignal): Promise<RunningEngine> {
  const starting = new AbortController() // of its own: once it runs, the engine outlives the signal until streams finished
  const giveUp = (): void => starting.abort(signal.reason)
  signal.addEventListener('abort', giveUp, { once: true })
  if (signal.aborted) giveUp()
  try {
    return await start(invocation, starting.signal)
  } catch (error) {
    throw error instanceof RangeError ? new MeshError('bad-request', error.message, { cause: error }) : error
  } finally {
    signal.removeEventListener('abort', giveUp)
    invocation.terminal.progress('')
  }
}

async function start({ config, home, terminal }: Invocation, signal: AbortSignal): Promise<RunningEngine> {
  const { apiKey, contextTokens, gpu, model, slots, threads, url } = config.engine
  if (url !== '') {
    const engine = await startOpenAiEngine({
      baseUrl: url,
      ...(apiKey === '' ? {} : { apiKey }),
      ...(model === 'builtin' ? {} : { models: model.split(',') }),
      slots,
      ...(contextTokens === 0 ? {} : { contextTokens }),
      onNote: (message) => terminal.warn('engine', message),
      signal,
    })
    return { engine, summary: `${engine.models.map(({ name }) => name).join(', ')} at ${url}` }
  }
  terminal.progress('starting the engine')
  let isStarted = false
  const engine = await startLlamaEngine({
    model,
    slots,
    ...(contextTokens === 0 ? {} : { contextTokens }),
    threads: threads === 0 ? 'auto' : threads,
    gpu: gpu === 'off' ? false : 'auto',
    modelsDir: join(home, 'models'),
    signal,
    onProgress: (progress) => {
      if (progress.phase === 'note') terminal.warn('engine', progress.message)
      else if (isStarted)
        return // it was restarted: the notes say so
      else if (progress.phase === 'measure') terminal.progress('measuring tokens/s')
      else terminal.progress(`${progress.phase} ${model} ${Math.floor(progress.ratio * 100)} %`)
    },
  })
  isStarted = true
  const [served] = engine.models
  const { build } = engine
  return {
    engine,
    summary:
      `${served?.name} · ${served?.decodeTokensPerSecond} tokens/s decode, ${served?.prefillTokensPerSecond} prefill · ` +
      `${build.engine} on ${build.device}, ${build.threads} thread${build.threads === 1 ? '' : 's'}, ${engine.slots} slots`,
  }
}
