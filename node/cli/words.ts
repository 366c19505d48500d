// Words of a command line as values; each throws `bad-request` naming the word and what was expected.

import { Address as TonAddress } from '@ton/core'
import { MeshError } from '../../protocol/errors.ts'
import { type Address, parseAddress } from '../../protocol/ids.ts'
import { formatGram, type Nano, nanoMax, parseGram } from '../../protocol/money.ts'

export function wholeNumber(what: string, value: unknown, max: number, min = 0): number {
  const number = Number(value)
  if (typeof value !== 'string' || !/^\d{1,9}$/.test(value) || number < min || number > max) {
    throw new MeshError('bad-request', `${what} "${String(value)}", expected a whole number from ${min} to ${max}`)
  }
  return number
}

export function amountOf(what: string, text: string): Nano {
  try {
    const nano = parseGram(text)
    if (nano === 0n) throw new RangeError(`0 GRAM, expected from ${formatGram(1n)} to ${formatGram(nanoMax)}`)
    return nano
  } catch (error) {
    throw new MeshError('bad-request', `${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** An account as people paste it (`UQ…`, `EQ…`) or raw. */
export function accountOf(what: string, text: string): Address {
  try {
    const address = TonAddress.parse(text)
    if (address.workChain !== 0) throw new RangeError('it is not on the basechain')
    return parseAddress(address.toRawString())
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new MeshError(
      'bad-request',
      `${what} "${text.slice(0, 80)}" is not a TON address (${reason}), expected one such as UQ…`,
    )
  }
}

/** `--fee 0.5%` as the setting's millionths, `5000`; undefined where it was not said. */
export function feePpmOf(fee: unknown): string | undefined {
  if (fee === undefined) return undefined
  const text = String(fee)
  const match = /^(\d{1,2}(?:\.\d{1,4})?) ?%$/.exec(text)
  const ppm = match ? Math.round(Number(match[1]) * 10_000) : Number.NaN
  if (ppm >= 0 && ppm <= 100_000) return String(ppm)
  throw new MeshError('bad-request', `--fee "${text.slice(0, 40)}", expected a percentage from 0% to 10%, such as 0.5%`)
}
