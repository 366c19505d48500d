// `silkmesh`: one file a command; this one reads the words and loads the command that was asked for.

import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Command, CommanderError, Option } from 'commander'
import { MeshError } from '../../protocol/errors.ts'
import { endWith } from './exit.ts'
import { parseAssignment } from './options.ts'
import { silentTerminal, terminalOn } from './terminal.ts'

// Commands are imported below, so their compiled code is kept: half a second less at each later start. Among the user's own files:
// in the folder for temporary ones somebody else could have put code in its place.
enableCompileCache(join(homedir(), '.cache', 'silkmesh'))

export type FlagValues = Record<string, unknown>

const program = new Command('silkmesh')
  .description('An open peer-to-peer compute mesh for AI: rent out a GPU, or use one, and pay as you go on TON.')
  .version(version())
  .configureOutput({ outputError: () => undefined }) // said once, below
  .exitOverride(refusal('silkmesh'))
  .addHelpText(
    'after',
    examples(
      ['silkmesh demo', 'a whole mesh on this machine, with play money'],
      ['silkmesh <command> --help', 'what a command takes, with examples'],
    ),
  )

/** A command with the flags that all share; `load` imports what it needs only when it runs. */
function command(
  words: string,
  summary: string,
  load: () => Promise<{ run: (flags: FlagValues, words: readonly string[]) => Promise<void> }>,
  parent = program,
): Command {
  const name = `${parent === program ? '' : `${parent.name()} `}${words.split(' ')[0]}`
  return parent
    .command(words)
    .description(summary)
    .exitOverride(refusal(`silkmesh ${name}`))
    .option('--home <dir>', 'where keys and books live (default: ~/.silkmesh)')
    .option('--passphrase-file <file>', 'holds the passphrase of this home, where its keys are sealed')
    .option('--set <group.name=value>', 'any setting that `silkmesh config` lists; repeatable', collect, [])
    .option('--json', 'print JSON objects, one a line, for machines')
    .action(async (...parameters: unknown[]) => {
      const self = parameters.at(-1) as Command
      const terminal = self.opts()['json'] === true ? silentTerminal : terminalOn(process.stdout)
      terminal.progress('starting') // libraries take a second to load
      const { run } = await load()
      terminal.progress('')
      await run(
        self.opts(),
        (self.processedArgs as unknown[])
          .flat()
          .filter((word) => word !== undefined)
          .map(String),
      )
    })
}

const withParent = (built: Command): Command =>
  built.addOption(new Option('--exit-with-parent', 'end when standard input closes').hideHelp())

const mesh = (built: Command): Command =>
  withParent(built)
    .option('--bootstrap <multiaddr,…>', 'peers to dial first, each ending in /p2p/<peer id>')
    .option('--listen <multiaddr,…>', 'where to listen, such as /ip4/0.0.0.0/tcp/4001')
    .option('--endpoint <url>', 'toncenter v2 API of the chain')
    .option('--network <name>', 'local, testnet or mainnet: no endpoint of another chain is believed')

withParent(
  command('demo', 'a whole mesh on this machine: local chain, providers, settler, gateway', () => import('./demo.ts')),
)
  .option('--providers <n>', 'how many', '3')
  .option('--port <port>', "the gateway's port (default: a free one)")
  .option('--chain-port <port>', "the local chain's port (default: a free one)")
  .option('--ask <question>', 'what to ask', 'What is a provider?')
  .option('--once', 'end after settling')
  .addHelpText(
    'after',
    examples(
      ['silkmesh demo', 'until Ctrl-C'],
      ['silkmesh demo --once --json', 'for a script: its last line is one object'],
      ['silkmesh demo --providers 5 --ask "What is gossipsub?"', ''],
    ),
  )

mesh(command('join', 'serve a model to the mesh and earn', () => import('./join.ts')))
  .option('--model <model,…>', 'builtin, a path to a GGUF file, or hf:owner/repository/file.gguf; or several of them')
  .option('--engine-url <url>', 'serve from an OpenAI-compatible server instead (vLLM, SGLang, Ollama, llama-server)')
  .option('--payout <address>', "the TON account to be paid (default: this home's wallet)")
  .option('--price <gram>', 'a million completion tokens')
  .option('--prompt-price <gram>', 'a million prompt tokens')
  .option('--slots <n>', 'requests decoded at once')
  .option('--settler <peer id>', 'hand vouchers to this settler, or with `market` to the best that is found')
  .addHelpText(
    'after',
    examples(
      ['silkmesh join --bootstrap /ip4/203.0.113.7/tcp/4001/p2p/12D3… --model model.gguf --price 0.12', ''],
      ['silkmesh join --bootstrap … --engine-url http://127.0.0.1:8000/v1', 'in front of a server that runs already'],
      ['silkmesh join --endpoint http://127.0.0.1:8081/api/v2/jsonRPC', 'with the chain of `silkmesh chain`'],
    ),
  )

