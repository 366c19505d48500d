// Arbitrary legal messages of every type, for the property tests of the wire.

import '../seed.ts'
import fc from 'fast-check'
import type { Advert, Offer } from '../../protocol/advert.ts'
import { type ErrorCode, failures } from '../../protocol/errors.ts'
import type { ConsumerFrame, Open, ProviderFrame, Tab } from '../../protocol/frames.ts'
import { type Address, addressOf, type ModelKey, parseModelKey, peerIdOf } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { type Nano, nanoMax, type Price, type Usage } from '../../protocol/money.ts'
import type { Receipt } from '../../protocol/receipt.ts'
import type { SettleReply } from '../../protocol/settlement.ts'
import { publicKeyOfSeed, signerOf } from '../../protocol/signature.ts'
import {
  type ChatMessage,
  features,
  type Sampling,
  type Task,
  type TokenLogprob,
  type ToolCall,
  type ToolCallDelta,
  type ToolChoice,
  type Tools,
} from '../../protocol/task.ts'
import type { Voucher, VoucherTerms } from '../../protocol/voucher.ts'

export interface Key {
  readonly publicKey: Uint8Array
  readonly sign: (message: Uint8Array) => Uint8Array
}

export function keyOf(number: number): Key {
  const seed = new Uint8Array(32).fill(number)
  const sign = signerOf(seed)
  return { publicKey: Uint8Array.from(publicKeyOfSeed(seed)), sign: (message) => Uint8Array.from(sign(message)) }
}

/** The price bound of the wire: a million GRAM a million tokens. */
export const priceNanoMax: Nano = 1_000_000_000_000_000n

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const hex = (length: number): fc.Arbitrary<string> => bytes(length).map((value) => Buffer.from(value).toString('hex'))
const uint32 = fc.nat({ max: 0xffff_ffff })
const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff })
const tokens = fc.nat({ max: limits.tokensMax })
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined })

/** As likely near a power of two, where varints change, as anywhere. */
const upTo = (max: bigint): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.bigInt({ min: 0n, max }),
    fc
      .tuple(fc.nat({ max: 64 }), fc.integer({ min: -2, max: 2 }))
      .map(([power, offset]) => (1n << BigInt(power)) + BigInt(offset))
      .filter((value) => value >= 0n && value <= max),
    fc.bigInt({ min: 0n, max: 1n << 33n }),
  )
const safe = upTo(BigInt(Number.MAX_SAFE_INTEGER)).map(Number)

/** Any text of whole code points, control characters included. */
const text = (max: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'binary', maxLength: max }).filter((value) => value.length <= max)
/** What a terminal may show: peers' names and reasons are made so when they are decoded. */
const printable = (max: number): fc.Arbitrary<string> => text(max).map((value) => value.replace(/\p{C}/gu, ' '))

export const key: fc.Arbitrary<Key> = fc.integer({ min: 1, max: 6 }).map(keyOf)
export const address: fc.Arbitrary<Address> = bytes(32).map(addressOf)
export const modelKey: fc.Arbitrary<ModelKey> = hex(32).map(parseModelKey)
export const nano: fc.Arbitrary<Nano> = upTo(nanoMax)
const unitPrice = upTo(priceNanoMax)

export const price: fc.Arbitrary<Price> = fc
  .tuple(unitPrice, unitPrice, unitPrice)
  .map(([a, b, completionNano]) => ({ promptNano: a > b ? a : b, cachedNano: a > b ? b : a, completionNano }))

export const usage: fc.Arbitrary<Usage> = fc
  .tuple(tokens, tokens, tokens)
  .map(([a, b, completionTokens]) => ({ promptTokens: Math.max(a, b), cachedTokens: Math.min(a, b), completionTokens }))

export const terms: fc.Arbitrary<VoucherTerms> = fc.record({
  globalId: int32,
  escrow: address,
  epoch: uint32,
  payee: address,
  amountNano: nano,
})

/** The shape of a voucher: its signature is noise. */
export const voucher: fc.Arbitrary<Voucher> = fc.record({ terms, signature: bytes(64) })

