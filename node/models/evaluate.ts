// Asks the built-in model, or another, the questions of train/corpus.py that it was not trained on, greedily, and counts exact answers.
//   python3 node/models/train/corpus.py node/models/train/facts.txt corpus.jsonl eval.json 1
//   node node/models/evaluate.ts eval.json [MODEL.gguf]

import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { startLlamaEngine } from '../adapters/llama/engine.ts'

interface Question {
  readonly kind: string
  readonly q: string
  readonly ok: readonly string[]
}

const [path, model = 'builtin'] = process.argv.slice(2)
if (path === undefined) throw new RangeError('give the path of the eval.json that train/corpus.py wrote')
/** The file was trained before the payment promise was called a voucher; see README.md. */
const trainedWording = (text: string): string => text.replace(/voucher/g, 'receipt').replace(/Voucher/g, 'Receipt')
const wording = model === 'builtin' ? trainedWording : (text: string): string => text
const questions = JSON.parse(readFileSync(path, 'utf8')) as readonly Question[]
const engine = await startLlamaEngine({ model, modelsDir: tmpdir() })
const [served] = engine.models
const { signal } = new AbortController()

async function isRight({ q, ok }: Question): Promise<boolean> {
  const messages = [{ role: 'user', content: wording(q) }] as const
  const sampling = { temperature: 0, tokensMax: 128 }
  if (!served) throw new Error('the engine serves no model')
  const prompt = await engine.prepare({ model: served.key, messages, sampling, resumeTokenIds: [] }, signal)
  let text = ''
  for await (const delta of engine.generate(prompt, signal)) text += delta.text
  return ok.some((answer) => wording(answer) === text.trim())
}

const scores = new Map<string, { right: number; all: number }>()
const queue = [...questions]
async function work(): Promise<void> {
  for (let question = queue.shift(); question; question = queue.shift()) {
    const score = scores.get(question.kind) ?? { right: 0, all: 0 }
    scores.set(question.kind, score)
    score.all += 1
    if (await isRight(question)) score.right += 1
  }
}
await Promise.all(Array.from({ length: engine.slots }, work))
await engine.stop()
for (const [kind, { right, all }] of [...scores].sort()) {
  console.log(`${kind}: ${right} of ${all} (${Math.round((100 * right) / all)} %)`)
}
