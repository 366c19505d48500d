// A process that is killed and started again: waits for its orders, runs one peer, says at once what must not be lost with it.
//   node test/crash/victim.ts < orders > what it says

import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { createInterface } from 'node:readline'
import type { NodeEvent } from '../../node/events.ts'
import { coveredNano } from '../../node/settlement/channel.ts'
import { ask, type PeerSpec, type RunningPeer, startPeer } from './peer.ts'
import { Fuse, type Point } from './points.ts'
import { type Fact, witnessed } from './witness.ts'

export type Order =
  | { readonly do: 'start'; readonly spec: PeerSpec }
  | { readonly do: 'arm'; readonly point: Point; readonly passes: number }
  | { readonly do: 'ask'; readonly id: number; readonly tokens: number }
  | { readonly do: 'report'; readonly id: number }
  | { readonly do: 'stop' }

/** Amounts are decimal digits: this crosses a pipe. */
export type Saying =
  | { readonly type: 'ready'; readonly recoveredMs: number }
  | { readonly type: 'kill-me' }
  | { readonly type: 'armed' }
  | { readonly type: 'answered'; readonly id: number; readonly outcome: string }
  | { readonly type: 'fact'; readonly what: Fact['what']; readonly escrow: string; readonly nano: string }
  | { readonly type: 'booked'; readonly escrow: string; readonly nano: string }
  | { readonly type: 'fault'; readonly message: string }
  | { readonly type: 'mismatch'; readonly message: string }
  | { readonly type: 'report'; readonly id: number; readonly channels: readonly ChannelSaying[] }

export interface ChannelSaying {
  readonly escrow: string
  readonly owedNano: string
  readonly coveredNano: string
  readonly settledNano: string
}

/** Synchronous: what was said before the end was said. */
function say(saying: Saying): void {
  const bytes = Buffer.from(`${JSON.stringify(saying)}\n`)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
    }
  }
}

function observe(event: NodeEvent): void {
  if (event.type === 'voucher-booked') {
    say({ type: 'booked', escrow: event.escrow, nano: event.amountNano.toString() })
  } else if (event.type === 'ledger-mismatch') {
    say({ type: 'mismatch', message: event.message })
  } else if (event.type === 'fault' || event.type === 'settle-failed' || event.type === 'attempt-failed') {
    say({ type: 'fault', message: `${event.code}: ${event.message}` })
  }
}

let running: RunningPeer | undefined
const fuse = new Fuse(() => say({ type: 'kill-me' }))

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'start': {
      fuse.watchCommits()
      const tell = ({ escrow, nano, what }: Fact): void => say({ type: 'fact', what, escrow, nano: nano.toString() })
      const startMs = performance.now()
      running = await startPeer(order.spec, observe, (ports) => {
        const seen = { ...ports, network: witnessed(ports.network, tell) }
        return fuse.ports(order.spec.role, seen)
      })
      say({ type: 'ready', recoveredMs: performance.now() - startMs })
      break
    }
    case 'arm':
      fuse.arm(order.point, order.passes)
      say({ type: 'armed' })
      break
    case 'ask':
      if (running) say({ type: 'answered', id: order.id, outcome: await ask(running.node, order.tokens) })
      break
    case 'report': {
      const channels = (running?.node.channels() ?? []).map((channel) => ({
        escrow: channel.escrow,
        owedNano: channel.owedNano.toString(),
        coveredNano: coveredNano(channel).toString(),
        settledNano: channel.settledNano.toString(),
      }))
      say({ type: 'report', id: order.id, channels })
      break
    }
    case 'stop':
      await running?.stop()
      process.exit(0)
  }
}

if (import.meta.main) {
  flushCompileCache() // who is killed writes none at its end
  const orders = createInterface({ input: process.stdin })
  orders.on('line', (line) => {
    obey(JSON.parse(line) as Order).catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
      process.exit(1)
    })
  })
  orders.on('close', () => process.exit(0)) // nobody is there any more
}