const tab: fc.Arbitrary<Tab> = fc.record({
  globalId: int32,
  epoch: uint32,
  payee: address,
  owedNano: nano,
  best: optional(voucher),
})

const receipt: fc.Arbitrary<Receipt> = fc.record({
  requestDigest: bytes(32),
  modelKey,
  price,
  usage,
  costNano: nano,
  signature: bytes(64),
})

const name = text(40).filter(({ length }) => length <= limits.toolNameCharsMax)
const toolCall: fc.Arbitrary<ToolCall> = fc.record({ id: name, name, arguments: text(200) })

const message: fc.Arbitrary<ChatMessage> = fc.oneof(
  fc.record({ role: fc.constantFrom('system', 'user', 'assistant'), content: text(200) }),
  fc.record({ role: fc.constant('tool'), content: text(200), toolCallId: name.filter((id) => id !== '') }),
  fc.record({
    role: fc.constant('assistant'),
    content: text(200),
    toolCalls: fc.array(toolCall, { minLength: 1, maxLength: 3 }),
  }),
)

const tools: fc.Arbitrary<Tools> = fc
  .array(fc.record({ name, description: text(100), parameters: text(100) }), { minLength: 1, maxLength: 4 })
  .chain((list) =>
    fc.record({
      list: fc.constant(list),
      choice: fc.constantFrom<ToolChoice>('auto', 'none', 'required', { name: list[0]?.name ?? '' }),
      isParallel: fc.boolean(),
    }),
  )

/** One of the three kinds of task. */
const task: fc.Arbitrary<Pick<Task, 'messages' | 'text' | 'inputs'>> = fc.oneof(
  fc.record({ messages: fc.array(message, { minLength: 1, maxLength: 8 }) }),
  fc.record({ messages: fc.constant([]), text: text(200) }),
  fc.record({ messages: fc.constant([]), inputs: fc.array(text(100), { minLength: 1, maxLength: 5 }) }),
)

const within = (min: number, max: number): fc.Arbitrary<number> =>
  fc.float({ min, max, noNaN: true }).map((value) => value + 0) // no −0: the wire has one zero

const sampling: fc.Arbitrary<Sampling> = fc.record(
  {
    temperature: within(0, 2),
    topP: fc.float({ min: 2 ** -149, max: 1, noNaN: true }),
    topK: uint32,
    minP: within(0, 1),
    presencePenalty: within(-2, 2),
    frequencyPenalty: within(-2, 2),
    repetitionPenalty: within(0.5, 10),
    logitBias: fc.array(fc.record({ tokenId: uint32, bias: within(-100, 100) }), { minLength: 1, maxLength: 5 }),
    seed: uint32,
    stop: fc.array(text(64), { maxLength: limits.stopsMax }),
    tokensMax: tokens,
    format: fc.record({ type: fc.constant('json'), schema: text(100) }, { requiredKeys: ['type'] }),
    logprobs: fc.nat({ max: limits.logprobsMax }),
  },
  { requiredKeys: ['stop'] },
)

export const open: fc.Arbitrary<Open> = fc
  .tuple(
    task,
    fc.option(tools, { nil: undefined }),
    fc.record({
      type: fc.constant('open'),
      requestId: hex(16),
      modelKey,
      sampling,
      priceMax: price,
      escrow: address,
      deadlineMs: fc.nat({ max: limits.deadlineMsMax }),
      best: optional(voucher),
      resumeText: text(100),
      resumeTokenIds: fc.array(uint32, { maxLength: 50 }),
    }),
  )
  .map(([asked, withTools, rest]) => ({ ...rest, ...asked, ...(withTools && { tools: withTools }) }))

export const consumerFrame: fc.Arbitrary<ConsumerFrame> = fc.oneof(
  open,
  fc.record({ type: fc.constant('voucher'), voucher }),
  fc.constant<ConsumerFrame>({ type: 'cancel' }),
)

