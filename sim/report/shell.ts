// The frame of every page we write: one file, its styles, libraries and data inside, and a policy that forbids it the network.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Page {
  readonly title: string
  /** HTML, escaped where it holds anything that is not ours. */
  readonly body: string
  /** For the scripts, as JSON; absent for a page without plots. */
  readonly data?: unknown
  /** Files of this folder, in order. */
  readonly scripts: readonly string[]
  /** d3 and Plot before them; default true. */
  readonly hasPlots?: boolean
  /** May ask the server it came from; default false. */
  readonly isLive?: boolean
}

const libraries = [
  { name: 'd3', file: '../dist/d3.min.js' },
  { name: '@observablehq/plot', file: '../dist/plot.umd.min.js' },
] as const

export async function pageOf({ title, body, data, scripts, hasPlots = true, isLive = false }: Page): Promise<string> {
  const styles = await ownFile('page.css')
  const sources = await Promise.all([...(hasPlots ? libraries.map(library) : []), ...scripts.map(ownFile)])
  const hashes = sources.map((source) => `'sha256-${createHash('sha256').update(source).digest('base64')}'`)
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src ${hashes.join(' ')};${isLive ? " connect-src 'self';" : ''} base-uri 'none'; form-action 'none'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<style>
${styles}</style>
</head>
<body>
${body}
<script type="application/json" id="data">${inlineJson(data ?? null)}</script>
${sources.map((source) => `<script>${source}</script>`).join('\n')}
</body>
</html>
`
}

/** For text and for quoted attributes. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
}

/** JSON that no parser of HTML can take for the end of its script, nor for a comment. */
export function inlineJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** As built by its authors, with its licence, which asks to be in all copies. */
async function library({ name, file }: (typeof libraries)[number]): Promise<string> {
  const entry = dirname(fileURLToPath(import.meta.resolve(name)))
  const [source, licence] = await Promise.all([
    readFile(join(entry, file), 'utf8'),
    readFile(join(entry, '..', 'LICENSE'), 'utf8'),
  ])
  // its first line is a comment with its home page
  const code = source.replace(/^\/\/ https?:\/\/\S+ /, '// d3 ')
  if (/<\/script|<!--/i.test(code)) throw new Error(`${name} cannot be put inside a page: it holds an end of script`)
  return `/*\n${name}\n${licence.replaceAll('*/', '')}*/\n${code}`
}

function ownFile(name: string): Promise<string> {
  return readFile(join(import.meta.dirname, name), 'utf8')
}
