// Loads a model into this process: file, library, weights, context, and a short measurement of its speed.

import process from 'node:process'
import type { LlamaContextSequence, LlamaModel } from 'node-llama-cpp'
import { MeshError } from '../../../protocol/errors.ts'
import { modelKeyOf } from '../../../protocol/ids.ts'
import { type Feature, features } from '../../../protocol/task.ts'
import { type ChatFormat, chatFormatOf, chatTemplateOf } from './chat-format.ts'
import { type Embedder, embedderOf } from './embedding.ts'
import { type Grammars, grammarsOf } from './grammar.ts'
import { checkInternals } from './internals.ts'
import { measureSpeed, quickestChunk, quickestThreads, threadCandidates } from './measure.ts'
import type { EngineProgress, Ready, StartOptions } from './messages.ts'
import { checkModelFiles, nameOfModel, pathOfModel, sha256OfFiles } from './model-file.ts'

export interface Loaded {
  readonly ready: Ready
  readonly model: LlamaModel
  readonly format: ChatFormat
  readonly grammars: Grammars
  readonly embedder: Embedder
  readonly sequences: readonly LlamaContextSequence[]
  readonly vocabularyTokens: number
  readonly prefillChunkTokens: number
}

type Library = typeof import('node-llama-cpp')

/** Without an explicit size: what most chats need, and affordable for every slot. */
const defaultContextTokens = 4096
/** Bookkeeping of one token of a context, before any of its keys and values. */
const cellBytesMin = 48
/** Throws `RangeError` for what its operator can correct, `MeshError` `engine-failed` for the rest. */
export async function load(options: StartOptions, onProgress: (progress: EngineProgress) => void): Promise<Loaded> {
  const ratio = (phase: 'download' | 'hash' | 'load') => throttled((value) => onProgress({ phase, ratio: value }))
  const localPath = pathOfModel(options.model)
  if (localPath !== undefined) await checkModelFiles(localPath)

  const library = await importLibrary()
  const path = localPath ?? (await download(library, options, ratio('download')))
  const files = await checkModelFiles(path)
  const weightsSha256 = await sha256OfFiles(files, options.modelsDir, ratio('hash'))

  const candidates = threadCandidates(options.threads)
  const log = errorLog()
  const llama = await library
    .getLlama({
      gpu: options.gpu,
      build: 'never', // a server neither compiles nor downloads an engine
      skipDownload: true,
      progressLogs: false,
      maxThreads: Math.max(...candidates),
      logLevel: library.LlamaLogLevel.error,
      logger: (_level, message) => log.add(message),
    })
    .catch(async (error: unknown) => {
      throw await failure('node-llama-cpp has no build for this machine; see `silkmesh doctor`', error, log)
    })
  const onLoadProgress = ratio('load')
  const model = await llama.loadModel({ modelPath: path, onLoadProgress }).catch(async (error: unknown) => {
    throw await failure(`${path} could not be loaded`, error, log)
  })

  const trainedTokens = model.trainContextSize
  const contextTokens = options.contextTokens ?? Math.min(trainedTokens, defaultContextTokens)
  if (contextTokens > trainedTokens) {
    throw new RangeError(`context of ${contextTokens} tokens, ${path} was trained for at most ${trainedTokens}`)
  }
  const format = chatFormatOf(library, model)
  if (!format.fromModel) {
    onProgress({
      phase: 'note',
      message: `${path} brings no chat template; its messages are formatted as ${format.name}`,
    })
  }

  onProgress({ phase: 'measure' })
  const canGenerate = !isForEmbeddings(model)
  const threads = canGenerate ? await quickestThreads(model, candidates) : Math.max(...candidates)
  const device = llama.gpu === false ? 'cpu' : 'gpu'
  const prefillChunkTokens = canGenerate ? await quickestChunk(model, threads, device) : 0
  const wanted = {
    contextSize: contextTokens,
    sequences: canGenerate ? options.slots : 1,
    // A prompt's chunk, and a token of each other slot beside it.
    batchSize: Math.min(contextTokens * options.slots, prefillChunkTokens + options.slots),
    flashAttention: llama.gpu === false ? false : 'auto', // half the speed on a CPU deep in a context
  } as const
  const checkMemoryFor = (sequences: number, contextSize: number): Promise<void> =>
    checkMemory(model, { ...wanted, sequences, contextSize }, path)
  let sequences: readonly LlamaContextSequence[] = []
  if (canGenerate) {
    await checkMemoryFor(options.slots, contextTokens)
    const context = await model
      .createContext({ ...wanted, threads, failedCreationRemedy: false })
      .catch(async (error: unknown) => {
        const what = `${options.slots} slots of ${contextTokens} tokens could not be made for ${path}`
        throw await failure(what, error, log)
      })
    sequences = Array.from({ length: options.slots }, () => context.getSequence())
    const [first] = sequences
    if (first) checkInternals(model, first)
  }
  const speed = await measureSpeed(model, sequences[0])

  return {
    ready: {
      model: {
        key: modelKeyOf(weightsSha256, chatTemplateOf(model)),
        name: options.name ?? nameOfModel(options.model, path),
        contextTokens,
        ...speed,
        features: featuresOf(model, canGenerate, format),
      },
      build: {
        engine: `node-llama-cpp ${await library.getModuleVersion()} (llama.cpp ${llama.llamaCppRelease.release})`,
        device: llama.gpu === false ? 'cpu' : llama.gpu,
        deviceNames: llama.gpu === false ? [] : await llama.getGpuDeviceNames(),
        threads,
        prefillChunkTokens,
        chatFormat: format.name,
      },
    },
    model,
    format,
    grammars: grammarsOf(library, llama, model),
    embedder: embedderOf(model, {
      contextTokens,
      threads,
      isWhole: !canGenerate || averages(model),
      checkMemory: (tokens) => checkMemoryFor(1, tokens),
    }),
    sequences,
    vocabularyTokens: vocabularySizeOf(model, path),
    prefillChunkTokens,
  }
}

