// The chains there are: by what id each is known, and where it is asked unless the user names a place.

export interface Network {
  /** Configuration parameter 19: part of every voucher and of a wallet's address. */
  readonly globalId: number
  /** toncenter's public servers; `silkmesh chain` for the local one. */
  readonly endpoint: string
  /** How long a payment must be shown to count, in ms. A masterchain block is final a second after it is made; endpoints differ. */
  readonly finalityMs: number
  /** Test coins are worth nothing, and wallets mark addresses of such a chain. */
  readonly isTest: boolean
}

export const networks = {
  local: { globalId: 31_337, endpoint: 'http://127.0.0.1:8081/api/v2/jsonRPC', finalityMs: 0, isTest: true },
  testnet: { globalId: -3, endpoint: 'https://testnet.toncenter.com/api/v2/jsonRPC', finalityMs: 5_000, isTest: true },
  mainnet: { globalId: -239, endpoint: 'https://toncenter.com/api/v2/jsonRPC', finalityMs: 5_000, isTest: false },
} as const satisfies Readonly<Record<string, Network>>

export type NetworkName = keyof typeof networks

export function chainName(globalId: number): string {
  for (const [name, network] of Object.entries(networks)) {
    if (network.globalId === globalId) return `${name} (${globalId})`
  }
  return `chain ${globalId}`
}
