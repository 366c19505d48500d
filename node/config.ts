// Every setting of a node: its default, bounds, unit (in the name) and reason. The command line, the environment and the
// configuration file are read against this table, and `silkmesh config` prints it.

import { MeshError } from '../protocol/errors.ts'
import { formatGram, type Nano, nanoMax, parseGram } from '../protocol/money.ts'
import { parseModelPrice } from './provider/prices.ts'
import { parseSchedule } from './provider/schedule.ts'

interface Setting<T> {
  readonly default: T
  readonly reason: string
  /** Throws `RangeError` saying what was expected. */
  readonly parse: (value: unknown) => T
  /** For people; GRAM for amounts. */
  readonly show: (value: T) => string
}

const minutes = 60_000

export const settings = {
  node: {
    home: text('', 'where keys, books and downloaded models live; empty means ~/.silkmesh'),
    passphraseFile: text('', 'holds the passphrase of sealed keys, for services; read by its owner only'),
    logLevel: choice(['silent', 'human', 'json'], 'human', 'what the node says on standard error'),
  },
  network: {
    listen: list(['/ip4/0.0.0.0/tcp/0'], 8, 'multiaddrs to listen on; port 0 takes a free one'),
    announce: list([], 8, 'multiaddrs told to others instead of the ones listened on'),
    bootstrap: list([], 32, 'multiaddrs, each ending in /p2p/<peer id>, dialled first'),
    dhtServer: flag(true, 'answer DHT queries of others; turn off behind a NAT that nobody can dial'),
    mdns: flag(false, 'find peers on the local network'),
    websockets: flag(false, 'also listen for browsers, on the next port'),
    relayClient: flag(true, 'be reachable through relays where nobody can dial this peer'),
    relayServer: flag(false, 'relay for others'),
    dcutr: flag(true, 'turn relayed connections into direct ones'),
    autonat: flag(true, 'learn from others whether this peer can be dialled'),
    upnp: flag(false, 'ask the router to forward the port'),
    allowPrivateAddresses: flag(true, 'use loopback and local addresses that other peers tell'),
    connectionsMax: integer(300, 4, 10_000, 'open connections; about 0.2 MB each'),
  },
  discovery: {
    advertIntervalMs: integer(30_000, 500, 150_000, 'an unchanged advert is repeated this often, jittered by a fifth'),
    advertGapMs: integer(
      1_000,
      250,
      60_000,
      'a changed advert waits this long after the last: bounds gossip to 3 KB/s a peer',
    ),
    advertLifeMs: integer(100_000, 1_000, 300_000, 'how long an advert is believed: three lost repeats'),
    lookupIntervalMs: integer(60_000, 500, 60 * minutes, 'the DHT is asked again this often'),
    lookupEmptyMs: integer(2_000, 100, 60 * minutes, 'and this often while no provider at all is known'),
    lookupMs: integer(10_000, 500, 60_000, 'one DHT lookup'),
    lookupProvidersMax: integer(
      16,
      1,
      1_024,
      'providers asked for their advert after one lookup: a start, each costs a connection; gossip brings the others',
    ),
    advertFetchMs: integer(8_000, 500, 60_000, 'asking one peer for its advert, dial included'),
    directoryPeersMax: integer(4_096, 16, 100_000, 'providers remembered; the longest expired goes first'),
  },
  consumer: {
    connectMs: integer(5_000, 100, 60_000, 'dialling a provider and opening a stream'),
    firstByteMs: integer(
      15_000,
      100,
      300_000,
      'until the provider accepts, queues or refuses, and again until its first delta',
    ),
    queueMs: integer(60_000, 100, 600_000, 'waiting in one provider queue'),
    betweenDeltasMs: integer(10_000, 100, 300_000, 'silence allowed once tokens flow'),
    requestMs: integer(600_000, 1_000, 3_600_000, 'a whole request, failovers included'),
    attemptsMax: integer(4, 1, 16, 'providers tried for one request'),
    unreachedMax: integer(
      8,
      0,
      64,
      'providers beyond these that could not even be connected to: half of a mesh may be cut off',
    ),
    peerRequestsMax: integer(
      8,
      1,
      1_024,
      'requests at one provider, while another would do: as many as provider.peerRequestsMax allows by default',
    ),
    discoverMs: integer(8_000, 0, 60_000, 'waiting for a first provider of a model nobody is known to serve'),
    concurrentMax: integer(256, 1, 10_000, 'requests at once'),
    chunkTokens: integer(
      32,
      1,
      1_024,
      'a voucher is signed after this many unpaid tokens, or half the credit if that is less',
    ),
    creditTokensMax: integer(
      1_024,
      1,
      65_536,
      'a provider may not offer more credit: it bounds what it can claim after a broken stream',
    ),
    priceNanoMax: nano(10_000_000_000n, 'no provider that asks more for a million tokens of any kind is used'),
    routing: choice(
      ['balanced', 'least-price', 'least-latency', 'most-throughput', 'p2c', 'random'],
      'balanced',
      'which of several acceptable providers; balanced weighs price, time, success and held conversations; p2c is the less loaded of two drawn at random',
    ),
    patienceMs: integer(
      2_000,
      1,
      10 * minutes,
      'balanced: to wait this long for a first token is as bad as the price twice',
    ),
    order: list([], 64, 'peer ids of providers tried first, in this order'),
    only: list([], 64, 'peer ids of providers; no other is used'),
    ignore: list([], 64, 'peer ids of providers that are never used'),
    fallbacks: flag(true, 'go on at another provider after one failed'),
    historyHalfLifeMs: integer(
      10 * minutes,
      1_000,
      24 * 60 * minutes,
      'what was measured of a provider counts half after this',
    ),
    conversationsMax: integer(4_096, 0, 1_000_000, 'conversations whose last provider is remembered, for its cache'),
    hedge: hedging(
      'off',
      'asks a second provider when the first has not begun to answer by then: off, p95 (of recent answers) or milliseconds',
    ),
    requestNanoMax: nano(1_000_000_000n, 'the most that one request may cost, whatever the caller allows'),
    spendNanoPerDayMax: nano(0n, 'the most this node signs for a day (UTC), over all it pays; 0 sets no cap'),
    escrowCheckMs: integer(60_000, 100, 10 * minutes, 'how old the view of the own escrow may be'),
    cooldownMs: integer(30_000, 0, 60 * minutes, 'a provider that failed is tried last for this long'),
    cancelMs: integer(2_000, 100, 60_000, 'how long a cancelled stream may take to account for itself'),
    hub: text('', 'peer id of a hub to pay through; empty pays providers directly'),
    hubFeePpmMax: integer(10_000, 0, 1_000_000, 'a hub that takes more millionths is not used'),
    hubIncrementNanoMax: nano(
      20_000_000n,
      'the most that is paid to a hub before it has granted it: what it can take; a dearer prompt is paid directly',
    ),
    hubMs: integer(3_000, 100, 60_000, 'a hub that has not granted by then is left; a provider holds its slot for 5 s'),
  },
  provider: {
    promptPriceNano: nano(20_000_000n, 'a million prompt tokens'),
    completionPriceNano: nano(160_000_000n, 'a million completion tokens'),
    cachedPriceNano: nano(2_000_000n, 'a million prompt tokens still held from an earlier request'),
    pricing: choice(
      ['fixed', 'adaptive'],
      'fixed',
      'adaptive: cheaper while slots are free, up to twice the price while requests wait',
    ),
    priceFloorPerMille: integer(250, 0, 1_000, 'of the price, what an idle provider asks with adaptive pricing'),
    prices: list(
      [],
      64,
      'of single models, each model=prompt/completion/cached in GRAM a million tokens, with @floor in thousandths of it where it is not priceFloorPerMille',
      (entries) => void entries.map(parseModelPrice),
    ),
    schedule: list(
      [],
      32,
      'when to serve, such as 22:00-07:00,sat,sun or mon-fri 18:00-24:00; empty is always',
      (entries) => void parseSchedule(entries, ''),
    ),
    scheduleZone: text('', "the schedule's time zone, such as Europe/Berlin; empty takes this machine's", (zone) => {
      parseSchedule([], zone)
    }),
    coalesceMs: integer(
      30,
      0,
      100,
      'deltas of one answer that follow each other this closely are sent as one, and more so with many answers at once; the first never waits; 0 sends each',
    ),
    creditTokens: integer(
      64,
      1,
      65_536,
      'completion tokens delivered beyond what vouchers cover: the most that can be lost to one payer',
    ),
    openMs: integer(10_000, 100, 60_000, 'until a new stream says what it wants'),
    promptPaymentMs: integer(5_000, 100, 300_000, 'waiting for the prompt fee while a slot is held'),
    paymentMs: integer(15_000, 100, 300_000, 'waiting for a voucher at the edge of the window before giving up'),
    queueMax: integer(32, 0, 10_000, 'requests waiting for a slot'),
    queueMs: integer(60_000, 100, 600_000, 'a request waits at most this long for a slot'),
    peerRequestsMax: integer(8, 1, 1_024, 'requests of one payer, running and waiting'),
    requestMs: integer(600_000, 1_000, 3_600_000, 'one request; the consumer may ask for less'),
    escrowCheckMs: integer(10_000, 100, 10 * minutes, 'how old the view of a payer escrow may be'),
    escrowTrustMs: integer(
      10 * minutes,
      0,
      24 * 60 * minutes,
      'how old it may be while the chain does not answer: known payers are served that long, up to twice settlement.thresholdNano unsettled',
    ),
    unlockDelayMsMin: integer(
      24 * 60 * minutes,
      0,
      365 * 24 * 60 * minutes,
      'escrows that close faster are refused: it is the time there is to settle',
    ),
    drainMs: integer(30_000, 0, 600_000, 'streams may finish this long when the node stops'),
  },
  hub: {
    feePpm: integer(5_000, 0, 1_000_000, 'what this hub takes, in millionths of what it grants'),
    incrementNanoMax: nano(
      20_000_000n,
      'the most that one grant may add: what a consumer can lose to this hub, so few would ask for more',
    ),
    idleMs: integer(10 * minutes, 1_000, 24 * 60 * minutes, 'a consumer that asks for nothing this long is let go'),
    consumersMax: integer(4_096, 1, 100_000, 'consumers connected at once; each holds a stream'),
  },
  settlement: {
    thresholdNano: nano(
      100_000_000n,
      'unsettled value of one payer that is worth settling: the network fee is then below 1 %, also where fifty others are paid',
    ),
    ageMsMax: integer(24 * 60 * minutes, 1_000, 30 * 24 * 60 * minutes, 'settled at this age even below the threshold'),
    intervalMs: integer(10_000, 100, 60 * minutes, 'how often the books are looked through'),
    watchMs: integer(
      60_000,
      100,
      60 * minutes,
      'how often the escrow of a payer with unsettled value is read: is it closing?',
    ),
    confirmMs: integer(60_000, 1_000, 60 * minutes, 'a posted batch is confirmed within this, or posted again'),
    confirmPollMs: integer(1_000, 50, 60_000, 'how often the contract is read meanwhile'),
    handoverMs: integer(15_000, 100, 10 * minutes, 'handing vouchers to another settler'),
    recordHalfLifeMs: integer(
      24 * 60 * minutes,
      1_000,
      30 * 24 * 60 * minutes,
      'what was seen of a settler counts half after this',
    ),
    settlerTrustMs: integer(
      120_000,
      1_000,
      60 * minutes,
      'a settler that took vouchers has this long before they are posted from here',
    ),
    settler: text(
      '',
      'peer id of a settler to hand vouchers to, or market for the best of those that advertise; empty posts from here',
    ),
    feePpmMax: integer(
      5_000,
      0,
      100_000,
      'a settler that asks more, in millionths of what it settles, is not used; the network itself takes up to 10 000',
    ),
    settlerFeePpm: integer(
      0,
      0,
      100_000,
      'what this settler asks of providers, in millionths of what it settles; `silkmesh settle --fee 0.5%` says it shorter',
    ),
    settlerValueNanoMin: nano(0n, 'vouchers that would pay less now are not posted by this settler, only watched over'),
    settlerWatches: flag(true, 'this settler contests an unlock with the vouchers it holds'),
    feeCreditNano: nano(
      5_000_000n,
      'fees a settler lends one provider, those of vouchers it has yet to settle included: ten at the threshold, at 0.5 %',
    ),
    watchEscrowsMax: integer(1_000, 0, 100_000, 'escrows a settler watches over: each is read every watchMs'),
    watchHandoverMs: integer(
      60_000,
      1_000,
      60 * minutes,
      'vouchers that are not due are handed over for watching this often, ten at most',
    ),
    queueMax: integer(100_000, 10, 10_000_000, 'vouchers a settler holds for others'),
    retryMsMax: integer(
      5 * minutes,
      1_000,
      60 * minutes,
      'longest pause between tries while the chain does not answer',
    ),
  },
  ledger: {
    checkMs: integer(
      24 * 60 * minutes,
      1_000,
      30 * 24 * 60 * minutes,
      'how often ledger, books and chain are compared, after the start: a payee is one read of the chain',
    ),
    linesMax: integer(
      10_000,
      100,
      1_000_000,
      'lines that `silkmesh ledger` can still tell, about 0.7 KB each; older ones are carried forward as balances',
    ),
  },
  chain: {
    network: choice(
      ['any', 'local', 'testnet', 'mainnet'],
      'any',
      "the chain: its endpoint where none is set, and no other chain's is believed; any takes what the endpoint says",
    ),
    endpoint: text('', 'a toncenter v2 API, such as https://…/api/v2/jsonRPC; `silkmesh chain` runs a local one'),
    apiKey: text('', 'for that endpoint'),
    endpoints: list(
      [],
      8,
      'more of the same chain, asked while that one fails or is behind; a key goes into the URL as ?api_key=…',
    ),
    finalityMs: integer(
      0,
      0,
      600_000,
      "a payment counts once the chain has shown it so long; 0 takes the network's: 5000, and none on this machine",
    ),
    owner: text(
      '',
      "the TON account that owns this home's escrow, such as a phone's wallet; empty: this home's wallet",
    ),
    unlockDelayS: integer(86_400, 3_600, 31_536_000, 'of a new escrow: how long providers may settle once it closes'),
    requestsPerSecond: integer(
      0,
      0,
      1_000,
      "bound on requests to each endpoint; 0 takes toncenter's: 1 without a key, 10 with one",
    ),
  },
  gateway: {
    host: text('127.0.0.1', 'where the API listens; anything but loopback also needs --allow-public'),
    port: integer(8_333, 0, 65_535, '0 takes a free one'),
    hosts: list([], 16, 'further names that clients may call the gateway by; loopback names always work'),
    origins: list([], 16, 'web origins whose pages may call the gateway from a browser'),
    bodyBytesMax: integer(1_572_864, 1_024, 16_777_216, 'an HTTP body: a prompt at its limit with JSON escapes'),
    requestsMax: integer(256, 1, 10_000, 'HTTP requests at once'),
    requestsLogged: integer(
      256,
      0,
      100_000,
      'requests whose routing `silkmesh explain` can still tell; about 2 KB each',
    ),
  },
  engine: {
    model: text(
      'builtin',
      'builtin, a path to a GGUF file, or hf:owner/repository/file.gguf; several with commas between; with a server, its own names',
    ),
    loadedMax: integer(2, 1, 16, 'of several models, in memory at once; the one unused longest makes room'),
    loadMs: integer(60_000, 1_000, 600_000, 'a request waits at most this long for its model to be loaded'),
    url: text('', 'an OpenAI-compatible server to serve from instead'),
    apiKey: text('', 'for that server'),
    healthMs: integer(10_000, 500, 600_000, 'that server is asked this often how it is, jittered by a fifth'),
    slots: integer(4, 1, 1_024, 'requests decoded at once'),
    contextTokens: integer(
      0,
      0,
      16_777_216,
      'a slot, prompt and answer together; 0 takes what the model was trained for, up to 4096',
    ),
    threads: integer(0, 0, 1_024, '0 measures at start; more threads than idle cores is slower, not faster'),
    gpu: choice(['auto', 'off'], 'auto', 'use a graphics card where its build is installed'),
  },
} as const

