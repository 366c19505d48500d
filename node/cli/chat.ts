// `silkmesh chat`: one question, or a conversation, through a running gateway.

import { createInterface } from 'node:readline/promises'
import { MeshError } from '../../protocol/errors.ts'
import { formatGram } from '../../protocol/money.ts'
import { wholeNumber } from './chain.ts'
import { untilStopped } from './exit.ts'
import { invocationOf } from './flags.ts'
import { ask, type GatewayAddress, modelNames, runningGateway } from './gateway-client.ts'
import { printJson } from './terminal.ts'

export async function run(flags: Record<string, unknown>, words: readonly string[]): Promise<void> {
  const { home, isJson, terminal } = invocationOf({ ...flags, model: undefined })
  const signal = untilStopped(false)
  const gateway = addressOf(flags, home)
  const model = flags['model'] === undefined ? await firstModel(gateway, signal) : String(flags['model'])
  const maxTokens =
    flags['maxTokens'] === undefined ? undefined : wholeNumber('--max-tokens', flags['maxTokens'], 1_000_000)
  const messages: { role: string; content: string }[] = []

  const turn = async (content: string): Promise<void> => {
    messages.push({ role: 'user', content })
    let text = ''
    const summary = await ask(
      gateway,
      { model, messages, maxTokens },
      (part) => {
        text += part
        terminal.write(part)
      },
      signal,
    )
    messages.push({ role: 'assistant', content: text })
    if (isJson) return printJson({ ok: true, model, text, ...summary })
    const { usage, costNano, provider } = summary
    terminal.line()
    terminal.line(`  ${usage.completionTokens} tokens · ${formatGram(BigInt(costNano))} GRAM · ${provider}`)
  }

  const question = words.join(' ').trim()
  if (question !== '') return turn(question)
  if (isJson || !process.stdin.isTTY)
    throw new MeshError('bad-request', 'no question; pass it as words: silkmesh chat "What is a provider?"')
  terminal.line(`${model}: ask away; Ctrl-C ends.`)
  const reader = createInterface({ input: process.stdin, output: process.stdout })
  signal.addEventListener('abort', () => reader.close())
  reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  try {
    while (!signal.aborted) {
      const line = (await reader.question('> ', { signal })).trim()
      if (line !== '') await turn(line)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    reader.close()
  }
}

function addressOf(flags: Record<string, unknown>, home: string): GatewayAddress {
  const { url, key } = flags
  if (url === undefined) return runningGateway(home)
  if (key === undefined) throw new MeshError('bad-request', '--url needs --key, the key that gateway printed')
  return { baseUrl: String(url).replace(/\/+$/, ''), apiKey: String(key) }
}

async function firstModel(gateway: GatewayAddress, signal: AbortSignal): Promise<string> {
  const [first] = await modelNames(gateway, signal)
  if (first === undefined) throw new MeshError('no-provider', 'the gateway knows no model yet')
  return first
}
