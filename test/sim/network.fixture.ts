// A modelled network with numbered peers, for tests.

import type { Network, Stream } from '../../node/ports.ts'
import { inferProtocol, type PeerId } from '../../protocol/ids.ts'
import { identityOf } from '../../sim/identity.ts'
import { epochMs, Kernel } from '../../sim/kernel.ts'
import { Life } from '../../sim/life.ts'
import { ModelNetwork, type ModelNetworkOptions, type ModelPeer } from '../../sim/model/network/network.ts'
import { seededRandom } from '../../sim/random.ts'

export interface Member {
  readonly name: string
  readonly peer: PeerId
  readonly port: Network
  readonly life: Life
}

/** One-way milliseconds: near within a region, far between them. */
const regions = ['north', 'south', 'west']
const oneWayMs = [
  [10, 50, 80],
  [50, 10, 60],
  [80, 60, 10],
]

export class Stage {
  readonly kernel = new Kernel()
  readonly network: ModelNetwork

  constructor(options: Partial<ModelNetworkOptions> & { readonly seed?: number; readonly loss?: number } = {}) {
    const { seed = 1, loss = 0, ...rest } = options
    this.network = new ModelNetwork({
      scheduler: this.kernel,
      random: seededRandom(seed),
      plan: { latency: { regions, oneWayMs, jitter: 0 }, loss, relay: true },
      ...rest,
    })
  }

  get nowMs(): number {
    return this.kernel.now() - epochMs
  }

  add(
    name: string,
    over: Partial<Omit<ModelPeer, 'place'>> & { readonly place?: Partial<ModelPeer['place']> } = {},
  ): Member {
    const life = new Life()
    const { place, ...rest } = over
    const identity = identityOf(1, name)
    const port = this.network.attach(
      {
        identity,
        name,
        group: 'peers',
        dhtServer: true,
        ...rest,
        place: { region: 'north', upBitsPerSecond: 1e9, downBitsPerSecond: 1e9, nat: 'open', ...place },
      },
      life,
    )
    return { name, peer: identity.peerId, port, life }
  }

  run(ms: number): Promise<void> {
    return this.kernel.run(this.kernel.now() + ms)
  }

  /** Lets time pass until it settles, at most so long. */
  async settled<T>(work: Promise<T>, withinMs = 600_000): Promise<T> {
    let isDone = false
    const end = (): void => {
      isDone = true
    }
    work.then(end, end)
    await this.kernel.run(this.kernel.now() + withinMs, () => isDone)
    if (!isDone) throw new Error(`not settled within ${withinMs} ms of virtual time`)
    return await work
  }

  /** How long that took, in virtual milliseconds. */
  async timed<T>(work: Promise<T>): Promise<readonly [T, number]> {
    const startMs = this.nowMs
    return [await this.settled(work), this.nowMs - startMs]
  }

  open(from: Member, to: Member): Promise<Stream> {
    from.port.learn(to.peer, to.port.addresses())
    return from.port.open(to.peer, inferProtocol)
  }

  kill(member: Member, how: 'crash' | 'power'): void {
    member.life.end()
    this.network.detach(member.peer, how)
  }
}

export async function echo(stream: Stream): Promise<void> {
  for await (const frame of stream.frames) await stream.send(frame)
}

export function echoing(member: Member): Member {
  member.port.handle(inferProtocol, echo)
  return member
}

/** Sends one frame and reads one back. */
export async function roundTrip(stream: Stream, bytes = 1): Promise<number> {
  await stream.send(new Uint8Array(bytes))
  const { value } = await stream.frames[Symbol.asyncIterator]().next()
  return value?.length ?? -1
}
