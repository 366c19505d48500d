// `silkmesh explain`: how the running gateway routed a request, step by step, with what spoke for each choice.

import { counted } from '../../protocol/counted.ts'
import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { formatGram } from '../../protocol/money.ts'
import type { ProviderView, RequestView, StepView } from '../gateway/explain.ts'
import { untilStopped } from './exit.ts'
import { invocationOf } from './flags.ts'
import { requestView } from './gateway-client.ts'
import { runningNode } from './running.ts'
import { printJson } from './terminal.ts'

export async function run(flags: Record<string, unknown>, [id = 'last']: readonly string[]): Promise<void> {
  const { home, isJson, terminal } = invocationOf(flags)
  const gateway = runningNode(home)?.gateway
  if (!gateway) {
    const next = 'is --home right? `silkmesh up` starts one, which knows the requests that it served'
    throw new MeshError('unreachable', `no gateway runs for home ${home}`, { next })
  }
  const request = await requestView(gateway, id, untilStopped(false)).catch((error: unknown) => {
    const { code, message } = asMeshError(error, 'internal')
    throw code === 'not-found' ? new MeshError('bad-request', message, { cause: error }) : error // the gateway is right
  })
  if (isJson) return printJson({ ok: true, request })
  for (const line of linesOf(request)) terminal.line(line)
}

/** For people. */
export function linesOf({ id, model, started_at, steps }: RequestView): readonly string[] {
  return [
    `request ${id} for ${model}, ${started_at}`,
    ...steps.flatMap((step) => {
      const [first = '', ...more] = wordsOf(step)
      return [`${step.at_ms.toString().padStart(8)} ms  ${first}`, ...more.map((line) => `${' '.repeat(13)}${line}`)]
    }),
  ]
}

function wordsOf(step: StepView): readonly string[] {
  switch (step.type) {
    case 'chosen': {
      const { attempt, candidates, considered, provider, reason } = step
      return [
        `attempt ${attempt} at ${short(provider)}, one of ${candidates} that ${candidates === 1 ? 'serves' : 'serve'} it: ${reason}`,
        ...tableOf([head, ...considered.map((each, at) => cellsOf(each, at === 0))]),
      ]
    }
    case 'queued': {
      const guess = step.eta_ms === null ? 'it did not say for how long' : `it said for about ${step.eta_ms} ms`
      return [`waits for a slot at ${short(step.provider)}, place ${step.position}: ${guess}`]
    }
    case 'first_token':
      return [`first token from ${short(step.provider)}`]
    case 'hedge_started':
      return [`${short(step.provider)} is asked too: ${short(step.first)} has not begun`]
    case 'hedge_won':
      return [`${short(step.provider)} was faster, ${short(step.loser)} is left`]
    case 'failed':
      return [
        `${short(step.provider)} failed after ${counted(step.tokens_delivered, 'token')}: ${step.code}, ${step.message}`,
      ]
    case 'finished': {
      const { cached_tokens, code, completion_tokens, cost_nano, failovers, outcome, prompt_tokens, provider } = step
      const how = code === null ? outcome : `${outcome} (${code})`
      const where = provider === null ? '' : ` at ${short(provider)}`
      const tokens = `${counted(prompt_tokens, 'prompt token')}, ${cached_tokens} of them cached, ${counted(completion_tokens, 'completion token')}`
      return [`${how}${where}: ${tokens}, ${formatGram(BigInt(cost_nano))} GRAM, ${counted(failovers, 'failover')}`]
    }
  }
}

const head = [
  '',
  'provider',
  'standing',
  'cost GRAM',
  'first token ms',
  '= network',
  '+ wait',
  '+ prefill',
  'tokens/s',
  'slots free',
  'cached',
  'success',
  'score',
]

function cellsOf(each: ProviderView, isChosen: boolean): readonly string[] {
  return [
    isChosen ? '→' : '',
    short(each.provider),
    each.standing,
    formatGram(BigInt(each.cost_nano)),
    ...[each.first_token_ms, each.network_ms, each.wait_ms, each.prefill_ms, each.decode_tokens_per_second].map(String),
    each.slots_free.toString(),
    each.cached_tokens.toString(),
    `${Math.round(100 * each.success)} %`,
    each.score.toString(),
  ]
}

/** Figures to the right, words to the left. */
function tableOf(rows: readonly (readonly string[])[]): readonly string[] {
  const wordColumns = 3
  const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return column < wordColumns ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

/** As the log shows it: peer ids all begin alike. */
function short(peer: string): string {
  return `…${peer.slice(-6)}`
}