const logprob = within(-1000, 0)
const tokenBytes = fc.uint8Array({ maxLength: 8 })
const tokenLogprob: fc.Arbitrary<TokenLogprob> = fc.record({
  bytes: tokenBytes,
  logprob,
  top: fc.array(fc.record({ bytes: tokenBytes, logprob }), { maxLength: 3 }),
})
const toolCallDelta: fc.Arbitrary<ToolCallDelta> = fc.record(
  { index: fc.nat({ max: limits.toolCallsMax - 1 }), id: name, name, arguments: text(100) },
  { requiredKeys: ['index', 'arguments'] },
)

const delta: fc.Arbitrary<ProviderFrame> = fc.array(uint32, { maxLength: 40 }).chain((tokenIds) => {
  const { length } = tokenIds
  return fc.record(
    {
      type: fc.constant('delta'),
      index: tokens,
      text: text(200),
      tokens: length === 0 ? fc.nat({ max: limits.deltaTokensMax }) : fc.constant(length),
      tokenIds: fc.constant(tokenIds),
      reasoning: text(100).filter((said) => said !== ''),
      toolCalls: fc.array(toolCallDelta, { minLength: 1, maxLength: 3 }),
      ...(length > 0 && { logprobs: fc.array(tokenLogprob, { minLength: length, maxLength: length }) }),
    },
    { requiredKeys: ['type', 'index', 'text', 'tokens', 'tokenIds'] },
  )
})

const embedding: fc.Arbitrary<ProviderFrame> = fc.record({
  type: fc.constant('embedding'),
  index: fc.nat({ max: limits.inputsMax - 1 }),
  vector: fc.float32Array({ minLength: 1, maxLength: 20, noNaN: true, noDefaultInfinity: true }),
})

const accept = usage.chain(({ promptTokens, cachedTokens }) =>
  fc.record({
    type: fc.constant('accept'),
    price,
    promptTokens: fc.constant(promptTokens),
    cachedTokens: fc.constant(cachedTokens),
    creditTokens: tokens,
    tab,
  }),
)

export const errorCode: fc.Arbitrary<ErrorCode> = fc.constantFrom(...(Object.keys(failures) as ErrorCode[]))

export const providerFrame: fc.Arbitrary<ProviderFrame> = fc.oneof(
  accept,
  delta,
  embedding,
  fc.record({ type: fc.constant('tab'), tab }),
  fc.record({ type: fc.constant('queued'), position: fc.nat({ max: 1_000_000 }), etaMs: optional(uint32) }),
  fc.record({ type: fc.constant('end'), finish: fc.constantFrom('stop', 'length', 'cancelled'), receipt }),
  fc.record({
    type: fc.constant('fail'),
    code: errorCode,
    message: printable(limits.reasonCharsMax),
    retryAfterMs: optional(uint32),
  }),
)

const offer: fc.Arbitrary<Offer> = fc.nat({ max: 65_536 }).chain((slots) =>
  fc.record({
    modelKey,
    name: printable(limits.modelNameCharsMax),
    contextTokens: tokens,
    price,
    slots: fc.constant(slots),
    slotsFree: fc.nat({ max: slots }),
    queued: fc.nat({ max: 1_000_000 }),
    prefillTokensPerSecond: uint32,
    decodeTokensPerSecond: uint32,
    features: fc.subarray([...features], { minLength: 1 }),
    vocabularySha256: optional(hex(32)),
  }),
)

/** An advert and the key of its peer. Small enough that its encoding is always under the limit. */
export const advert: fc.Arbitrary<{ readonly advert: Advert; readonly key: Key }> = key.chain((key) =>
  fc
    .record({
      peer: fc.constant(peerIdOf(key.publicKey)),
      sequence: safe,
      validUntilMs: safe,
      payout: address,
      offers: fc.array(offer, { maxLength: 6 }),
      addresses: fc.array(printable(80), { maxLength: limits.addressesMax }),
      agent: printable(limits.agentCharsMax),
    })
    .map((advert) => ({ advert, key })),
)

export const settleReply: fc.Arbitrary<SettleReply> = fc.record({
  accepted: fc.nat({ max: limits.voucherBatchMax }),
  code: optional(errorCode),
  message: printable(limits.reasonCharsMax),
})
