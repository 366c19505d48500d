// Nodes that misbehave: the production node over ports that lie to it, or lie for it. One wrapper a kind.

import type { Delta, Engine, Finish, Network, Ports, Prompt, Random, Stream } from '../node/ports.ts'
import { decodeConsumerFrame, encodeFrame } from '../protocol/frames.ts'
import { declaredModelKeyOf, inferProtocol, type ModelKey, type PeerId } from '../protocol/ids.ts'
import type { Voucher } from '../protocol/voucher.ts'
import { answerOf, promptDigest, tokenText } from './model/engine/tokens.ts'
import type { AdversaryKind, PeerSpec } from './plan.ts'
import { integer } from './random.ts'

export interface Adversary {
  /** What it gains where nothing stops it. */
  readonly gain: string
  readonly on: 'provider' | 'consumer' | 'any'
  /** What the network is told to do for it; undefined where its DHT is honest. */
  readonly dht: DhtBehaviour | undefined
}

/**
 * How it answers DHT queries. `only-accomplices`: names peers of its own kind as the closest, whatever is asked for.
 * `no-records`: also sits next to the key it is after, takes provider records and never tells them.
 */
export type DhtBehaviour = 'only-accomplices' | 'no-records'

export const adversaries: Readonly<Record<AdversaryKind, Adversary>> = {
  'false-advert': {
    gain: 'wins requests that faster providers would have won, by slots and speeds that it does not have',
    on: 'provider',
    dht: undefined,
  },
  'wrong-model': {
    gain: 'is paid for a large model’s tokens and computes a small one’s, at twice the speed or half the hardware',
    on: 'provider',
    dht: undefined,
  },
  garbage: {
    gain: 'is paid for tokens that cost it nothing, as they come from no model at all',
    on: 'provider',
    dht: undefined,
  },
  'token-inflation': {
    gain: 'is paid twice for each token, by counting more of them than the text has',
    on: 'provider',
    dht: undefined,
  },
  stalling: {
    gain: 'keeps the fee for the prompt and the first tokens, and the caller waiting, at no further work',
    on: 'provider',
    dht: undefined,
  },
  'non-paying': {
    gain: 'gets a credit window of tokens from each provider for the price of one prompt',
    on: 'consumer',
    dht: undefined,
  },
  sybil: {
    gain: 'turns lookups towards its own many identities, and with them the choice of who is found',
    on: 'any',
    dht: 'only-accomplices',
  },
  eclipse: {
    gain: 'makes a model’s honest providers impossible to find, so that callers take its own or none',
    on: 'any',
    dht: 'no-records',
  },
}

/** The ports of a node that misbehaves in this way. Kinds that are the network’s doing leave them as they are. */
export function corrupt(kind: AdversaryKind, ports: Ports, random: Random, spec: PeerSpec): Ports {
  const engine = (): Engine => {
    if (!ports.engine) throw new RangeError(`${spec.name} cannot be a "${kind}" adversary: it provides nothing`)
    return ports.engine
  }
  switch (kind) {
    case 'false-advert':
      return { ...ports, engine: boasting(engine()) }
    case 'wrong-model':
      return { ...ports, engine: rewritten(engine(), smallerModel, smallerSpeedup) }
    case 'garbage':
      return { ...ports, engine: rewritten(engine(), () => gibberish(random), 1) }
    case 'token-inflation':
      return { ...ports, engine: rewritten(engine(), () => padded, inflation) }
    case 'stalling':
      return { ...ports, engine: stalling(engine(), random) }
    case 'non-paying':
      if (!spec.consumer) throw new RangeError(`${spec.name} cannot be a "${kind}" adversary: it consumes nothing`)
      return { ...ports, network: nonPaying(ports.network) }
    case 'sybil':
    case 'eclipse':
      return ports
  }
}

/** Assumptions, each as bold as a consumer that compares adverts may just believe. */
const boast = 4
const smallerSpeedup = 2
const inflation = 2
const stallTokensMax = 32

/** More slots and speed than there are: what does not fit waits where nobody sees it. */
function boasting(engine: Engine): Engine {
  let running = 0
  const waiting: (() => void)[] = []
  const models = engine.models.map((model) => ({
    ...model,
    prefillTokensPerSecond: boast * model.prefillTokensPerSecond,
    decodeTokensPerSecond: boast * model.decodeTokensPerSecond,
  }))
  return {
    models,
    slots: boast * engine.slots,
    prepare: (generation, signal) => engine.prepare(generation, signal),
    async *generate(prompt, signal) {
      while (running >= engine.slots) {
        await Promise.race([new Promise<void>((resolve) => waiting.push(resolve)), aborted(signal)])
      }
      running += 1
      try {
        return yield* engine.generate(prompt, signal)
      } finally {
        running -= 1
        for (const wake of waiting.splice(0)) wake()
      }
    },
  }
}

/** What a lying engine says in place of `claimed` tokens that begin at `index` of the whole answer. */
type Rewrite = (honest: Delta, claimed: number, index: number) => Delta

