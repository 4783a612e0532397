import type { ExecutionResult } from 'graphql'
import type { FetchAPI } from 'graphql-yoga'
import { withoutHttp } from './mask-error.ts'

/** A comment line keeps proxies from closing a stream on which nothing happens. */
const PING_MS = 12_000

/**
 * GraphQL over Server-Sent Events, distinct connections mode, as the GraphQL over SSE protocol has it; every event
 * carries an id. Yoga's own processor writes none. An event is made when the reader takes it: a slow reader holds one.
 */
export function processEventStream(result: unknown, fetchAPI: FetchAPI): Response {
  const encoder = new TextEncoder()
  const results = eventsOf(result as ExecutionResult | AsyncIterable<ExecutionResult>)
  let eventId = 0
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
        eventId++
        if (!done) {
          controller.enqueue(
            encoder.encode(
              `id: ${eventId}\nevent: next\ndata: ${JSON.stringify(value.errors ? { ...value, errors: withoutHttp(value.errors) } : value)}\n\n`,
            ),
          )
          return
        }
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
