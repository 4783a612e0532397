import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

export interface CollectedSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  /** Of OTLP: 1 internal, 2 server, 3 client. */
  kind: number
  attributes: Record<string, unknown>
  failed: boolean
}

export interface Collector {
  readonly url: string
  readonly spans: CollectedSpan[]
  /** What came, as it came. */
  readonly bodies: string[]
  readonly headers: IncomingHttpHeaders[]
  spanOf(traceId: string, name: string): CollectedSpan
}

interface Otlp {
  resourceSpans: {
    scopeSpans: {
      spans: (Omit<CollectedSpan, 'attributes' | 'failed'> & {
        attributes: { key: string; value: Record<string, unknown> }[]
        status?: { code?: number }
      })[]
    }[]
  }[]
}

/** Takes what an OpenTelemetry exporter sends: OTLP as JSON over real HTTP. */
export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const bodies: string[] = []
  const headers: IncomingHttpHeaders[] = []
  const server = createServer((request, response) => {
    void json(request).then(body => {
      if (request.url !== '/v1/traces') return void response.writeHead(404).end()
      headers.push(request.headers)
      bodies.push(JSON.stringify(body))
      for (const { scopeSpans } of (body as Otlp).resourceSpans)
        for (const { attributes, status, ...span } of scopeSpans.flatMap(scope => scope.spans))
          spans.push({
            ...span,
            attributes: Object.fromEntries(
              attributes.map(({ key, value }) => [key, Object.values(value)[0]]),
            ),
            failed: status?.code === 2,
          })
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bodies,
    headers,
    spanOf(traceId, name) {
      const found = spans.filter(span => span.traceId === traceId && span.name === name)
      if (found.length === 0)
        throw new Error(`no span ${name} but ${spans.map(span => `${span.traceId} ${span.name}`).join(', ')}`)
      return found[0] as CollectedSpan
    },
  }
}
