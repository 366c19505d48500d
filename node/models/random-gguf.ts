// Writes a GGUF model of any size with repeatable random weights, for benchmarks and tests: speed does not depend on values.
//   node node/models/random-gguf.ts OUT.gguf [--dim 512] [--layers 16] [--ffn 1536] [--head-dim 64] [--kv-heads 4]
//     [--vocabulary 8192] [--context 4096] [--seed 1] [--no-template]

import { createCipheriv, createHash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { parseArgs } from 'node:util'

export interface RandomModel {
  /** All dimensions are multiples of 32, the block of Q8_0. */
  readonly dim: number
  readonly layers: number
  readonly ffn: number
  readonly headDim: number
  readonly kvHeads: number
  /** At least 259: three control tokens and every byte. */
  readonly vocabulary: number
  readonly context: number
  readonly seed: number
  /** True for ChatML, or a template of its own. */
  readonly template: boolean | string
}

export const defaultRandomModel: RandomModel = {
  dim: 512,
  layers: 16,
  ffn: 1536,
  headDim: 64,
  kvHeads: 4,
  vocabulary: 8192,
  context: 4096,
  seed: 1,
  template: true,
}

interface Tensor {
  readonly name: string
  /** Rows of a Q8_0 matrix, or 0 for an F32 vector of ones. */
  readonly rows: number
  readonly columns: number
}

const alignment = 32
/** 32 weights: a 16-bit scale and 32 signed bytes. */
const blockBytes = 34
const controlTokens = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']
const chatTemplate =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

/** The control tokens' embeddings are zero, so that greedy decoding never ends by itself. Returns the parameter count. */
export function writeRandomGguf(path: string, model: RandomModel): number {
  const tensors = tensorsOf(model)
  const { tokens, merges } = vocabularyOf(model.vocabulary)
  const heads = model.dim / model.headDim
  const metadata = [
    entry.text('general.architecture', 'llama'),
    entry.text('general.name', 'random'),
    entry.count('general.file_type', 7),
    entry.count('general.quantization_version', 2),
    entry.count('general.alignment', alignment),
    entry.count('llama.context_length', model.context),
    entry.count('llama.embedding_length', model.dim),
    entry.count('llama.block_count', model.layers),
    entry.count('llama.feed_forward_length', model.ffn),
    entry.count('llama.attention.head_count', heads),
    entry.count('llama.attention.head_count_kv', model.kvHeads),
    entry.real('llama.attention.layer_norm_rms_epsilon', 1e-5),
    entry.count('llama.rope.dimension_count', model.headDim),
    entry.real('llama.rope.freq_base', 10_000),
    entry.count('llama.vocab_size', model.vocabulary),
    entry.text('tokenizer.ggml.model', 'gpt2'),
    entry.text('tokenizer.ggml.pre', 'gpt-2'),
    entry.texts('tokenizer.ggml.tokens', tokens),
    entry.integers(
      'tokenizer.ggml.token_type',
      tokens.map((_, id) => (id < controlTokens.length ? 3 : 1)),
    ),
    entry.texts('tokenizer.ggml.merges', merges),
    entry.count('tokenizer.ggml.bos_token_id', 0),
    entry.count('tokenizer.ggml.eos_token_id', 2),
    entry.flag('tokenizer.ggml.add_bos_token', false),
    ...(model.template === false
      ? []
      : [entry.text('tokenizer.chat_template', model.template === true ? chatTemplate : model.template)]),
  ]
  let offset = 0
  const infos = tensors.map((tensor) => {
    const { name, rows, columns } = tensor
    const shape = rows === 0 ? [columns] : [columns, rows]
    const info = [text(name), u32(shape.length), ...shape.map(u64), u32(rows === 0 ? 0 : 8), u64(offset)]
    offset += padded(bytesOf(tensor))
    return Buffer.concat(info)
  })
  const head = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.length), ...metadata, ...infos]

  const key = createHash('sha256').update(`random-gguf ${model.seed}`).digest().subarray(0, 16)
  const stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  const random = (length: number): Buffer => stream.update(Buffer.alloc(length))
  const file = openSync(path, 'w')
  try {
    writePadded(file, Buffer.concat(head))
    for (const tensor of tensors) writePadded(file, weightsOf(tensor, random))
  } finally {
    closeSync(file)
  }
  return tensors.reduce((sum, { rows, columns }) => sum + Math.max(1, rows) * columns, 0)
}

function tensorsOf(model: RandomModel): readonly Tensor[] {
  const { dim, ffn, headDim, kvHeads } = model
  const matrix = (name: string, rows: number, columns: number): Tensor => ({ name: `${name}.weight`, rows, columns })
  const vector = (name: string): Tensor => ({ name: `${name}.weight`, rows: 0, columns: dim })
  const layers = Array.from({ length: model.layers }, (_, layer) => [
    vector(`blk.${layer}.attn_norm`),
    matrix(`blk.${layer}.attn_q`, dim, dim),
    matrix(`blk.${layer}.attn_k`, kvHeads * headDim, dim),
    matrix(`blk.${layer}.attn_v`, kvHeads * headDim, dim),
    matrix(`blk.${layer}.attn_output`, dim, dim),
    vector(`blk.${layer}.ffn_norm`),
    matrix(`blk.${layer}.ffn_gate`, ffn, dim),
    matrix(`blk.${layer}.ffn_up`, ffn, dim),
    matrix(`blk.${layer}.ffn_down`, dim, ffn),
  ])
  return [matrix('token_embd', model.vocabulary, dim), vector('output_norm'), ...layers.flat()]
}

