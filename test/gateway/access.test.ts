import { describe, expect, it } from 'vitest'
import { createGateway, keyRing } from '../../node/gateway/http.ts'
import { HandClock, inferenceOf, key, saying } from './scripted.ts'

// What a request carries, and the only answer it may get: one row among `refused` that is let in would be a hole.

const page = 'https://chat.example'
const port = 8_333
let inferences = 0

const gateway = createGateway({
  inference: inferenceOf((request, signal) => {
    inferences++
    return saying('secret')(request, signal)
  }),
  clock: new HandClock(),
  apiKeys: keyRing([key]),
  hosts: ['127.0.0.1', 'localhost', '[::1]', 'mesh.lan:9000'],
  origins: [page],
  metrics: async () => 'silkmesh_up 1\n',
  health: () => ({ ok: true }),
})

interface Case {
  readonly method?: string
  readonly path?: string
  /** `undefined` leaves the header out. */
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  readonly target?: string
  readonly body?: string
}

const good = { host: `127.0.0.1:${port}`, authorization: `Bearer ${key}`, 'content-type': 'application/json' }
const question = JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'hi' }] })

async function send({ method = 'POST', path = '/v1/chat/completions', ...given }: Case): Promise<Response> {
  const headers = new Headers()
  for (const [name, value] of Object.entries({ ...good, ...given.headers }))
    if (value !== undefined) headers.set(name, value)
  const body = method === 'POST' ? (given.body ?? question) : null
  const target = given.target ?? headers.get('host') ?? 'localhost'
  // The port a socket would tell.
  const bindings = { incoming: { socket: { localPort: port } } }
  const url = URL.canParse(`http://${target}${path}`) ? `http://${target}${path}` : `http://localhost:${port}${path}`
  return gateway.app.request(url, { method, headers, body }, bindings)
}

const chat = (headers: Case['headers']): Case => ({ headers })
const models = (headers: Case['headers']): Case => ({ method: 'GET', path: '/v1/models', headers })
const health = (headers: Case['headers']): Case => ({
  method: 'GET',
  path: '/health',
  headers: { authorization: undefined, ...headers },
})