export type Settings = typeof settings
export type Config = {
  readonly [Group in keyof Settings]: {
    readonly [Name in keyof Settings[Group]]: Settings[Group][Name] extends Setting<infer T> ? T : never
  }
}

export type Origin = 'flag' | 'environment' | 'file' | 'default'

/** One source of values: `lookup` is given a group and a name and returns what that source says, or undefined. */
export interface Layer {
  readonly origin: Origin
  /** Named in errors, such as `--port` or the file's path. */
  readonly describe: (group: string, name: string) => string
  readonly lookup: (group: string, name: string) => unknown
}

export interface ResolvedConfig {
  readonly config: Config
  readonly origins: ReadonlyMap<string, Origin>
}

/** The first layer that knows a setting wins. Throws `MeshError` `bad-request` naming source, value and expectation. */
export function resolveConfig(layers: readonly Layer[]): ResolvedConfig {
  const origins = new Map<string, Origin>()
  const config: Record<string, Record<string, unknown>> = {}
  for (const [group, members] of Object.entries(settings)) {
    const values: Record<string, unknown> = {}
    for (const [name, setting] of Object.entries(members) as [string, Setting<unknown>][]) {
      const layer = layers.find((candidate) => candidate.lookup(group, name) !== undefined)
      origins.set(`${group}.${name}`, layer?.origin ?? 'default')
      values[name] = layer ? parseFrom(layer, group, name, setting) : setting.default
    }
    config[group] = values
  }
  return { config: config as unknown as Config, origins }
}

