import type { IncomingMessage, ServerResponse } from 'node:http'
import compression from 'compression'

/** A smaller one fits into the packet that carries its headers. */
const SMALLEST_BYTES = 1024

const compress = compression({
  threshold: SMALLEST_BYTES,
  // An event would wait in the compressor for the next one.
  filter: (request, response) =>
    !String(response.getHeader('content-type')).startsWith('text/event-stream') &&
    compression.filter(request, response),
})

/** From now on, what is written is compressed where that pays and the client takes it. */
export function compressAnswer(request: IncomingMessage, response: ServerResponse): void {
  compress(request as never, response as never, () => {})
}
