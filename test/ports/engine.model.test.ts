// The modelled engine keeps the engine's contract, in virtual time.

import { declaredModelKeyOf } from '../../protocol/ids.ts'
import { Kernel, type Scheduler } from '../../sim/kernel.ts'
import { Life } from '../../sim/life.ts'
import { createModelEngine, loadProfile } from '../../sim/model/engine/engine.ts'
import { drawnTokensOf, promptDigest, promptTokensOf, tokenIdAt, tokenText } from '../../sim/model/engine/tokens.ts'
import { seededRandom } from '../../sim/random.ts'
import { engineContract } from './engine.contract.ts'

const model = 'modelled'
const question = 'What is a provider?'
const messages = [{ role: 'user', content: question }] as const
const answerTokens = drawnTokensOf(promptDigest(messages))

/** Virtual time that passes by itself as long as anything is to happen. */
function passingTime(): Scheduler {
  const kernel = new Kernel()
  let isPassing = false
  const pass = async (): Promise<void> => {
    while (kernel.waiting > 0) await kernel.run(Number.POSITIVE_INFINITY, () => kernel.waiting === 0)
    isPassing = false
  }
  return {
    now: () => kernel.now(),
    at: (atMs, act) => {
      if (!isPassing) setImmediate(pass)
      isPassing = true
      return kernel.at(atMs, act)
    },
  }
}

engineContract(
  'model',
  async () => {
    const life = new Life()
    const engine = createModelEngine({
      scheduler: passingTime(),
      profile: loadProfile('cpu-tiny'),
      model,
      life,
      random: seededRandom(1),
    })
    return { engine, stop: async () => life.end() }
  },
  {
    tokenIds: true,
    isReal: false,
    known: {
      question,
      promptTokens: promptTokensOf(messages),
      answer: Array.from({ length: answerTokens }, (_, at) =>
        tokenText(tokenIdAt(declaredModelKeyOf(model), promptDigest(messages), at)),
      ).join(''),
      answerTokens,
      longQuestion: 'Say something about TON.',
    },
  },
)
