// Provider records in the DHT: who says it serves a model. Unverified by nature; the caller dials and asks.

import { createHash } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { PeerInfo } from '@libp2p/interface'
import type { SingleKadDHT } from '@libp2p/kad-dht'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { type ModelKey, type PeerId, parsePeerId } from '../../../protocol/ids.ts'
import { isEd25519 } from './addresses.ts'
import type { Libp2pSettings } from './options.ts'
import { jittered, pause } from './pause.ts'
import { Walk, type Walked } from './walked.ts'

const rawCodec = 0x55
const sha256Code = 0x12

/** The DHT key of a model's provider records. docs/protocol.md §3. */
export function providerCid(key: ModelKey): CID {
  const digest = createHash('sha256').update('silkmesh/model-provider/1\0').update(Buffer.from(key, 'hex')).digest()
  return CID.createV1(rawCodec, createDigest(sha256Code, digest))
}

/** Announces again and again until the signal fires: soon at first, as the peers that should hold the record turn up. */
export async function provide(
  dht: SingleKadDHT,
  key: ModelKey,
  settings: Libp2pSettings,
  walked: (walk: Walked) => void,
  signal: AbortSignal,
): Promise<void> {
  const cid = providerCid(key)
  let againMs = settings.provideAgainMs
  while (!signal.aborted) {
    const holders = await announce(dht, cid, walked, stopAfter(settings.provideMs, signal))
    if (signal.aborted) break
    await pause(jittered(againMs), signal)
    if (holders > 0) againMs = Math.min(settings.provideAgainMsMax, 2 * againMs)
  }
  await dht.cancelReprovide(cid)
}

/** How many peers took the record. Waits for the first DHT peer where none is known yet. */
async function announce(
  dht: SingleKadDHT,
  cid: CID,
  walked: (walk: Walked) => void,
  signal: AbortSignal,
): Promise<number> {
  const walk = new Walk(dht, cid.multihash.bytes)
  let holders = 0
  try {
    for await (const event of endingWith(dht.provide(cid, { signal }), signal)) {
      walk.note(event)
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') holders += 1
    }
  } catch {
    // the walk was cut short; whoever took the record has it, and the next round tries again
  }
  walked(walk.result())
  return holders
}

/** Each peer once, never this one. Ends early where the lookup fails: then there is nothing more to find. */
export async function* findProviders(
  dht: SingleKadDHT,
  key: ModelKey,
  own: PeerId,
  settings: Libp2pSettings,
  walked: (walk: Walked) => void,
  note: (provider: PeerInfo) => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<PeerId, void, undefined> {
  const found = new Set<PeerId>()
  const stop = stopAfter(settings.findMs, signal)
  const cid = providerCid(key)
  const walk = new Walk(dht, cid.multihash.bytes)
  const events = endingWith(dht.findProviders(cid, { signal: stop }), stop)
  try {
    for (;;) {
      const next = await events.next().catch(() => undefined) // no DHT peer in time, or the walk broke off
      if (next === undefined || next.done) return
      walk.note(next.value)
      if (next.value.name !== 'PROVIDER') continue
      for (const provider of next.value.providers) {
        if (!isEd25519(provider.id)) continue
        const peer = parsePeerId(provider.id.toString())
        if (peer === own || found.has(peer)) continue
        found.add(peer)
        await note(provider)
        yield peer
        if (found.size >= settings.findProvidersMax) {
          await events.return()
          return
        }
      }
    }
  } finally {
    walked(walk.result())
  }
}

function stopAfter(ms: number, signal: AbortSignal): AbortSignal {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(ms)])
  setMaxListeners(0, stop) // a walk listens once for each peer it asks
  return stop
}

/** The source until the signal fires, whatever the source makes of the signal. */
async function* endingWith<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  const stopped = Promise.withResolvers<undefined>()
  const stop = (): void => stopped.resolve(undefined)
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    for (;;) {
      const step = iterator.next()
      const next = await Promise.race([step, stopped.promise])
      if (next === undefined) {
        step.catch(() => undefined)
        return
      }
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', stop)
    iterator.return?.()?.catch(() => undefined) // not awaited: it waits for the step in progress
  }
}
