import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionResult } from 'graphql'
import type { FetchAPI } from 'graphql-yoga'
import { retryAfter } from './http-answer.ts'
import { withoutHttp } from './mask-error.ts'
import type { Retirement } from './retirement.ts'

/** A comment line keeps proxies from closing a stream on which nothing happens. */
const PING_MS = 12_000
/** graphql-sse takes an end that comes together with an event for no end at all, and waits for ever. */
const APART_MS = 250

/** On a result: the id of its event, after which its subscription resumes. Unseen by JSON. */
export const EVENT_ID = Symbol('event id')

/**
 * GraphQL over Server-Sent Events, distinct connections mode, as the GraphQL over SSE protocol has it; every event
 * carries an id: the result's own, or a number within the stream. Yoga's own processor writes none. An event is made when the reader takes it: a slow reader holds one.
 * What is refused is one event, since a browser's EventSource reads nothing of an error status; when to try again stands in the head too.
 * A subscription that is retired ends without `complete`, upon which clients subscribe again, with `Last-Event-ID`.
 */
export function processEventStream(result: unknown, fetchAPI: FetchAPI, retirement?: Retirement): Response {
  const encoder = new TextEncoder()
  const results = eventsOf(result as ExecutionResult | AsyncIterable<ExecutionResult>)
  let eventId = '0'
  let ownIds = false
  let count = 0
  const nextId = (result: ExecutionResult & { [EVENT_ID]?: string }) => {
    const own = result[EVENT_ID]
    ownIds ||= own !== undefined
    // What has no place in the order, as the reason of an end, leaves a client where it is.
    if (own !== undefined) eventId = own
    else if (!ownIds && !result.errors) eventId = String(++count)
    return eventId
  }
  let ping: NodeJS.Timeout | undefined
  let sentAtMs = Number.NEGATIVE_INFINITY
  let over = false
  let forget = () => {}
  const end = () => {
    over = true
    clearInterval(ping)
    forget()
  }
  const body = new fetchAPI.ReadableStream<Uint8Array>({
    start(controller) {
      // Headers reach the client at once, whatever the first event waits for.
      controller.enqueue(encoder.encode(':\n\n'))
      ping = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(':\n\n'))
      }, PING_MS)
      if (!retirement || !isEndless(result)) return
      forget = retirement.add(async () => {
        end()
        // What it would have given next is not lost: the client has not seen it, and asks for it elsewhere.
        void Promise.resolve(results.return?.()).catch(() => {})
        await sleep(Math.max(0, sentAtMs + APART_MS - performance.now()))
        controller.close()
      })
    },
    async pull(controller) {
      try {
        const { done, value } = await results.next()
        if (over) return
        if (!done) {
          sentAtMs = performance.now()
          controller.enqueue(
            encoder.encode(
              `id: ${nextId(value)}\nevent: next\ndata: ${JSON.stringify(value.errors ? { ...value, errors: withoutHttp(value.errors) } : value)}\n\n`,
            ),
          )
          return
        }
        if (!ownIds) eventId = String(++count)
        controller.enqueue(encoder.encode(`id: ${eventId}\nevent: complete\ndata:\n\n`))
        end()
        controller.close()
      } catch (error) {
        if (over) return
        end()
        controller.error(error)
      }
    },
    async cancel() {
      end()
      await results.return?.(undefined)
    },
  })
  return new fetchAPI.Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
      ...(!isEndless(result) && retryAfter(result as ExecutionResult)),
    },
  })
}

function isEndless(result: unknown): boolean {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result
}

function eventsOf(result: ExecutionResult | AsyncIterable<ExecutionResult>): AsyncIterator<ExecutionResult> {
  if (Symbol.asyncIterator in result) return result[Symbol.asyncIterator]()
  return (async function* () {
    yield result
  })()
}
