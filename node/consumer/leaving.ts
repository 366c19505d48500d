// The last word with providers before this peer signs with another key: whoever a stream broke with is asked what is owed,
// and is paid that while the old key is still there to sign.

import { asMeshError, MeshError } from '../../protocol/errors.ts'
import { decodeProviderFrame, encodeFrame, type Tab } from '../../protocol/frames.ts'
import { inferProtocol, type PeerId } from '../../protocol/ids.ts'
import type { Nano } from '../../protocol/money.ts'
import { paidNano } from '../../protocol/voucher.ts'
import { answerOn, dialogue } from '../dialogue.ts'
import type { Ports } from '../ports.ts'
import { within } from '../waits.ts'
import type { Tabs, UnsureTab } from './tab.ts'

export interface Parting {
  readonly peer: PeerId
  /** Signed now, beyond what it held. */
  readonly paidNano: Nano
  /** What it may claim and was not asked about; 0 where it was. */
  readonly openNano: Nano
  /** Why not. */
  readonly failure: MeshError | undefined
}

/** Where providers are is found out meanwhile, so that each is tried more than once. */
const roundMs = 2_000
const roundsMax = 8

export async function partFrom(
  tabs: Tabs,
  ports: Pick<Ports, 'clock' | 'network'>,
  connectMs: number,
  signal: AbortSignal,
): Promise<readonly Parting[]> {
  let partings = await partOnce(tabs, ports, tabs.unsure(), connectMs, signal)
  for (let round = 1; round < roundsMax && partings.some(({ openNano }) => openNano > 0n); round += 1) {
    await ports.clock.sleep(roundMs, signal)
    const open = tabs.unsure().filter(({ peer }) => partings.some((each) => each.peer === peer && each.openNano > 0n))
    const done = partings.filter(({ openNano }) => openNano === 0n)
    partings = [...done, ...(await partOnce(tabs, ports, open, connectMs, signal))]
  }
  return partings
}

async function partOnce(
  tabs: Tabs,
  ports: Pick<Ports, 'clock' | 'network'>,
  unsure: readonly UnsureTab[],
  connectMs: number,
  signal: AbortSignal,
): Promise<readonly Parting[]> {
  const partings: Parting[] = []
  for (const tab of unsure) {
    const { inFlightNano: openNano, peer } = tab
    const ask = (stop: AbortSignal): Promise<Nano> => payUp(tabs, ports, tab, stop)
    try {
      const nano = await within(ports.clock, connectMs, `asking ${peer} what it is owed`, ask, signal)
      partings.push({ peer, paidNano: nano, openNano: 0n, failure: undefined })
    } catch (error) {
      if (signal.aborted) throw error
      partings.push({ peer, paidNano: 0n, openNano, failure: asMeshError(error) })
    }
  }
  return partings
}

/** A voucher that the provider has already is answered with its view of the tab. */
async function payUp(
  tabs: Tabs,
  ports: Pick<Ports, 'network'>,
  { best, peer }: UnsureTab,
  stop: AbortSignal,
): Promise<Nano> {
  const stream = tabs.stream(peer)
  let isDone = false
  try {
    stream.accepted(await tell(ports, peer, best, stop), 0n)
    const voucher = await stream.sign()
    if (voucher) await tell(ports, peer, voucher, stop)
    isDone = true
    return voucher ? paidNano(voucher) - paidNano(best) : 0n
  } finally {
    stream.close(isDone)
  }
}

function tell(
  { network }: Pick<Ports, 'network'>,
  peer: PeerId,
  voucher: UnsureTab['best'],
  stop: AbortSignal,
): Promise<Tab> {
  return dialogue(network, peer, inferProtocol, stop, async (stream) => {
    await stream.send(encodeFrame({ type: 'voucher', voucher }))
    const frame = decodeProviderFrame(await answerOn(stream))
    if (frame.type === 'fail') throw new MeshError(frame.code, frame.message)
    if (frame.type !== 'tab') throw new MeshError('protocol-violation', `${frame.type} in answer to a voucher`)
    return frame.tab
  })
}
