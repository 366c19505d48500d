// The composition root: configuration and ports in, a running node out. Nothing else knows every part.

import { asMeshError, MeshError } from '../protocol/errors.ts'
import {
  type Address,
  advertProtocol,
  capacityTopic,
  hubProtocol,
  inferProtocol,
  settleProtocol,
  settlerProtocol,
  settlerTopic,
  vocabularyProtocol,
} from '../protocol/ids.ts'
import type { Config } from './config.ts'
import { DailySpend } from './consumer/daily-spend.ts'
import { Directory } from './consumer/directory.ts'
import { type Parting, partFrom } from './consumer/leaving.ts'
import { Router } from './consumer/router.ts'
import { Tabs } from './consumer/tab.ts'
import { capped, ownVouchers } from './consumer/voucher-source.ts'
import { guarded } from './guarded-store.ts'
import { Hub } from './hub/hub.ts'
import { Ledger } from './hub/ledger.ts'
import { Liquidity } from './hub/liquidity.ts'
import type { Inference, SpendOfDay } from './inference.ts'
import { Journal } from './ledger/journal.ts'
import { Sheet } from './ledger/sheet.ts'
import type { Observe, Ports } from './ports.ts'
import { Accounts } from './provider/accounts.ts'
import { Admission } from './provider/admission.ts'
import { Advertiser } from './provider/advertiser.ts'
import { Opening, type OpeningState } from './provider/opening.ts'
import { Prices } from './provider/prices.ts'
import { parseSchedule } from './provider/schedule.ts'
import { Service } from './provider/service.ts'
import { Vocabularies } from './provider/vocabularies.ts'
import { Announcer, type SettlerAccount } from './settlement/announcer.ts'
import { Book } from './settlement/book.ts'
import { type Channel, unsettledNano } from './settlement/channel.ts'
import { Collector, type CollectorParts } from './settlement/collector.ts'
import { Desk } from './settlement/desk.ts'
import { Fees } from './settlement/fees.ts'
import { Market } from './settlement/market.ts'
import { Purse } from './settlement/purse.ts'
import { Settler } from './settlement/settler.ts'

/** What this node does; any mix. */
export interface Roles {
  /** Serves the engine's models, unless it begins paused, and is paid to this account. Needs the engine port. */
  readonly provider?:
    | {
        readonly payout: Address
        readonly isPaused?: boolean | undefined
        /** Its own, whose signer is this node's key: what settlers ask is paid from it. Without one, free settlers are used. */
        readonly escrow?: Address | undefined
      }
    | undefined
  /** Buys inference, paying from this escrow, whose signer is this node's key. */
  readonly consumer?: { readonly escrow: Address } | undefined
  /**
   * Pays providers for consumers out of this escrow, whose signer is this node's key, and is paid by them to this account. Neither
   * is the escrow or the payout of another role: what one of two counts promises the other would count as its own.
   */
  readonly hub?: { readonly escrow: Address; readonly payout: Address } | undefined
  /** Settles vouchers that others hand over. With an account it tells the mesh, and may ask a fee. */
  readonly settler?: boolean | SettlerAccount | undefined
}

/** By name, such as consumer or provider. */
export function rolesOf(roles: Roles): readonly string[] {
  return Object.entries(roles).flatMap(([role, on]) => (on ? [role] : []))
}

/** What a provider does with requests, for whoever runs it. */
export interface Serving {
  readonly state: OpeningState
  /** When its hours next begin or end; undefined without a schedule. Unix milliseconds. */
  readonly changesAtMs: number | undefined
  readonly active: number
  readonly queued: number
  /** Nothing new is taken, who waits is turned away, what runs goes on. */
  pause(): void
  resume(): void
}

export interface MeshNode {
  /** Present on a consumer. */
  readonly inference: Inference | undefined
  /** Present on a provider. */
  readonly serving: Serving | undefined
  readonly directory: Directory
  /** What was earned and spent, line by line. */
  readonly ledger: Journal
  /** A provider's and a hub's channels; empty otherwise. */
  channels(): readonly Channel[]
  /** Hands over and posts everything the chain would take now. Resolves when that was tried once. */
  settleNow(signal: AbortSignal): Promise<void>
  /** Drains – streams finish, debts are paid, vouchers are handed over – then ends. Safe to call twice. */
  stop(): Promise<void>
  /** Fires with the error when the store failed: nothing is served any more, and only a new start helps. */
  readonly failed: AbortSignal
}

