// `npm run crash -- --iterations 1000 [--seed n] [--role r] [--point p]`: real nodes killed with SIGKILL at named points, started again,
// and held to the nano; a failure says what repeats it.

import { Command, InvalidArgumentError, Option } from 'commander'
import type { Nano } from '../../protocol/money.ts'
import { type Point, passesMax, points, pointsOf, type Role, roles } from './points.ts'
import { measureRecovery } from './recovery.ts'
import { type Draw, iterationsMax, promptNano, Stage, windowNano } from './stage.ts'

interface Options {
  readonly iterations: number
  readonly seed: number
  readonly first: number
  readonly role?: Role
  readonly point?: Point
  readonly json?: true
  readonly recovery?: true
}

const options = new Command('crash')
  .description('Kills nodes at named points, starts them again, and compares wire, books and chain to the nano.')
  .option('--iterations <n>', 'kills in all, spread over the roles', natural, 1_000)
  .option('--seed <n>', 'of the whole run', natural, Math.floor(Date.now() / 1_000))
  .option('--first <n>', 'begin with this iteration, as a failure says', natural, 0)
  .addOption(new Option('--role <role>', 'only this one is killed').choices(roles))
  .addOption(new Option('--point <point>', 'only there').choices(Object.keys(points)))
  .option('--recovery', 'kill nothing: how long the books of 100 000 vouchers take to open')
  .option('--json', 'one object with the figures at the end, and nothing else')
  .addHelpText(
    'after',
    `\nPoints:\n${Object.entries(points)
      .map(([name, what]) => `  ${name.padEnd(20)}${what}`)
      .join('\n')}`,
  )
  .parse()
  .opts<Options>()

process.exitCode = options.recovery ? await showRecovery(options) : await run(options)

async function showRecovery({ json }: Options): Promise<number> {
  for (const channels of [1_000, 100_000]) {
    const found = await measureRecovery(100_000, channels)
    const { bytes, openMs, processorMs, readMs, vouchers } = found
    const megabytes = (bytes / 1e6).toFixed(0)
    if (json) console.log(JSON.stringify(found))
    else
      console.log(
        `${vouchers} vouchers of ${channels} payers, ${megabytes} MB: opened in ${openMs} ms, read in ${readMs} ms, ${processorMs} ms of processor time`,
      )
  }
  return 0
}

async function run({ first, iterations, json, point, role: only, seed }: Options): Promise<number> {
  const killed = roles.filter((role) => only === undefined || role === only)
  const able = killed.filter((role) => point === undefined || pointsOf(role).includes(point))
  if (able.length === 0) throw new RangeError(`no ${only ?? 'role'} passes ${point}`)
  const startMs = performance.now()
  const tally = new Map<string, number>()
  const startsMs: number[] = []
  let [done, providerNano, consumerNano]: [number, Nano, Nano] = [0, 0n, 0n]
  for (const [at, role] of able.entries()) {
    const share = Math.floor(iterations / able.length) + (at < iterations % able.length ? 1 : 0)
    for (let begun = 0; begun < share; begun += iterationsMax) {
      await using stage = await Stage.open(role)
      for (let index = begun; index < Math.min(share, begun + iterationsMax); index += 1) {
        const iteration = first + index
        const draw = drawOf(seed, role, iteration, point)
        try {
          const loss = await stage.iterate(draw)
          if (loss.providerNano > providerNano) providerNano = loss.providerNano
          if (loss.consumerNano > consumerNano) consumerNano = loss.consumerNano
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error)
          const repeat = `npm run crash -- --seed ${seed} --role ${role} --point ${draw.point} --first ${iteration} --iterations 1`
          if (json) console.log(JSON.stringify({ ok: false, seed, role, iteration, draw, message, repeat }))
          else
            console.log(
              `\n✗ ${role}, ${draw.point} at passing ${draw.passes}, iteration ${iteration}, seed ${seed}\n${message}\nrepeat: ${repeat}`,
            )
          return 1
        }
        startsMs.push(stage.startMs)
        const key = `${role} ${draw.point}`
        tally.set(key, (tally.get(key) ?? 0) + 1)
        done += 1
        if (!json && (done % 20 === 0 || done === iterations)) {
          const seconds = (performance.now() - startMs) / 1_000
          console.log(
            `${done} of ${iterations} kills, ${(seconds / done).toFixed(2)} s each, now ${role}, 0 violations`,
          )
        }
      }
    }
  }
  const seconds = (performance.now() - startMs) / 1_000
  const startMsMedian = startsMs.toSorted((a, b) => a - b)[Math.floor(startsMs.length / 2)] ?? 0
  if (json) {
    const kills = Object.fromEntries([...tally].sort())
    console.log(
      JSON.stringify({
        ok: true,
        seed,
        iterations: done,
        seconds: Number(seconds.toFixed(1)),
        startMsMedian: Math.round(startMsMedian),
        providerLossNanoMax: providerNano.toString(),
        consumerLossNanoMax: consumerNano.toString(),
        windowNano: windowNano.toString(),
        promptNano: promptNano.toString(),
        kills,
      }),
    )
    return 0
  }
  for (const [key, count] of [...tally].sort()) console.log(`${String(count).padStart(6)}  ${key}`)
  console.log(
    `${done} kills in ${seconds.toFixed(0)} s, seed ${seed}: nothing acknowledged was lost, nothing counted twice.\n` +
      `Most lost by one kill: provider ${tokensOf(providerNano)} tokens' worth of a window of ${tokensOf(windowNano)}, ` +
      `consumer ${tokensOf(consumerNano)} (prompt ${tokensOf(promptNano)}); from start to serving ${startMsMedian.toFixed(0)} ms in the median.`,
  )
  return 0
}

/** Nothing but the seed, the role and the iteration says what happens in it. */
function drawOf(seed: number, role: Role, iteration: number, only: Point | undefined): Draw {
  const random = mulberry(Math.imul(seed, 0x9e3779b1) ^ Math.imul(iteration + 1, 0x85ebca6b) ^ roles.indexOf(role))
  const able = pointsOf(role)
  const drawn = able[Math.floor(random() * able.length)] ?? 'before-write'
  const point = only ?? drawn
  const passes = 1 + Math.floor(random() * passesMax(role, point))
  const requests = Array.from({ length: random() < 0.5 ? 1 : 2 }, () => 5 + Math.floor(random() * 160))
  return { point, passes, requests }
}

function mulberry(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function tokensOf(nano: Nano): string {
  return (Number(nano) / Number(windowNano / 64n)).toFixed(1)
}

function natural(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new InvalidArgumentError('expected a whole number')
}