/** Control tokens, every byte in GPT-2's letters, then merges of two and of three letters. */
function vocabularyOf(size: number): { readonly tokens: readonly string[]; readonly merges: readonly string[] } {
  let unprintable = 0
  const bytes = Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    if (printable) return String.fromCodePoint(byte)
    unprintable += 1
    return String.fromCodePoint(255 + unprintable)
  })
  const tokens = [...controlTokens, ...bytes]
  const merges: string[] = []
  const seen = new Set(tokens)
  const merge = (left: string, right: string): void => {
    if (tokens.length >= size || seen.has(left + right)) return
    seen.add(left + right)
    tokens.push(left + right)
    merges.push(`${left} ${right}`)
  }
  const letters = [...'etaoinshrdlucmfwypvbgkjxqz']
  const first = ['\u0120', ...letters] // U+0120 stands for the space
  for (const a of first) for (const b of letters) merge(a, b)
  for (const a of first) for (const b of letters) for (const c of letters) merge(a + b, c)
  if (tokens.length !== size) throw new RangeError(`vocabulary of ${size}, expected 259 to ${tokens.length}`)
  return { tokens, merges }
}

function weightsOf(tensor: Tensor, random: (length: number) => Buffer): Buffer {
  const bytes = Buffer.alloc(bytesOf(tensor))
  if (tensor.rows === 0) {
    for (let at = 0; at < bytes.length; at += 4) bytes.writeFloatLE(1, at)
    return bytes
  }
  const weights = random(bytes.length)
  // Uniform signed bytes have a deviation of about 74: outputs keep the deviation of inputs.
  const scale = half(1 / Math.sqrt(tensor.columns) / 74)
  for (let at = 0; at < weights.length; at += blockBytes) weights.writeUInt16LE(scale, at)
  if (tensor.name === 'token_embd.weight') {
    weights.fill(0, 0, (tensor.columns / 32) * blockBytes * controlTokens.length)
  }
  return weights
}

function bytesOf({ rows, columns }: Tensor): number {
  return rows === 0 ? columns * 4 : ((rows * columns) / 32) * blockBytes
}

function padded(length: number): number {
  return Math.ceil(length / alignment) * alignment
}

function writePadded(file: number, bytes: Buffer): void {
  writeSync(file, bytes)
  writeSync(file, Buffer.alloc(padded(bytes.length) - bytes.length))
}

/** A small positive normal number in 16 bits. */
function half(value: number): number {
  const exponent = Math.floor(Math.log2(value))
  return ((exponent + 15) << 10) + Math.round((value / 2 ** exponent - 1) * 1024)
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}

/** Metadata: a key, the number of its type, and the value. */
const entry = {
  count: (key: string, value: number): Buffer => Buffer.concat([text(key), u32(4), u32(value)]),
  real: (key: string, value: number): Buffer => Buffer.concat([text(key), u32(6), f32(value)]),
  flag: (key: string, value: boolean): Buffer => Buffer.concat([text(key), u32(7), Buffer.of(value ? 1 : 0)]),
  text: (key: string, value: string): Buffer => Buffer.concat([text(key), u32(8), text(value)]),
  texts: (key: string, values: readonly string[]): Buffer =>
    Buffer.concat([text(key), u32(9), u32(8), u64(values.length), ...values.map(text)]),
  integers: (key: string, values: readonly number[]): Buffer =>
    Buffer.concat([text(key), u32(9), u32(5), u64(values.length), ...values.map(u32)]),
}

if (import.meta.main) {
  const value = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      dim: value,
      layers: value,
      ffn: value,
      'head-dim': value,
      'kv-heads': value,
      vocabulary: value,
      context: value,
      seed: value,
      'no-template': { type: 'boolean' },
    },
  })
  const [path] = positionals
  if (path === undefined) throw new RangeError('give the path of the file to write')
  const defaults = defaultRandomModel
  const parameters = writeRandomGguf(path, {
    dim: Number(values.dim ?? defaults.dim),
    layers: Number(values.layers ?? defaults.layers),
    ffn: Number(values.ffn ?? defaults.ffn),
    headDim: Number(values['head-dim'] ?? defaults.headDim),
    kvHeads: Number(values['kv-heads'] ?? defaults.kvHeads),
    vocabulary: Number(values.vocabulary ?? defaults.vocabulary),
    context: Number(values.context ?? defaults.context),
    seed: Number(values.seed ?? defaults.seed),
    template: values['no-template'] !== true,
  })
  console.log(`${path}: ${(parameters / 1e6).toFixed(1)}M parameters`)
}
