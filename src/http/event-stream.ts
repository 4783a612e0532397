import type { ExecutionResult } from 'graphql'
import type { FetchAPI } from 'graphql-yoga'
import { withoutHttp } from './mask-error.ts'

/** A comment line keeps proxies from closing a stream on which nothing happens. */
const PING_MS = 12_000

/** On a result: the id of its event, after which its subscription resumes. Unseen by JSON. */
export const EVENT_ID = Symbol('event id')

/**
 * GraphQL over Server-Sent Events, distinct connections mode, as the GraphQL over SSE protocol has it; every event
 * carries an id: the result's own, or a number within the stream. Yoga's own processor writes none. An event is made when the reader takes it: a slow reader holds one.
 */
export function processEventStream(result: unknown, fetchAPI: FetchAPI): Response {
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
  const body = new fetchAPI.ReadableStream<Uint8Array>({
    start(controller) {
      // Headers reach the client at once, whatever the first event waits for.
      controller.enqueue(encoder.encode(':\n\n'))
      ping = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(':\n\n'))
      }, PING_MS)
    },
    async pull(controller) {
      try {
        const { done, value } = await results.next()
        if (!done) {
          controller.enqueue(
            encoder.encode(
              `id: ${nextId(value)}\nevent: next\ndata: ${JSON.stringify(value.errors ? { ...value, errors: withoutHttp(value.errors) } : value)}\n\n`,
            ),
          )
          return
        }
        if (!ownIds) eventId = String(++count)
        controller.enqueue(encoder.encode(`id: ${eventId}\nevent: complete\ndata:\n\n`))
        clearInterval(ping)
        controller.close()
      } catch (error) {
        clearInterval(ping)
        controller.error(error)
      }
    },
    async cancel() {
      clearInterval(ping)
      await results.return?.(undefined)
    },
  })
  return new fetchAPI.Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
    },
  })
}

function eventsOf(result: ExecutionResult | AsyncIterable<ExecutionResult>): AsyncIterator<ExecutionResult> {
  if (Symbol.asyncIterator in result) return result[Symbol.asyncIterator]()
  return (async function* () {
    yield result
  })()
}
