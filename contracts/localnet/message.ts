/** What the chain needs to know of a message or a transaction cell without losing the exact bytes that were sent. */
import { type Address, beginCell, Cell, Dictionary, loadMessage, type Message, storeMessage } from '@ton/core'
import { ApiError } from './errors.ts'

/** Configuration parameter 43 of mainnet: `max_ext_msg_size` and `max_ext_msg_depth`. */
export const externalBytesMax = 65_535
export const externalDepthMax = 512

export interface External {
  readonly cell: Cell
  readonly to: Address
  readonly hash: Buffer
  readonly normalizedHash: Buffer
}

/** Decodes an external message as a validator does before running it; refuses with toncenter's wording. */
export function decodeExternal(boc: Buffer): External {
  if (boc.length > externalBytesMax) {
    throw notParsed(`external message too large, rejecting: ${boc.length} bytes, at most ${externalBytesMax}`)
  }
  const cell = decodeBoc(boc, () =>
    notParsed(`external message is not a valid bag of cells with one root and a depth of at most ${externalDepthMax}`),
  )
  let message: Message
  try {
    message = loadMessage(cell.beginParse())
  } catch {
    throw notParsed('external message is not a (Message Any) according to automated checks')
  }
  if (message.info.type !== 'external-in') {
    throw notParsed(`external message must begin with ext_in_msg_info$10, this is ${message.info.type}`)
  }
  return { cell, to: message.info.dest, hash: cell.hash(), normalizedHash: normalizedHash(message) }
}

/** One root cell, no deeper than an external may be: cells of unbounded depth overflow the stack when they are serialised again. */
export function decodeBoc(boc: Buffer, refusal: () => ApiError): Cell {
  let roots: Cell[]
  try {
    roots = Cell.fromBoc(boc)
  } catch {
    throw refusal()
  }
  const [root] = roots
  if (root === undefined || roots.length !== 1 || root.depth() > externalDepthMax) throw refusal()
  return root
}

/**
 * TEP-467: an external is known by the hash of its normal form (no source, no import fee, no state init, body in a
 * reference), because validators may re-wrap what they were sent.
 */
export function normalizedHash(message: Message): Buffer {
  if (message.info.type !== 'external-in') throw new TypeError(`${message.info.type} messages have no normal form`)
  const normal: Message = {
    body: message.body,
    info: { type: 'external-in', dest: message.info.dest, importFee: 0n },
  }
  return beginCell()
    .store(storeMessage(normal, { forceRef: true }))
    .endCell()
    .hash()
}

/**
 * The message cells of a transaction, byte for byte: re-serialising a parsed message may choose another layout, and another hash.
 * TL-B: `transaction$0111 ... ^[ in_msg:(Maybe ^(Message Any)) out_msgs:(HashmapE 15 ^(Message Any)) ] ... = Transaction;`
 */
export function transactionMessages(transaction: Cell): {
  readonly in: Cell | undefined
  readonly out: readonly Cell[]
} {
  const [messages] = transaction.refs
  if (messages === undefined) throw new TypeError('transaction cell has no message reference')
  const slice = messages.beginParse()
  const inbound = slice.loadMaybeRef() ?? undefined
  const outbound = slice.loadDict(Dictionary.Keys.Uint(15), Dictionary.Values.Cell())
  const indices = outbound.keys().sort((left, right) => left - right)
  return { in: inbound, out: indices.flatMap((index) => outbound.get(index) ?? []) }
}

function notParsed(reason: string): ApiError {
  return new ApiError(
    500,
    `LITE_SERVER_UNKNOWN: cannot apply external message to current state : failed to parse external message ${reason}`,
  )
}
