// curl, as anybody has it, against the gateway on a real port.

import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { calling, delta, embedding, giving, key, provider, queued, saying } from './scripted.ts'
import { serving } from './serving.ts'

const run = promisify(execFile)
const hasCurl = spawnSync('curl', ['--version']).status === 0
if (!hasCurl) console.warn('curl is not on this machine: its tests are skipped')

const gateway = serving()

async function curl(path: string, body?: object, ...more: readonly string[]): Promise<string> {
  const sent = body === undefined ? [] : ['-H', 'content-type: application/json', '-d', JSON.stringify(body)]
  const headers = ['-H', `authorization: Bearer ${key}`]
  // no proxy of the environment stands between the two
  const { stdout } = await run('curl', [
    '-sSN',
    '--noproxy',
    '*',
    ...headers,
    ...sent,
    ...more,
    `${gateway.baseUrl}${path}`,
  ])
  return stdout
}

const question = { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] }

describe.skipIf(!hasCurl)('curl', () => {
  it('chats and sees who served it at what cost', async () => {
    gateway.follow(saying('Hello', ' there'))
    const answer = await curl('/chat/completions', question, '-i')
    expect(answer).toContain('HTTP/1.1 200 OK')
    expect(answer).toContain(`x-silkmesh-provider: ${provider}`)
    expect(answer).toContain('x-silkmesh-cost-nano: 584')
    expect(answer).toContain('x-silkmesh-failovers: 1')
    expect(answer).toContain('x-silkmesh-tier: open')
    expect(answer).toContain(`x-silkmesh-request-id: ${'ab'.repeat(16)}`)
    expect(answer).toContain('"content":"Hello there"')
  })

  it('streams', async () => {
    gateway.follow(giving(queued(3, 1_200), delta('Hello'), ...calling(0, 'Bern')))
    const answer = await curl('/chat/completions', { ...question, stream: true })
    expect(answer).toContain(': queued position=3 eta_ms=1200\n\n')
    expect(answer).toContain('"content":"Hello"')
    expect(answer).toContain('"finish_reason":"tool_calls"')
    expect(answer.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('completes, embeds, asks for a response, and lists the models', async () => {
    gateway.follow(saying(' upon'), embedding, saying('Hello'))
    expect(await curl('/completions', { model: 'tiny', prompt: 'Once' })).toContain('"text":" upon"')
    expect(await curl('/embeddings', { model: 'tiny', input: 'four' })).toContain('"embedding":[4,0,0.5]')
    expect(await curl('/responses', { model: 'tiny', input: 'hi' })).toContain('"text":"Hello"')
    expect(await curl('/models')).toContain('"id":"org/big"')
    expect(await curl('/models/org/big')).toContain('"context_length":32768')
  })

  it('is told what is wrong', async () => {
    gateway.follow(saying('a'))
    const answer = await curl('/chat/completions', { ...question, temprature: 1 }, '-i')
    expect(answer).toContain('HTTP/1.1 400 Bad Request')
    expect(answer).toContain('"param":"temprature"')
    expect(await curl('/chat/completions', question, '-H', 'content-type: text/plain')).toContain('application/json')
  })
})
