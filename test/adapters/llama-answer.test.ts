// What is told apart in an answer, over a vocabulary where every split of every text can be made: calls, thoughts, text.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AnswerPlan, AnswerReader, type Released } from '../../node/adapters/llama/answer.ts'
import { type CallSyntax, callSyntaxOf, type Piece } from '../../node/adapters/llama/call-syntax.ts'
import type { GrammarState } from '../../node/adapters/llama/grammar.ts'
import { JsonScan } from '../../node/adapters/llama/json-scan.ts'
import { TokenTexts } from '../../node/adapters/llama/text.ts'
import type { ToolCallDelta, Tools } from '../../protocol/task.ts'

const special = (text: string): Piece => ({ text, isSpecial: true })
const plain = (text: string): Piece => ({ text, isSpecial: false })
const read = (text: readonly Piece[]): readonly Piece[] => text

const syntaxOf = (settings: Parameters<typeof callSyntaxOf<readonly Piece[]>>[0]): CallSyntax => {
  const syntax = callSyntaxOf(settings, read, ['<|im_end|>', '</s>', '<|eot_id|>'])
  if (!syntax) throw new Error('no syntax')
  return syntax
}

/** As Qwen and Hermes write calls. */
const tagged = syntaxOf({
  call: {
    prefix: [special('<tool_call>'), plain('\n{"name": "')],
    paramsPrefix: [plain('", "arguments": ')],
    suffix: [plain('}\n'), special('</tool_call>')],
    emptyCallParamsPlaceholder: {},
  },
  parallelism: {
    call: { sectionPrefix: [], betweenCalls: [plain('\n')], sectionSuffix: [special('<|im_end|>\n')] },
  },
})
/** As node-llama-cpp has any other model write them. */
const general = syntaxOf({
  call: {
    prefix: [plain('||call: ')],
    paramsPrefix: [special('(')],
    suffix: [special(')')],
    emptyCallParamsPlaceholder: '',
  },
})
const tools: Tools = {
  list: [
    { name: 'look', description: '', parameters: '{}' },
    { name: 'look_up', description: '', parameters: '{}' },
    { name: 'now', description: '', parameters: '' },
  ],
  choice: 'auto',
  isParallel: true,
}

interface Told {
  readonly text: string
  readonly reasoning: string
  readonly calls: readonly { readonly name: string; readonly arguments: string }[]
  readonly tokenIds: readonly number[]
}

function told(released: readonly Released[]): Told {
  const calls: { name: string; arguments: string }[] = []
  for (const { arguments: piece, index, name } of released.flatMap(
    (each): readonly ToolCallDelta[] => each.toolCalls,
  )) {
    calls[index] ??= { name: '', arguments: '' }
    const call = calls[index]
    if (!call) continue
    call.name += name ?? ''
    call.arguments += piece
  }
  return {
    text: released.map((each) => each.text).join(''),
    reasoning: released.map((each) => each.reasoning).join(''),
    calls,
    tokenIds: released.flatMap((each) => [...each.tokenIds]),
  }
}

const anything: GrammarState = { state: {} as GrammarState['state'], accept: () => true }
/** The grammar decides what is a call; here by whether a known name follows. */
const callable = ['\n{"name": "look_up"', '\n{"name": "now"', ' now()']
const grammars = {
  start: (_: string, begun = ''): GrammarState | undefined =>
    callable.some((call) => call.startsWith(begun)) ? anything : undefined,
}

/** All that was released from token `from` on, the others being resumed. */
function run(chunks: readonly string[], plan: AnswerPlan, from = 0): Released[] {
  const detokenize = (ids: readonly number[]): string => ids.map((id) => chunks[id]).join('')
  const reader = new AnswerReader(new TokenTexts(detokenize, []), plan, { grammars, newCallId: () => 'call' })
  const released: Released[] = []
  for (const id of chunks.keys()) {
    const next = reader.push({ tokenId: id }, id < from)
    if (id >= from) released.push(next)
    else expect(next).toMatchObject({ text: '', reasoning: '', toolCalls: [], tokenIds: [] })
    if (next.stopped || reader.isDone) return released
  }
  released.push(reader.flush())
  return released
}

