// The driver of docker-compose.sim.yml: asks what the scenario plans of whichever consumers there are, waits until what was spent is
// settled on chain, and ends with 0 where all of it holds.

import { lookup } from 'node:dns/promises'
import { asMeshError } from '../../protocol/errors.ts'
import { parseAddress } from '../../protocol/ids.ts'
import { formatGram, type Nano } from '../../protocol/money.ts'
import type { PlannedRequest } from '../plan.ts'
import { messagesOf } from '../prompt.ts'
import { ChainGate, ChainLedger } from './chain.ts'
import { isRecord } from './child.ts'
import { chainPort, gatewayPort, planFrom, type Shown, scenarioFrom, showPort, steps } from './containers.ts'
import { type GatewayAddress, inferOver } from './gateway.ts'

/** Every provider must have been found by then. */
const findMs = 120_000
const settleMs = 120_000
const lookAgainMs = 1_000
/** What no settle takes any more, of one consumer towards one provider: contracts/fees.ts, with some to spare. */
const crumbNano = 6_000_000n

interface Answer {
  readonly costNano: Nano
  readonly firstTokenMs: number
  readonly failure: string | undefined
}

const say = steps('driver')
const scenario = scenarioFrom(process.env)
const plan = planFrom(process.env)
const [providers, consumers] = await Promise.all([shownBy('provider'), shownBy('consumer')])
say(`${plan.name}: ${consumers.length} consumers, ${providers.length} providers, ${plan.requests.length} requests`)
await Promise.all(consumers.map(({ gateway }) => untilFound(gateway, providers.length)))

const gate = new ChainGate({ host: 'chain', port: chainPort })
await gate.listen()
const ledger = new ChainLedger(gate.endpoint)
const before = await books()
const answers = await askAll(plan.requests)
const spentNano = answers.reduce((sum, { costNano }) => sum + costNano, 0n)
const crumbsNano = crumbNano * BigInt(providers.length * consumers.length)
const settled = await untilSettled(before.settledNano + spentNano - crumbsNano)
const settledNano = settled.settledNano - before.settledNano

const failed = answers.filter(({ failure }) => failure !== undefined)
const successRate = 1 - failed.length / Math.max(1, answers.length)
const wanted = scenario.assert.find(({ metric, op }) => metric === 'successRate' && op === '>=')?.value ?? 1
const times = answers.flatMap(({ failure, firstTokenMs }) => (failure ? [] : [firstTokenMs])).sort((a, b) => a - b)
const checks = {
  'enough succeeded': answers.length > 0 && successRate >= wanted,
  'nothing settled that was not spent': settledNano <= spentNano,
  'all spent is settled, but for crumbs': settledNano >= spentNano - crumbsNano,
  'something was settled': settledNano > 0n,
  'every coin is somewhere': settled.depositedNano === settled.elsewhereNano,
}
for (const { failure } of failed.slice(0, 5)) say(`failed: ${failure}`)
const ok = Object.values(checks).every(Boolean)
process.stdout.write(
  `${JSON.stringify({
    ok,
    checks,
    requests: answers.length,
    successRate,
    ttftMs: { p50: times[Math.floor(times.length / 2)], p99: times[Math.floor(times.length * 0.99)] },
    spentGram: formatGram(spentNano),
    settledGram: formatGram(settledNano),
  })}\n`,
)
process.exit(ok ? 0 : 1)

interface Container extends Shown {
  readonly gateway: GatewayAddress
}

/** All containers of a service, each as it shows itself. */
async function shownBy(service: string): Promise<readonly Container[]> {
  const found = await lookup(service, { all: true, family: 4 })
  return await Promise.all(
    found.map(async ({ address }) => {
      const response = await fetch(`http://${address}:${showPort}/`)
      if (!response.ok) throw new Error(`${service} at ${address} is not ready`)
      const shown = (await response.json()) as Shown
      return { ...shown, gateway: { baseUrl: `http://${address}:${gatewayPort}/v1`, apiKey: shown.apiKey ?? '' } }
    }),
  )
}

async function untilFound({ apiKey, baseUrl }: GatewayAddress, count: number): Promise<void> {
  const untilMs = Date.now() + findMs
  for (;;) {
    const response = await fetch(`${baseUrl}/models`, { headers: { authorization: `Bearer ${apiKey}` } })
    const body: unknown = await response.json()
    const models = isRecord(body) && Array.isArray(body['data']) ? body['data'].filter(isRecord) : []
    const found = models.reduce((sum, model) => sum + Number(model['providers']), 0)
    if (found >= count) return
    if (Date.now() > untilMs)
      throw new Error(`${baseUrl} has found ${found} of ${count} providers in ${findMs / 1_000} s`)
    await pause(lookAgainMs)
  }
}

async function askAll(requests: readonly PlannedRequest[]): Promise<readonly Answer[]> {
  const startMs = Date.now()
  const names = [...new Set(requests.map(({ consumer }) => consumer))]
  return await Promise.all(
    requests.map(async (planned) => {
      await pause(startMs + planned.atMs - Date.now())
      const asked = consumers[names.indexOf(planned.consumer) % consumers.length]
      if (!asked) throw new Error('there is no consumer to ask')
      return await answer(asked.gateway, planned)
    }),
  )
}

async function answer(gateway: GatewayAddress, planned: PlannedRequest): Promise<Answer> {
  const askedMs = performance.now()
  let firstTokenMs = 0
  try {
    const { completionTokens: tokensMax, model, promptTokens } = planned
    const request = { model, messages: messagesOf(planned), sampling: { tokensMax } }
    const unknown = { promptNano: 0n, completionNano: 0n, cachedNano: 0n }
    const beforehand = { isModelled: true, priceOf: () => unknown, promptTokens }
    const events = inferOver(gateway, request, beforehand, new AbortController().signal)
    for (;;) {
      const next = await events.next()
      if (next.done) {
        const { costNano, usage } = next.value
        const failure =
          usage.completionTokens === tokensMax ? undefined : `${usage.completionTokens} of ${tokensMax} tokens`
        return { costNano, firstTokenMs, failure }
      }
      if (next.value.type === 'delta') firstTokenMs ||= performance.now() - askedMs
    }
  } catch (error) {
    return { costNano: 0n, firstTokenMs, failure: asMeshError(error).message }
  }
}

/** Over all consumers' escrows and all providers' accounts. */
async function books() {
  const sum = { settledNano: 0n, depositedNano: 0n, elsewhereNano: 0n }
  for (const { escrow } of consumers) {
    if (escrow === undefined) continue
    const { balanceNano, depositedNano, feesNano, paidOutNano } = await ledger.escrow(parseAddress(escrow))
    sum.depositedNano += depositedNano
    sum.elsewhereNano += balanceNano + paidOutNano + feesNano
    for (const { payout } of providers) {
      if (payout !== undefined) sum.settledNano += await ledger.settledNano(parseAddress(escrow), parseAddress(payout))
    }
  }
  return sum
}

async function untilSettled(nano: Nano) {
  const untilMs = Date.now() + settleMs
  for (;;) {
    const now = await books()
    if (now.settledNano >= nano || Date.now() > untilMs) return now
    await pause(lookAgainMs)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
}
