// One answer as server-sent events, at the pace of its reader: a delta is asked for when the one before it was taken.

import { MeshError } from '../../protocol/errors.ts'
import type { Clock } from '../ports.ts'
import { keepAliveComment, queuedComment } from './answer.ts'
import type { Call } from './calls.ts'
import type { StreamWriter } from './endpoint.ts'
import type { Runs, Step } from './runs.ts'

export interface StreamPace {
  readonly clock: Clock
  /** A comment is sent each time nothing came for this long: below the idle limits of common proxies (60 s). */
  readonly keepAliveMs: number
  /** A reader that takes nothing during this many of those spans is cut off. */
  readonly stallsMax: number
}

/**
 * `first` is the step already taken of `runs`, and `call` ends with the stream. `explain` turns whatever was thrown into
 * what the client may read; `hangUp` drops the connection of a reader that stalled.
 */
export function answerStream(
  first: Step,
  runs: Runs,
  writer: StreamWriter,
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
        const step = await runs.next()
        const text = textOf(step, writer)
        if (text !== '' || step.type === 'all-ended') return { text, isLast: step.type === 'all-ended' }
      }
    } catch (error) {
      return { text: writer.failure(explain(error)), isLast: true }
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
      controller.enqueue(encoder.encode(textOf(first, writer)))
      watch(controller).catch(() => undefined) // the sleep is let go when the call ends
      // Between two steps nobody is there to notice the signal: the provider must stop all the same.
      call.signal.addEventListener('abort', () => isWaiting || runs.leave(), { once: true })
    },
    async pull(controller) {
      isWaiting = true
      stalls = 0
      const { text, isLast } = await next()
      isWaiting = false
      if (call.signal.aborted || isLast) runs.leave()
      if (call.ended.aborted) return // the reader left meanwhile: this stream takes nothing any more
      controller.enqueue(encoder.encode(text))
      if (!isLast) return
      call.end()
      controller.close()
    },
    cancel() {
      call.abort(new MeshError('cancelled', 'the client went away'))
      runs.leave()
      call.end()
    },
  })
}

function textOf(step: Step, writer: StreamWriter): string {
  if (step.type === 'ended') return writer.ended(step.run, step.result)
  if (step.type === 'all-ended') return writer.closing(step.run, step.results)
  const { event, run } = step
  switch (event.type) {
    case 'accepted':
      return writer.accepted(run, event)
    case 'delta':
      return writer.delta(run, event)
    case 'queued':
      return queuedComment(event)
    case 'embedding':
      return '' // an answer of vectors is never streamed
  }
}
