// The bounds of the wire, docs/protocol.md §2. A decoder checks them before it allocates; changing one is a protocol change.

export const limits = {
  /** An `open` frame: a prompt of about a million characters. */
  openBytesMax: 1_048_576,
  /** Any other frame a consumer sends, and any a provider sends. */
  frameBytesMax: 65_536,
  /** One delta's text. Engines emit far less; a provider that coalesces must stay under. */
  deltaBytesMax: 16_384,
  messagesMax: 1_024,
  toolsMax: 128,
  toolCallsMax: 128,
  toolNameCharsMax: 64,
  toolCallIdCharsMax: 64,
  logitBiasMax: 1_024,
  logprobsMax: 20,
  inputsMax: 256,
  embeddingValuesMax: 16_000,
  /** Of a model's tokens, with two bytes for the length of each: some four times the largest vocabulary in use. */
  vocabularyBytesMax: 8_388_608,
  /** Twice the largest vocabulary in use: each token is an object in memory, however short. */
  vocabularyTokensMax: 524_288,
  /** Of one of its tokens: the longest in use have 128. */
  vocabularyTokenBytesMax: 1_024,
  stopsMax: 16,
  stopBytesMax: 256,
  /** Tokens of one request, prompt and completion; a bound on arithmetic, far above any context. */
  tokensMax: 16_777_216,
  resumeTokenIdsMax: 131_072,
  deltaTokensMax: 4_096,
  /** A fail frame's message, shown to people. */
  reasonCharsMax: 500,
  advertBytesMax: 8_192,
  offersMax: 16,
  featuresMax: 16,
  featureCharsMax: 24,
  addressesMax: 8,
  addressCharsMax: 256,
  modelNameCharsMax: 96,
  agentCharsMax: 64,
  /** Vouchers in one settle request and in one message to the chain: the TVM checks ten signatures a transaction free. */
  voucherBatchMax: 10,
  deadlineMsMax: 3_600_000,
} as const
