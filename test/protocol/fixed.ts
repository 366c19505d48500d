// A few fixed messages, one of every type: the golden bytes in test/vectors/ are theirs.

import type { Advert } from '../../protocol/advert.ts'
import type { ConsumerFrame, Frame, Open, ProviderFrame } from '../../protocol/frames.ts'
import { addressOf, parseModelKey, peerIdOf } from '../../protocol/ids.ts'
import { signReceipt } from '../../protocol/receipt.ts'
import { featuresByDefault } from '../../protocol/task.ts'
import { signVoucher } from '../../protocol/voucher.ts'
import { keyOf } from './arbitraries.ts'

export const consumerKey = keyOf(1)
export const providerKey = keyOf(2)

const escrow = addressOf(new Uint8Array(32).fill(0xe5))
const payee = addressOf(new Uint8Array(32).fill(0x9a))
const modelKey = parseModelKey('0123456789abcdef'.repeat(4))
const price = { promptNano: 20_000_000n, completionNano: 160_000_000n, cachedNano: 2_000_000n }
const usage = { promptTokens: 300, cachedTokens: 44, completionTokens: 65 }

const voucher = signVoucher({ globalId: -239, escrow, epoch: 3, payee, amountNano: 123_456_789_012n }, consumerKey.sign)
const tab = { globalId: -239, epoch: 3, payee, owedNano: 123_456_800_000n, best: voucher }

export const fixedFrames = {
  open: {
    type: 'open',
    requestId: '000102030405060708090a0b0c0d0e0f',
    modelKey,
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Grüße, 世界 👋' },
    ],
    sampling: { temperature: 0.5, topP: 0.75, seed: 4_294_967_295, stop: ['\n\n', '</s>'], tokensMax: 256 },
    priceMax: price,
    escrow,
    deadlineMs: 600_000,
    best: voucher,
    resumeText: 'Hel',
    resumeTokenIds: [0, 127, 128, 151_643],
  },
  bareOpen: {
    type: 'open',
    requestId: 'ff'.repeat(16),
    modelKey,
    messages: [],
    sampling: { stop: [] },
    priceMax: { promptNano: 0n, completionNano: 0n, cachedNano: 0n },
    escrow,
    deadlineMs: 0,
    best: undefined,
    resumeText: '',
    resumeTokenIds: [],
  },
  voucher: { type: 'voucher', voucher },
  cancel: { type: 'cancel' },
  accept: { type: 'accept', price, promptTokens: 300, cachedTokens: 44, creditTokens: 64, tab },
  tab: { type: 'tab', tab: { ...tab, globalId: -3, epoch: 0, owedNano: 0n, best: undefined } },
  queued: { type: 'queued', position: 2, etaMs: 1_500 },
  delta: { type: 'delta', index: 64, text: ' world', tokens: 2, tokenIds: [1_879, 0] },
  end: {
    type: 'end',
    finish: 'stop',
    receipt: signReceipt({ requestDigest: new Uint8Array(32).fill(7), modelKey, price, usage }, providerKey.sign),
  },
  fail: { type: 'fail', code: 'busy', message: 'all 4 slots are taken and 32 requests wait', retryAfterMs: 2_000 },
} as const satisfies Record<string, Frame> & {
  open: Open
  voucher: ConsumerFrame
  delta: ProviderFrame
}

export const fixedAdvert: Advert = {
  peer: peerIdOf(providerKey.publicKey),
  sequence: 1_795_000_000_123,
  validUntilMs: 1_795_000_100_123,
  payout: payee,
  offers: [
    {
      modelKey,
      name: 'silkmesh-tiny',
      contextTokens: 4_096,
      price,
      slots: 4,
      slotsFree: 3,
      queued: 0,
      prefillTokensPerSecond: 5_200,
      decodeTokensPerSecond: 310,
      features: featuresByDefault,
      vocabularySha256: undefined,
    },
  ],
  addresses: ['/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWExample'],
  agent: 'silkmesh/0.1',
}
