// One answer as server-sent events, at the pace of its reader: a delta is asked for when the one before it was taken.

import { MeshError } from '../../protocol/errors.ts'
import type { InferenceEvent, InferenceResult } from '../inference.ts'
import type { Clock } from '../ports.ts'
import { type ChunkWriter, errorEvent, keepAliveComment } from './answer.ts'
import type { Call } from './calls.ts'

export interface StreamPace {
  readonly clock: Clock
  /** A comment is sent each time nothing came for this long: below the idle limits of common proxies (60 s). */
  readonly keepAliveMs: number
  /** A reader that takes nothing during this many of those spans is cut off. */
  readonly stallsMax: number
}

/**
 * `call` ends with the stream. `explain` turns whatever was thrown into what the client may read; `hangUp` drops the
 * connection of a reader that stalled.
 */
export function chatStream(
  events: AsyncIterator<InferenceEvent, InferenceResult>,
  writer: ChunkWriter,
  call: Call,
  pace: StreamPace,
  explain: (error: unknown) => MeshError,
  hangUp: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let isWaiting = false
  let stalls = 0

  async function next(): Promise<{ readonly text: string; readonly isLast: boolean }> {
    try {
      for (;;) {
        if (call.abortedBy) throw call.abortedBy
        const step = await events.next()
        if (step.done) {
          if (step.value.finish === 'cancelled') throw new MeshError('cancelled', 'the request was cancelled')
          return { text: writer.closing(step.value), isLast: true }
        }
        // An `accepted` after a failover changes nothing for the reader; a delta may hold half a character, so no text.
        if (step.value.type === 'delta' && step.value.text !== '') {
          return { text: writer.delta(step.value.text), isLast: false }
        }
      }
    } catch (error) {
      return { text: errorEvent(explain(error)), isLast: true }
    }
  }

  async function watch(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    for (;;) {
      await pace.clock.sleep(pace.keepAliveMs, call.ended)
      if (isWaiting && (controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(keepAliveComment))
      else if (!isWaiting && ++stalls >= pace.stallsMax) hangUp()
    }
  }

  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(writer.opening))
      watch(controller).catch(() => undefined) // the sleep is let go when the call ends
      // Between two steps nobody is there to notice the signal: the provider must stop all the same.
      call.signal.addEventListener('abort', () => isWaiting || leave(events), { once: true })
    },
    async pull(controller) {
      isWaiting = true
      stalls = 0
      const { text, isLast } = await next()
      isWaiting = false
      if (call.signal.aborted) leave(events)
      if (call.ended.aborted) return // the reader left meanwhile: this stream takes nothing any more
      controller.enqueue(encoder.encode(text))
      if (!isLast) return
      call.end()
      controller.close()
    },
    cancel() {
      call.abort(new MeshError('cancelled', 'the client went away'))
      leave(events)
      call.end()
    },
  })
}

/** Lets a generator clean up that was left between two steps; one in the middle of a step ends by the call's signal. */
export function leave(events: AsyncIterator<InferenceEvent, InferenceResult>): void {
  events.return?.().catch(() => undefined) // it ends because it was told to
}
