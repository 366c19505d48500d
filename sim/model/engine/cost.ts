// How long one iteration of an engine takes, from what is in it; the coefficients are fitted to a log or follow from data sheets.

/** What one iteration computes. */
export interface Load {
  /** All tokens that go through the layers, prefilled and decoded. */
  tokens: number
  /** Sequences that get a token at its end. */
  sequences: number
  /** Sum of the contexts that decoding sequences read. */
  contextTokens: number
  /** Of prefilled tokens, each with every token before it. */
  pairs: number
}

/** Each at least 0. `iterationMs` says how they come together. */
export interface Cost {
  /** Whatever is in it: scheduling, launches, collectives' latency. */
  readonly stepMs: number
  /** To read all weights once: the floor of small batches. */
  readonly weightsMs: number
  /** To compute one token in the layers: the slope of large batches. */
  readonly tokenMs: number
  /** For each sequence that gets a token: logits, sampling, bookkeeping. */
  readonly sequenceMs: number
  /** For each token of context that a decoding sequence reads from the KV memory. */
  readonly contextMs: number
  /** For each pair of a prefilled token and one before it. */
  readonly pairMs: number
}

export const costTerms = ['stepMs', 'weightsMs', 'tokenMs', 'sequenceMs', 'contextMs', 'pairMs'] as const

/** From data sheets: the machine's and the model's. */
export interface Spec {
  readonly gpus: number
  /** Of one GPU, as its data sheet says. */
  readonly memoryBytesPerSecond: number
  /** Of one GPU, dense, at the precision of the weights. */
  readonly flopsPerSecond: number
  readonly weightBytes: number
  /** Those that one token goes through. */
  readonly activeParameters: number
  readonly layers: number
  /** Heads times their size. */
  readonly attentionWidth: number
  readonly kvBytesPerToken: number
  /** Between GPUs, one direction; needed with several. */
  readonly linkBytesPerSecond?: number | undefined
}

/**
 * Reading weights and computing overlap: the longer hides the other, but near the crossing not fully. The exponent is that
 * of matrix products measured on an RTX 4090 (LLMServingSim's profile, MIT): 127 µs for 1 token, 197 for 256, 376 for 512.
 */
const overlap = 2.5

export function iterationMs(cost: Cost, load: Load): number {
  const { tokens, sequences, contextTokens, pairs } = load
  return (
    cost.stepMs +
    layersMs(cost.weightsMs, cost.tokenMs * tokens) +
    cost.sequenceMs * sequences +
    cost.contextMs * contextTokens +
    cost.pairMs * pairs
  )
}

function layersMs(readMs: number, computeMs: number): number {
  const longer = Math.max(readMs, computeMs)
  if (longer === 0) return 0
  const ratio = Math.min(readMs, computeMs) / longer
  // below a tenth the power is under 0.2 %
  return ratio < 0.1 ? longer : longer * (1 + ratio ** overlap) ** (1 / overlap)
}

/** How the layers' time changes with what reading takes, and with what computing takes. */
export function layersSlopes(readMs: number, computeMs: number): readonly [number, number] {
  const whole = layersMs(readMs, computeMs)
  if (whole === 0) return [1, 1]
  return [(readMs / whole) ** (overlap - 1), (computeMs / whole) ** (overlap - 1)]
}

/**
 * Shares of the data sheet that good kernels reach: matrix products measured on two GPUs (LLMServingSim's profiles, MIT)
 * read at 92 % (RTX 4090) and 86 % (RTX PRO 6000 Server) and compute at 102 % and 88 %.
 */
const memoryShare = 0.85
const computeShare = 0.9
/** Paged reads of 64 sequences (same source, RTX 4090): 69 % for 512 tokens each, 87 % for 2 048. */
const kvShare = 0.8
/** Attention over 2 048 new tokens (same source): 62 and 43 % alone, 78 and 57 % after 8 192 others. */
const attentionShare = 0.6
/** Norms, residuals, rotation and gate (same source): about 20 values of two bytes, for each of the width, in each layer. */
const activationBytes = 40
/** Between two iterations with CUDA graphs and asynchronous scheduling; each further GPU waits for the others twice a layer. */
const launchMs = 0.5
const collectiveMs = 0.015
/** Logits are read and written some ten times by sampling: 128 k of 4 bytes at 1 TB/s. */
const samplingMs = 0.005

export function costOfSpec(spec: Spec): Cost {
  const { gpus, layers, linkBytesPerSecond } = spec
  const bytesPerMs = (spec.memoryBytesPerSecond * gpus) / 1_000
  const flopsPerMs = (spec.flopsPerSecond * gpus) / 1_000
  // a ring's all-reduce of one activation of two bytes, after attention and after the feed-forward part
  const linkedMs =
    gpus === 1 || linkBytesPerSecond === undefined
      ? 0
      : (2 * layers * 2 * spec.attentionWidth * 2 * (gpus - 1)) / gpus / (linkBytesPerSecond / 1_000)
  const passedMs = (activationBytes * spec.attentionWidth * layers) / (bytesPerMs * memoryShare)
  return {
    stepMs: launchMs + (gpus === 1 ? 0 : 2 * layers * collectiveMs),
    weightsMs: spec.weightBytes / (bytesPerMs * memoryShare),
    tokenMs: (2 * spec.activeParameters) / (flopsPerMs * computeShare) + passedMs + linkedMs,
    sequenceMs: samplingMs,
    contextMs: spec.kvBytesPerToken / (bytesPerMs * kvShare),
    // two products of the attention's width, two operations each
    pairMs: (4 * spec.attentionWidth * layers) / (flopsPerMs * attentionShare),
  }
}
