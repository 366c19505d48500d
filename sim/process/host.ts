// Loaded into a node's process before the node, as a machine of its own would be around it: its connections come from its own
// address on loopback, it cannot reach another node around that one's relay, and its clock may be off.

import { Socket } from 'node:net'

/** Where nodes listen, each on its own address. Relays listen on `relayPort`; only they may connect here. */
export const nodePort = 4_001
export const relayPort = 4_000

export interface HostSettings {
  /** This node's address, of 127.0.0.0/8. */
  readonly address: string
  readonly clockSkewMs: number
}

/** Handed over in the environment: `readHost` reads it in the node's process. */
export function environmentOf({ address, clockSkewMs }: HostSettings): Readonly<Record<string, string>> {
  return { SILKMESH_SIM_HOST: address, SILKMESH_SIM_CLOCK_SKEW_MS: String(clockSkewMs) }
}

export function readHost(environment: NodeJS.ProcessEnv): HostSettings | undefined {
  const { SILKMESH_SIM_HOST: address, SILKMESH_SIM_CLOCK_SKEW_MS: skew } = environment
  return address === undefined ? undefined : { address, clockSkewMs: Number(skew ?? 0) }
}

/** What `net.connect` asks for, in place: `localAddress` is added. Throws for a way around a relay. */
export function confine(options: unknown, { address }: HostSettings): void {
  if (typeof options !== 'object' || options === null || !('port' in options)) return
  const host = 'host' in options ? options.host : 'localhost'
  if (typeof host !== 'string' || !/^(127\.|localhost$)/.test(host)) return
  if (Number(options.port) === nodePort && host !== address) {
    throw new Error(`${host}:${nodePort} is a node, expected its relay at port ${relayPort}`)
  }
  Object.assign(options, { localAddress: address })
}

function live(settings: HostSettings): void {
  const { clockSkewMs } = settings
  const connect = Socket.prototype.connect
  Object.defineProperty(Socket.prototype, 'connect', {
    configurable: true,
    writable: true,
    value(this: Socket, ...given: unknown[]): Socket {
      // `net.connect` passes its arguments on as one list
      const [options] = Array.isArray(given[0]) ? given[0] : given
      try {
        confine(options, settings)
      } catch (error) {
        return this.destroy(error instanceof Error ? error : undefined)
      }
      return Reflect.apply(connect, this, given)
    },
  })
  if (clockSkewMs === 0) return
  const now = Date.now
  Date.now = () => now() + clockSkewMs
}

const own = readHost(process.env)
if (own) live(own)