function split(text: string, sizes: readonly number[]): string[] {
  const chunks: string[] = []
  for (let at = 0, turn = 0; at < text.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1
    chunks.push(text.slice(at, at + size))
    at += size
  }
  return chunks
}

const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 6 })
const withCalls = (syntax: CallSyntax, over: Partial<AnswerPlan> = {}): AnswerPlan => ({
  stops: [],
  ends: [],
  calls: { syntax, tools, grammar: 'calls' },
  ...over,
})
const thought = { prefix: '<think>', suffix: '</think>' }

const twoCalls =
  'Let me see.<tool_call>\n{"name": "look_up", "arguments": {"a": "}\\"{", "b": [1, {}]}}\n</tool_call>\n' +
  '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
const bothCalls = [
  { name: 'look_up', arguments: '{"a": "}\\"{", "b": [1, {}]}' },
  { name: 'now', arguments: '{}' },
]

describe('calls', () => {
  test('are told by index, name and arguments, whatever the split into tokens', () => {
    fc.assert(
      fc.property(sizes, (each) => {
        const chunks = split(twoCalls, each)
        const all = told(run(chunks, withCalls(tagged)))
        expect(all).toEqual({ text: 'Let me see.', reasoning: '', calls: bothCalls, tokenIds: [...chunks.keys()] })
      }),
    )
  })

  test('stream their arguments as they are written', () => {
    const chunks = split('<tool_call>\n{"name": "look", "arguments": {"a": 12345}}\n</tool_call>', [1])
    const pieces = run(chunks, withCalls(tagged)).flatMap((each) => each.toolCalls)
    expect(pieces[0]).toEqual({ index: 0, id: 'call', name: 'look', arguments: '' })
    expect(pieces.slice(1).map((piece) => piece.arguments)).toEqual([...'{"a": 12345}'])
  })

  test('go on where they were cut, at any token, and nothing is told twice', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), (each, at) => {
        const chunks = split(`<think>hm</think>\n\n${twoCalls}`, each)
        const plan = withCalls(tagged, { thought })
        const whole = run(chunks, plan)
        // A cut is after a delta: ids that were released.
        const pushes = at % chunks.length
        const before = told(whole.slice(0, pushes))
        const after = told(run(chunks, plan, before.tokenIds.length))
        expect(before.text + after.text).toBe('Let me see.')
        expect(before.reasoning + after.reasoning).toBe('hm')
        expect([...before.tokenIds, ...after.tokenIds]).toEqual([...chunks.keys()])
        const joined = bothCalls.map((_, index) => ({
          name: `${before.calls[index]?.name ?? ''}${after.calls[index]?.name ?? ''}`,
          arguments: `${before.calls[index]?.arguments ?? ''}${after.calls[index]?.arguments ?? ''}`,
        }))
        expect(joined).toEqual(bothCalls)
      }),
      { numRuns: 300 },
    )
  })

  test('of a tool without parameters have an empty object for arguments', () => {
    expect(told(run(split('||call: now()', [3]), withCalls(general))).calls).toEqual([{ name: 'now', arguments: '{}' }])
  })

  test('are one an answer where the chat has no way to write two', () => {
    const chunks = split('||call: now()||call: now()', [1])
    const all = told(run(chunks, withCalls(general)))
    expect(all.calls).toHaveLength(1)
    expect(all.tokenIds).toHaveLength('||call: now()'.length)
  })

  test('that name no tool are text', () => {
    const chunks = ['Say ', '<tool_call>nothing', ' more']
    expect(told(run(chunks, withCalls(tagged)))).toMatchObject({
      text: chunks.join(''),
      calls: [],
      tokenIds: [0, 1, 2],
    })
  })

  test('are not looked for where there are no tools', () => {
    expect(told(run(split(twoCalls, [4]), { stops: [], ends: [] })).text).toBe(twoCalls)
  })

  test('have no syntax where nothing separates name and arguments', () => {
    const call = { prefix: [special('<call>')], paramsPrefix: [], suffix: [] }
    expect(callSyntaxOf({ call }, read, [])).toBeUndefined()
  })

  test('end before the token that ends the answer, which no grammar can hold', () => {
    const mistral = syntaxOf({
      call: { prefix: [plain('{"name": "')], paramsPrefix: [plain('", "arguments": ')], suffix: [plain('}')] },
      parallelism: {
        call: {
          sectionPrefix: [special('[TOOL_CALLS]'), plain('[')],
          betweenCalls: [plain(', ')],
          sectionSuffix: [plain(']'), special('</s>')],
        },
      },
    })
    expect(mistral).toMatchObject({ trigger: '[TOOL_CALLS]', rest: '[{"name": "', between: ', {"name": "', end: ']' })
    const last = syntaxOf({
      call: { prefix: [special('<f=')], paramsPrefix: [special('>')], suffix: [special('</f><|eot_id|>')] },
    })
    expect([last.suffix('look'), last.between]).toEqual(['</f>', undefined])
  })
})

