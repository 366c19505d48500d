// How long what the coarse mode does not model takes: round trips of a dial, reads of the chain. The other tiers carry them out.

export const timing = {
  /** sim/run.ts starts peers one after the other within this share of the warm-up. */
  rampShare: 0.5,
  rampMsMax: 30_000,
  /** TCP, the proposal of Noise, Noise itself with the muxer inside. */
  connectRoundTrips: 3,
  /** A stream's protocol is proposed and agreed before the first frame. */
  openRoundTrips: 1,
  /** A dial of a machine that is not there. */
  dialAddressMs: 2_500,
  /** To a relay and on from there. */
  relayFactor: 2,
  /** The least that TCP waits before it sends a lost packet again. */
  retransmitMs: 200,
  /** What TCP sends before it has heard anything (RFC 6928). */
  firstWindowBytes: 14_480,
  /** Of an `open` besides the prompt: voucher, keys, framing. */
  openBytes: 500,
  /** A request to the chain's endpoint and its answer. */
  chainMs: 80,
  /** Of a chain that forks: how many times as long it takes, an assumption. */
  reorderSlowness: 10,
  /** Five tries, with pauses that double from half a second. */
  chainGivenUpMs: 6_000,
  chainRetryMs: 10_000,
  /** A settler reads escrow and payee, and asks what it may post. */
  settleReads: 4,
  /** Between two looks for a first provider: adverts come one by one. */
  lookMs: 250,
  /** By which a consumer guesses a prompt's tokens before anybody has counted them; node/consumer/answer.ts. */
  charactersPerToken: 4,
} as const
