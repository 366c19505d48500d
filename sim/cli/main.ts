// `npm run sim --`: one file a command; this one reads the words.

import { Command, CommanderError, Option } from 'commander'
import { fail } from './terminal.ts'

const program = new Command('sim')
  .description('Many peers, one seed, the production code: runs scenarios and shows what came of them.')
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  sim run sim/scenarios/smoke.yaml          a first report in seconds
  sim sweep sim/scenarios/swarm.yaml        many seeds, in parallel
  sim validate                              the simulator against published results
Docs: docs/simulation.md`,
  )

const tier = (): Option =>
  new Option('--tier <tier>', 'what runs: modelled ports, real libp2p, or real processes').choices([
    'model',
    'libp2p',
    'process',
  ])

const running = (command: Command): Command =>
  command
    .addOption(tier())
    .option('--out <dir>', 'where results go', 'out')
    .option('--json', 'print one JSON object at the end')
    .option('--quiet', 'no progress')

running(program.command('run <scenario>').description('one run, and its report'))
  .option('--seed <n>', 'instead of the first seed of the scenario')
  .option('--until <time>', 'end at this virtual time, such as 12m; goes to a folder of its own')
  .option('--events', 'also write everything every node said (events.jsonl)')
  .action(async (file, flags) => (await import('./run.ts')).run(file, flags))

running(
  program
    .command('serve <scenario>')
    .description('one run, watched live in a browser; its report stays there until Ctrl-C'),
)
  .option('--seed <n>', 'instead of the first seed of the scenario')
  .option('--until <time>', 'end at this virtual time, such as 12m; goes to a folder of its own')
  .option('--port <port>', '0 takes a free one', '8380')
  .action(async (file, flags) => (await import('./run.ts')).run(file, { ...flags, serve: true }))

running(program.command('sweep <scenario>').description('all seeds and all points of a sweep, in parallel processes'))
  .option('--jobs <n>', 'processes at once (default: one a core)')
  .option('--seeds <list>', 'instead of those of the scenario: 7, or 0..99, or 1,4,9')
  .option('--shard <i/n>', 'only every n-th run, for one job of a cluster: 1/8')
  .action(async (file, flags) => (await import('./sweep.ts')).sweep(file, flags))

program
  .command('merge <dirs...>')
  .description('one comparison from the outputs of several shards')
  .option('--out <dir>', 'where it goes', 'out/merged')
  .option('--json', 'print one JSON object')
  .action(async (dirs, flags) => (await import('./sweep.ts')).merge(dirs, flags))

program
  .command('xval [scenario]')
  .description('the same scenario in two tiers, compared: fails where they disagree')
  .option('--tiers <a,b>', 'which two', 'model,libp2p')
  .option('--seed <n>', 'instead of the first seed of the scenario')
  .option('--out <dir>', 'where results go', 'out')
  .option('--json', 'print one JSON object')
  .option('--quiet', 'no progress')
  .action(async (file, flags) => (await import('./xval.ts')).xval(file ?? 'sim/scenarios/xval-50.yaml', flags))

program
  .command('dht')
  .description('nothing but Kademlia: lookups among very many peers')
  .option('--peers <n>', 'how many', '1000000')
  .option('--lookups <n>', 'over an hour of virtual time', '20000')
  .option('--k <n>', 'entries a bucket', '20')
  .option('--alpha <n>', 'queries at once', '3')
  .option('--seed <n>', 'of the run', '1')
  .option('--churn', 'peers come and go as those of IPFS')
  .option('--json', 'print one JSON object')
  .option('--quiet', 'no progress')
  .action(async (flags) => (await import('./dht.ts')).dht(flags))

program
  .command('validate [what]')
  .description('the simulator’s parts against published results; `sim validate` alone runs them all')
  .addHelpText(
    'after',
    `
What: kademlia, liveness, churn, gossip, fanout, queue, engine, engine-spec, trace, payments

Examples:
  sim validate kademlia --k 20 --n 10000 --json
  sim validate queue --lambda 0.9 --choices 2
  sim validate gossip --n 1000 --degree 6 --size 10240 --latency 100 --validation 12
  sim validate engine --log requests.jsonl --profile rtx4090-llama3.1-8b
  sim validate trace --csv requests.csv`,
  )
  .option('--k <n>', 'kademlia: entries a bucket')
  .option('--n <n>', 'kademlia, gossip: peers')
  .option('--lambda <x>', 'queue: arrivals a server and unit of time, below 1')
  .option('--choices <d>', 'queue: servers looked at by each arrival')
  .option('--degree <d>', 'gossip: mesh neighbours')
  .option('--size <bytes>', 'gossip: of a message')
  .option('--latency <ms>', 'gossip: one way')
  .option('--validation <ms>', 'gossip: before a hop forwards')
  .option('--log <file>', 'engine: requests a real engine served, JSON lines or CSV')
  .option('--profile <name|file>', 'engine: the modelled engine')
  .option('--csv <file>', 'trace: requests with TIMESTAMP, ContextTokens, GeneratedTokens')
  .option('--seed <n>', 'of the simulation', '1')
  .option('--write', 'bring the table of docs/simulation.md up to date')
  .option('--json', 'print one JSON object: of a part the figures it is asked for, without all it measured')
  .action(async (what, flags) => (await import('./validate.ts')).validate(what, flags))

program
  .command('replay <run>')
  .description('runs again what an output folder holds')
  .option('--until <time>', 'end at this virtual time, such as 12m30s; goes to a folder of its own')
  .option('--events', 'also write everything every node said')
  .option('--out <dir>', 'where results go', 'out')
  .option('--json', 'print one JSON object at the end')
  .option('--quiet', 'no progress')
  .action(async (dir, flags) => (await import('./run.ts')).replay(dir, flags))

program
  .command('compare <a> <b>')
  .description('two outputs, figure by figure')
  .option('--json', 'print one JSON object')
  .action(async (a, b, flags) => (await import('./compare.ts')).compare(a, b, flags))

program
  .command('figure <dirs...>')
  .description('a sweep as an SVG and a Markdown table, for a document')
  .requiredOption('--metrics <list>', 'figures of the summary, with commas between')
  .option('--out <file>', 'where the picture goes', 'figure.svg')
  .action(async (dirs, flags) => (await import('./figure.ts')).figure(dirs, flags))

program
  .command('calibrate [what]')
  .description('measures this machine’s handshakes, signatures and codecs, or fits an engine’s profile to its log')
  .option('--log <file>', 'engine: requests a real engine served, JSON lines or CSV')
  .option('--base <name|file>', 'engine: the profile to start from')
  .option('--limits <log|base>', 'engine: batch and memory limits read from the log, or those of the base', 'log')
  .option('--out <file>', 'where the table or profile goes')
  .option('--json', 'print one JSON object')
  .action(async (what, flags) => (await import('./calibrate.ts')).calibrate(what ?? 'costs', flags))

for (const command of program.commands) command.exitOverride()

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) fail(error)
  else process.exitCode = error.exitCode === 0 ? 0 : 2 // said already
}