export async function startNode(config: Config, given: Ports, roles: Roles): Promise<MeshNode> {
  const failing = new AbortController()
  const store = guarded(given.store, (error) => failing.abort(error))
  const journal = new Journal(
    { ...given, store },
    {
      linesMax: config.ledger.linesMax,
      confirmMs: config.settlement.confirmMs,
    },
  )
  await journal.recover()
  const ports: Ports = { ...given, store, observe: heardBy(journal, given.observe) }
  const { clock, network, observe, identity } = ports
  const ended = new AbortController()
  const loops: Promise<void>[] = []

  const account = typeof roles.settler === 'object' ? roles.settler : undefined
  const settler = await composeSettler(config, ports, journal, roles, account)
  const spend = await composeSpend(config, ports)
  const trade = await composeTrade(config, ports, journal, roles, spend)
  const directory: Directory = new Directory(
    config,
    forked(ports, 'directory'),
    (peer) => void consumer?.debts.pay(peer),
  )
  const provider =
    roles.provider &&
    (await composeProvider(config, ports, journal, roles.provider, { settler: settler.settler, ...trade }))
  const hub =
    roles.hub && (await composeHub(config, ports, journal, roles, roles.hub, { settler: settler.settler, ...trade }))
  const consumer =
    roles.consumer && (await composeConsumer(config, ports, journal, roles.consumer.escrow, directory, spend))

  network.subscribe(capacityTopic, (from, message) => directory.validate(from, message))
  if (provider) {
    network.handle(inferProtocol, (stream) => provider.service.serve(stream))
    network.handle(advertProtocol, (stream) => provider.advertiser.serve(stream))
    network.handle(vocabularyProtocol, (stream) => provider.vocabularies.serve(stream))
    loops.push(
      provider.advertiser.run(ended.signal),
      provider.collector.run(ended.signal),
      provider.opening.run(ended.signal),
    )
  }
  if (hub) {
    network.handle(hubProtocol, (stream) => hub.hub.serve(stream))
    loops.push(hub.collector.run(ended.signal), hub.hub.announce(ended.signal))
  }
  if (roles.settler) network.handle(settleProtocol, (stream) => settler.desk.serve(stream))
  if (settler.announcer) {
    const { announcer } = settler
    network.handle(settlerProtocol, (stream) => announcer.serve(stream))
    loops.push(announcer.run(ended.signal))
  }
  const isTrading = (provider || hub) && config.settlement.settler !== ''
  // a settler forwards what it hears of others; who deals with none does not listen
  if (isTrading || settler.announcer) {
    network.subscribe(settlerTopic, (from, message) => trade.market.validate(from, message))
  }
  if (isTrading && config.settlement.settler === 'market') loops.push(trade.market.run(ended.signal))
  if (provider || hub || roles.settler) loops.push(settler.settler.run(ended.signal))
  if (consumer) loops.push(directory.run(ended.signal))
  journal.onMismatch(() => provider?.admission.drain())
  loops.push(journal.run(config.ledger.checkMs, forked(ports, 'ledger'), ended.signal))
  const failed = failing.signal
  failed.throwIfAborted()
  failed.addEventListener('abort', () => {
    const { code, message } = asMeshError(failed.reason)
    observe({ type: 'fault', where: 'store, nothing is served any more', code, message })
    consumer?.drain()
    provider?.admission.close({ reason: 'this provider cannot write its books' })
    provider?.service.stopAll()
    hub?.hub.stop()
    void provider?.advertiser.withdraw().catch(() => undefined) // it expires by itself, too
    void settler.announcer?.withdraw().catch(() => undefined)
  })
  observe({
    type: 'node-started',
    peer: identity.peerId,
    roles: rolesOf(roles),
  })

  const settleNow = async (signal: AbortSignal): Promise<void> => {
    await provider?.collector.collect(true, signal)
    await hub?.collector.collect(true, signal)
    await settler.settler.settleAll(signal)
  }

  const drain = async (): Promise<void> => {
    observe({ type: 'node-stopping', peer: identity.peerId })
    consumer?.drain()
    provider?.admission.drain()
    await provider?.advertiser.withdraw().catch(() => undefined) // it expires by itself, too
    await settler.announcer?.withdraw().catch(() => undefined)
    const deadlineMs = clock.now() + config.provider.drainMs
    const isBusy = (): boolean => (consumer?.active ?? 0) > 0 || (provider?.admission.requests ?? 0) > 0
    while (isBusy() && clock.now() < deadlineMs) await clock.sleep(Math.min(100, config.provider.drainMs))
    provider?.service.stopAll()
    consumer?.stopAll()
    const accountedMs = clock.now() + config.consumer.cancelMs
    while ((consumer?.active ?? 0) > 0 && clock.now() < accountedMs)
      await clock.sleep(Math.min(100, config.consumer.cancelMs))
    await consumer?.debts.payAll(ended.signal)
    consumer?.close()
    hub?.hub.stop()
    for (const collector of [provider?.collector, hub?.collector]) {
      await collector?.collect(true, ended.signal).catch((error: unknown) => {
        const { code, message } = asMeshError(error)
        observe({ type: 'fault', where: 'handing vouchers over at the end', code, message }) // they stay in the book
      })
    }
    if (settler.settler.heldVouchers > 0) await settler.settler.settleAll(ended.signal)
    await journal.noteSettled(ports.chain).catch(() => undefined) // the next start reads it, too
    ended.abort()
    await Promise.all(loops)
    await journal.durable()
  }

  let stopping: Promise<void> | undefined
  return {
    inference: consumer,
    serving: provider && servingOf(provider),
    directory,
    ledger: journal,
    failed,
    channels: () => [...(provider?.book.channels() ?? []), ...(hub?.book.channels() ?? [])],
    settleNow,
    stop: () => {
      stopping ??= drain()
      return stopping
    },
  }
}

