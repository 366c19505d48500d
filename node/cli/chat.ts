// `silkmesh chat`: one question, or a conversation, through a running gateway.

import { createInterface } from 'node:readline/promises'
import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import { formatGram } from '../../protocol/money.ts'
import { fail, untilStopped } from './exit.ts'
import { invocationOf } from './flags.ts'
import { ask, type GatewayAddress, modelNames } from './gateway-client.ts'
import { runningNode } from './running.ts'
import { printJson } from './terminal.ts'
import { wholeNumber } from './words.ts'

export async function run(flags: Record<string, unknown>, words: readonly string[]): Promise<void> {
  const { home, isJson, terminal } = invocationOf({ ...flags, model: undefined })
  const question = words.join(' ').trim()
  if (question === '' && (isJson || !process.stdin.isTTY)) {
    throw new MeshError('bad-request', 'no question; pass it as words: silkmesh chat "What is a provider?"')
  }
  const gateway = addressOf(flags, home)
  const maxTokens =
    flags['maxTokens'] === undefined ? undefined : wholeNumber('--max-tokens', flags['maxTokens'], 1_000_000, 1)
  const signal = untilStopped(false)
  const model = flags['model'] === undefined ? await firstModel(gateway, signal) : String(flags['model'])
  const messages: { role: string; content: string }[] = []

  const turn = async (content: string): Promise<void> => {
    messages.push({ role: 'user', content })
    let text = ''
    const show = (part: string): void => {
      text += part
      terminal.write(part)
    }
    const summary = await ask(gateway, { model, messages, maxTokens }, show, signal).catch((error: unknown) => {
      if (text !== '') terminal.line() // what went wrong begins on a line of its own
      throw error
    })
    messages.push({ role: 'assistant', content: text })
    if (isJson) return printJson({ ok: true, model, text, ...summary })
    const { usage, costNano, provider } = summary
    terminal.line()
    terminal.line(`  ${counted(usage.completionTokens, 'token')} · ${formatGram(BigInt(costNano))} GRAM · ${provider}`)
  }

  if (question !== '') return turn(question)
  terminal.line(`${model}: ask away; Ctrl-C ends.`)
  for await (const line of linesOf(signal)) {
    try {
      await turn(line)
    } catch (error) {
      if (signal.aborted) return
      fail(error, false)
      messages.pop() // the conversation goes on as if it had not been asked
    }
  }
}

/** What is typed, line by line, until Ctrl-C or Ctrl-D. */
async function* linesOf(signal: AbortSignal): AsyncGenerator<string> {
  const reader = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' })
  signal.addEventListener('abort', () => reader.close())
  reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  reader.prompt()
  for await (const line of reader) {
    if (line.trim() !== '') yield line.trim()
    if (signal.aborted) return
    reader.prompt()
  }
}

function addressOf(flags: Record<string, unknown>, home: string): GatewayAddress {
  const { url, key } = flags
  const running = runningNode(home)?.gateway
  if (url !== undefined) {
    const protocol = URL.parse(String(url))?.protocol
    if (protocol !== 'http:' && protocol !== 'https:') {
      throw new MeshError('bad-request', `--url "${String(url)}", expected such as http://127.0.0.1:8333/v1`)
    }
    if (key === undefined) throw new MeshError('bad-request', '--url needs --key, the key that `silkmesh up` printed')
    return { baseUrl: String(url).replace(/\/+$/, ''), apiKey: String(key) }
  }
  if (running) return { ...running, ...(key === undefined ? {} : { apiKey: String(key) }) }
  throw new MeshError(
    'bad-request',
    `no gateway runs for home ${home}; start one with \`silkmesh up\`, or pass --url and --key`,
  )
}

async function firstModel(gateway: GatewayAddress, signal: AbortSignal): Promise<string> {
  const [first] = await modelNames(gateway, signal)
  if (first === undefined) throw new MeshError('no-provider', 'the gateway knows no model yet')
  return first
}
