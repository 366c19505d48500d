// What crossed the wire, counted from the frames themselves with none of the node's books: told, delivered and received, by escrow.

import type { Network, Stream } from '../../node/ports.ts'
import { decodeConsumerFrame, decodeProviderFrame } from '../../protocol/frames.ts'
import { inferProtocol, settleProtocol } from '../../protocol/ids.ts'
import { costNano, type Nano } from '../../protocol/money.ts'
import { decodeSettleReply, decodeSettleRequest } from '../../protocol/settlement.ts'
import { paidNano, type Voucher } from '../../protocol/voucher.ts'
import { throughFrames, throughStreams } from './points.ts'

/**
 * `told`: a voucher of so much was sent to a provider. `delivered` and `received`: what the tokens of one frame cost, where they
 * were sent and where they came. `kept`: a settler has said that it holds a voucher of so much.
 */
export interface Fact {
  readonly what: 'told' | 'delivered' | 'received' | 'kept'
  readonly escrow: string
  readonly nano: Nano
}

export function witnessed(network: Network, tell: (fact: Fact) => void): Network {
  return throughStreams(
    network,
    (stream, protocol) =>
      protocol === inferProtocol ? asking(stream, tell) : protocol === settleProtocol ? handing(stream, tell) : stream,
    (stream, protocol) => (protocol === inferProtocol ? serving(stream, tell) : stream),
  )
}

/** At the consumer. */
function asking(stream: Stream, tell: (fact: Fact) => void): Stream {
  let escrow = ''
  const told = (voucher: Voucher): void => tell({ what: 'told', escrow: voucher.terms.escrow, nano: paidNano(voucher) })
  const costs = new Costs()
  return throughFrames(
    stream,
    (bytes) => {
      const frame = decodeConsumerFrame(bytes)
      if (frame.type === 'open') {
        escrow = frame.escrow
        if (frame.best) told(frame.best)
      } else if (frame.type === 'voucher') told(frame.voucher)
      return stream.send(bytes)
    },
    (async function* () {
      for await (const bytes of stream.frames) {
        const nano = costs.of(bytes)
        if (nano > 0n) tell({ what: 'received', escrow, nano })
        yield bytes
      }
    })(),
  )
}

/** At the provider. */
function serving(stream: Stream, tell: (fact: Fact) => void): Stream {
  let escrow = ''
  const costs = new Costs()
  return throughFrames(
    stream,
    (bytes) => {
      const nano = costs.of(bytes)
      if (nano > 0n) tell({ what: 'delivered', escrow, nano })
      return stream.send(bytes)
    },
    (async function* () {
      for await (const bytes of stream.frames) {
        if (escrow === '') {
          const frame = decodeConsumerFrame(bytes)
          if (frame.type === 'open') escrow = frame.escrow
        }
        yield bytes
      }
    })(),
  )
}

/** At who hands vouchers to a settler. */
function handing(stream: Stream, tell: (fact: Fact) => void): Stream {
  let vouchers: readonly Voucher[] = []
  return throughFrames(
    stream,
    (bytes) => {
      const request = decodeSettleRequest(bytes)
      vouchers = request.isWatch ? [] : request.vouchers
      return stream.send(bytes)
    },
    (async function* () {
      for await (const bytes of stream.frames) {
        const { accepted } = decodeSettleReply(bytes)
        for (const { terms } of vouchers.slice(0, accepted)) {
          tell({ what: 'kept', escrow: terms.escrow, nano: terms.amountNano })
        }
        yield bytes
      }
    })(),
  )
}

/** Of one stream's frames: the prompt counts with the first that shows it was evaluated. */
class Costs {
  #accept: Extract<ReturnType<typeof decodeProviderFrame>, { type: 'accept' }> | undefined
  #completionTokens = 0
  #countedNano = 0n

  of(bytes: Uint8Array): Nano {
    const frame = decodeProviderFrame(bytes)
    if (frame.type === 'accept') this.#accept = frame
    if (!this.#accept || (frame.type !== 'delta' && frame.type !== 'end')) return 0n
    if (frame.type === 'delta') this.#completionTokens += frame.tokens
    const { cachedTokens, price, promptTokens } = this.#accept
    const allNano = costNano({ promptTokens, cachedTokens, completionTokens: this.#completionTokens }, price)
    const nano = allNano - this.#countedNano
    this.#countedNano = allNano
    return nano
  }
}