const refused: readonly (readonly [what: string, status: number, request: Case])[] = [
  // DNS rebinding: a foreign name that resolves to this machine
  ['a foreign Host', 403, chat({ host: 'evil.example' })],
  ['a foreign Host with the right port', 403, chat({ host: `evil.example:${port}` })],
  ['a foreign Host that begins like ours', 403, chat({ host: `localhost.evil.example:${port}` })],
  ['a foreign Host that ends like ours', 403, chat({ host: `evil-localhost:${port}` })],
  ['a subdomain of localhost', 403, chat({ host: `evil.localhost:${port}` })],
  ['localhost with a dot at its end', 403, chat({ host: `localhost.:${port}` })],
  ['a wildcard DNS name of the loopback address', 403, chat({ host: `127.0.0.1.nip.io:${port}` })],
  ['another loopback address', 403, chat({ host: `127.0.0.2:${port}` })],
  ['the unspecified address', 403, chat({ host: `0.0.0.0:${port}` })],
  ['a decimal spelling of loopback', 403, chat({ host: `2130706433:${port}` })],
  ['a short spelling of loopback', 403, chat({ host: `127.1:${port}` })],
  ['the IPv4 address inside IPv6', 403, chat({ host: `[::ffff:127.0.0.1]:${port}` })],
  ['a long spelling of ::1', 403, chat({ host: `[0:0:0:0:0:0:0:1]:${port}` })],
  ['the right name with no port', 403, chat({ host: 'localhost' })],
  ['the right name with another port', 403, chat({ host: 'localhost:8334' })],
  ['a listed name with a port that is not listed', 403, chat({ host: `mesh.lan:${port}` })],
  ['a port that only begins like ours', 403, chat({ host: `localhost:${port}0` })],
  ['no Host', 403, chat({ host: undefined })],
  ['an empty Host', 403, chat({ host: '' })],
  ['two Hosts in one', 403, chat({ host: `localhost:${port}, evil.example` })],
  [
    'credentials in the Host',
    403,
    { ...chat({ host: `localhost:${port}@evil.example` }), target: `localhost:${port}` },
  ],
  ['a star for a Host', 403, chat({ host: '*' })],
  ['a foreign target behind a good Host', 403, { target: 'evil.example' }],
  ['a foreign Host on the model list', 403, models({ host: 'evil.example' })],
  ['a foreign Host on health', 403, health({ host: 'evil.example' })],
  ['a forwarded host instead of a Host', 403, chat({ host: 'evil.example', 'x-forwarded-host': `localhost:${port}` })],

  // pages in a browser
  ['a foreign Origin', 403, chat({ origin: 'https://evil.example' })],
  ['the Origin of a sandboxed frame', 403, chat({ origin: 'null' })],
  ['the Origin of a local file', 403, chat({ origin: 'file://' })],
  ['an extension', 403, chat({ origin: 'chrome-extension://abcdef' })],
  ['an Origin that begins like a listed one', 403, chat({ origin: `${page}.evil.example` })],
  ['a listed Origin with another scheme', 403, chat({ origin: 'http://chat.example' })],
  ['a listed Origin with a port', 403, chat({ origin: `${page}:8443` })],
  ['a listed Origin with a path', 403, chat({ origin: `${page}/` })],
  ['another program on this machine as Origin', 403, chat({ origin: 'http://localhost:3000' })],
  ['our own name under https', 403, chat({ origin: `https://127.0.0.1:${port}` })],
  ['our other name as Origin', 403, chat({ origin: `http://localhost:${port}` })],
  ['an empty Origin', 403, chat({ origin: '' })],
  ['two Origins', 403, chat({ origin: `${page}, https://evil.example` })],
  ['an image tag of a foreign page', 403, models({ 'sec-fetch-site': 'cross-site' })],
  ['an image tag of a sibling site', 403, models({ 'sec-fetch-site': 'same-site' })],
  ['a foreign Origin on health', 403, health({ origin: 'https://evil.example' })],
  ['a foreign script tag on health', 403, health({ 'sec-fetch-site': 'cross-site' })],
  [
    'a preflight from a foreign page',
    403,
    { method: 'OPTIONS', headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' } },
  ],
  [
    'a preflight from no page',
    401,
    { method: 'OPTIONS', headers: { authorization: undefined, origin: `http://127.0.0.1:${port}` } },
  ],

  // keys
  ['no key', 401, chat({ authorization: undefined })],
  ['an empty key', 401, chat({ authorization: 'Bearer ' })],
  ['a wrong key', 401, chat({ authorization: 'Bearer sk-wrong' })],
  ['a key one letter short', 401, chat({ authorization: `Bearer ${key.slice(0, -1)}` })],
  ['a key one letter long', 401, chat({ authorization: `Bearer ${key}x` })],
  ['a key in other letters', 401, chat({ authorization: `Bearer ${key.toUpperCase()}` })],
  ['the key without a scheme', 401, chat({ authorization: key })],
  ['the key as a password', 401, chat({ authorization: `Basic ${Buffer.from(`:${key}`).toString('base64')}` })],
  ['two keys', 401, chat({ authorization: `Bearer ${key}, Bearer ${key}` })],
  ['the key in a header of other APIs', 401, chat({ authorization: undefined, 'x-api-key': key, 'api-key': key })],
  ['the key in a cookie', 401, chat({ authorization: undefined, cookie: `key=${key}` })],
  ['the key in the address', 401, { ...models({ authorization: undefined }), path: `/v1/models?key=${key}` }],
  ['a key of half a megabyte', 401, chat({ authorization: `Bearer ${'x'.repeat(500_000)}` })],
  ['no key on the model list', 401, models({ authorization: undefined })],
  ['no key on the metrics', 401, { ...models({ authorization: undefined }), path: '/metrics' }],
  ['no key on an unknown path', 401, { ...models({ authorization: undefined }), path: '/v1/nothing' }],
  ['a path that only begins like health', 401, { ...health({}), path: '/health/../v1/models' }],
  ['health with a slash', 401, { ...health({}), path: '/health/' }],
  ['health in another case', 401, { ...health({}), path: '/HEALTH' }],

  // what a page can send without asking, and bodies we do not read
  ['a form', 400, chat({ 'content-type': 'application/x-www-form-urlencoded' })],
  ['a text that holds JSON', 400, chat({ 'content-type': 'text/plain' })],
  ['a multipart form', 400, chat({ 'content-type': 'multipart/form-data; boundary=x' })],
  ['no type', 400, chat({ 'content-type': '' })],
  ['a type that begins like JSON', 400, chat({ 'content-type': 'application/jsonx' })],
  ['JSON as a parameter of another type', 400, chat({ 'content-type': 'text/plain; application/json' })],
  ['a compressed body', 400, chat({ 'content-encoding': 'gzip' })],
  ['a body compressed twice', 400, chat({ 'content-encoding': 'identity, br' })],
  ['a question by GET', 405, { method: 'GET' }],
  ['a question by PUT', 405, { method: 'PUT' }],
]

const allowed: readonly (readonly [what: string, request: Case])[] = [
  ['the address', chat({})],
  ['the name', chat({ host: `localhost:${port}` })],
  ['the name in other letters', chat({ host: `LocalHost:${port}` })],
  ['the IPv6 address', chat({ host: `[::1]:${port}` })],
  ['a listed name with its port', chat({ host: 'mesh.lan:9000' })],
  ['a page of our own', chat({ origin: `http://127.0.0.1:${port}`, 'sec-fetch-site': 'same-origin' })],
  ['a listed page', chat({ origin: page, 'sec-fetch-site': 'cross-site' })],
  ['a scheme in other letters', chat({ authorization: `bearer ${key}` })],
  ['a type with a charset', chat({ 'content-type': 'application/json; charset=utf-8' })],
  ['a body that says it is not compressed', chat({ 'content-encoding': 'identity' })],
  ['an address typed into a browser', models({ 'sec-fetch-site': 'none' })],
  ['health without a key', health({})],
  ['health by HEAD', { ...health({}), method: 'HEAD' }],
]

describe('the table of access', () => {
  it.each(refused)('refuses %s with %i', async (_what, status, request) => {
    const before = inferences
    const response = await send(request)
    expect(response.status).toBe(status)
    const text = await response.text()
    expect(JSON.parse(text)).toMatchObject({ error: { code: expect.any(String), next_step: expect.any(String) } })
    expect(text).not.toContain('secret')
    expect(response.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer realm="silkmesh"' : null)
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    expect(inferences).toBe(before)
  })

  it.each(allowed)('takes %s', async (_what, request) => {
    const response = await send(request)
    expect(response.status).toBe(200)
    expect(response.headers.get('access-control-allow-origin')).not.toBe('*')
  })

  it('holds 60 refusals or more', () => {
    expect(refused.length).toBeGreaterThanOrEqual(60)
  })

  it('names the Hosts it answers to', async () => {
    const response = await send(chat({ host: 'evil.example' }))
    const body: unknown = await response.json()
    expect(body).toMatchObject({
      error: {
        code: 'forbidden',
        type: 'permission_error',
        message: 'Host "evil.example", expected one of 127.0.0.1:8333, localhost:8333, [::1]:8333, mesh.lan:9000',
      },
    })
  })

  it('lets a listed page on, and no other header than its own origin says so', async () => {
    const preflight = await send({
      method: 'OPTIONS',
      headers: {
        authorization: undefined,
        origin: page,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,x-stainless-os',
      },
    })
    expect(preflight.status).toBe(204)
    expect(Object.fromEntries(preflight.headers)).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-allow-headers': 'authorization,x-stainless-os',
      vary: 'origin',
    })
    const answer = await send(chat({ origin: page }))
    expect(answer.headers.get('access-control-allow-origin')).toBe(page)
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
  })

  it('leaves the port out where http does', async () => {
    const response = await gateway.app.request(
      'http://localhost/health',
      { headers: { host: 'localhost' } },
      { incoming: { socket: { localPort: 80 } } },
    )
    expect(response.status).toBe(200)
  })
})
