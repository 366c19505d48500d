// The local chain from outside: where every coin of an escrow came from and went, read over its HTTP API, and a gate before it that
// nodes use, which can be shut.

import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Address } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { isRecord } from './child.ts'

export interface EscrowAccount {
  /** All that ever came in. */
  readonly depositedNano: Nano
  readonly balanceNano: Nano
  readonly paidOutNano: Nano
  readonly feesNano: Nano
}

/** Of one page of an account's transactions: toncenter's largest. */
const pageTransactions = 100

/** Follows escrows: each look reads what happened since the last one. */
export class ChainLedger {
  readonly #api: string
  readonly #escrows = new Map<Address, { depositedNano: Nano; paidOutNano: Nano; feesNano: Nano; lt: bigint }>()
  /** With the escrow's last transaction when it was read: nothing changes without one. */
  readonly #settled = new Map<string, { readonly nano: Nano; readonly lt: bigint }>()

  /** `endpoint` as a node is given it. */
  constructor(endpoint: string) {
    this.#api = endpoint.replace(/\/jsonRPC$/, '')
  }

  /** As of one block: the balance and all that led to it. */
  async escrow(escrow: Address): Promise<EscrowAccount> {
    const known = this.#escrows.get(escrow) ?? { depositedNano: 0n, paidOutNano: 0n, feesNano: 0n, lt: 0n }
    const state = record(await this.#get('getAddressInformation', { address: escrow }))
    const last = record(state['last_transaction_id'])
    const lastLt = BigInt(String(last['lt']))
    let at = { lt: String(last['lt']), hash: String(last['hash']) }
    const news: Readonly<Record<string, unknown>>[] = []
    while (BigInt(at.lt) > known.lt) {
      const query = { address: escrow, limit: pageTransactions, to_lt: known.lt, ...at }
      const page = list(await this.#get('getTransactions', query)).map(record)
      news.push(...page.slice(news.length === 0 ? 0 : 1)) // a page begins with the one it starts from
      const oldest = record(page.at(-1)?.['transaction_id'])
      if (page.length < pageTransactions || String(oldest['lt']) === at.lt) break
      at = { lt: String(oldest['lt']), hash: String(oldest['hash']) }
    }
    for (const transaction of news) {
      known.depositedNano += transaction['in_msg'] === undefined ? 0n : nanoIn(record(transaction['in_msg']))
      known.feesNano += BigInt(String(transaction['fee']))
      for (const message of list(transaction['out_msgs'])) known.paidOutNano += nanoIn(record(message))
    }
    known.lt = lastLt
    this.#escrows.set(escrow, known)
    const { depositedNano, feesNano, paidOutNano } = known
    return { depositedNano, feesNano, paidOutNano, balanceNano: BigInt(String(state['balance'])) }
  }

  /** What the escrow says it has paid on this payee's vouchers, as of a block no older than the last look at it. */
  async settledNano(escrow: Address, payee: Address): Promise<Nano> {
    const key = `${escrow}/${payee}`
    const lt = this.#escrows.get(escrow)?.lt ?? 0n
    const known = this.#settled.get(key)
    if (known?.lt === lt) return known.nano
    const stack = [['num', `0x${payee.slice(2)}`]]
    const read = record(await this.#post('runGetMethod', { address: escrow, method: 'payeeState', stack }))
    if (read['exit_code'] !== 0) return 0n // not there yet
    const [settled] = list(read['stack']).map(list)
    const nano = BigInt(String(settled?.[1]))
    this.#settled.set(key, { nano, lt })
    return nano
  }

  async balanceNano(address: Address): Promise<Nano> {
    return BigInt(String(await this.#get('getAddressBalance', { address })))
  }

  #get(method: string, query: Readonly<Record<string, unknown>>): Promise<unknown> {
    const url = new URL(`${this.#api}/${method}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value))
    return this.#result(fetch(url))
  }

  #post(method: string, body: object): Promise<unknown> {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    return this.#result(fetch(`${this.#api}/${method}`, init))
  }

  async #result(answer: Promise<Response>): Promise<unknown> {
    const response = await answer
    const body: unknown = await response.json()
    if (isRecord(body) && body['ok'] === true) return body['result']
    throw new Error(`${response.url} answered ${response.status}: ${JSON.stringify(body).slice(0, 200)}`)
  }
}

/** What nodes are told is the chain. */
export class ChainGate {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #delayMs = 0
  #isDown = false
  #port = 0

  constructor(chain: { readonly host: string; readonly port: number }) {
    this.#server = createServer((client) => {
      if (this.#isDown) {
        client.destroy()
        return
      }
      const server = connect({ ...chain, noDelay: true })
      this.#join(client, server)
      this.#join(server, client)
    })
  }

  async listen(host = '127.0.0.1', port = 0): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, resolve)
    })
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new TypeError('a server without a port')
    this.#port = address.port
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}/api/v2/jsonRPC`
  }

  /** Nothing gets through, and what was under way breaks off. */
  shut(): () => void {
    this.#isDown = true
    for (const socket of this.#sockets) socket.destroy()
    return () => {
      this.#isDown = false
    }
  }

  /** Everything takes this much longer, each way. The chain itself goes on making blocks. */
  slow(delayMs: number): () => void {
    this.#delayMs = delayMs
    return () => {
      this.#delayMs = 0
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(source: Socket, sink: Socket): void {
    this.#sockets.add(source)
    let last = Promise.resolve()
    const inTurn = (act: () => void): void => {
      const delayMs = this.#delayMs
      const pause = delayMs === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, delayMs))
      last = last.then(async () => {
        await pause
        act()
      })
    }
    source.on('data', (bytes: Buffer) => inTurn(() => sink.write(bytes)))
    source.on('error', () => undefined) // its close tells
    source.on('close', () => {
      this.#sockets.delete(source)
      inTurn(() => sink.destroy())
    })
  }
}

export function hostAndPortOf(endpoint: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(endpoint)
  return { host: hostname, port: Number(port) }
}

/** Of an external message it is nothing. */
function nanoIn(message: Readonly<Record<string, unknown>>): Nano {
  return BigInt(String(message['value']))
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw new TypeError(`the chain said ${JSON.stringify(value)}, expected an object`)
  return value
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`the chain said ${JSON.stringify(value)}, expected a list`)
  return value
}
