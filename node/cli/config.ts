// `silkmesh config`: every setting, its value, where the value came from, and what it is for.

import { listSettings } from '../config.ts'
import { invocationOf } from './flags.ts'
import { variableOf } from './options.ts'
import { printJson } from './terminal.ts'

export async function run(flags: Record<string, unknown>): Promise<void> {
  const invocation = invocationOf(flags)
  const rows = listSettings(invocation).map((row) => {
    const [group = '', name = ''] = row.name.split('.')
    const isSecret = name === 'apiKey' && row.value !== '–'
    const value = isSecret ? '(set)' : row.value.replaceAll(/(?<=[?&]api_key=)[^&,]+/g, '(set)')
    return { ...row, value, variable: variableOf(group, name) }
  })
  if (invocation.isJson) {
    printJson({ ok: true, home: invocation.home, settings: rows })
    return
  }
  const nameWidth = Math.max(...rows.map(({ name }) => name.length))
  const valueWidth = Math.min(28, Math.max(...rows.map(({ value }) => value.length)))
  const { terminal } = invocation
  terminal.line(`home ${invocation.home}`)
  terminal.line('flag > environment > file (config.yaml in the home) > default; --set group.name=value for any of them')
  for (const { name, value, origin, reason } of rows) {
    terminal.line(`${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${origin.padEnd(11)}  ${reason}`)
  }
}
