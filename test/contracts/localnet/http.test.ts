import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { beginCell } from '@ton/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bodyBytesMax } from '../../../contracts/localnet/http.ts'
import { type Localnet, startLocalnet } from '../../../contracts/localnet/localnet.ts'
import { pageMax } from '../../../contracts/localnet/methods.ts'
import {
  chainFor,
  clientOf,
  deployedWallet,
  fund,
  GRAM,
  get,
  list,
  post,
  record,
  rpc,
  temporaryDir,
  transferBoc,
  walletOf,
} from './fixture.ts'

describe('toncenter\u2019s methods over plain HTTP', () => {
  it('answer GET, POST and JSON-RPC alike', async () => {
    const chain = await chainFor()
    const { address } = await deployedWallet(chain, 1, GRAM)
    const params = { address: address.toString() }
    const byGet = await get(`${chain.url}/api/v2/getAddressInformation?address=${address}`)
    const byPost = await post(`${chain.url}/api/v2/getAddressInformation`, JSON.stringify(params))
    const byRpc = await rpc(chain, 'getAddressInformation', params)
    expect(byGet.body).toMatchObject({ ok: true, result: { '@type': 'raw.fullAccountState', state: 'active' } })
    expect(byPost).toEqual(byGet)
    expect(byRpc).toEqual({ status: 200, body: { ...byGet.body, jsonrpc: '2.0', id: '7' } })
  })

  it('know the account in every form of its address', async () => {
    const chain = await chainFor()
    const { address } = await deployedWallet(chain, 1, GRAM)
    const forms = [
      address.toRawString(),
      address.toString(),
      address.toString({ bounceable: false }),
      address.toString({ urlSafe: false }),
      address.toString({ testOnly: true }),
    ]
    for (const form of forms) {
      const { body } = await get(`${chain.url}/api/v2/getAddressState?address=${encodeURIComponent(form)}`)
      expect(body['result'], form).toBe('active')
    }
  })

  it('describe wallets, balances and unknown accounts', async () => {
    const chain = await chainFor()
    const { address } = await deployedWallet(chain, 1, GRAM)
    const wallet = await get(`${chain.url}/api/v2/getWalletInformation?address=${address}`)
    expect(wallet.body['result']).toMatchObject({
      wallet: true,
      wallet_type: 'wallet v5 r1',
      seqno: 1,
      account_state: 'active',
    })
    const balance = await get(`${chain.url}/api/v2/getAddressBalance?address=${address}`)
    expect(balance.body['result']).toBe(String(await clientOf(chain).getBalance(address)))
    const extended = await get(`${chain.url}/api/v2/getExtendedAddressInformation?address=${walletOf(9).address}`)
    expect(extended.body['result']).toMatchObject({
      balance: '0',
      last_transaction_id: { lt: '0' },
      account_state: { '@type': 'uninited.accountState' },
    })
  })

  it('translate addresses', async () => {
    const chain = await chainFor()
    const { address } = walletOf(1)
    const packed = await get(`${chain.url}/api/v2/packAddress?address=${address.toRawString()}`)
    expect(packed.body['result']).toBe(address.toString({ urlSafe: false }))
    const unpacked = await get(`${chain.url}/api/v2/unpackAddress?address=${address}`)
    expect(unpacked.body['result']).toBe(address.toRawString())
    const detected = await get(`${chain.url}/api/v2/detectAddress?address=${address.toString({ bounceable: false })}`)
    expect(detected.body['result']).toMatchObject({
      raw_form: address.toRawString(),
      given_type: 'friendly_non_bounceable',
      bounceable: { b64url: address.toString() },
      test_only: false,
    })
  })

  it('find transactions by hashes in hex, base64 and base64url', async () => {
    const chain = await chainFor()
    const { address } = await deployedWallet(chain, 1, GRAM)
    const [newest] = await clientOf(chain).getTransactions(address, { limit: 1 })
    if (newest === undefined) throw new Error('a deployed wallet has transactions')
    const hash = newest.hash()
    for (const form of [hash.toString('hex'), hash.toString('base64'), hash.toString('base64url')]) {
      const query = `address=${address}&limit=1&lt=${newest.lt}&hash=${encodeURIComponent(form)}`
      const { body } = await get(`${chain.url}/api/v2/getTransactions?${query}`)
      expect(list(body['result'])[0]?.['transaction_id']).toMatchObject({ hash: hash.toString('base64') })
    }
    const wrong = await get(
      `${chain.url}/api/v2/getTransactions?address=${address}&lt=${newest.lt}&hash=${'00'.repeat(32)}`,
    )
    expect(wrong).toMatchObject({ status: 500, body: { error: expect.stringContaining('hash mismatch') } })
  })

  it('return the hashes of what was sent', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 1, GRAM)
    const boc = transferBoc(wallet, { seqno: 1, to: walletOf(2).address, amountNano: 1n })
    const { body } = await post(
      `${chain.url}/api/v2/sendBocReturnHash`,
      JSON.stringify({ boc: boc.toString('base64') }),
    )
    const { hash, hash_norm: normalized } = record(body['result'])
    for (const form of [hash, normalized]) {
      const query = `msg_hash=${encodeURIComponent(String(form))}`
      const found = await get(`${chain.url}/api/v3/transactionsByMessage?${query}`)
      expect(list(found.body['transactions'])).toHaveLength(1)
    }
  })

  it('read comments as text and other bodies as cells', async () => {
    const chain = await chainFor()
    const wallet = await deployedWallet(chain, 1, GRAM)
    const to = walletOf(2).address
    const cell = beginCell().storeUint(0xf8a7ea5, 32).endCell()
    await clientOf(chain).sendFile(transferBoc(wallet, { seqno: 1, to, amountNano: 1n, body: 'for tokens \u2713' }))
    await clientOf(chain).sendFile(transferBoc(wallet, { seqno: 2, to, amountNano: 1n, body: cell }))
    const { body } = await get(`${chain.url}/api/v2/getTransactions?address=${to}`)
    const [second, first] = list(body['result']).map((transaction) => record(transaction['in_msg']))
    expect(first).toMatchObject({ message: 'for tokens \u2713', source: wallet.address.toString(), value: '1' })
    expect(second).toMatchObject({ msg_data: { '@type': 'msg.dataRaw', body: cell.toBoc().toString('base64') } })
  })

  it('give the configuration the chain runs on', async () => {
    const chain = await chainFor()
    const { body } = await get(`${chain.url}/api/v2/getConfigParam?config_id=21`)
    expect(body['result']).toMatchObject({ '@type': 'configInfo', config: { '@type': 'tvm.cell' } })
    const unset = await get(`${chain.url}/api/v2/getConfigParam?config_id=-1000`)
    expect(unset).toMatchObject({ status: 500, body: { ok: false, error: expect.stringContaining('-1000') } })
  })

  it('look blocks up by number and by logical time', async () => {
    const chain = await chainFor()
    const { address } = await deployedWallet(chain, 1, GRAM)
    const [newest] = await clientOf(chain).getTransactions(address, { limit: 1 })
    const shard = 'workchain=0&shard=-9223372036854775808'
    const byLt = await get(`${chain.url}/api/v2/lookupBlock?${shard}&lt=${newest?.lt}`)
    const { seqno } = record(byLt.body['result'])
    const bySeqno = await get(`${chain.url}/api/v2/lookupBlock?${shard}&seqno=${seqno}`)
    expect(bySeqno.body).toEqual(byLt.body)
    const whole = await get(`${chain.url}/api/v2/getBlockTransactionsExt?${shard}&seqno=${seqno}`)
    const block = record(whole.body['result'])
    expect(list(block['transactions']).map((transaction) => record(transaction['transaction_id'])['lt'])).toContain(
      String(newest?.lt),
    )
    const future = await get(`${chain.url}/api/v2/lookupBlock?${shard}&seqno=999999`)
    expect(future).toMatchObject({ status: 500, body: { error: expect.stringContaining('999999') } })
  })
})