/** What the engine can do with this model; the rest it refuses by its parameter. */
function featuresOf(model: LlamaModel, canGenerate: boolean, { calls }: ChatFormat): readonly Feature[] {
  const { hasDecoder, hasEncoder } = model.fileInsights
  const embeds = !(hasEncoder && hasDecoder) // node-llama-cpp has no vectors of encoder-decoder models
  const unable: readonly Feature[] = [
    ...(canGenerate ? [] : features.filter((feature) => feature !== 'embeddings')),
    ...(calls ? [] : (['tools'] satisfies Feature[])),
    ...(embeds ? [] : (['embeddings'] satisfies Feature[])),
  ]
  return features.filter((feature) => !unable.includes(feature))
}

/** Its tokens see those after them: it has nothing to go on with. */
function isForEmbeddings(model: LlamaModel): boolean {
  const { architectureMetadata } = model.fileInfo
  return !model.fileInsights.hasDecoder || architectureMetadata.attention?.causal === false
}

/** 1 is the mean over all tokens, in the file's own number. */
function averages(model: LlamaModel): boolean {
  return model.fileInfo.architectureMetadata.pooling_type === 1
}

async function importLibrary(): Promise<Library> {
  try {
    return await import('node-llama-cpp')
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
    const advice = missing
      ? 'the engine is an optional package and is not installed: npm install node-llama-cpp@3.22.1'
      : `node-llama-cpp could not be loaded: ${error instanceof Error ? error.message : String(error)}`
    throw new MeshError('engine-failed', advice, { cause: error })
  }
}

async function download(library: Library, options: StartOptions, onRatio: (ratio: number) => void): Promise<string> {
  try {
    return await library.resolveModelFile(options.model, {
      directory: options.modelsDir,
      cli: false,
      onProgress: ({ downloadedSize, totalSize }) => onRatio(totalSize === 0 ? 0 : downloadedSize / totalSize),
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new MeshError(
      'engine-failed',
      `${options.model} could not be downloaded to ${options.modelsDir}: ${reason}. ` +
        'Check the name and the network, or give the path of a file that is here',
      { cause: error },
    )
  }
}

/** Ids come from strangers and native code does not forgive one out of range. */
function vocabularySizeOf(model: LlamaModel, path: string): number {
  const size = model.fileInfo.metadata.tokenizer?.ggml?.tokens?.length
  if (size === undefined || size === 0) throw new RangeError(`${path} brings no vocabulary, expected a model for text`)
  return size
}

interface Wanted {
  readonly contextSize: number
  readonly sequences: number
  readonly batchSize: number
  readonly flashAttention: false | 'auto'
}

/** Linux promises memory it does not have and kills whoever uses it: better refused here. */
async function checkMemory(model: LlamaModel, wanted: Wanted, path: string): Promise<void> {
  const availableBytes = process.availableMemory()
  const cellsBytes = wanted.sequences * wanted.contextSize * cellBytesMin
  const neededBytes =
    cellsBytes > availableBytes
      ? cellsBytes // the estimate itself would take that much
      : (
          await model.fileInsights.estimateContextResourceRequirementsV2({
            ...wanted,
            modelGpuLayers: model.gpuLayers,
          })
        ).cpuRam
  if (neededBytes <= availableBytes) return
  const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1)
  throw new MeshError(
    'engine-failed',
    `${wanted.sequences} slots of ${wanted.contextSize} tokens of ${path} need ${gigabytes(neededBytes)} GB of memory, ` +
      `${gigabytes(availableBytes)} GB are available; lower the slots or the context`,
  )
}

/** At most one report for each hundredth: a hash of a large file would make thousands. */
function throttled(report: (ratio: number) => void): (ratio: number) => void {
  let last = -1
  return (ratio) => {
    const percent = Math.floor(ratio * 100)
    if (percent === last) return
    last = percent
    report(ratio)
  }
}

interface ErrorLog {
  add(message: string): void
  text(): string
}

/** llama.cpp says why only in its log. */
function errorLog(): ErrorLog {
  const lines: string[] = []
  return {
    add(message) {
      lines.push(message.trim().slice(0, 300))
      if (lines.length > 5) lines.shift()
    },
    text: () => lines.join('; '),
  }
}

async function failure(what: string, error: unknown, log: ErrorLog): Promise<MeshError> {
  await new Promise((resolve) => setImmediate(resolve)) // the log's lines come on the next turn
  const reason = error instanceof Error ? error.message : String(error)
  const said = log.text()
  return new MeshError('engine-failed', `${what}: ${reason}${said === '' ? '' : ` (${said})`}`, { cause: error })
}
