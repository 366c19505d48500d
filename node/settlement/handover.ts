// One request to a settler and its reply, within its time.

import { counted } from '../../protocol/counted.ts'
import { MeshError } from '../../protocol/errors.ts'
import { type PeerId, settleProtocol } from '../../protocol/ids.ts'
import {
  decodeSettleReply,
  encodeSettleRequest,
  type SettleReply,
  type SettleRequest,
} from '../../protocol/settlement.ts'
import type { Voucher } from '../../protocol/voucher.ts'
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
    async (stop) => {
      const stream = await network.open(peer, settleProtocol, stop)
      const giveUp = (): void => stream.reset(new MeshError('timeout', 'the settler did not answer'))
      stop.addEventListener('abort', giveUp)
      try {
        await stream.send(encodeSettleRequest(vouchers, options))
        for await (const frame of stream.frames) {
          const reply = decodeSettleReply(frame)
          await stream.close()
          return reply
        }
        throw new MeshError('protocol-violation', 'the settler closed without a reply')
      } finally {
        stop.removeEventListener('abort', giveUp)
      }
    },
    signal,
  )
}
