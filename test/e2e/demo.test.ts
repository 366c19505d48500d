// The first thing anybody does: `npm start`, as a process, to the end, and what it claims held against the chain.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterEach, expect, it } from 'vitest'
import { Part } from '../../node/cli/part.ts'

const main = new URL('../../node/cli/main.ts', import.meta.url).pathname
const never = new AbortController().signal

interface Summary {
  readonly ok: boolean
  readonly gateway: { readonly baseUrl: string; readonly apiKey: string }
  readonly chain: { readonly endpoint: string }
  readonly providers: readonly { readonly peerId: string; readonly pid: number; readonly payout: string }[]
  readonly consumer: { readonly peerId: string; readonly escrow: string }
  readonly answer: {
    readonly text: string
    readonly provider: string
    readonly costNano: string
    readonly usage: { completionTokens: number }
  }
  readonly settlement: {
    readonly transactions: readonly string[]
    readonly settledNano: string
    readonly feesNano: string
  }
}

const homes: string[] = []
afterEach(() => {
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true })
})

function freshHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'silkmesh-demo-test-'))
  homes.push(home)
  return home
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

it('demo --once --json ends with code 0 and one object, and leaves no process behind', async () => {
  const child = spawn(process.execPath, [main, 'demo', '--once', '--json', '--home', freshHome()], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const code = await new Promise((resolve) => child.on('exit', resolve))
  expect(code, stderr).toBe(0)
  const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Summary
  expect(summary).toMatchObject({ ok: true, answer: { text: expect.stringMatching(/provider/i) } })
  expect(summary.providers).toHaveLength(3)
  expect(summary.settlement.settledNano).toBe(summary.answer.costNano)
  expect(summary.settlement.transactions[0]).toMatch(/^[0-9a-f]{64}$/)
  for (const { pid } of summary.providers) expect(isAlive(pid)).toBe(false)
})

it('keeps serving: the official client streams from it, and the chain holds what every voucher says', async () => {
  const demo = new Part('demo', ['demo', '--json', '--home', freshHome(), '--exit-with-parent'])
  try {
    const summary = (await demo.event((event) => event['ok'] === true, 90_000, never)) as unknown as Summary
    const { apiKey, baseUrl } = summary.gateway
    const client = new OpenAI({ baseURL: baseUrl, apiKey, maxRetries: 0 })
    const stream = await client.chat.completions.create({
      model: 'silkmesh-tiny',
      messages: [{ role: 'user', content: 'How do I join the mesh?' }],
      stream: true,
      temperature: 0,
      stream_options: { include_usage: true },
    })
    let text = ''
    let costNano = 0n
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? ''
      const { silkmesh } = chunk as { silkmesh?: { cost_nano?: string } }
      if (silkmesh?.cost_nano) costNano = BigInt(silkmesh.cost_nano)
    }
    expect(text).toMatch(/npm/)
    const models = await client.models.list()
    expect(models.data.map(({ id }) => id)).toEqual(['silkmesh-tiny'])

    // plain HTTP to the toncenter API: with none of our code, the sum over the payees is the sum of what was spent
    const settled = async (): Promise<bigint> => {
      let sum = 0n
      for (const { payout } of summary.providers) {
        const response = await fetch(summary.chain.endpoint, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            id: '1',
            jsonrpc: '2.0',
            method: 'runGetMethod',
            params: {
              address: summary.consumer.escrow,
              method: 'payeeState',
              stack: [['num', `0x${payout.slice(2)}`]],
            },
          }),
        })
        const { result } = (await response.json()) as { result: { stack: [string, string][] } }
        sum += BigInt(result.stack[0]?.[1] ?? '')
      }
      return sum
    }
    await expect.poll(settled, { timeout: 30_000, interval: 250 }).toBe(BigInt(summary.answer.costNano) + costNano)
    await demo.stop(30_000)
    for (const { pid } of summary.providers) expect(isAlive(pid)).toBe(false)
  } finally {
    await demo.stop(1_000)
  }
})
