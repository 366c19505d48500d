// One request to a settler and its reply, within its time.

import { counted } from '../../protocol/counted.ts'
import { type PeerId, settleProtocol } from '../../protocol/ids.ts'
import {
  decodeSettleReply,
  encodeSettleRequest,
  type SettleReply,
  type SettleRequest,
} from '../../protocol/settlement.ts'
import type { Voucher } from '../../protocol/voucher.ts'
import { answerOn, dialogue } from '../dialogue.ts'
import type { Ports } from '../ports.ts'
import { within } from '../waits.ts'

/** What the settler answers, refusals included. Rejects where it does not. */
export function askSettler(
  ports: Pick<Ports, 'clock' | 'network'>,
  ms: number,
  peer: PeerId,
  vouchers: readonly Voucher[],
  options: Partial<Omit<SettleRequest, 'vouchers'>>,
  signal: AbortSignal,
): Promise<SettleReply> {
  const { clock, network } = ports
  return within(
    clock,
    ms,
    `handing ${counted(vouchers.length, 'voucher')} to settler ${peer}`,
    (stop) =>
      dialogue(network, peer, settleProtocol, stop, async (stream) => {
        await stream.send(encodeSettleRequest(vouchers, options))
        return decodeSettleReply(await answerOn(stream))
      }),
    signal,
  )
}
