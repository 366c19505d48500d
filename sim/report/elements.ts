// Pieces of HTML that all pages share.

import { escaped } from './shell.ts'

export function brand(kind: string): string {
  return `<p class="brand"><svg viewBox="0 0 28 20" width="28" height="20" aria-hidden="true"><path d="M4 15 C9 2 13 2 14 10 S20 18 24 5" fill="none" stroke="currentColor" stroke-width="1.6"/><circle cx="4" cy="15" r="3"/><circle cx="14" cy="10" r="3"/><circle cx="24" cy="5" r="3"/></svg><b>silkmesh</b> ${kind}</p>`
}

/** A heading that begins with # is of numbers. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '<p class="none">There are none.</p>'
  const isNumber = headings.map((heading) => heading.startsWith('#'))
  const cellClass = (column: number) => (isNumber[column] ? ' class="number"' : '')
  const head = headings.map(
    (heading, column) => `<th scope="col"${cellClass(column)}>${escaped(heading.replace(/^#/, ''))}</th>`,
  )
  const body = rows.map(
    (row) => `<tr>${row.map((text, column) => `<td${cellClass(column)}>${escaped(text)}</td>`).join('')}</tr>`,
  )
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('\n')}</tbody></table></div>`
}
