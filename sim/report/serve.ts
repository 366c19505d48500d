// A run while it runs, in a browser: a page on loopback that is told of progress by server-sent events, and its report after.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { wallMs } from '../wall.ts'
import { brand } from './elements.ts'
import { escaped, pageOf } from './shell.ts'

export interface LiveOptions {
  /** 0 for any that is free. */
  readonly port: number
  /** The scenario's name. */
  readonly title: string
  readonly question?: string | undefined
}

/** How far it is: told often. */
export interface LiveSample {
  readonly virtualMs: number
  readonly totalMs: number
  /** Events so far. */
  readonly events: number
  readonly requestsActive: number
  /** Ended so far, failed ones among them. */
  readonly requestsDone: number
  readonly requestsFailed: number
  readonly peersUp?: number | undefined
  readonly violations?: number | undefined
}

/** What a page is told: a sample, when it came, and what it cost. */
interface Told extends LiveSample {
  readonly wallMs: number
  readonly eventsPerSecond: number
  readonly timesRealTime: number
  readonly rssBytes: number
  readonly etaMs?: number
}

export interface LiveView {
  readonly url: string
  push(sample: LiveSample): void
  /** From now on the report is the page, and keeps this process alive: open pages turn to it. */
  finished(report: string): void
  /** Tells the pages that it is over, and ends all connections. */
  close(): Promise<void>
}

const host = '127.0.0.1'
const clientsMax = 16
/** What a page that comes late is shown of the past; older samples are thinned out by half when it is full. */
const historyMax = 600
/** A page that does not read is dropped at this backlog: a run never waits for a browser. */
const backlogBytesMax = 1 << 20

export async function serveLive({ port, title, question }: LiveOptions): Promise<LiveView> {
  let page = await livePage(title, question ?? '')
  const startMs = wallMs()
  const clients = new Set<ServerResponse>()
  let history: Told[] = []

  const subscribe = (response: ServerResponse): void => {
    if (clients.size >= clientsMax) {
      refuse(response, 503, `${clients.size} pages are open, at most ${clientsMax}: close one`)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write(`event: history\ndata: ${JSON.stringify(history)}\n\n`)
    clients.add(response)
    response.on('close', () => clients.delete(response))
  }

  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { port: bound } = server.address() as AddressInfo
    // another site's page can name this address by a name of its own: then the host is that name
    if (request.headers.host !== `${host}:${bound}` && request.headers.host !== `localhost:${bound}`) {
      refuse(response, 403, `host "${request.headers.host ?? ''}", expected ${host}:${bound}`)
    } else if (request.method !== 'GET') {
      refuse(response, 405, `method ${request.method}, expected GET`)
    } else if (request.url === '/') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(page)
    } else if (request.url === '/events') {
      subscribe(response)
    } else if (request.url === '/sample') {
      const sample = JSON.stringify(history.at(-1) ?? null)
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(sample)
    } else {
      refuse(response, 404, 'no such page, expected /, /events or /sample')
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Error(`the live view cannot listen on ${host}:${port}: choose another --port`, { cause })),
    )
    server.listen(port, host, resolve)
  })
  // a live view alone does not keep a run alive that failed
  server.unref()

  const end = (hasReport: boolean): void => {
    for (const client of clients) client.end(`event: end\ndata: ${JSON.stringify({ hasReport })}\n\n`)
  }

  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/`,
    push(sample) {
      if (history.length >= historyMax) history = history.filter((_, index) => index % 2 === 0)
      const told = paced(sample, history, wallMs() - startMs)
      history.push(told)
      const message = `data: ${JSON.stringify(told)}\n\n`
      for (const client of clients) {
        if (client.writableLength > backlogBytesMax) client.destroy()
        else client.write(message)
      }
    },
    finished(report) {
      page = report
      server.ref()
      end(true)
    },
    close() {
      end(false)
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      })
    },
  }
}

/** Rates are over this long, so that they follow a run and do not tremble. */
const rateMs = 5_000

function paced(sample: LiveSample, history: readonly Told[], wallMs: number): Told {
  const { events, virtualMs, totalMs } = sample
  const before = history.findLast((told) => told.wallMs <= wallMs - rateMs) ?? history[0]
  const spanMs = wallMs - (before?.wallMs ?? 0)
  const timesRealTime = spanMs > 0 ? (virtualMs - (before?.virtualMs ?? 0)) / spanMs : 0
  return {
    ...sample,
    wallMs: Math.round(wallMs),
    eventsPerSecond: spanMs > 0 ? (1000 * (events - (before?.events ?? 0))) / spanMs : 0,
    timesRealTime,
    rssBytes: process.memoryUsage.rss(),
    ...(timesRealTime > 0 ? { etaMs: Math.max(0, totalMs - virtualMs) / timesRealTime } : {}),
  }
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`)
}

function livePage(title: string, question: string): Promise<string> {
  const facts = [
    ['Scenario', title],
    ['State', 'waiting for the first sample'],
  ]
  const tile = (id: string, label: string) =>
    `<div class="tile"><dt>${label}</dt><dd><b id="${id}">–</b></dd><dd class="fine" id="${id}-also">&nbsp;</dd><dd><svg class="spark" data-spark="${id}" viewBox="0 0 200 44" preserveAspectRatio="none" aria-hidden="true"><path/></svg></dd></div>`
  const body = `<header>${brand('live')}
<h1>${escaped(question === '' ? title : question)}</h1>
<dl class="facts">${facts.map(([term = '', fact = '']) => `<div><dt>${term}</dt><dd id="${term.toLowerCase()}">${escaped(fact)}</dd></div>`).join('')}</dl>
</header>
<main>
<p class="progress"><progress id="progress" max="1" value="0" aria-label="virtual time"></progress><span id="reached">–</span></p>
<dl class="tiles live">${[
    tile('success', 'Success rate'),
    tile('active', 'Requests under way'),
    tile('rate', 'Events a second'),
    tile('speed', 'Times real time'),
    tile('memory', 'Memory'),
  ].join('')}</dl>
</main>`
  return pageOf({
    title: `${title} · live · silkmesh`,
    body,

    scripts: ['live.js'],
    hasPlots: false,
    isLive: true,
  })
}
