// What a connection costs its listener: this process listens, a child with many identities dials it.
//   node test/bench/serving/connections.ts COUNT

import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { startLibp2p } from '../../../node/adapters/libp2p/network.ts'

const [countText = '100', listener] = process.argv.slice(2)
const count = Number(countText)
const open = (bootstrap: readonly string[]) =>
  startLibp2p({
    seed: randomBytes(32),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap,
    dhtMode: bootstrap.length === 0 ? 'server' : 'client',
    connectionsMax: count + 16,
  })

if (listener === undefined) {
  const network = await open([])
  const rssBytes = (): number => {
    globalThis.gc?.()
    return process.memoryUsage().rss
  }
  const before = rssBytes()
  const child = fork(import.meta.filename, [countText, network.addresses()[0] ?? ''], { execArgv: process.execArgv })
  await new Promise((resolve) => child.once('message', resolve))
  const connections = network.connections().length
  const bytes = (rssBytes() - before) / connections
  child.kill('SIGKILL')
  process.stdout.write(`${JSON.stringify({ connections, kibAConnection: Math.round(bytes / 1_024) })}\n`)
  process.exit(0)
}

const networks = []
for (let at = 0; at < count; at += 1) {
  const network = await open([listener])
  while (network.connections().length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  networks.push(network)
}
process.send?.(networks.length)
setInterval(() => undefined, 1_000)