describe('thoughts', () => {
  test('are told apart from the answer, without the blanks around them', () => {
    fc.assert(
      fc.property(sizes, (each) => {
        const chunks = split('<think>\none < two\n</think>\n\nTwo.', each)
        const all = told(run(chunks, { stops: [], ends: [], thought }))
        expect([all.reasoning.trimEnd(), all.text, all.tokenIds.length]).toEqual(['one < two', 'Two.', chunks.length])
      }),
    )
  })

  test('begin with the answer where the prompt has opened one', () => {
    const plan = { stops: [], ends: [], thought: { prefix: undefined, suffix: '</think>' }, opensInThought: true }
    expect(told(run(split('hm</think>Yes', [2]), plan))).toMatchObject({ reasoning: 'hm', text: 'Yes' })
  })

  test('that never end are all that was said', () => {
    expect(told(run(split('<think>on and on </thi', [5]), { stops: [], ends: [], thought }))).toMatchObject({
      reasoning: 'on and on </thi',
      text: '',
    })
  })

  test('are not ended by a stop string of the caller, and by one of the chat format are', () => {
    const plan = { stops: ['END'], ends: ['<|im_end|>'], thought }
    const [text, broken] = ['<think>END</think>aENDb', '<think>a<|im_end|>b']
    expect(told(run(split(text, [2]), plan))).toMatchObject({ reasoning: 'END', text: 'a' })
    expect(told(run(split(broken, [2]), plan))).toMatchObject({ reasoning: 'a', text: '' })
  })

  test('and the names of channels around messages are not shown', () => {
    const frames = ['<|end|>', '<|start|>assistant', '<|channel|>final<|message|>']
    const said = '<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Hello'
    const plan = {
      stops: [],
      ends: [],
      frames,
      thought: { prefix: '<|channel|>analysis<|message|>', suffix: '<|end|>' },
    }
    fc.assert(
      fc.property(sizes, (each) => {
        expect(told(run(split(said, each), plan))).toMatchObject({ reasoning: 'hm', text: 'Hello' })
      }),
    )
  })
})

describe('the end of a JSON value', () => {
  test('is found wherever it is cut', () => {
    fc.assert(
      fc.property(fc.jsonValue(), sizes, fc.constantFrom('}', ']', ' ', '\n', ','), (value, each, after) => {
        const text = JSON.stringify(value)
        const scan = new JsonScan()
        let length = 0
        for (const piece of split(`${text}${after}rest`, each)) {
          const end = scan.feed(piece)
          length += end ?? piece.length
          if (end !== undefined) break
        }
        expect(length).toBe(text.length)
      }),
    )
  })
})
