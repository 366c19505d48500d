// The engine process: the only place that runs node-llama-cpp. A crash of its native code ends this process and no other.

import process from 'node:process'
import { failureOf } from './failure.ts'
import { load } from './load.ts'
import type { FromEngine, ToEngine } from './messages.ts'
import { DecodeService } from './service.ts'

let service: DecodeService | undefined

process.on('message', (message: ToEngine) => {
  if (message.type === 'start') void start(message)
  else if (message.type === 'stop') process.exit(0)
  else service?.handle(message)
})

// The node is gone, however it ended. `exit` would wait for a native call to return; this does not.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))

// Ctrl-C reaches the whole group: the node decides what is finished first, then stops this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

async function start({ options }: ToEngine & { type: 'start' }): Promise<void> {
  try {
    const loaded = await load(options, (progress) => send({ type: 'progress', progress }))
    service = new DecodeService(loaded, send)
    send({ type: 'ready', ready: loaded.ready })
  } catch (error) {
    send({ type: 'not-started', failure: failureOf(error) })
  }
}

function send(message: FromEngine): void {
  process.send?.(message, undefined, undefined, () => undefined) // a closed channel is told by `disconnect`
}
