// docker-compose.sim.yml against what it starts: what only a run in containers would otherwise find.

import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { bootstrapName, planFrom, showPort } from '../../sim/process/containers.ts'

interface Service {
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}

const root = new URL('../../', import.meta.url)
const text = (name: string): string => readFileSync(new URL(name, root), 'utf8')
const { services } = parse(text('docker-compose.sim.yml'), { merge: true }) as { services: Record<string, Service> }

it.each(Object.entries(services))('%s runs a file that is there', (_, { command: [file = ''] }) => {
  expect(existsSync(new URL(file, root))).toBe(true)
})

it('everything that is waited for has a health check, on the port where containers show themselves', () => {
  const awaited = Object.values(services).flatMap(({ depends_on: others = {} }) => Object.entries(others))
  expect(awaited.length).toBeGreaterThan(0)
  for (const [name, { condition }] of awaited) {
    expect(condition).toBe('service_healthy')
    expect(services[name]?.healthcheck?.test.join(' ')).toContain(`127.0.0.1:${showPort}`)
  }
})

it('nodes find the bootstrap peer and the chain under the names of their services', () => {
  expect(Object.keys(services)).toEqual(
    expect.arrayContaining([bootstrapName, 'chain', 'provider', 'consumer', 'settler']),
  )
})

it('its scenario has a member for every role', () => {
  const { peers, requests } = planFrom({})
  expect(services['driver']?.environment['SCENARIO']).toContain(':-compose')
  expect(peers.some(({ provider }) => provider)).toBe(true)
  expect(peers.some(({ consumer }) => consumer)).toBe(true)
  expect(peers.some(({ provider, settler }) => settler && !provider)).toBe(true)
  expect(requests.length).toBeGreaterThan(0)
})

it('the image takes nothing that .dockerignore leaves out', () => {
  const kept = new Set(
    text('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1)),
  )
  const copied = [...text('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) =>
    sources.split(' '),
  )
  expect(copied.length).toBeGreaterThan(5)
  for (const source of copied) expect([source, kept.has(source.split('/')[0] ?? '')]).toEqual([source, true])
})
