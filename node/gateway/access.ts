// Who may talk to the gateway: pure checks on what a request says about where it came from and how. No page that a
// browser happens to show may reach it, whatever name it made this machine answer to.

import { MeshError } from '../../protocol/errors.ts'

/** The names this machine has for itself. */
export const loopbackHosts: readonly string[] = ['127.0.0.1', 'localhost', '[::1]']

export interface AccessRules {
  /** `name` stands for that name with the port listened on, `name:port` for exactly that. Never a pattern. */
  readonly hosts: readonly string[]
  /** Pages of other origins that may call, such as `https://chat.example`. Never a wildcard. */
  readonly origins: readonly string[]
}

/** What a request says of itself. A header sent twice arrives joined by a comma and matches nothing. */
export interface Caller {
  readonly host: string | undefined
  /** The authority of the request's target: differs from `host` where the request line holds a whole URL. */
  readonly target: string
  readonly port: number | undefined
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
}

/** The refusal, or undefined for a caller that may go on to show its key. */
export function refuseCaller(caller: Caller, rules: AccessRules): MeshError | undefined {
  const { host, target, origin, fetchSite } = caller
  const allowed = rules.hosts.map((name) => authority(/:\d+$/.test(name) ? name : `${name}:${caller.port ?? 80}`))
  for (const name of [host, target]) {
    if (name === undefined || !allowed.includes(authority(name))) {
      return new MeshError(
        'forbidden',
        `Host ${name === undefined ? 'missing' : JSON.stringify(name.slice(0, 80))}, expected one of ${allowed.join(', ')}`,
      )
    }
  }
  if (origin !== undefined) {
    if (isOwnOrigin(origin, host) || rules.origins.includes(origin)) return undefined
    return new MeshError(
      'forbidden',
      `Origin ${JSON.stringify(origin.slice(0, 80))} is not allowed to call this gateway`,
    )
  }
  // A page's image or script tag sends no Origin; the browser still says that another site asks.
  if (fetchSite !== undefined && fetchSite !== 'none' && fetchSite !== 'same-origin') {
    return new MeshError('forbidden', `Sec-Fetch-Site ${JSON.stringify(fetchSite.slice(0, 40))}, expected same-origin`)
  }
  return undefined
}

/** The key of `Authorization: Bearer <key>`. */
export function bearerKey(authorization: string | undefined): string | undefined {
  return /^bearer +([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1]
}

/** Why a body of this kind is not read, or undefined. */
export function refuseBody(
  contentType: string | undefined,
  contentEncoding: string | undefined,
): MeshError | undefined {
  if (!/^application\/json\s*(;|$)/i.test(contentType ?? '')) {
    // What a form of a foreign page can send without asking is never JSON by its type.
    return new MeshError(
      'bad-request',
      `Content-Type ${JSON.stringify(contentType?.slice(0, 80) ?? 'missing')}, expected application/json`,
    )
  }
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity') {
    return new MeshError(
      'bad-request',
      `Content-Encoding ${JSON.stringify(contentEncoding.slice(0, 80))}, expected an uncompressed body`,
    )
  }
  return undefined
}

function isOwnOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && origin.startsWith('http://') && authority(origin.slice(7)) === authority(host)
}

/** Lower case, without the port that http leaves out. */
function authority(name: string): string {
  return name.toLowerCase().replace(/:80$/, '')
}