/** Claims `factor` tokens for each that is computed, and computes as many fewer. */
function rewritten(engine: Engine, rewriteOf: (prompt: Prompt) => Rewrite, factor: number): Engine {
  return {
    models: engine.models,
    slots: engine.slots,
    prepare: (generation, signal) => engine.prepare(generation, signal),
    async *generate(prompt, signal): AsyncGenerator<Delta, Finish, undefined> {
      const { generation, promptTokens } = prompt
      const { sampling, resumeTokenIds } = generation
      const contextTokens = engine.models.find(({ key }) => key === generation.model)?.contextTokens ?? promptTokens
      const roomTokens = Math.max(0, contextTokens - promptTokens)
      const tokensMax = Math.min(sampling.tokensMax ?? roomTokens, roomTokens)
      const computed =
        sampling.tokensMax === undefined ? sampling : { ...sampling, tokensMax: Math.ceil(tokensMax / factor) }
      const rewrite = rewriteOf(prompt)
      const honest = engine.generate({ ...prompt, generation: { ...generation, sampling: computed } }, signal)
      let claimed = 0
      try {
        for (;;) {
          const next = await honest.next()
          if (next.done) return next.value
          const tokens = Math.min(factor * next.value.tokens, tokensMax - claimed)
          if (tokens > 0 || next.value.tokens === 0) {
            yield rewrite(next.value, tokens, resumeTokenIds.length + claimed)
          }
          claimed += tokens
          if (claimed >= tokensMax) return 'length'
        }
      } finally {
        await honest.return('stop')
      }
    },
  }
}

function smallerModel({ generation }: Prompt): Rewrite {
  const answer = answerOf(smallerOf(generation.model), promptDigest(generation.messages))
  return (_honest, claimed, index) => deltaOf(Array.from({ length: claimed }, (_, at) => answer(index + at)))
}

/** The model that is run in place of this one. */
export function smallerOf(model: ModelKey): ModelKey {
  return declaredModelKeyOf(`smaller than ${model}`)
}

function gibberish(random: Random): Rewrite {
  return (_honest, claimed) => deltaOf(Array.from({ length: claimed }, () => 0x21 + integer(random, 0x5e)))
}

function padded({ text, tokenIds }: Delta, claimed: number): Delta {
  const last = tokenIds.at(-1)
  if (last === undefined) return { text, tokens: claimed, tokenIds }
  return { text, tokens: claimed, tokenIds: Array.from({ length: claimed }, (_, at) => tokenIds[at] ?? last) }
}

function deltaOf(tokenIds: readonly number[]): Delta {
  return { text: tokenIds.map(tokenText).join(''), tokens: tokenIds.length, tokenIds }
}

/** Holds its answer after some tokens until it is given up. */
function stalling(engine: Engine, random: Random): Engine {
  return {
    models: engine.models,
    slots: engine.slots,
    prepare: (generation, signal) => engine.prepare(generation, signal),
    async *generate(prompt, signal): AsyncGenerator<Delta, Finish, undefined> {
      const stallAt = 1 + integer(random, stallTokensMax)
      const honest = engine.generate(prompt, signal)
      let tokens = 0
      try {
        for (;;) {
          const next = await honest.next()
          if (next.done) return next.value
          yield next.value
          tokens += next.value.tokens
          if (tokens >= stallAt) break
        }
      } finally {
        await honest.return('stop') // its engine is free for the next
      }
      return aborted(signal)
    },
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** Lets each provider have the first voucher and no other, neither by itself nor inside a request. */
function nonPaying(network: Network): Network {
  const paid = new Map<PeerId, Voucher>()
  return {
    addresses: () => network.addresses(),
    connections: () => network.connections(),
    learn: (peer, addresses) => network.learn(peer, addresses),
    open: async (peer, protocol, signal) => {
      const stream = await network.open(peer, protocol, signal)
      return protocol === inferProtocol ? withholding(stream, paid) : stream
    },
    handle: (protocol, handler) => network.handle(protocol, handler),
    publish: (topic, message) => network.publish(topic, message),
    subscribe: (topic, validate) => network.subscribe(topic, validate),
    provide: (key, signal) => network.provide(key, signal),
    findProviders: (key, signal) => network.findProviders(key, signal),
  }
}

function withholding(stream: Stream, paid: Map<PeerId, Voucher>): Stream {
  const { peer } = stream
  let isRequest = false
  return {
    peer,
    frames: stream.frames,
    close: () => stream.close(),
    reset: (reason) => stream.reset(reason),
    send: async (bytes) => {
      const frame = decodeConsumerFrame(bytes)
      switch (frame.type) {
        case 'open': {
          isRequest = true
          const given = paid.get(peer)
          const isSafe = frame.best === undefined || frame.best.terms.amountNano <= (given?.terms.amountNano ?? 0n)
          return stream.send(isSafe ? bytes : encodeFrame({ ...frame, best: given }))
        }
        case 'voucher':
          if (!isRequest || paid.has(peer)) return
          paid.set(peer, frame.voucher)
          return stream.send(bytes)
        case 'cancel':
          return stream.send(bytes)
      }
    },
  }
}