const provider = program
  .command('provider')
  .description('the provider that runs for this home')
  .exitOverride(refusal('silkmesh provider'))
  .addHelpText(
    'after',
    examples(
      ['silkmesh provider pause', 'take nothing new; what runs may finish'],
      ['silkmesh provider resume', ''],
      ['silkmesh join --set provider.schedule=22:00-07:00,sat,sun', 'pauses and resumes by itself'],
    ),
  )
for (const [verb, summary] of [
  ['pause', 'take no more requests, also after a restart, until it is resumed'],
  ['resume', 'take requests again'],
  ['status', 'whether it takes requests, and until when'],
] as const) {
  command(
    verb,
    summary,
    async () => {
      const module = await import('./provider.ts')
      return { run: (flags) => module.run(verb, flags) }
    },
    provider,
  )
}

mesh(command('up', 'use the mesh: an OpenAI-compatible gateway on this machine', () => import('./up.ts')))
  .option('--host <host>', 'where to listen (default: 127.0.0.1)')
  .option('--port <port>', 'the port (default: 8333)')
  .option('--allow-public', 'let other machines use the gateway')
  .option('--deposit <gram>', 'top the escrow up to this much first')
  .option('--hub <peer id>', 'pay providers through this hub')
  .addHelpText(
    'after',
    examples(
      ['silkmesh up --bootstrap /ip4/203.0.113.7/tcp/4001/p2p/12D3… --deposit 2', ''],
      ['silkmesh chat What is gossipsub?', 'then, in a second terminal'],
    ),
  )

mesh(command('settle', 'settle vouchers for others, for a fee or none', () => import('./settle.ts')))
  .option('--fee <percent>', 'of what is settled; providers pay it by voucher (default: 0%)')
  .option('--min-value <gram>', 'post no voucher that would pay less now (default: 0)')
  .option('--payout <address>', "the TON account that fees are paid to (default: this home's wallet)")
  .option('--no-watch', 'do not watch over vouchers of providers that are away')
  .addHelpText(
    'after',
    `\nIt tells the mesh what it asks, and providers that join with --settler market choose among all that do. It holds no
coins and cannot redirect any: a payout goes from the consumer's escrow straight to the provider. A provider pays the fee
out of an escrow of its own, after each settlement; one that does not is refused. The account of --payout must be of no
provider and no other settler.\n${examples(
      ['silkmesh settle --bootstrap /ip4/203.0.113.7/tcp/4001/p2p/12D3… --endpoint https://…', 'for nothing'],
      ['silkmesh settle --fee 0.5% --min-value 0.01 --bootstrap … --endpoint …', ''],
      ['silkmesh settle --fee 0.5% --json --bootstrap … --endpoint …', 'each event is one object'],
    )}`,
  )

mesh(command('hub', 'pay providers for consumers, and be settled with once', () => import('./hub.ts')))
  .option('--fee <percent>', 'of what is granted; consumers pay it by voucher (default: 0.5%)')
  .option('--deposit <gram>', 'top the escrow up to this much first: it is all that can be promised at once')
  .option('--payout <address>', "the TON account to be paid (default: this home's wallet)")
  .addHelpText(
    'after',
    `\nIt sees no prompt, and is trusted with one increment by each consumer that names it. The escrow and the account must be
of this hub alone: a home that is a consumer or a provider too needs another.\n${examples(
      ['silkmesh hub --deposit 100 --bootstrap /ip4/203.0.113.7/tcp/4001/p2p/12D3… --endpoint https://…', ''],
      ['silkmesh up --hub 12D3… --bootstrap … --endpoint …', 'at a consumer'],
    )}`,
  )

command('chat [question...]', 'talk to the mesh through a running gateway', () => import('./chat.ts'))
  .option('--model <name>', 'which model (default: the first the mesh serves)')
  .option('--url <url>', 'the gateway (default: the one running for this home)')
  .option('--key <key>', "its key (default: this home's)")
  .option('--max-tokens <n>', 'stop after this many')

command('ledger', 'what this home earned and spent, to the nano, and whether it adds up', () => import('./ledger.ts'))
  .option('--csv <file>', 'write every line as CSV; - is standard output')
  .option('--yes', 'replace the file of --csv where it is there: do not refuse')
  .option('--check', 'compare books, ledger and chain; ends with 1 where they differ')
  .option('--since <when>', 'only lines since so long ago, such as 30d, or since a date')
  .option('--accept <nano>', 'where they differ: believe this amount, which --check names')
  .option('--endpoint <url>', 'toncenter v2 API of the chain, for --check where no node runs')
  .option('--network <name>', 'local, testnet or mainnet: no endpoint of another chain is believed')
  .addHelpText(
    'after',
    `\nWhat each sum means: docs/settlement.md, "The ledger". A node that runs for this home is asked; where none does the books are read.\n${examples(
      ['silkmesh ledger', 'the sums, and the last lines'],
      ['silkmesh ledger --check', ''],
      ['silkmesh ledger --csv ledger.csv --since 2030-01-01', ''],
    )}`,
  )