export type Overrides = { readonly [Group in keyof Config]?: Partial<Config[Group]> }

/** Defaults with some values replaced, unchecked: for tests, presets and the simulator. */
export function configOf(...overrides: readonly Overrides[]): Config {
  const { config } = resolveConfig([])
  const merged: Record<string, object> = { ...config }
  for (const override of overrides) {
    for (const [group, values] of Object.entries(override)) merged[group] = { ...merged[group], ...values }
  }
  return merged as unknown as Config
}

/** Every setting as people read it, in the table's order. */
export function listSettings(
  resolved: ResolvedConfig,
): readonly { name: string; value: string; origin: Origin; reason: string }[] {
  return Object.entries(settings).flatMap(([group, members]) =>
    (Object.entries(members) as [string, Setting<unknown>][]).map(([name, setting]) => {
      const values = resolved.config[group as keyof Config] as Record<string, unknown>
      return {
        name: `${group}.${name}`,
        value: setting.show(values[name]),
        origin: resolved.origins.get(`${group}.${name}`) ?? 'default',
        reason: setting.reason,
      }
    }),
  )
}

function parseFrom(layer: Layer, group: string, name: string, setting: Setting<unknown>): unknown {
  try {
    return setting.parse(layer.lookup(group, name))
  } catch (error) {
    const expectation = error instanceof Error ? error.message : String(error)
    throw new MeshError('bad-request', `${layer.describe(group, name)}: ${expectation}`, { cause: error })
  }
}

