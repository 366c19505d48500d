// A mesh of the packaged command for measuring: a local chain, one provider, one consumer with its gateway, each a process.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Part } from '../../../node/cli/part.ts'
import type { Target } from './client.ts'

export interface BenchMesh extends AsyncDisposable {
  readonly gateway: Target
  readonly provider: Part
  readonly providerPid: number
  readonly consumerPid: number
}

export interface BenchMeshOptions {
  /** Of `join`, such as a model; or the instant engine; or a provider of its own, which gets its home and these. */
  readonly engine: readonly string[] | 'instant' | { readonly script: string; readonly args: readonly string[] }
  readonly requestsMax: number
}

const startMsMax = 120_000
const stopMsMax = 20_000
const never = new AbortController().signal

export async function startBenchMesh({ engine, requestsMax }: BenchMeshOptions): Promise<BenchMesh> {
  const dir = mkdtempSync(join(tmpdir(), 'silkmesh-bench-'))
  const parts: Part[] = []
  const home = (name: string, settings: object): string => {
    const path = join(dir, name)
    mkdirSync(path, { recursive: true, mode: 0o700 })
    writeFileSync(join(path, 'config.yaml'), stringify(settings))
    return path
  }
  const part = (name: string, args: readonly string[], main?: string): Part => {
    const made = new Part(name, args, main)
    parts.unshift(made) // ended in the reverse order
    return made
  }
  const ready = (of: Part) => of.event(({ type }) => type === 'ready', startMsMax, never)
  const stop = async (): Promise<void> => {
    for (const each of parts) await each.stop(stopMsMax)
    rmSync(dir, { recursive: true, force: true })
  }
  try {
    const chain = await ready(part('chain', ['chain', '--home', dir, '--port', '0', '--json', '--exit-with-parent']))
    const shared = {
      chain: { endpoint: chain['endpoint'], requestsPerSecond: 100 },
      discovery: { advertIntervalMs: 2_000, lookupIntervalMs: 1_000 },
      provider: { peerRequestsMax: requestsMax, queueMax: requestsMax, creditTokens: 4_096, drainMs: 1_000 },
      consumer: { chunkTokens: 256, creditTokensMax: 65_536 },
    }
    const listen = ['/ip4/127.0.0.1/tcp/0']
    const providerHome = home('provider', { ...shared, network: { listen } })
    const scripted = engine === 'instant' ? { script: join(import.meta.dirname, 'peer.ts'), args: [] } : engine
    const providerPart =
      'script' in scripted
        ? part('provider', [providerHome, ...scripted.args], scripted.script)
        : part('provider', ['join', ...scripted, '--home', providerHome, '--json', '--exit-with-parent'])
    const provider = await ready(providerPart)
    const network = { listen, bootstrap: provider['addresses'] }
    const consumerHome = home('consumer', { ...shared, network })
    const consumerPart = part('consumer', [
      'up',
      '--port',
      '0',
      '--deposit',
      '100',
      '--home',
      consumerHome,
      '--json',
      '--exit-with-parent',
    ])
    const consumer = await ready(consumerPart)
    await consumerPart.event(({ type }) => type === 'advert-accepted', startMsMax, never)
    return {
      gateway: consumer['gateway'] as Target,
      provider: providerPart,
      providerPid: providerPart.pid ?? 0,
      consumerPid: consumerPart.pid ?? 0,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Processor time of a process so far, in milliseconds; Linux counts it in ticks of ten. */
export function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return 10 * (Number(fields[11]) + Number(fields[12]))
}

/** Resident memory of a process now, in bytes. */
export function residentBytes(pid: number): number {
  return 1_024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
}
