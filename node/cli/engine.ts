// The engine a provider asked for: llama.cpp in a process of its own for each model, or somebody's OpenAI-compatible server.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import { startEnginePool } from '../adapters/engine-pool.ts'
import { type LlamaEngine, startLlamaEngine } from '../adapters/llama/engine.ts'
import { startOpenAiEngine } from '../adapters/openai-engine.ts'
import type { Engine, Model } from '../ports.ts'
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
    const start = invocation.config.engine.url === '' ? startLocal : startServed
    return await start(invocation, starting.signal)
  } catch (error) {
    throw error instanceof RangeError ? new MeshError('bad-request', error.message, { cause: error }) : error
  } finally {
    signal.removeEventListener('abort', giveUp)
    invocation.terminal.progress('')
  }
}

/** The models of a setting: one, or several with commas between. A file with a comma in its name is one. */
export function modelsOf(setting: string): readonly string[] {
  if (existsSync(setting)) return [setting]
  const models = setting.split(',').map((model) => model.trim())
  if (models.includes('')) throw new RangeError(`models "${setting}", expected names with single commas between`)
  if (models.length > limits.offersMax) throw new RangeError(`${models.length} models, at most ${limits.offersMax}`)
  return models
}

async function startServed({ config, terminal }: Invocation, signal: AbortSignal): Promise<RunningEngine> {
  const { apiKey, contextTokens, healthMs, model, slots, url } = config.engine
  terminal.progress(`asking ${url} what it can do`)
  const engine = await startOpenAiEngine({
    baseUrl: url,
    ...(apiKey === '' ? {} : { apiKey }),
    ...(model === 'builtin' ? {} : { models: modelsOf(model) }),
    slots,
    ...(contextTokens === 0 ? {} : { contextTokens }),
    healthMs,
    onNote: (message) => terminal.warn('engine', message),
    signal,
  })
  return { engine, summary: `${engine.models.map(({ name }) => name).join(', ')} at ${url}` }
}

async function startLocal(invocation: Invocation, signal: AbortSignal): Promise<RunningEngine> {
  const { loadMs, loadedMax, model, slots } = invocation.config.engine
  const models = modelsOf(model)
  invocation.terminal.progress('starting the engine')
  const [only, ...others] = models
  if (only !== undefined && others.length === 0) {
    const engine = await llamaStarter(invocation, only)(signal)
    return { engine, summary: `${engine.models.map(speedOf).join()} · ${runningOf(engine)}` }
  }
  let last: LlamaEngine | undefined
  const starts = models.map((each) => {
    const start = llamaStarter(invocation, each)
    return async (starting: AbortSignal) => {
      last = await start(starting)
      return last
    }
  })
  const engine = await startEnginePool({ starts, slots, loadedMax, loadMsMax: loadMs, signal })
  const kept = models.length <= loadedMax ? 'all' : `${loadedMax} of ${models.length}`
  const summary = [...engine.models.map(speedOf), ...(last ? [runningOf(last)] : []), `${kept} loaded at once`]
  return { engine, summary: summary.join(' · ') }
}

/** Starts one model, as often as it is loaded; what was measured the first time holds. */
function llamaStarter({ config, home, terminal }: Invocation, model: string) {
  const { contextTokens, gpu, slots, threads } = config.engine
  let before: LlamaEngine | undefined
  return async (signal: AbortSignal): Promise<LlamaEngine> => {
    const isFirst = before === undefined
    let isStarted = false
    const engine = await startLlamaEngine({
      model,
      slots,
      ...(contextTokens === 0 ? {} : { contextTokens }),
      threads: before?.build.threads ?? (threads === 0 ? 'auto' : threads),
      gpu: gpu === 'off' ? false : 'auto',
      modelsDir: join(home, 'models'),
      signal,
      onProgress: (progress) => {
        if (progress.phase === 'note') {
          if (isFirst || isStarted) terminal.warn('engine', progress.message)
        } else if (isStarted || !isFirst)
          return // it was restarted or loaded again: nobody watches
        else if (progress.phase === 'measure') terminal.progress(`measuring tokens/s of ${model}`)
        else terminal.progress(`${progress.phase} ${model} ${Math.floor(progress.ratio * 100)} %`)
      },
    })
    isStarted = true
    before = engine
    return engine
  }
}

function speedOf({ decodeTokensPerSecond, name, prefillTokensPerSecond }: Model): string {
  return `${name} · ${decodeTokensPerSecond} tokens/s decode, ${prefillTokensPerSecond} prefill`
}

function runningOf({ build: { device, engine, threads }, slots }: LlamaEngine): string {
  return `${engine} on ${device}, ${counted(threads, 'thread')}, ${counted(slots, 'slot')}`
}