function integer(value: number, min: number, max: number, reason: string): Setting<number> {
  return {
    default: value,
    reason,
    parse: (raw) => {
      const number = typeof raw === 'string' && /^\d{1,15}$/.test(raw) ? Number(raw) : raw
      if (typeof number !== 'number' || !Number.isInteger(number) || number < min || number > max) {
        throw new RangeError(`${JSON.stringify(raw)}, expected a whole number from ${min} to ${max}`)
      }
      return number
    },
    show: String,
  }
}

function nano(value: Nano, reason: string): Setting<Nano> {
  return {
    default: value,
    reason: `${reason}; in GRAM`,
    parse: (raw) => {
      const amount = parseGram(
        typeof raw === 'number' ? String(raw) : typeof raw === 'string' ? raw : JSON.stringify(raw),
      )
      if (amount > nanoMax) throw new RangeError(`${String(raw)} GRAM, at most ${formatGram(nanoMax)}`)
      return amount
    },
    show: (amount) => `${formatGram(amount)} GRAM`,
  }
}

function flag(value: boolean, reason: string): Setting<boolean> {
  return {
    default: value,
    reason,
    parse: (raw) => {
      if (raw === true || raw === 'true' || raw === '1') return true
      if (raw === false || raw === 'false' || raw === '0') return false
      throw new RangeError(`${JSON.stringify(raw)}, expected true or false`)
    },
    show: String,
  }
}

