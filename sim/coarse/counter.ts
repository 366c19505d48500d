// The providers' side of the coarse market: admit or refuse, decode in the batch, account, tell the mesh of the load.

import { admit } from '../../node/provider/admission.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import { costNano, isWithin } from '../../protocol/money.ts'
import type { SeededRandom } from '../random.ts'
import { type Agenda, happening } from './agenda.ts'
import type { Consumer, Population } from './population.ts'
import { Prefixes } from './prefixes.ts'
import type { Live, Provider } from './provider.ts'
import { isPaying, type Till } from './till.ts'

export interface CounterParts {
  readonly population: Population
  readonly agenda: Agenda
  readonly till: Till
  readonly random: SeededRandom
  /** The consumer learns at that time that the attempt failed. */
  readonly fail: (live: Live, atMs: number, code: ErrorCode) => void
  /** Its caller went away, as planned. */
  readonly left: (live: Live) => void
}

export class Counter {
  readonly #population: Population
  readonly #agenda: Agenda
  readonly #till: Till
  readonly #random: SeededRandom
  readonly #fail: CounterParts['fail']
  readonly #leave: CounterParts['left']
  readonly #prefixes = new Prefixes()
  /** Published because something changed. */
  adverts = 0

  constructor({ agenda, fail, left, population, random, till }: CounterParts) {
    this.#population = population
    this.#agenda = agenda
    this.#till = till
    this.#random = random
    this.#fail = fail
    this.#leave = left
  }