command('explain [request]', 'how a request was routed, and why', () => import('./explain.ts')).addHelpText(
  'after',
  examples(
    ['silkmesh explain', 'the last one that the running gateway served'],
    ['silkmesh explain 5f0c2a91', "by its x-request-id, or the beginning of it; an answer's own id works too"],
  ),
)

const looking = (view: Command): Command =>
  mesh(view)
    .option('--wait <seconds>', 'how long to look', '5')
    .addHelpText('after', '\nWithout --bootstrap it asks the node that runs for this home.')

looking(command('models', 'what the mesh serves now, and at what price', () => import('./models.ts')))

looking(command('peers', 'who is found now, and what they ask', () => import('./peers.ts')))
  .addOption(
    new Option('--role <role>', 'whom to look for').choices(['provider', 'settler', 'hub']).default('provider'),
  )
  .addHelpText(
    'after',
    examples(
      ['silkmesh peers', 'providers, what they serve and their prices'],
      ['silkmesh peers --role settler', 'for join --settler …'],
      ['silkmesh peers --role hub', 'for up --hub …'],
    ),
  )

const wallet = program
  .command('wallet')
  .description('the TON wallet of this home, and its escrow')
  .exitOverride(refusal('silkmesh wallet'))
  .addHelpText(
    'after',
    examples(
      ['silkmesh wallet address', 'where to send coins to'],
      ['silkmesh wallet deposit 2', 'opens the escrow that requests are paid from'],
      ['silkmesh wallet unlock', 'begins to take it back; a day later:'],
      ['silkmesh wallet finalize', ''],
      ['silkmesh wallet deposit 2 --dry-run', 'shows the message, and sends nothing'],
      ['silkmesh wallet fund 2 --owner UQ…', "a link that opens an escrow from a phone's wallet, which owns it"],
    ),
  )
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
  )
    .option('--endpoint <url>', 'toncenter v2 API of the chain')
    .option('--network <name>', 'local, testnet or mainnet: no endpoint of another chain is believed')
    .option('--owner <address>', "who owns the escrow, such as a phone's wallet (default: this home's wallet)")
/** An order to the escrow: it can be looked at first, or given by another wallet. */
const orderCommand = (words: string, summary: string): Command =>
  walletCommand(words, summary)
    .option('--escrow <address>', 'an earlier escrow that `wallet balance` shows')
    .option('--dry-run', 'check and show the message, and send nothing')
    .option('--link', "print it as a link for the owner's wallet app, and send nothing")
    .option('--qr', 'print the link also as a QR code')
command('import', 'take the 24 words of a wallet from standard input', () => import('./import-wallet.ts'), wallet)
walletCommand('address', 'the addresses of wallet and escrow')
walletCommand('balance', 'what wallet and escrow hold')
walletCommand('faucet [gram]', 'coins from the faucet of a local chain (default: 10)')
walletCommand(
  'fund <gram>',
  'a link by which a wallet app pays: into the escrow it owns (--owner), or to this wallet',
).option('--qr', 'print the link also as a QR code')
walletCommand('deposit <gram>', 'from the wallet into the escrow, opening it where needed').option(
  '--dry-run',
  'check and show the message, and send nothing',
)
walletCommand('collect', 'settle now whatever this home was promised as a provider or a hub, however little')
  .option('--by-wallet', 'also what is too little for a message of its own: the wallet pays for it')
  .option('--dry-run', 'check and show the messages, and send nothing')
orderCommand('reserve <payee> <gram> <hours>', 'set aside for one provider')
orderCommand('unlock', 'begin to close the escrow; providers settle meanwhile')
orderCommand('cancel-unlock', 'keep the escrow open after all')
orderCommand('finalize', 'take back what is left once the delay is over')

const identity = program
  .command('identity')
  .description('the keys of this home: sealed, written down, restored, rotated')
  .exitOverride(refusal('silkmesh identity'))
  .addHelpText(
    'after',
    examples(
      ['silkmesh identity encrypt', 'asks for a passphrase, which each command then asks for'],
      ['silkmesh identity backup', 'the words for a piece of paper'],
      ['silkmesh identity restore --home ./new', 'the same identity, wallet and escrow from those words'],
      ['silkmesh identity rotate --bootstrap …', 'another identity and escrow; the old one is closed'],
      ['silkmesh up --passphrase-file /run/secrets/silkmesh', 'for services; or SILKMESH_PASSPHRASE'],
    ),
  )
