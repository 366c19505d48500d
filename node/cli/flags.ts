// Flags that stand for a setting: `--port 8000` is `--set gateway.port=8000` said shorter.

import type { Layer } from '../config.ts'
import { type Resolved, readConfig } from './options.ts'
import { type Passphrase, passphraseFrom } from './passphrase.ts'
import { silentTerminal, type Terminal, terminalOn } from './terminal.ts'

const settingOfFlag: Readonly<Record<string, string>> = {
  home: 'node.home',
  passphraseFile: 'node.passphraseFile',
  bootstrap: 'network.bootstrap',
  listen: 'network.listen',
  endpoint: 'chain.endpoint',
  network: 'chain.network',
  owner: 'chain.owner',
  model: 'engine.model',
  engineUrl: 'engine.url',
  slots: 'engine.slots',
  price: 'provider.completionPriceNano',
  promptPrice: 'provider.promptPriceNano',
  settler: 'settlement.settler',
  hub: 'consumer.hub',
  minValue: 'settlement.settlerValueNanoMin',
  host: 'gateway.host',
  port: 'gateway.port',
}

export interface Invocation extends Resolved {
  readonly isJson: boolean
  /** Standard output for people; silent with `--json`. */
  readonly terminal: Terminal
  readonly withParent: boolean
  readonly passphrase: Passphrase
}

/** Settings and output of one command, from its flags; `between` are layers of settings after them. */
export function invocationOf(flags: Record<string, unknown>, between?: (home: string) => readonly Layer[]): Invocation {
  const assigned = (flags['set'] as readonly [string, string][] | undefined) ?? []
  const given = new Map(
    assigned.map(([setting, value]) => [setting, { value: value as unknown, flag: `--set ${setting}` }]),
  )
  for (const [name, setting] of Object.entries(settingOfFlag)) {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    if (flags[name] !== undefined) given.set(setting, { value: flags[name], flag })
  }
  const isJson = flags['json'] === true
  const resolved = readConfig(given, process.env, between)
  return {
    ...resolved,
    isJson,
    terminal: isJson ? silentTerminal : terminalOn(process.stdout),
    withParent: flags['exitWithParent'] === true,
    passphrase: passphraseFrom(resolved.config.node.passphraseFile, process.env),
  }
}

/** Flags with settings that were said in other words; one that is undefined was not said. */
export function withSettings(
  flags: Readonly<Record<string, unknown>>,
  settings: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const assigned = (flags['set'] as readonly (readonly [string, string])[] | undefined) ?? []
  return { ...flags, set: [...assigned, ...Object.entries(settings).filter(([, value]) => value !== undefined)] }
}