/** What was signed for today by the node that has this store; undefined where nothing caps it. */
export async function spendOfDay(
  config: Config,
  ports: Pick<Ports, 'clock' | 'store'>,
): Promise<SpendOfDay | undefined> {
  return (await composeSpend(config, ports))?.standing
}

/** Before this peer signs with another key, while no node of it runs: who may be owed something is asked, and paid. */
export async function partWithProviders(
  config: Config,
  ports: Pick<Ports, 'clock' | 'identity' | 'observe' | 'random' | 'store'>,
  escrow: Address,
  network: () => Promise<Ports['network']>,
  signal: AbortSignal,
): Promise<readonly Parting[]> {
  const tabs = new Tabs(escrow, ports)
  await tabs.recover()
  if (tabs.unsure().length === 0) return []
  const all = { ...ports, network: await network() }
  const looking = new AbortController()
  const directory = new Directory(config, all, () => undefined)
  all.network.subscribe(capacityTopic, (from, message) => directory.validate(from, message))
  const found = directory.run(looking.signal) // where they are now
  try {
    return await partFrom(tabs, all, config.consumer.connectMs, signal)
  } finally {
    looking.abort()
    await found
  }
}

async function composeConsumer(
  config: Config,
  ports: Ports,
  journal: Journal,
  escrow: Address,
  directory: Directory,
  spend: DailySpend | undefined,
): Promise<Router> {
  const own = ownVouchers(escrow, ports.identity)
  const tabs = new Tabs(spend ? capped(own, spend) : own, ports, spend, new Sheet(journal, 'consumer'))
  const router = new Router(config, escrow, forked(ports, 'requests'), directory, tabs, journal)
  await router.recover()
  return router
}

function heardBy(journal: Journal, observe: Observe): Observe {
  return (event) => {
    journal.heard(event)
    observe(event)
  }
}

/** A random stream of its own for each concern: a new draw in one place shifts no other. */
function forked(ports: Ports, concern: string): Ports {
  return { ...ports, random: ports.random.fork(concern) }
}

/** A provider posts by a settler, too; only one with an account is paid for it. */
async function composeSettler(
  config: Config,
  ports: Ports,
  journal: Journal,
  roles: Roles,
  account: SettlerAccount | undefined,
) {
  if (account && [roles.provider?.payout, roles.hub?.payout].includes(account.payout)) {
    throw new MeshError(
      'bad-request',
      `${account.payout} is paid as a provider or hub, too: a settler needs a payout of its own, or it is paid once for both`,
    )
  }
  const fees = account && new Fees('settler-fees', ports.store, new Sheet(journal, 'fees-earned'))
  await fees?.recover()
  const { identity } = ports
  const settler = new Settler(config, forked(ports, 'settler'), fees && { fees, peer: identity.peerId })
  await settler.recover()
  const desk = new Desk(config, ports, settler, account && fees && { account, fees })
  const announcer = account && new Announcer(config, account, () => settler.placesFree, forked(ports, 'announcer'))
  return { announcer, desk, settler }
}

