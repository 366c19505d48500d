// Faults put into the contract's sources, one at a time: a property test that does not find them holds nothing.

import { Cell } from '@ton/core'
import { compileEscrow } from '../../contracts/compile.ts'

export interface Mutant {
  readonly fault: string
  readonly file: string
  readonly from: string
  readonly to: string
}

export const mutants: readonly Mutant[] = [
  {
    fault: 'the rent reserve is paid out',
    file: 'settle.tolk',
    from: 'contract.getOriginalBalance() + imported - RENT_RESERVE',
    to: 'contract.getOriginalBalance() + imported',
  },
  { fault: 'a batch forgets what it has paid', file: 'batch.tolk', from: '            left -= due;\n', to: '' },
  {
    fault: 'signatures of a batch are not looked at',
    file: 'batch.tolk',
    from: 'isSignatureValid(hash, voucher.signature, st.signer) & (due >= least)',
    to: 'due >= least',
  },
  {
    fault: 'finalize does not wait for reservations',
    file: 'control.tolk',
    from: 'max(self.unlockAt, self.lockedUntil)',
    to: 'self.unlockAt',
  },
  {
    fault: 'a live reservation shrinks',
    file: 'control.tolk',
    from: 'assert ((amount >= old.amount) & (until >= old.until)) throw ERR_RESERVATION;',
    to: '',
  },
  {
    fault: 'a payment does not lower what is reserved in all',
    file: 'ledger.tolk',
    from: 'reservedTotal - drawn',
    to: 'reservedTotal',
  },
  { fault: 'a control message is good for ever', file: 'control.tolk', from: 'st.seqno += 1;', to: '' },
  {
    fault: 'the least due is a constant',
    file: 'fees.tolk',
    from: 'return gasFee(GAS_BOUND_FACTOR * getGasConsumedAtTheMoment()) + 2 * imported;',
    to: 'return 1000000;',
  },
  {
    fault: 'a hundred gas of a payout are not charged',
    file: 'fees.tolk',
    from: 'const ONE_PAYOUT_GAS = 1373',
    to: 'const ONE_PAYOUT_GAS = 1273',
  },
  {
    fault: 'what a sender attached for gas is paid out',
    file: 'settle.tolk',
    from: '- attached - RENT_RESERVE',
    to: '- RENT_RESERVE',
  },
  {
    fault: 'what was settled before is forgotten',
    file: 'ledger.tolk',
    from: 'settled: entry.settled + due',
    to: 'settled: due',
  },
  {
    fault: 'anybody cancels an unlock',
    file: 'escrow.tolk',
    from: 'assert (in.senderAddress == st.owner) throw ERR_NOT_OWNER;\n            st.cancelUnlock();',
    to: 'st.cancelUnlock();',
  },
  {
    fault: 'a finalize keeps the epoch',
    file: 'control.tolk',
    from: 'self.epoch += 1;',
    to: '',
  },
]

export async function codeOf({ fault, file, from, to }: Mutant): Promise<Cell> {
  let isDone = false
  const { codeBoc } = await compileEscrow((path, text) => {
    if (path !== file || !text.includes(from)) return text
    isDone = true
    return text.replace(from, to)
  })
  if (!isDone) throw new Error(`${fault}: contracts/escrow/${file} has no ${from}`)
  return Cell.fromBase64(codeBoc)
}