describe('a request that cannot be served', () => {
  const malformed: [string, string, number, string][] = [
    ['no JSON', '{', 422, 'expected a JSON object'],
    ['a list', '[]', 422, 'expected a JSON object'],
    ['no method', '{"id":"1"}', 422, 'method: expected a string'],
    ['a method of no chain', '{"id":"1","method":"sendCoins","params":{}}', 422, 'Unknown method "sendCoins"'],
    ['a method of Object', '{"id":"1","method":"constructor","params":{}}', 422, 'Unknown method "constructor"'],
    ['parameters in a list', '{"id":"1","method":"shards","params":[1]}', 422, 'params: expected an object'],
    [
      'no address',
      '{"id":"1","method":"getAddressBalance","params":{}}',
      422,
      'address: expected a string, got undefined',
    ],
    [
      'a wrong address',
      '{"id":"1","method":"getAddressBalance","params":{"address":"EQ"}}',
      416,
      'Incorrect address: "EQ"',
    ],
    ['a block to come', '{"id":"1","method":"shards","params":{"seqno":99}}', 500, 'the last block is 0'],
    [
      'an old state',
      `{"id":"1","method":"getAddressState","params":{"seqno":7,"address":"${walletOf(1).address}"}}`,
      500,
      'not kept',
    ],
    [
      'a wrong hash',
      `{"id":"1","method":"getTransactions","params":{"hash":"zz","address":"${walletOf(1).address}"}}`,
      422,
      '32 bytes in hex or base64',
    ],
    [
      'a wrong stack',
      `{"id":"1","method":"runGetMethod","params":{"stack":[["num","x"]],"method":"a","address":"${walletOf(1).address}"}}`,
      422,
      'stack[0]',
    ],
    [
      'a number of 258 bits',
      `{"id":"1","method":"runGetMethod","params":{"stack":[["num","0x${'f'.repeat(65)}"]],"method":"a","address":"${walletOf(1).address}"}}`,
      422,
      '257 bits',
    ],
    ['no base64', '{"id":"1","method":"sendBoc","params":{"boc":"*"}}', 422, 'boc: expected base64'],
    [
      'nobody',
      `{"id":"1","method":"estimateFee","params":{"address":"${walletOf(1).address}","body":"te6cckEBAQEAAgAAAEysuc0="}}`,
      500,
      'before smart-contract execution',
    ],
  ]

  let shared: Localnet
  beforeAll(async () => {
    shared = await startLocalnet({ port: 0, blockMs: 0 })
  })
  afterAll(() => shared.close())

  it.each(malformed)('because it has %s is answered in toncenter’s shape', async (_what, body, status, error) => {
    const reply = await post(shared.endpoint, body)
    expect(reply).toMatchObject({ status, body: { ok: false, code: status, error: expect.stringContaining(error) } })
  })

  it('because its path is unknown is answered in the same shape', async () => {
    expect(await get(`${shared.url}/api/v4/x`)).toMatchObject({ status: 404, body: { ok: false, code: 404 } })
    expect(await get(`${shared.url}/api/v2/x`)).toMatchObject({ status: 422, body: { ok: false, code: 422 } })
  })

  it('because its page is too long is refused, and the longest is served', async () => {
    const url = `${shared.url}/api/v2/getTransactions?address=${walletOf(1).address}`
    expect((await get(`${url}&limit=${pageMax}`)).status).toBe(200)
    expect((await get(`${url}&limit=${pageMax + 1}`)).status).toBe(422)
    expect((await get(`${url}&limit=0`)).status).toBe(422)
  })

  it('because its body is too long is refused, and the longest is read', async () => {
    const body = (length: number) => JSON.stringify({ boc: 'A'.repeat(length - '{"boc":""}'.length) })
    expect((await post(`${shared.url}/api/v2/sendBoc`, body(bodyBytesMax))).body['error']).toContain(
      'external message too large',
    )
    expect(await post(`${shared.url}/api/v2/sendBoc`, body(bodyBytesMax + 1))).toMatchObject({
      status: 413,
      body: { ok: false, code: 413 },
    })
  })

  it('because it names another host or comes from another site is refused', async () => {
    const { port } = new URL(shared.url)
    const status = (host: string) => rawStatus(Number(port), host)
    expect(await status(`localhost:${port}`)).toBe(200)
    expect(await status(`127.0.0.1:${port}`)).toBe(200)
    expect(await status(`attacker.example:${port}`)).toBe(403)
    expect(await status('127.0.0.1.attacker.example')).toBe(403)
    const crossSite = await get(shared.url, { 'sec-fetch-site': 'cross-site' })
    expect(crossSite).toMatchObject({ status: 403, body: { ok: false, code: 403 } })
    const opened = await fetch(shared.url, { headers: { origin: 'http://page.example' } })
    expect(opened.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('the faucet', () => {
  it('also takes a GET', async () => {
    const chain = await chainFor()
    const { address } = walletOf(1)
    const { body } = await get(`${chain.faucetUrl}?address=${address.toString({ bounceable: false })}&amountNano=12`)
    expect(body).toMatchObject({ ok: true, result: { amountNano: '12' } })
    expect(await clientOf(chain).getBalance(address)).toBe(12n)
  })

  it('gives up to its bound and not a nano more', async () => {
    const chain = await chainFor({ faucetMaxNano: 100n })
    const { address } = walletOf(1)
    expect((await fund(chain, address, 100n)).status).toBe(200)
    for (const amountNano of [0n, 101n]) {
      const { status, body } = await fund(chain, address, amountNano)
      expect({ status, error: body['error'] }).toEqual({ status: 422, error: expect.stringContaining('1 to 100 nano') })
    }
    expect(await clientOf(chain).getBalance(address)).toBe(100n)
  })

  it('serves many at once', async () => {
    const chain = await chainFor()
    const addresses = Array.from({ length: 20 }, (_, index) => walletOf(index + 1).address)
    const replies = await Promise.all(addresses.map((address) => fund(chain, address, GRAM)))
    expect(replies.map(({ status }) => status)).toEqual(addresses.map(() => 200))
    for (const address of addresses) expect(await clientOf(chain).getBalance(address)).toBe(GRAM)
  })

  it('names its transaction, which anybody can look up', async () => {
    const chain = await chainFor()
    const { body } = await fund(chain, walletOf(1).address, 5n)
    const { from, transaction } = record(body['result'])
    const { lt, hash } = record(transaction)
    const query = `address=${from}&limit=1&lt=${lt}&hash=${encodeURIComponent(String(hash))}`
    const [sent] = list((await get(`${chain.url}/api/v2/getTransactions?${query}`)).body['result'])
    expect(list(sent?.['out_msgs'])[0]).toMatchObject({ value: '5', destination: walletOf(1).address.toString() })
  })
})

describe('starting and ending', () => {
  it('says where it is and what it charges', async () => {
    const chain = await chainFor()
    expect((await get(chain.url)).body).toMatchObject({
      chain: expect.stringContaining('silkmesh'),
      globalId: 31_337,
      seqno: 0,
      endpoint: chain.endpoint,
      faucet: { url: chain.faucetUrl },
      feesNano: { gas: expect.closeTo(66.667, 2), messageLump: 66_667, storageCellPerYear: 64_962 },
    })
  })

  it('refuses a busy port by its number and leaves the directory free', async () => {
    const dir = temporaryDir()
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    const refused = startLocalnet({ port, dir })
    await expect(refused).rejects.toMatchObject({ name: 'LocalnetError', code: 'busy-port' })
    await expect(refused).rejects.toThrow(`port ${port} on 127.0.0.1 is in use`)
    await new Promise((resolve) => other.close(resolve))
    expect(new URL((await chainFor({ port, dir })).url).port).toBe(String(port))
  })

  it('ends with its signal and frees its port', async () => {
    const stop = new AbortController()
    const chain = await startLocalnet({ port: 0, blockMs: 5, signal: stop.signal })
    const port = Number(new URL(chain.url).port)
    expect((await get(chain.url)).status).toBe(200)
    stop.abort()
    await chain.close()
    expect(await canConnect(port)).toBe(false)
    await expect(startLocalnet({ port: 0, signal: stop.signal })).rejects.toThrow('abort')
  })

  it('refuses an interval between blocks that is none', async () => {
    for (const blockMs of [-1, 0.5, 60_001, Number.NaN]) {
      await expect(startLocalnet({ port: 0, blockMs })).rejects.toThrow('blockMs')
    }
  })
})

/** The status of GET / under a Host header that `fetch` would not let us send. */
function rawStatus(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
    )
    socket.once('data', (data) => {
      resolve(Number(data.toString('latin1').split(' ')[1]))
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