const identityCommand = (verb: string, summary: string): Command =>
  command(
    verb,
    summary,
    async () => {
      const module = await import('./identity.ts')
      return { run: (flags) => module.run(verb, flags) }
    },
    identity,
  )
identityCommand('show', 'which identity this home has, and how its keys are kept')
identityCommand('encrypt', 'seal the keys by a passphrase')
identityCommand('decrypt', 'keep them readable to this user instead')
identityCommand('backup', 'print the words from which all of it can be restored')
  .option('--yes', 'nobody is looking: do not ask')
  .option('--reveal', 'with --json: the words too')
identityCommand('restore', 'into a new home, from the words of a backup')
  .option('--words-file <file>', 'read them here (default: asked for, or standard input)')
  .option('--rotation <n>', 'as the backup says where the identity was rotated', '0')
  .option('--encrypt', 'seal the keys by a passphrase at once')
mesh(
  command('rotate', 'a new identity and escrow; the old escrow begins to close', () => import('./rotate.ts'), identity),
)
  .option('--leave-debts', 'do not ask providers what the old key still owes')
  .option('--yes', 'it is meant: do not ask')

const keys = program
  .command('keys')
  .description('API keys for others, with budgets')
  .exitOverride(refusal('silkmesh keys'))
  .addHelpText(
    'after',
    examples(
      ['silkmesh keys add --name ci --budget 5 --budget-day 0.5 --expires 30d', 'prints the secret, once'],
      ['silkmesh keys list', 'what each may spend, has spent and has left'],
      ['silkmesh keys remove ci', ''],
    ),
  )
const keysCommand = (words: string, summary: string): Command =>
  command(
    words,
    summary,
    async () => {
      const module = await import('./keys.ts')
      const verb = words.split(' ')[0] ?? ''
      return { run: (flags, rest) => module.run(verb, flags, rest) }
    },
    keys,
  )
keysCommand('add', 'make a key; limits that are left out do not bind')
  .requiredOption('--name <name>', 'what to call it: small letters, digits, ".", "_" and "-"')
  .option('--budget <gram>', 'what it may spend in all')
  .option('--budget-day <gram>', 'what it may spend a day (UTC)')
  .option('--max-cost <gram>', 'what one request may cost')
  .option('--models <model,…>', 'the only models it may use, by name or key')
  .option('--expires <when>', 'a time from now such as 12h or 30d, or a date such as 2030-01-31 (0:00 UTC)')
keysCommand('list', 'all keys, and what each has spent and has left')
keysCommand('show <name>', 'one key, day by day')
keysCommand('remove <name>', 'refuse it from now on')

withParent(command('chain', 'a local TON chain with a faucet, for development', () => import('./chain.ts')))
  .option('--port <port>', 'the port', '8081')
  .option('--block-ms <ms>', 'time between blocks; 0 makes them at once (default: 400)')

command('config', 'every setting, its value, and where that came from', () => import('./config.ts'))
mesh(command('doctor', 'check this machine, and say how to fix what is wrong', () => import('./doctor.ts')))
  .option('--model <model>', 'the model to check')
  .option('--engine-url <url>', 'the server to check instead')
  .option('--port <port>', "the gateway's port to check")

// whoever read the output has gone (`| head`): the work goes on, unheard
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) endWith(error, process.argv.includes('--json'))
  else process.exitCode = error.exitCode === 0 ? 0 : 2 // help was shown
}
// every command has waited for its own work; libp2p's debounce timers would hold the process two seconds longer
process.stdout.write('', () => process.exit())

function collect(text: string, before: readonly (readonly [string, string])[]): readonly (readonly [string, string])[] {
  return [...before, parseAssignment(text)]
}

/** Wrong words as any other mistake; what commander shows by itself, such as help, stays its own. */
function refusal(name: string): (error: CommanderError) => void {
  return (error) => {
    if (!error.message.startsWith('error: ')) throw error
    const message = error.message
      .slice('error: '.length)
      .replace(/\n\(Did /, ' (did ')
      .replace(/\.$/, '')
    throw new MeshError('bad-request', `${message}; \`${name} --help\` shows what is expected`)
  }
}

function examples(...lines: readonly (readonly [line: string, comment: string])[]): string {
  const width = Math.max(...lines.filter(([, comment]) => comment !== '').map(([line]) => line.length))
  const shown = lines.map(([line, comment]) => (comment === '' ? line : `${line.padEnd(width)}  # ${comment}`))
  return `\nExamples:\n${shown.map((line) => `  ${line}`).join('\n')}`
}

/** The package's own; its manifest lies two folders up, in a checkout and in a build. */
function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return manifest.version
}
