// The documents say what the code says: tables, schema, settings, links, named files and cited sections are compared with it.

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settings } from '../node/config.ts'
import { failures } from '../protocol/errors.ts'
import { limits } from '../protocol/limits.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const documents = [
  ...globSync('docs/**/*.md', { cwd: root }),
  ...(existsSync(join(root, 'README.md')) ? ['README.md'] : []),
].sort()
const sources = globSync('{protocol,node,contracts,sim,test}/**/*.{ts,proto,tolk}', { cwd: root })
  .filter((path) => !path.includes('node_modules') && !path.endsWith('docs.test.ts'))
  .sort()
const protocol = read('docs/protocol.md')

describe('docs/protocol.md', () => {
  test('§2 lists the limits of protocol/limits.ts, in its order', () => {
    const table = rowsOf(section(protocol, '2')).map(([name, value]) => [name, Number(value)])
    expect(table).toEqual(Object.entries(limits))
  })

  test('§8 lists the errors of protocol/errors.ts, in its order', () => {
    const table = rowsOf(section(protocol, '8'))
    expect(table).toEqual(
      Object.entries(failures).map(([code, { wire, http, remedy }]) => [code, `${wire}`, `${http}`, remedy]),
    )
  })

  test('the messages it shows are those of protocol/mesh.proto, all of them', () => {
    const shown = protocol.match(/```proto\n[\s\S]*?```/g) ?? []
    expect(messagesOf(shown.join('\n'))).toEqual(messagesOf(read('protocol/mesh.proto')))
  })

  test('every mark of a gap is explained in §10, and every gap is marked', () => {
    const gaps = section(protocol, '10')
    const explained = new Set(rowsOf(gaps).map(([mark = '']) => mark))
    explained.delete('–')
    expect(new Set(protocol.replace(gaps, '').match(/\bG\d+\b/g))).toEqual(explained)
  })
})

describe.each(documents)('%s', (path) => {
  const text = read(path)
  const prose = text.replace(/```[\s\S]*?```/g, '')

  test('links lead somewhere', () => {
    const broken = [...prose.matchAll(/\]\((?![a-z]+:)([^)\s]+)\)/g)].flatMap(([, target = '']) => {
      const [file = '', anchor] = target.split('#')
      const linked = file === '' ? path : relative(root, join(root, dirname(path), file))
      if (!existsSync(join(root, linked))) return [target]
      return anchor === undefined || anchorsOf(read(linked)).has(anchor) ? [] : [target]
    })
    expect(broken).toEqual([])
  })

  test('files it names are there', () => {
    const named = [...prose.matchAll(/`((?:protocol|node|contracts|sim|test|docs|dashboard)\/[\w./-]*)`/g)]
    const missing = named.map(([, file = '']) => file).filter((file) => !existsSync(join(root, file)))
    expect(missing).toEqual([])
  })

  test('settings it names have the default it gives', () => {
    const wrong = rowsOf(prose).flatMap(([name = '', value = '']) => {
      const [group = '', member = ''] = name.split('.')
      const setting = settingOf(group, member)
      return setting === undefined || String(setting) === value ? [] : [`${name}: ${value}, in the code ${setting}`]
    })
    expect(wrong).toEqual([])
  })
})

test('every section that the code cites is a heading', () => {
  const missing = sources.flatMap((path) =>
    citationsOf(read(path))
      .filter(({ file, number }) => existsSync(join(root, file)) && !headingsOf(read(file)).has(number))
      .map(({ file, number }) => `${path}: ${file} §${number}`),
  )
  expect(missing).toEqual([])
})

test('every document that the code names is there', () => {
  const missing = sources.flatMap((path) =>
    [...read(path).matchAll(/docs\/[\w/-]+\.md/g)]
      .filter(([file]) => !existsSync(join(root, file)))
      .map(([file]) => `${path}: ${file}`),
  )
  expect(missing).toEqual([])
})

/** From a numbered heading to the next of its level or above. */
function section(text: string, number: string): string {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => numberOf(line) === number)
  if (start === -1) throw new Error(`no heading §${number}`)
  const level = /^#+/.exec(lines[start] ?? '')?.[0].length ?? 0
  const rest = lines.slice(start + 1)
  const length = rest.findIndex((line) => (/^#+ /.exec(line)?.[0].length ?? Number.POSITIVE_INFINITY) <= level + 1)
  return rest.slice(0, length === -1 ? undefined : length).join('\n')
}

function numberOf(line: string): string | undefined {
  return /^#+ (\d+(?:\.\d+)*)\.? /.exec(line)?.[1]
}

function headingsOf(text: string): ReadonlySet<string> {
  return new Set(text.split('\n').flatMap((line) => numberOf(line) ?? []))
}

/** Cells of every table, without its head and without code quotes. */
function rowsOf(text: string): readonly (readonly string[])[] {
  const rows: (readonly string[])[] = []
  let isBody = false
  for (const line of text.split('\n')) {
    if (!line.startsWith('|')) isBody = false
    else if (/^\|[\s|:-]+$/.test(line)) isBody = true
    else if (isBody)
      rows.push(
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.replaceAll('`', '').trim()),
      )
  }
  return rows
}

function messagesOf(proto: string): Readonly<Record<string, string>> {
  const bare = proto.replace(/\/\/.*$/gm, '')
  const messages = bare.matchAll(/message (\w+) (\{(?:[^{}]|\{[^}]*\})*\})/g)
  return Object.fromEntries([...messages].map(([, name = '', body = '']) => [name, body.replace(/\s+/g, ' ')]))
}

/** Each `§n` with the document named before it in its paragraph; docs/protocol.md where none is, nothing after an RFC. */
function citationsOf(text: string): readonly { readonly file: string; readonly number: string }[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    let file: string | undefined = 'docs/protocol.md'
    return [...paragraph.matchAll(/(docs\/[\w/-]+\.md)|(RFC \d+)|§(\d+(?:\.\d+)*)/g)].flatMap(
      ([, named, rfc, number]) => {
        if (named !== undefined) file = named
        if (rfc !== undefined) file = undefined
        return file === undefined || number === undefined ? [] : [{ file, number }]
      },
    )
  })
}

function anchorsOf(text: string): ReadonlySet<string> {
  const headings = text.replace(/```[\s\S]*?```/g, '').match(/^#+ .*$/gm) ?? []
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/^#+ /, '')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** A setting's default, or undefined where there is none of that name. */
function settingOf(group: string, member: string): unknown {
  const members = Object.entries(settings).find(([name]) => name === group)?.[1]
  return Object.entries(members ?? {}).find(([name]) => name === member)?.[1].default
}
