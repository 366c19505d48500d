// Whether a TCP port can be had, asked before work that a busy one would make useless.

import { createServer } from 'node:net'
import { MeshError } from '../../protocol/errors.ts'

/** Throws `bad-request` where something listens there. Whatever else is wrong with it, listening itself will say. */
export async function assertFree(host: string, port: number, flag = '--port'): Promise<void> {
  if (port !== 0 && (await isTaken(host, port))) {
    throw new MeshError(
      'bad-request',
      `port ${port} on ${host} is in use; stop what listens there or choose another with ${flag} (0 takes any)`,
    )
  }
}

export function isTaken(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'EADDRINUSE'))
    probe.listen(port, host, () => probe.close(() => resolve(false)))
  })
}
