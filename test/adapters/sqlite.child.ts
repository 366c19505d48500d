// A process for the store's tests to kill: appends numbered entries, and prints a number once its entry was acknowledged.

import { setImmediate as turn } from 'node:timers/promises'
import { openStore } from '../../node/adapters/sqlite.ts'

const [path = '', task = ''] = process.argv.slice(2)
const store = openStore({ path, entryBytesMax: 65_536 })

/** Bytes of an entry, its number in the first four. */
const entryBytes = 200

/** The log is cut back to its last few entries when it grows beyond this. */
const entriesMax = 400

if (task === 'hold') {
  console.log('holding')
  setInterval(() => {}, 60_000)
} else {
  await appendForEver()
}

async function appendForEver(): Promise<void> {
  let kept = (await store.read('numbers')).map((entry) => Buffer.from(entry).readUInt32LE(0))
  let next = (kept.at(-1) ?? -1) + 1
  for (let round = 0; ; round += 1) {
    const burst = Array.from({ length: 1 + (round % 7) }, () => next++)
    for (const number of burst) {
      store.append('numbers', entryOf(number)).then(
        () => console.log(number),
        (error: Error) => {
          console.error(error.message)
          process.exit(1)
        },
      )
    }
    kept.push(...burst)
    if (kept.length > entriesMax) {
      kept = kept.slice(-50)
      await store.rewrite('numbers', kept.map(entryOf))
    }
    await turn()
  }
}

function entryOf(number: number): Uint8Array {
  const entry = Buffer.alloc(entryBytes, number % 251)
  entry.writeUInt32LE(number, 0)
  return entry
}