  /** The request is at the provider. */
  reach(live: Live) {
    const provider = providerOf(live)
    const { nowMs } = this.#agenda
    const { frozenUntilMs, isDraining, isUp } = provider
    if (!isUp) return this.#fail(live, nowMs + live.oneWayMs, 'unreachable')
    if (frozenUntilMs > nowMs) {
      const { firstByteMs } = this.#consumer(live).config.consumer
      if (frozenUntilMs - nowMs > firstByteMs) return this.#fail(live, nowMs + firstByteMs, 'timeout')
      return this.#agenda.schedule(live, frozenUntilMs, happening.reach)
    }
    const code = this.#refusal(live, provider)
    if (code) return this.#fail(live, nowMs + live.oneWayMs, code)
    const { active, limits, queue } = provider
    live.since = nowMs
    switch (admit(limits, { active, queued: queue.length, ofPeer: this.#openAt(live) - 1, isDraining })) {
      case 'run':
        provider.account(nowMs)
        provider.active += 1
        return this.#lease(live, provider)
      case 'queue':
        return this.#queue(live, provider)
      case 'draining':
        return this.#fail(live, nowMs + live.oneWayMs, 'draining')
      case 'too-many':
      case 'full':
        return this.#fail(live, nowMs + live.oneWayMs, 'busy')
    }
  }

  /** It has waited for a slot long enough. */
  tire(live: Live) {
    const { nowMs } = this.#agenda
    this.#leaveQueue(live, providerOf(live))
    live.queueMs += nowMs - live.since
    this.#fail(live, nowMs + live.oneWayMs, 'timeout')
  }

  /** Its prompt is paid: into the batch. */
  begin(live: Live) {
    const provider = providerOf(live)
    const consumer = this.#consumer(live)
    const { nowMs } = this.#agenda
    const { promptTokens, cachedTokens } = live.prefix
    if (live.promptTokens === 0) {
      live.promptTokens = promptTokens
      live.cachedTokens = cachedTokens
    }
    this.#till.prepaid(live)
    live.phase = 'decoding'
    if (provider.spec.adversary === 'stalling') {
      return this.#agenda.schedule(live, nowMs + consumer.config.consumer.firstByteMs, happening.cutOff)
    }
    const tokens = this.#tokensLeft(live)
    live.sequence = {
      promptTokens,
      cachedTokens,
      // whoever does not pay gets no more
      tokens: isPaying(consumer) ? tokens : Math.min(tokens, provider.config.provider.creditTokens),
      stretch: this.#till.stretch(live, provider, consumer),
      beginsAt: Number.POSITIVE_INFINITY,
    }
    live.target = 1
    provider.decoding.push(live)
    this.#agenda.forget(live)
    provider.batch.add(live.sequence, nowMs)
    if (nowMs < provider.frozenUntilMs) provider.batch.hold(provider.frozenUntilMs, nowMs)
    this.#prefixes.hold(this.#population.requests, live.request, provider, promptTokens + tokens)
    this.#reschedule(provider)
  }

  /** Whoever in the batch has what it waited for goes on. */
  advance(provider: Provider) {
    provider.batch.sync(this.#agenda.nowMs)
    for (const live of [...provider.decoding]) {
      const { sequence, target } = live
      if (!sequence || provider.batch.tokensOf(sequence) < target) continue
      live.firstTokenMs ??= this.#arrivesMs(live)
      const stopAt = this.#stopAt(live, sequence.tokens)
      if (target < stopAt) live.target = stopAt
      else this.#stopped(live, provider)
    }
    this.#reschedule(provider)
  }

  /** The provider hears that the caller went away. */
  left(live: Live) {
    this.#account(live, true)
    this.#release(live, providerOf(live))
    this.#leave(live)
  }

  /** The provider does not deliver, or the consumer does not pay. */
  cutOff(live: Live) {
    const isStalling = live.sequence === undefined
    this.#account(live, false)
    this.#release(live, providerOf(live))
    this.#fail(live, this.#agenda.nowMs, isStalling ? 'timeout' : 'credit-exhausted')
  }

  /** The consumer is gone, or gives up: whatever the attempt had is accounted for. */
  breakOff(live: Live) {
    const { phase, provider } = live
    if (!provider?.attached.has(live)) return
    if (phase === 'queued') this.#leaveQueue(live, provider)
    else if (phase === 'paying' || phase === 'decoding') {
      this.#account(live, false)
      this.#release(live, provider)
    }
    this.#agenda.forget(live)
  }

  up(provider: Provider) {
    provider.account(this.#agenda.nowMs)
    provider.begin()
    provider.tell(this.#agenda.nowMs, true)
    this.adverts += 1
  }

  /** It stops in order: who waits is turned away, who runs may finish for a while. */
  drain(provider: Provider) {
    const { nowMs } = this.#agenda
    provider.withdraw(nowMs)
    provider.isDraining = true
    for (const live of provider.queue.splice(0)) this.#fail(live, nowMs + live.oneWayMs, 'draining')
    this.#agenda.add(nowMs + provider.config.provider.drainMs, happening.drained, provider.index, provider.epoch)
  }

  drained(provider: Provider, epoch: number) {
    if (provider.epoch === epoch && provider.isDraining) this.down(provider, 'draining')
  }

  /** It is gone: all that it had under way is, too. `timeout` where nobody is told. */
  down(provider: Provider, code: ErrorCode) {
    const { nowMs } = this.#agenda
    provider.account(nowMs)
    for (const live of [...provider.attached]) this.#drop(live, code)
    provider.end(nowMs)
  }

  freeze(provider: Provider, untilMs: number) {
    const { nowMs } = this.#agenda
    provider.frozenUntilMs = untilMs
    provider.batch.hold(untilMs, nowMs)
    for (const live of [...provider.attached]) {
      const { betweenDeltasMs } = this.#consumer(live).config.consumer
      if (live.phase !== 'decoding' || untilMs - nowMs <= betweenDeltasMs) continue
      this.#account(live, false)
      this.#release(live, provider)
      this.#fail(live, nowMs + betweenDeltasMs, 'timeout')
    }
    this.#reschedule(provider)
  }

  /** Looks whether there is something worth telling the mesh. */
  tell(provider: Provider) {
    const { nowMs } = this.#agenda
    provider.isAdvertDue = false
    if (!provider.isUp || provider.isDraining || nowMs < provider.frozenUntilMs) return
    if (!provider.tell(nowMs, false)) return
    this.adverts += 1
    this.#changed(provider)
  }

  /** What is agreed before a slot: the price, the prompt's size, what the escrow can pay. */
  #refusal(live: Live, provider: Provider): ErrorCode | undefined {
    const { book } = this.#till
    const { requests } = this.#population
    const promptTokens = (requests.promptTokens[live.request] as number) + live.delivered
    if (promptTokens + Math.max(1, this.#tokensLeft(live)) > provider.profile.contextTokens) return 'context-exceeded'
    // a price once told is kept to while its advert lives: the lower of the two is served at
    const { price } = provider
    if (isWithin(price, live.price)) live.price = price
    const window = this.#till.windowOf(live, provider)
    const isIdle = this.#openAt(live) === 1
    // what a broken stream left is paid with the next request
    if (isPaying(this.#consumer(live)) && isIdle && book.unpaidNano(live.channel) > 0n) this.#till.pay(live.channel)
    // of one that does not pay, two at once would share the window: the second gets nothing
    if (!isPaying(this.#consumer(live)) && !isIdle) return 'credit-exhausted'
    if (isIdle && window > 0n && book.unpaidNano(live.channel) >= window) return 'credit-exhausted'
    const cachedTokens = this.#prefixes.cachedTokens(requests, live.request, provider, promptTokens)
    live.prefix = { promptTokens, cachedTokens, completionTokens: 0 }
    const neededNano = book.owedNano(live.channel) + costNano(live.prefix, live.price) + window
    return book.coverNano(live.channel) < neededNano ? 'escrow-unusable' : undefined
  }

  #queue(live: Live, provider: Provider) {
    live.phase = 'queued'
    provider.enqueue(live)
    const waitMs = Math.min(provider.config.provider.queueMs, this.#consumer(live).config.consumer.queueMs)
    this.#agenda.schedule(live, this.#agenda.nowMs + waitMs, happening.tire)
    this.#changed(provider)
  }

  /** It has a slot: accept, and the prompt's voucher back. */
  #lease(live: Live, provider: Provider) {
    const { nowMs } = this.#agenda
    live.phase = 'paying'
    live.queueMs += nowMs - live.since
    this.#changed(provider)
    const voucherMs = this.#till.voucherMs(live, provider, this.#consumer(live))
    this.#agenda.schedule(live, nowMs + voucherMs, happening.begin)
  }

  /** The token of this attempt at which something happens after the first. */
  #stopAt(live: Live, tokens: number): number {
    const leaveAfter = this.#population.requests.leaveAfterTokens[live.request] as number
    return Math.max(1, Math.min(tokens, leaveAfter === 0 ? tokens : leaveAfter - live.delivered))
  }

  #stopped(live: Live, provider: Provider) {
    const { nowMs } = this.#agenda
    const consumer = this.#consumer(live)
    if (live.target >= this.#tokensLeft(live)) {
      this.#account(live, true)
      this.#release(live, provider)
      live.phase = 'ending'
      this.#agenda.schedule(live, this.#arrivesMs(live) + consumer.spec.disk.syncMs, happening.finish)
      return
    }
    live.target = Number.POSITIVE_INFINITY
    if (isPaying(consumer)) this.#agenda.schedule(live, nowMs + 2 * live.oneWayMs, happening.leave)
    else this.#agenda.schedule(live, nowMs + provider.config.provider.paymentMs, happening.cutOff)
  }

  /** Counts what the attempt delivered. */
  #account(live: Live, isPaid: boolean) {
    const { sequence } = live
    if (!sequence) return
    const provider = providerOf(live)
    provider.batch.sync(this.#agenda.nowMs)
    const tokens = provider.batch.tokensOf(sequence)
    live.costNano += this.#till.delivered(live, provider, this.#consumer(live), tokens, isPaid)
    live.delivered += tokens
    provider.tokensServed += tokens
  }

  /** The slot is free, for whoever's turn it is. */
  #release(live: Live, provider: Provider) {
    if (live.sequence) {
      const at = provider.decoding.indexOf(live)
      if (at >= 0) provider.decoding.splice(at, 1)
      provider.batch.remove(live.sequence, this.#agenda.nowMs)
      live.sequence = undefined
    }
    const next = provider.takeNext(live)
    if (next) this.#lease(next, provider)
    else {
      provider.account(this.#agenda.nowMs)
      provider.active -= 1
      this.#changed(provider)
    }
    this.#reschedule(provider)
  }

  #leaveQueue(live: Live, provider: Provider) {
    provider.dequeue(live)
    this.#changed(provider)
  }

  /** One that waits for what never comes waits as long as its consumer's patience. */
  #drop(live: Live, code: ErrorCode) {
    const { phase } = live
    if (phase === 'ending' || phase === 'failing' || phase === 'opening') return // sent already, or not there yet
    const { betweenDeltasMs, firstByteMs, queueMs } = this.#consumer(live).config.consumer
    this.#account(live, false)
    live.sequence = undefined
    const patienceMs = phase === 'queued' ? queueMs : phase === 'paying' ? firstByteMs : betweenDeltasMs
    this.#fail(live, this.#agenda.nowMs + (code === 'timeout' ? patienceMs : live.oneWayMs), code)
  }

  /** When its next is due. */
  #reschedule(provider: Provider) {
    provider.stamp += 1
    let atMs = Number.POSITIVE_INFINITY
    for (const { sequence, target } of provider.decoding) {
      if (!sequence || target === Number.POSITIVE_INFINITY) continue
      atMs = Math.min(atMs, provider.batch.timeOf(sequence, target))
    }
    if (atMs === Number.POSITIVE_INFINITY) return
    this.#agenda.add(atMs, happening.batch, provider.index, provider.stamp)
  }

  #changed(provider: Provider) {
    if (provider.isAdvertDue || !provider.isUp) return
    provider.isAdvertDue = true
    const gapMs = provider.config.discovery.advertGapMs * (0.8 + 0.4 * this.#random.next())
    this.#agenda.add(this.#agenda.nowMs + gapMs, happening.tell, provider.index)
  }

  #tokensLeft({ delivered, request }: Live): number {
    return (this.#population.requests.completionTokens[request] as number) - delivered
  }

  /** What leaves now is at the consumer then. */
  #arrivesMs(live: Live): number {
    return Math.max(this.#agenda.nowMs + live.oneWayMs, this.#consumer(live).frozenUntilMs)
  }

  #openAt(live: Live): number {
    return this.#consumer(live).open?.get(providerOf(live).peerId) ?? 0
  }

  #consumer(live: Live): Consumer {
    return this.#population.consumers[live.consumer] as Consumer
  }
}

function providerOf({ provider, request }: Live): Provider {
  if (!provider) throw new RangeError(`request ${request} is at no provider`)
  return provider
}
