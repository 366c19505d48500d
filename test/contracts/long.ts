// `npm run fuzz:contract -- --steps 100000 [--seed n]`: the property test of the contract for as long as asked, with the seed that repeats it;
// `-- --mutants` has it find the faults of mutants.ts.

import { Command } from 'commander'
import { EscrowRun } from './account.ts'
import { History, unlockDelaySec } from './history.ts'
import { codeOf, mutants } from './mutants.ts'
import { historyOf, historySteps, type Step } from './steps.ts'

const mutantSteps = 2_000

const {
  steps,
  seed,
  mutants: isOfMutants,
} = new Command('fuzz:contract')
  .description('Holds the escrow to its model over random histories; every history is repeated by its seed.')
  .option('--steps <n>', 'in all, in histories of fifty', natural, 100_000)
  .option('--seed <n>', 'of the first history; each next one has the next', natural, Math.floor(Date.now() / 1_000))
  .option('--mutants', 'whether it finds known faults, each within 2 000 steps')
  .parse()
  .opts<{ steps: number; seed: number; mutants?: boolean }>()

if (isOfMutants) await findMutants()
else await run()

async function run(): Promise<void> {
  const startMs = performance.now()
  const seen = new Map<string, number>()
  const on = await EscrowRun.open(unlockDelaySec)
  console.log(`seed ${seed}, ${steps} steps`)
  for (let index = 0, done = 0; done < steps; index += 1, done += historySteps) {
    const history = historyOf(seed + index)
    const failure = await failureOf(on, history, seen)
    if (failure) {
      console.log(`\n${failure.message}\nhistory of seed ${seed + index}; shortest that fails the same way:`)
      for (const step of await shortest(on, history, failure.message.slice(0, 12))) console.log(`  ${show(step)}`)
      console.log(`repeat: npm run fuzz:contract -- --seed ${seed + index} --steps ${historySteps}`)
      process.exit(1)
    }
    if (index % 20 === 19 || done + historySteps >= steps) {
      const perSecond = (1_000 * (done + historySteps)) / (performance.now() - startMs)
      console.log(`${done + historySteps} steps, ${perSecond.toFixed(0)} a second, 0 violations`)
    }
  }
  for (const [what, count] of [...seen].sort(([, a], [, b]) => b - a))
    console.log(`${String(count).padStart(9)}  ${what}`)
}

async function findMutants(): Promise<void> {
  for (const mutant of mutants) {
    const on = await EscrowRun.open(unlockDelaySec, await codeOf(mutant))
    let [failure, taken]: [Error | undefined, number] = [undefined, 0]
    for (; !failure && taken < mutantSteps; taken += historySteps) {
      failure = await failureOf(on, historyOf(seed + taken / historySteps))
    }
    console.log(
      `${failure ? 'found' : 'MISSED'} within ${taken} steps: ${mutant.fault}${failure ? `; ${failure.message.slice(0, 12)}` : ''}`,
    )
    if (!failure) process.exitCode = 1
  }
}

async function failureOf(
  on: EscrowRun,
  steps: readonly Step[],
  seen = new Map<string, number>(),
): Promise<Error | undefined> {
  try {
    const history = await History.begin(on, seen)
    for (const step of steps) await history.take(step)
    await history.end()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Leaves out every step without which it fails as well. */
async function shortest(on: EscrowRun, history: readonly Step[], how: string): Promise<readonly Step[]> {
  let sofar = history
  for (let at = history.length - 1; at >= 0; at -= 1) {
    const without = sofar.toSpliced(at, 1)
    if ((await failureOf(on, without))?.message.startsWith(how)) sofar = without
  }
  return sofar
}

function show(step: Step): string {
  return JSON.stringify(step, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))
}

function natural(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${text}, expected a whole number`)
  return value
}
