// A gateway on a real port for tests with clients as anybody installs them; each test gives it the script it follows.

import { afterEach, beforeEach } from 'vitest'
import { type ServedGateway, serveGateway } from '../../node/gateway/listen.ts'
import type { InferenceRequest } from '../../node/inference.ts'
import { gatewayOf, type Script } from './scripted.ts'

export interface Serving {
  /** With the path that clients call the base URL. */
  readonly baseUrl: string
  /** What the mesh was asked, in order. */
  readonly seen: readonly InferenceRequest[]
  /** One script a request; the last one serves all that follow. */
  follow(...scripts: readonly [Script, ...Script[]]): void
}

/** Called once at the top of a file: serves anew for every test. */
export function serving(): Serving {
  let served: ServedGateway | undefined
  let scripts: readonly Script[] = []
  let seen: InferenceRequest[] = []
  beforeEach(async () => {
    scripts = []
    seen = []
    const script: Script = (request, signal) => {
      const next = scripts[Math.min(seen.length, scripts.length - 1)]
      if (!next) throw new Error('no script to follow')
      seen.push(request)
      return next(request, signal)
    }
    served = await serveGateway(gatewayOf(script), { host: '127.0.0.1', port: 0 })
  })
  afterEach(() => served?.stop(0))
  return {
    get baseUrl() {
      return `${served?.url}/v1`
    },
    get seen() {
      return seen
    },
    follow: (...list) => {
      scripts = list
    },
  }
}