/** What a provider or a hub needs to deal with settlers of others. What these ask counts with what requests cost. */
async function composeTrade(
  config: Config,
  ports: Ports,
  journal: Journal,
  { provider }: Roles,
  spend: DailySpend | undefined,
) {
  const fees = new Fees('fees', ports.store, new Sheet(journal, 'fees-paid'))
  await fees.recover()
  const purse = new Purse(provider?.escrow, fees, ports, spend && ((addedNano) => spend.take(addedNano)))
  return { market: new Market(config, forked(ports, 'market')), purse }
}

async function composeSpend(config: Config, ports: Pick<Ports, 'clock' | 'store'>): Promise<DailySpend | undefined> {
  const { spendNanoPerDayMax } = config.consumer
  if (spendNanoPerDayMax === 0n) return undefined
  const spend = new DailySpend(spendNanoPerDayMax, ports)
  await spend.recover()
  return spend
}

async function composeProvider(
  config: Config,
  ports: Ports,
  journal: Journal,
  { isPaused, payout }: NonNullable<Roles['provider']>,
  trade: Pick<CollectorParts, 'settler' | 'market' | 'purse'>,
) {
  const { engine } = ports
  if (!engine) throw new TypeError('a provider needs the engine port')
  const book = new Book(payout, ports, 'book', new Sheet(journal, 'provider'))
  await book.recover()
  const { slots } = engine
  const { peerRequestsMax, queueMax, schedule, scheduleZone } = config.provider
  const changed = (): void => advertiser.changed()
  const admission = new Admission({ slots, queueMax, peerRequestsMax }, ports.clock, changed)
  const load = () => ({ slots, active: admission.active, queued: admission.queued })
  const prices = new Prices(config.provider, ports.clock, load)
  const vocabularies = new Vocabularies(engine, ports.clock)
  await vocabularies.load()
  const parts = { config, payout, prices, engine, admission }
  const advertiser: Advertiser = new Advertiser({ ...parts, vocabularies, ports: forked(ports, 'advertiser') })
  const opening = new Opening(parseSchedule(schedule, scheduleZone), admission, ports)
  if (isPaused) opening.pause()
  // in calm weather a payer is settled with at the threshold: as much again may be due when the chain falls silent
  const silentNanoMax = 2n * config.settlement.thresholdNano
  const accounts = new Accounts(payout, { ...config.provider, silentNanoMax }, ports)
  const service = new Service({ ...parts, accounts, book, journal, ports })
  const collector = new Collector({ config, book, ...trade }, forked(ports, 'collector'))
  return { admission, advertiser, book, collector, opening, service, vocabularies }
}

async function composeHub(
  config: Config,
  ports: Ports,
  journal: Journal,
  { consumer, provider }: Roles,
  { escrow, payout }: NonNullable<Roles['hub']>,
  trade: Pick<CollectorParts, 'settler' | 'market' | 'purse'>,
) {
  if (consumer?.escrow === escrow) throw new TypeError(`${escrow} pays as a consumer: a hub needs an escrow of its own`)
  if (provider?.payout === payout)
    throw new TypeError(`${payout} is paid as a provider: a hub needs a payout of its own`)
  const book = new Book(payout, ports, 'hub-book', new Sheet(journal, 'hub'))
  await book.recover()
  const ledger = new Ledger(ports, new Sheet(journal, 'promised'))
  await ledger.recover()
  const silentNanoMax = 2n * config.settlement.thresholdNano
  const accounts = new Accounts(payout, { ...config.provider, silentNanoMax }, ports)
  const liquidity = new Liquidity(escrow, ledger, config.provider.escrowCheckMs, ports)
  const hub = new Hub({ config, payout, accounts, book, ledger, liquidity, ports })
  const collector = new Collector({ config, book, ...trade }, forked(ports, 'hub-collector'))
  return { book, collector, hub }
}

function servingOf({ admission, opening }: { readonly admission: Admission; readonly opening: Opening }): Serving {
  return {
    get state() {
      return opening.state
    },
    get changesAtMs() {
      return opening.changesAtMs
    },
    get active() {
      return admission.active
    },
    get queued() {
      return admission.queued
    },
    pause: () => opening.pause(),
    resume: () => opening.resume(),
  }
}

/** Value that vouchers cover and the chain has not paid, over all channels. */
export function unsettledOf(node: MeshNode): bigint {
  return node.channels().reduce((sum, channel) => sum + unsettledNano(channel), 0n)
}
