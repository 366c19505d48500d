// `sim figure`: a sweep as a picture and a table for a document.

import { writeFileSync } from 'node:fs'
import { figureOf, figureSvg, figureTable } from '../report/figure.ts'
import { runsIn } from './compare.ts'

interface FigureFlags {
  readonly metrics: string
  readonly out: string
}

export async function figure(dirs: readonly string[], { metrics, out }: FigureFlags): Promise<void> {
  const made = figureOf(await runsIn(dirs), metrics.split(','))
  writeFileSync(out, figureSvg(made))
  process.stdout.write(`${figureTable(made)}\n\n${out}\n`)
}
