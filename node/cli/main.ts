// `silkmesh`: one file a command; this one reads the words and loads the command that was asked for.

import { enableCompileCache } from 'node:module'
import { Command, CommanderError, Option } from 'commander'
import { asExitCode, fail } from './exit.ts'
import { parseAssignment } from './options.ts'

enableCompileCache() // commands are imported below, so theirs is kept: half a second less at each later start

export type FlagValues = Record<string, unknown>

const program = new Command('silkmesh')
  .description('An open peer-to-peer compute mesh for AI: rent out a GPU, or use one, and pay as you go on TON.')
  .version('0.1.0')
  .showHelpAfterError('(add --help for what is expected)')
  .showSuggestionAfterError()
  .exitOverride()

/** A command with the flags that all share; `load` imports what it needs only when it runs. */
function command(
  words: string,
  summary: string,
  load: () => Promise<{ run: (flags: FlagValues, words: readonly string[]) => Promise<void> }>,
  parent = program,
): Command {
  return parent
    .command(words)
    .description(summary)
    .option('--home <dir>', 'where keys and books live (default: ~/.silkmesh)')
    .option('--set <group.name=value>', 'any setting that `silkmesh config` lists; repeatable', collect, [])
    .option('--json', 'print JSON objects, one a line, for machines')
    .action(async (...parameters: unknown[]) => {
      const self = parameters.at(-1) as Command
      const { run } = await load()
      await run(self.opts(), self.processedArgs.map(String))
    })
}

const mesh = (built: Command): Command =>
  built
    .option('--bootstrap <multiaddr,…>', 'peers to dial first, each ending in /p2p/<peer id>')
    .option('--listen <multiaddr,…>', 'where to listen, such as /ip4/0.0.0.0/tcp/4001')
    .option('--endpoint <url>', 'toncenter v2 API of the chain')
    .addOption(new Option('--exit-with-parent', 'end when standard input closes').hideHelp())

mesh(
  command('demo', 'a whole mesh on this machine: local chain, providers, settler, gateway', () => import('./demo.ts')),
)
  .option('--providers <n>', 'how many', '3')
  .option('--port <port>', "the gateway's port (default: a free one)")
  .option('--chain-port <port>', "the local chain's port (default: a free one)")
  .option('--ask <question>', 'what to ask', 'What is a provider?')
  .option('--once', 'end after settling')

mesh(command('join', 'serve a model to the mesh and earn', () => import('./join.ts')))
  .option('--model <model>', 'builtin, a path to a GGUF file, or hf:owner/repository/file.gguf')
  .option('--engine-url <url>', 'serve from an OpenAI-compatible server instead (vLLM, SGLang, Ollama, llama-server)')
  .option('--payout <address>', "the TON account to be paid (default: this home's wallet)")
  .option('--price <gram>', 'a million completion tokens')
  .option('--prompt-price <gram>', 'a million prompt tokens')
  .option('--slots <n>', 'requests decoded at once')
  .option('--settler <peer id>', 'hand vouchers to this settler')

mesh(command('up', 'use the mesh: an OpenAI-compatible gateway on this machine', () => import('./up.ts')))
  .option('--host <host>', 'where to listen (default: 127.0.0.1)')
  .option('--port <port>', 'the port (default: 8333)')
  .option('--allow-public', 'let other machines use the gateway')
  .option('--deposit <gram>', 'top the escrow up to this much first')

mesh(command('settle', 'settle vouchers for others', () => import('./settle.ts')))

command('chat [question...]', 'talk to the mesh through a running gateway', () => import('./chat.ts'))
  .option('--model <name>', 'which model (default: the first the mesh serves)')
  .option('--url <url>', 'the gateway (default: the one running for this home)')
  .option('--key <key>', "its key (default: this home's)")
  .option('--max-tokens <n>', 'stop after this many')

mesh(command('models', 'what the mesh serves now, and at what price', () => import('./models.ts'))).option(
  '--wait <seconds>',
  'how long to look',
  '5',
)
mesh(command('peers', 'which providers are found now', () => import('./peers.ts'))).option(
  '--wait <seconds>',
  'how long to look',
  '5',
)

const wallet = program.command('wallet').description('the TON wallet of this home, and its escrow')
const walletCommand = (words: string, summary: string): Command =>
  command(
    words,
    summary,
    async () => {
      const module = await import('./wallet.ts')
      const verb = words.split(' ')[0] ?? ''
      return { run: (flags, rest) => module.run(verb, flags, rest) }
    },
    wallet,
  ).option('--endpoint <url>', 'toncenter v2 API of the chain')
walletCommand('address', 'the addresses of wallet and escrow')
walletCommand('balance', 'what wallet and escrow hold')
walletCommand('faucet [gram]', 'coins from the faucet of a local chain')
walletCommand('deposit <gram>', 'from the wallet into the escrow, opening it where needed')
walletCommand('reserve <payee> <gram> <hours>', 'set aside for one provider')
walletCommand('unlock', 'begin to close the escrow; providers settle meanwhile')
walletCommand('cancel-unlock', 'keep the escrow open after all')
walletCommand('finalize', 'take back what is left once the delay is over')

command('chain', 'a local TON chain with a faucet, for development', () => import('./chain.ts'))
  .option('--port <port>', 'the port', '8081')
  .option('--block-ms <ms>', 'time between blocks')
  .addOption(new Option('--exit-with-parent', 'end when standard input closes').hideHelp())

command('config', 'every setting, its value, and where that came from', () => import('./config.ts'))
mesh(command('doctor', 'check this machine, and say how to fix what is wrong', () => import('./doctor.ts'))).option(
  '--model <model>',
  'the model to check',
)

// whoever read the output has gone (`| head`): the work goes on, unheard
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    fail(error, process.argv.includes('--json'))
    process.exitCode = asExitCode(error)
  }
}
// every command has waited for its own work; libp2p's debounce timers would hold the process two seconds longer
process.stdout.write('', () => process.exit())

function collect(text: string, before: readonly (readonly [string, string])[]): readonly (readonly [string, string])[] {
  return [...before, parseAssignment(text)]
}
