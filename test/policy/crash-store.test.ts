// A disk that fails under a running node: it stops serving, says so once, tries nothing again, and comes back whole.

import { expect, test } from 'vitest'
import { configOf } from '../../node/config.ts'
import { Debts } from '../../node/consumer/debts.ts'
import { Tabs } from '../../node/consumer/tab.ts'
import { guarded } from '../../node/guarded-store.ts'
import type { Identity, Network, Store } from '../../node/ports.ts'
import { coveredNano } from '../../node/settlement/channel.ts'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { inferProtocol } from '../../protocol/ids.ts'
import { MemoryStore } from '../memory-store.ts'
import { ask, countingEngine, MemoryMesh, type Peer } from './memory-mesh.ts'
import { addressOfNumber, escrowOf, identityOf, peerOf } from './peers.ts'

const failure = new MeshError('store-failed', 'EIO: fsync')

async function pairOn(mesh: MemoryMesh): Promise<{ readonly consumer: Peer; readonly provider: Peer }> {
  const provider = await startProvider(mesh, new MemoryStore())
  const roles = { consumer: { escrow: mesh.escrow(1) } }
  return { provider, consumer: await mesh.start({ number: 1, roles, config: { consumer: { attemptsMax: 1 } } }) }
}

function startProvider(mesh: MemoryMesh, store: MemoryStore): Promise<Peer> {
  return mesh.start({
    number: 2,
    roles: { provider: { payout: addressOfNumber(0x22) } },
    engine: countingEngine(),
    store,
  })
}

/** How it ended. */
async function asked(peer: Peer, mesh: MemoryMesh): Promise<string> {
  const answer = ask(peer).then(({ finish }) => finish)
  const outcome = await mesh.clock.finish(answer.catch((error: unknown) => asMeshError(error).code))
  await mesh.clock.advance(1_000)
  return outcome
}

const faultsOf = ({ events }: Peer): readonly string[] =>
  events.flatMap((event) => (event.type === 'fault' && event.where.startsWith('store') ? [event.message] : []))

test('a provider whose disk fails serves nobody until it is started again, and has lost no voucher it took', async () => {
  const mesh = new MemoryMesh()
  const { consumer, provider } = await pairOn(mesh)
  expect(await asked(consumer, mesh)).toBe('length')
  const before = coveredNano(provider.node.channels()[0] ?? expect.fail())
  provider.store.fail(failure)
  expect(await asked(consumer, mesh)).not.toBe('length')
  expect(faultsOf(provider)).toEqual(['EIO: fsync'])
  expect(provider.node.failed.reason).toBe(failure)

  provider.store.fail(undefined) // what works again is not believed
  const held = (await provider.store.read('book')).length
  expect(await asked(consumer, mesh)).toBe('no-provider')
  expect(await provider.store.read('book')).toHaveLength(held)

  mesh.kill(peerOf(2))
  const again = await startProvider(mesh, provider.store.crash())
  expect(coveredNano(again.node.channels()[0] ?? expect.fail())).toBe(before)
  await mesh.clock.advance(60_000)
  expect(await asked(consumer, mesh)).toBe('length')
  expect(again.node.failed.aborted).toBe(false)
})

test('a consumer whose disk fails signs nothing more and takes no request', async () => {
  const mesh = new MemoryMesh()
  const { consumer, provider } = await pairOn(mesh)
  expect(await asked(consumer, mesh)).toBe('length')
  const before = coveredNano(provider.node.channels()[0] ?? expect.fail())
  consumer.store.fail(failure)
  expect(await asked(consumer, mesh)).toBe('store-failed')
  expect(faultsOf(consumer)).toHaveLength(1)
  consumer.store.fail(undefined)
  expect(await asked(consumer, mesh)).toBe('draining')
  expect(coveredNano(provider.node.channels()[0] ?? expect.fail())).toBe(before)
})

test('after its first failure a store is not asked again, and an entry that is too large is none', async () => {
  const store = new MemoryStore(new Map(), 4)
  let asked = 0
  const counting: Store = {
    append: (log, entry) => {
      asked += 1
      return store.append(log, entry)
    },
    read: (log) => store.read(log),
    rewrite: (log, entries) => store.rewrite(log, entries),
  }
  const told: MeshError[] = []
  const one = guarded(counting, (error) => told.push(error))
  await expect(one.append('book', new Uint8Array(5))).rejects.toThrow(RangeError)
  await one.append('book', new Uint8Array(4))
  store.fail(failure)
  await Promise.allSettled([one.append('book', new Uint8Array(1)), one.append('book', new Uint8Array(1))])
  expect(told).toEqual([failure])
  store.fail(undefined)
  await expect(one.append('book', new Uint8Array(1))).rejects.toBe(failure)
  await expect(one.read('book')).rejects.toBe(failure)
  expect(asked).toBe(4)
})

/** Counts what a consumer has opened and not ended. */
class CountingMesh extends MemoryMesh {
  open = 0

  override networkOf(identity: Identity): Network {
    const network = super.networkOf(identity)
    return {
      ...network,
      open: async (peer, protocol, signal) => {
        const stream = await network.open(peer, protocol, signal)
        if (protocol !== inferProtocol) return stream
        this.open += 1
        let isOver = false
        const over = (): void => {
          if (!isOver) this.open -= 1
          isOver = true
        }
        return {
          ...stream,
          close: () => {
            over()
            return stream.close()
          },
          reset: (reason) => {
            over()
            stream.reset(reason)
          },
        }
      },
    }
  }
}

test('a debt that cannot be signed for leaves no stream open at its provider', async () => {
  const mesh = new CountingMesh()
  const [consumer, provider, payee] = [identityOf(1), identityOf(2), addressOfNumber(0x22)]
  mesh.networkOf(provider).handle(inferProtocol, () => new Promise(() => undefined))
  const [network, store] = [mesh.networkOf(consumer), new MemoryStore()]
  const ports = { clock: mesh.clock, identity: consumer, network, observe: () => undefined, store }
  const tabs = new Tabs(mesh.escrow(1), ports)
  const stream = tabs.stream(provider.peerId)
  const { epoch, globalId } = escrowOf(consumer)
  stream.accepted({ globalId, epoch, payee, owedNano: 0n, best: undefined }, 64n)
  stream.prepay(10n)
  await stream.sign()
  stream.received(5n)
  stream.close(false)
  expect(tabs.debts()).toMatchObject([{ unpaidNano: 5n }])
  store.fail(failure)
  const debts = new Debts(configOf({}), ports, () => [tabs])
  expect(await mesh.clock.finish(debts.pay(provider.peerId))).toBe(failure)
  expect(mesh.open).toBe(0)
})

test('books put back from an old copy owe nobody for what a payer has paid since', async () => {
  const mesh = new MemoryMesh()
  const { consumer, provider } = await pairOn(mesh)
  const old = new Map([['book', await provider.store.read('book')]])
  for (let turn = 0; turn < 2; turn += 1) expect(await asked(consumer, mesh)).toBe('length')
  const paidNano = coveredNano(provider.node.channels()[0] ?? expect.fail())
  mesh.kill(peerOf(2))
  const again = await startProvider(mesh, new MemoryStore(old))
  await mesh.clock.advance(60_000)
  expect(await asked(consumer, mesh)).toBe('length')
  expect(again.node.channels()).toMatchObject([{ owedNano: (paidNano * 3n) / 2n }])
  expect(coveredNano(again.node.channels()[0] ?? expect.fail())).toBe((paidNano * 3n) / 2n)
})
