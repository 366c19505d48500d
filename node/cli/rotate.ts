// `silkmesh identity rotate`: a new identity and with it a new escrow; the old escrow's unlock is started. Each step is on
// disk before the next, so that it can be run again from wherever it ended.

import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import type { Address } from '../../protocol/ids.ts'
import { formatGram } from '../../protocol/money.ts'
import { identityFrom } from '../adapters/libp2p/identity.ts'
import type { Libp2pNetwork } from '../adapters/libp2p/network.ts'
import { systemClock, systemRandom } from '../adapters/system.ts'
import type { TonChain } from '../adapters/ton/chain.ts'
import type { Wallet } from '../adapters/wallet.ts'
import { partWithProviders } from '../node.ts'
import type { Store } from '../ports.ts'
import { escrowTermsOf, openChain, walletOf } from './accounts.ts'
import { rememberEscrow } from './escrows.ts'
import { untilStopped } from './exit.ts'
import { type Invocation, invocationOf } from './flags.ts'
import { existingHome, type Home, openHomeStore } from './home.ts'
import { confirm } from './identity.ts'
import { startNetwork } from './runtime.ts'
import { rotated, type Secrets, writeSecrets } from './secrets.ts'
import { printJson } from './terminal.ts'

interface Parts {
  readonly invocation: Invocation
  readonly home: Home
  readonly chain: TonChain
  readonly wallet: Wallet
  readonly store: Store
  readonly signal: AbortSignal
}

export async function run(flags: Readonly<Record<string, unknown>>): Promise<void> {
  const invocation = invocationOf({ ...flags })
  const { config, isJson, terminal } = invocation
  const home = await existingHome(invocation.home, invocation.passphrase)
  if (!home.secrets.leaving && flags['yes'] !== true) {
    await confirm('Another identity takes the place of this one for good, and its escrow begins to close. Type yes: ')
  }
  const seal = home.isSealed ? await invocation.passphrase.for(home.path) : undefined
  const chain = openChain(config)
  const signal = untilStopped(false)
  const store = openHomeStore(home) // a node that runs would go on signing with the old key
  try {
    const wallet = await walletOf(home, chain, signal)
    const parts = { invocation, home, chain, wallet, store, signal }
    const before = home.secrets
    let secrets = before
    if (before.leaving) terminal.warn('again', 'a rotation was broken off; this brings it to its end')
    else {
      const old = wallet.escrowAddress(escrowTermsOf(identityFrom(before.identitySeed), config))
      const isOpen = (await chain.account(old, signal)) !== undefined
      if (isOpen && flags['leaveDebts'] !== true) await part(parts, old)
      if (isOpen) rememberEscrow(home, old)
      secrets = await rotated(before, isOpen ? old : undefined)
      await writeSecrets(home.path, secrets, seal) // from here on the new key signs
    }
    const { peerId } = identityFrom(secrets.identitySeed)
    const escrow = wallet.escrowAddress(escrowTermsOf(identityFrom(secrets.identitySeed), config))
    terminal.ok('identity', peerId)
    terminal.ok('escrow', `${escrow}; \`silkmesh wallet deposit <gram>\` opens it`)
    const unlockAtMs = secrets.leaving && (await leave(parts, secrets, secrets.leaving, seal))
    const rest = { peerId, escrow, rotation: secrets.rotation, oldEscrow: secrets.leaving, unlockAtMs }
    const { rotation } = secrets
    if (secrets.words)
      terminal.warn('backup', `the same words restore it with --rotation ${rotation}: note that beside them`)
    else terminal.warn('backup', 'the words of an earlier backup restore the old identity: print them again')
    if (isJson) printJson({ ok: true, ...rest })
  } finally {
    await store.close()
    terminal.progress('')
  }
}

/** Starts the unlock, unless it is under way. When finalize is possible; undefined where another wallet has to give the order. */
async function leave(
  { chain, home, invocation: { config, terminal }, signal, wallet }: Parts,
  secrets: Secrets,
  old: Address,
  seal: string | undefined,
): Promise<number | undefined> {
  let unlockAtMs: number | undefined
  if (config.chain.owner !== '') {
    terminal.warn('old escrow', `${old} belongs to another wallet`, `silkmesh wallet unlock --escrow ${old} --link`)
  } else {
    terminal.progress('waiting for the old escrow')
    const account = await chain.account(old, signal)
    const isUnlocking = account !== undefined && account.unlockAt !== 0
    unlockAtMs = isUnlocking ? account.unlockAt * 1_000 : (await wallet.startUnlock(old, signal)).unlockAtMs
    const until = new Date(unlockAtMs).toISOString()
    terminal.ok('old escrow', `${old} is closing: providers settle what they hold until ${until}`)
    terminal.ok('then', `silkmesh wallet finalize --escrow ${old}`)
  }
  await writeSecrets(home.path, { ...secrets, leaving: undefined }, seal)
  return unlockAtMs
}

/** What is owed and not signed for is only the old key's to sign. Throws where somebody may lose it. */
async function part(parts: Parts, escrow: Address): Promise<void> {
  const { home, invocation, signal, store } = parts
  const identity = identityFrom(home.identitySeed)
  const { config } = invocation
  const ports = { clock: systemClock, random: systemRandom, identity, store, observe: () => undefined }
  let network: Libp2pNetwork | undefined
  const start = async (): Promise<Libp2pNetwork> => {
    invocation.terminal.progress('asking providers what they are owed')
    network = await startNetwork(config, home.identitySeed)
    return network
  }
  const partings = await partWithProviders(config, ports, escrow, start, signal).finally(() => network?.stop())
  for (const { paidNano, peer } of partings) {
    if (paidNano > 0n)
      invocation.terminal.ok('paid', `${peer} ${formatGram(paidNano)} GRAM that a broken stream had left`)
  }
  const open = partings.filter(({ openNano }) => openNano > 0n)
  if (open.length === 0) return
  const list = open.map(
    ({ failure, openNano, peer }) => `${peer} up to ${formatGram(openNano)} GRAM (${failure?.code})`,
  )
  throw new MeshError(
    'bad-request',
    `${counted(open.length, 'provider')} may be owed what only the old key can sign for, and did not answer: ${list.join(', ')}; ` +
      'try again later with --bootstrap, or rotate all the same with --leave-debts',
  )
}
