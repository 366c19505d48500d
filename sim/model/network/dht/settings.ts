// Kademlia's parameters, and what it needs of the network under it.

export interface DhtSettings {
  /** Peers in a bucket, in an answer, and that hold a record. */
  readonly k: number
  /**
   * Buckets are by a peer's first bits, so many of them, as js-libp2p has it; where absent by how many it shares with the
   * table's owner, as Kademlia has it.
   */
  readonly prefixBits?: number | undefined
  /** Questions under way at once in one lookup. */
  readonly alpha: number
  /**
   * Peers that an answer told of are asked whether they are there, so many at once, as long as the table has room for them:
   * js-libp2p does, which connects each peer to most servers it hears of. 0 leaves it at those that a lookup asks.
   */
  readonly meetingsMax: number
  readonly recordMs: number
  readonly recordsMax: number
  /** Each peer looks for its own neighbourhood this often, and in between for a random one. */
  readonly refreshMs: number
  /** Until the first such look. */
  readonly firstRefreshMs: number
  /** At a refresh, peers that have not answered for so long are asked whether they are there. */
  readonly verifyMs: number
  /** A question, and an answer with `contactBytes` for each peer in it. */
  readonly requestBytes: number
  readonly answerBytes: number
  readonly contactBytes: number
  /** One lookup may last so long. */
  readonly findMs: number
  readonly findProvidersMax: number
  /** An announcement: again after this, doubling. */
  readonly provideMs: number
  readonly provideAgainMs: number
  readonly provideAgainMsMax: number
}

/** js-libp2p's kad-dht as the adapter sets it up. */
export const dhtDefaults: DhtSettings = {
  k: 20,
  prefixBits: 6,
  alpha: 9, // three disjoint paths of three
  meetingsMax: 6,
  recordMs: 48 * 3_600_000,
  recordsMax: 50_000,
  refreshMs: 300_000,
  firstRefreshMs: 250,
  verifyMs: 600_000,
  requestBytes: 120,
  answerBytes: 60,
  contactBytes: 90, // an id of 38 bytes, two addresses, protobuf around them
  findMs: 10_000,
  findProvidersMax: 64,
  provideMs: 60_000,
  provideAgainMs: 5_000,
  provideAgainMsMax: 600_000,
}

export interface DhtWire {
  /**
   * Asks a peer. `serve` runs there when the question arrives and returns the answer's bytes; `done` here with `true`
   * when that is back, with `false` when no answer came: how long that takes is the wire's to know.
   */
  call(from: number, to: number, bytes: number, serve: () => number, done: (isAnswered: boolean) => void): void
  /** Whom a peer whose table has run empty can turn to. */
  fallback(at: number): readonly number[]
}

/** What a peer answers that does not keep to the rules. */
export interface DhtBehaviour {
  /** The names of keys that it answers with its own kind and without any provider; `all` for whatever is asked. */
  readonly lies: readonly string[] | 'all'
  /** Where it settled, by making keys until one was there: this many bits next to a key's. */
  readonly near?: { readonly key: string; readonly bits: number } | undefined
}

export class DhtTally {
  lookups = 0
  /** Of those that ended with an answer from at least one peer. */
  answered = 0
  hops = 0
  messages = 0
  bytes = 0
  failedCalls = 0
  providerLookups = 0
  providerFound = 0
  provideHolders = 0
  provides = 0
}
