// `sim compare`: two outputs, figure by figure.

import { compareRuns } from '../report/compare.ts'
import { readRun } from '../report/read.ts'

export async function compare(a: string, b: string, { json }: { readonly json?: boolean }): Promise<void> {
  const compared = compareRuns(readRun(a), readRun(b))
  process.stdout.write(json ? `${JSON.stringify(compared.rows)}\n` : `${compared.text}\n`)
}
