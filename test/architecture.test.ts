// Who may import whom, and what policy may not touch. The simulator can run the real node only while this holds.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Import, scan } from './source-scan.ts'

const root = join(import.meta.dirname, '..')

/** A source by its path from the root, with `/`. */
interface Source {
  readonly path: string
  readonly text: string
}

interface Rule {
  /** Files it is about. */
  readonly of: RegExp
  readonly except?: RegExp
  /** What they may import: a path from the root, `node:…`, or a package's name. */
  readonly may: readonly RegExp[]
}

const anyPart = /^(protocol|node|contracts|sim|test)\//
const nodeFace = /^node\/(ports|events|config|inference|waits|dialogue|records)\.ts$/
const policy = (folder: string): readonly RegExp[] => [
  /^protocol\//,
  nodeFace,
  new RegExp(`^node/${folder}/`),
  /^node\/ledger\/(entries|journal|sheet)\.ts$/, // who counts tells what it counted
  /^it-pipe$/,
]

const simulation = [
  /^protocol\//,
  /^node\/ledger\/(entries|sums)\.ts$/,
  /^node\/(node|ports|events|config|inference|waits)\.ts$/,
  /^sim\//,
  isPackage(),
]

const rules: Record<string, Rule> = {
  'protocol imports nothing of ours, and packages for codecs and digests only': {
    of: /^protocol\//,
    except: /^protocol\/generate\.ts$/, // a build script
    may: [/^protocol\//, /^node:crypto$/, /^(@ton\/core|multiformats|protons-runtime|uint8arraylist|uint8arrays)$/],
  },
  'consumer knows the wire, the ports and itself': { of: /^node\/consumer\//, may: policy('consumer') },
  'the ledger knows the wire, the ports and itself': { of: /^node\/ledger\//, may: policy('ledger') },
  'settlement knows the wire, the ports and itself': { of: /^node\/settlement\//, may: policy('settlement') },
  'provider knows the wire, the ports, itself, and the book its vouchers go to': {
    of: /^node\/provider\//,
    may: [...policy('provider'), /^node\/settlement\/(book|channel)\.ts$/],
  },
  'a hub knows the wire, the ports, itself, and as who is paid a payer’s account and its book': {
    of: /^node\/hub\//,
    may: [...policy('hub'), /^node\/provider\/accounts\.ts$/, /^node\/settlement\/(book|channel)\.ts$/],
  },
  'gateway knows the wire, the ports and itself': {
    of: /^node\/gateway\//,
    except: /^node\/gateway\/(http|listen)\.ts$/,
    may: [...policy('gateway'), /^node:crypto$/], // digests of keys
  },
  'only the gateway’s two doors know HTTP': {
    of: /^node\/gateway\/(http|listen)\.ts$/,
    may: [...policy('gateway'), /^node:/, /^(hono|@hono\/node-server)$/],
  },
  'a node is composed without adapters, packages or node: modules': {
    of: /^node\/[^/]+\.ts$/,
    may: [/^protocol\//, /^node\/[^/]+\.ts$/, /^node\/(consumer|hub|ledger|provider|settlement)\//],
  },
  'an adapter knows ports, not policy': {
    of: /^node\/adapters\//,
    may: [
      /^protocol\//,
      /^contracts\//,
      /^node\/(ports|events|config|inference|waits)\.ts$/,
      /^node\/adapters\//,
      isPackage(),
    ],
  },
  'the command line sees a node from outside': {
    of: /^node\/cli\//,
    may: [
      /^protocol\//,
      /^contracts\//,
      /^node\/(node|ports|events|config|inference|waits)\.ts$/,
      /^node\/(cli|adapters|gateway)\//,
      /^node\/ledger\//, // told apart from a node, too
      /^node\/records\.ts$/, // the book of a home whose node is stopped
      // a look at the mesh by a peer that takes no part in it
      /^node\/(consumer\/directory|hub\/search|settlement\/market)\.ts$/,
      isPackage(),
    ],
  },
  'sim sees a node from outside': {
    of: /^sim\//,
    except: /^sim\/(coarse|libp2p|process)\/|^sim\/(model\/tvm-chain|calibrate)\.ts$/,
    may: simulation,
  },
  'the coarse simulation calls pure policy': {
    of: /^sim\/coarse\//,
    may: [
      ...simulation,
      /^node\/consumer\/selection\.ts$/,
      /^node\/provider\/(admission|advertiser|meter|pricing|turns)\.ts$/,
      /^node\/settlement\/channel\.ts$/,
    ],
  },
  'real libp2p under virtual time is the adapter itself, and so is what calibration measures': {
    of: /^sim\/(libp2p\/|calibrate\.ts)/,
    may: [...simulation, /^node\/adapters\/libp2p\//],
  },
  'real chains come from the contract': {
    of: /^sim\/(model\/tvm-chain\.ts|process\/)/,
    may: [...simulation, /^contracts\//, /^node\/adapters\//],
  },
}

/** Anything that is none of our files. */
function isPackage(): RegExp {
  return new RegExp(`^(?!${anyPart.source.slice(1)})`)
}

/** Ambient time, randomness, input and output: what a simulation could not repeat. Everything else comes by a port. */
const ambient =
  /(?<![\w$.#])(?:Date|performance|setTimeout|setInterval|setImmediate|queueMicrotask|process|fetch|crypto|globalThis)\b(?!\s*:)|\bMath\.random\b|\bAbortSignal\.timeout\b|\bcrypto\.subtle\b/g
const deterministic = /^(protocol\/(?!generate)|node\/(consumer|hub|ledger|provider|settlement)\/|node\/[^/]+\.ts$)/

function importsOf({ path, text }: Source): readonly (Import & { readonly target: string })[] {
  return scan(text).imports.map((found) => ({ ...found, target: targetOf(path, found.specifier) }))
}

function targetOf(path: string, specifier: string | undefined): string {
  if (specifier === undefined) return 'a computed module'
  if (specifier.startsWith('.')) return normalize(join(dirname(path), specifier)).replaceAll('\\', '/')
  if (isBuiltin(specifier)) return specifier.startsWith('node:') ? specifier : `node:${specifier}`
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

function violations(sources: readonly Source[], { of, except, may }: Rule): string[] {
  return sources
    .filter(({ path }) => of.test(path) && !except?.test(path))
    .flatMap((source) =>
      importsOf(source)
        .filter(({ target }) => !may.some((allowed) => allowed.test(target)))
        .map(({ target, line }) => `${source.path}:${line} imports ${target}`),
    )
}

/** `node/models/` holds the scripts that made the built-in model and measure it. */
function adapterImports(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => !/^(node\/(cli|adapters|models)|test|contracts|sim)\//.test(path))
    .flatMap((source) =>
      importsOf(source)
        .filter(({ target }) => target.startsWith('node/adapters/'))
        .map(({ target, line }) => `${source.path}:${line} imports ${target}`),
    )
}

function ambientUses(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => deterministic.test(path) && path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .flatMap(({ path, text }) => {
      const { code } = scan(text)
      return [...code.matchAll(ambient)].map(
        ({ 0: name, index }) => `${path}:${code.slice(0, index).split('\n').length} uses ${name}`,
      )
    })
}

/** Each cycle once, as the files along it. Type imports count too: files that need each other's types are one idea. */
function cycles(sources: readonly Source[]): string[] {
  const paths = new Set(sources.map(({ path }) => path))
  const graph = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source).flatMap(({ target }) => (paths.has(target) ? [target] : [])),
    ]),
  )
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) found.push([...trail.slice(start), path].join(' → '))
    if (start >= 0 || done.has(path)) return
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return found
}

function sourcesUnder(folder: string): Source[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((path) => /\.[cm]?[jt]s$/.test(path) && !path.includes('/node_modules/'))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

const sources = ['protocol', 'node', 'contracts', 'sim'].flatMap(sourcesUnder)

describe('the tree', () => {
  test.each(Object.entries(rules))('%s', (_, rule) => {
    expect(violations(sources, rule)).toEqual([])
  })

  test('only the command line, tests and other adapters import adapters', () => {
    expect(adapterImports(sources)).toEqual([])
  })

  test('a node never mentions the simulator', () => {
    const mentions = sources
      .filter(({ path }) => path.startsWith('node/'))
      .filter(({ text }) => /\bsim\//.test(scan(text).code))
    expect(mentions.map(({ path }) => path)).toEqual([])
    expect(
      sources
        .filter((source) => source.path.startsWith('node/'))
        .flatMap(importsOf)
        .filter(({ target }) => target.startsWith('sim/')),
    ).toEqual([])
  })

  test('tells people amounts in GRAM and shares in percent', () => {
    const told = sources.flatMap(({ path, text }) =>
      path.startsWith('node/')
        ? [...text.matchAll(/\$\{[^}]*\} (?:nano|ppm|millionths)\b/g)].map(([words]) => words)
        : [],
    )
    expect(told).toEqual([])
  })

  test('has no cycles', () => {
    expect(cycles(sources)).toEqual([])
  })

  test('policy touches no ambient time, randomness, input or output', () => {
    expect(ambientUses(sources)).toEqual([])
  })

  test('was found', () => {
    for (const rule of Object.values(rules)) {
      if (rule.of.source.includes('sim')) continue // comes later
      expect(sources.some(({ path }) => rule.of.test(path))).toBe(true)
    }
  })
})

describe('a made-up tree', () => {
  const source = (path: string, ...lines: readonly string[]): Source => ({ path, text: lines.join('\n') })
  const rule = (name: string): Rule => rules[name] ?? expect.unreachable(name)

  test.each([
    ['protocol imports nothing of ours, and packages for codecs and digests only', 'protocol/a.ts', '../node/ports.ts'],
    ['protocol imports nothing of ours, and packages for codecs and digests only', 'protocol/a.ts', 'node:fs'],
    ['protocol imports nothing of ours, and packages for codecs and digests only', 'protocol/a.ts', 'libp2p'],
    ['consumer knows the wire, the ports and itself', 'node/consumer/a.ts', '../provider/meter.ts'],
    ['consumer knows the wire, the ports and itself', 'node/consumer/a.ts', '../settlement/book.ts'],
    ['consumer knows the wire, the ports and itself', 'node/consumer/a.ts', '../node.ts'],
    ['consumer knows the wire, the ports and itself', 'node/consumer/a.ts', 'crypto'],
    ['settlement knows the wire, the ports and itself', 'node/settlement/a.ts', '../provider/meter.ts'],
    [
      'provider knows the wire, the ports, itself, and the book its vouchers go to',
      'node/provider/a.ts',
      '../settlement/settler.ts',
    ],
    [
      'provider knows the wire, the ports, itself, and the book its vouchers go to',
      'node/provider/a.ts',
      '../consumer/tab.ts',
    ],
    ['gateway knows the wire, the ports and itself', 'node/gateway/a.ts', 'hono'],
    ['gateway knows the wire, the ports and itself', 'node/gateway/a.ts', '../consumer/router.ts'],
    ['only the gateway’s two doors know HTTP', 'node/gateway/http.ts', 'express'],
    ['only the gateway’s two doors know HTTP', 'node/gateway/http.ts', '../node.ts'],
    ['a node is composed without adapters, packages or node: modules', 'node/node.ts', './adapters/sqlite.ts'],
    ['a node is composed without adapters, packages or node: modules', 'node/config.ts', 'yaml'],
    ['an adapter knows ports, not policy', 'node/adapters/a.ts', '../consumer/tab.ts'],
    ['an adapter knows ports, not policy', 'node/adapters/libp2p/a.ts', '../../node.ts'],
    ['the command line sees a node from outside', 'node/cli/a.ts', '../settlement/book.ts'],
    ['sim sees a node from outside', 'sim/a.ts', '../node/records.ts'],
    ['sim sees a node from outside', 'sim/a.ts', '../node/adapters/sqlite.ts'],
    ['sim sees a node from outside', 'sim/a.ts', '../node/consumer/tab.ts'],
  ])('breaks "%s": %s imports %s', (name, path, specifier) => {
    const guilty = source(path, '// a comment', `import { a } from '${specifier}'`)
    expect(violations([guilty], rule(name))).toEqual([`${path}:2 imports ${targetOf(path, specifier)}`])
  })

  test.each([
    ['node/provider/a.ts', '../settlement/book.ts'],
    ['node/provider/a.ts', '../../protocol/ids.ts'],
    ['node/gateway/http.ts', 'hono/streaming'],
    ['node/gateway/listen.ts', 'http'],
    ['node/cli/a.ts', '../adapters/sqlite.ts'],
    ['protocol/a.ts', 'multiformats/bases/base58'],
    ['protocol/generate.ts', 'node:fs'],
  ])('breaks nothing: %s imports %s', (path, specifier) => {
    const innocent = source(path, `import { a } from '${specifier}'`)
    expect(Object.values(rules).flatMap((each) => violations([innocent], each))).toEqual([])
  })

  test('an adapter imported from policy or from the root is found', () => {
    const text = "import { a } from './node/adapters/a.ts'"
    expect(adapterImports([{ path: 'build.ts', text }])).toEqual(['build.ts:1 imports node/adapters/a.ts'])
    expect(adapterImports([source('node/cli/a.ts', "import '../adapters/a.ts'")])).toEqual([])
  })

  test('a cycle is found, through type imports too', () => {
    const a = source('node/a.ts', "import { b } from './b.ts'")
    const b = source('node/b.ts', "import type { C } from './c.ts'")
    const c = source('node/c.ts', "export { a } from './a.ts'")
    expect(cycles([a, b, c])).toEqual(['node/a.ts → node/b.ts → node/c.ts → node/a.ts'])
    expect(cycles([a, b])).toEqual([])
  })

  test.each([
    'Date.now()',
    'new Date()',
    'performance.now()',
    'setTimeout(go, 1)',
    'setInterval(go, 1)',
    'setImmediate(go)',
    'queueMicrotask(go)',
    'Math.random()',
    'crypto.subtle.digest()',
    'crypto.randomUUID()',
    'process.env',
    'await fetch(url)',
    'globalThis.Date',
    'AbortSignal.timeout(5)',
    `\`\${Date.now()}\``,
    'f({ at: Date.now() })',
  ])('policy that says %s is found', (code) => {
    expect(ambientUses([source('node/consumer/a.ts', '/* 1 */', code)])).toEqual([
      expect.stringMatching(/^node\/consumer\/a\.ts:2 uses /),
    ])
    expect(ambientUses([source('node/adapters/a.ts', code)])).toEqual([])
  })

  test.each([
    '// new Date()',
    '/* setTimeout */',
    "'process'",
    `\`fetch \${url} by Date\``,
    '/Date/.test(text)',
    'this.#fetch(peer)',
    'clock.Date()',
    'AbortSignal.any([a, b])',
    'const { updated } = advert',
    'f({ process: 1 })',
  ])('policy that says %s is left alone', (code) => {
    expect(ambientUses([source('node/consumer/a.ts', code)])).toEqual([])
  })
})

describe('the scan', () => {
  test('finds every way to import, with its line', () => {
    const text = [
      "import a from 'a'",
      'import type { B } from "./b.ts"',
      "import 'c'",
      'import {',
      '  d, // from nowhere',
      "} from 'd'",
      "export * from 'e'",
      "const f = await import('f')",
      'const g = await import(name)',
      "require('h')",
    ].join('\n')
    expect(scan(text).imports).toEqual([
      { specifier: 'a', line: 1 },
      { specifier: './b.ts', line: 2 },
      { specifier: 'c', line: 3 },
      { specifier: 'd', line: 6 },
      { specifier: 'e', line: 7 },
      { specifier: 'f', line: 8 },
      { specifier: undefined, line: 9 },
      { specifier: 'h', line: 10 },
    ])
  })

  test.each([
    "// import a from 'a'",
    "/* import a from 'a' */",
    '`import a from "a"`',
    '"import a from \'a\'"',
    "/from 'a'/.test(text)",
  ])('finds no import in %s', (text) => {
    expect(scan(text).imports).toEqual([])
  })

  test.each([
    ["a('b\\'c') + d", "a('    ') + d"],
    [`\`a\${b({ c: \`d\${e}f\` })}g\` + h`, `\` \${b({ c: \` \${e} \` })} \` + h`],
    ['a / b / c // d', 'a / b / c     '],
    ['return /a[/`]b/.test(c)', 'return /      /.test(c)'],
    ['a /* b\nc */ d', 'a     \n     d'],
    ["x = y.replace(/'/g, '\"')", "x = y.replace(/ /g, ' ')"],
  ])('blanks %s', (text, code) => {
    expect(scan(text).code).toBe(code)
  })
})