/** `check` throws for what cannot be used. */
function text(value: string, reason: string, check?: (given: string) => void): Setting<string> {
  return {
    default: value,
    reason,
    parse: (raw) => {
      if (typeof raw !== 'string' || raw.length > 4_096) throw new RangeError(`${JSON.stringify(raw)}, expected a text`)
      check?.(raw)
      return raw
    },
    show: (shown) => (shown === '' ? '–' : shown),
  }
}

function choice<const T extends string>(options: readonly T[], value: NoInfer<T>, reason: string): Setting<T> {
  return {
    default: value,
    reason,
    parse: (raw) => {
      const found = options.find((option) => option === raw)
      if (!found) throw new RangeError(`${JSON.stringify(raw)}, expected one of ${options.join(', ')}`)
      return found
    },
    show: String,
  }
}

function hedging(value: 'off', reason: string): Setting<'off' | 'p95' | number> {
  const [min, max] = [1, 60_000]
  return {
    default: value,
    reason,
    parse: (raw) => {
      if (raw === 'off' || raw === 'p95') return raw
      const ms = typeof raw === 'string' && /^\d{1,15}$/.test(raw) ? Number(raw) : raw
      if (typeof ms === 'number' && Number.isInteger(ms) && ms >= min && ms <= max) return ms
      throw new RangeError(`${JSON.stringify(raw)}, expected off, p95 or a whole number from ${min} to ${max}`)
    },
    show: String,
  }
}

/** `check` throws for what cannot be used. */
function list(
  value: readonly string[],
  max: number,
  reason: string,
  check?: (items: readonly string[]) => void,
): Setting<readonly string[]> {
  return {
    default: value,
    reason,
    parse: (raw) => {
      const items = typeof raw === 'string' ? raw.split(',').filter((item) => item !== '') : raw
      if (!Array.isArray(items) || items.some((item) => typeof item !== 'string')) {
        throw new RangeError(`${JSON.stringify(raw)}, expected a list of texts`)
      }
      if (items.length > max) throw new RangeError(`${items.length} entries, at most ${max}`)
      check?.(items)
      return items
    },
    show: (items) => (items.length === 0 ? '–' : items.join(',')),
  }
}
