import { EventSource } from 'eventsource'
import { createClient as createEventsClient } from 'graphql-sse'
import { createClient as createSocketClient } from 'graphql-ws'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'

const QUERY = `subscription($interviewId: ID, $afterVersion: Int) {
  interviewStatusChanged(interviewId: $interviewId, afterVersion: $afterVersion) { status version interview { id } }
}`

interface Change {
  status: string
  version: number
  interview: { id: string }
}

/** A frontend that follows interviews with one of the libraries that frontends use, and lets it connect again. */
export interface Follower {
  readonly by: string
  /** Every change that it was given, in the order it came. */
  readonly changes: readonly Change[]
  /** How often it connected. */
  readonly connected: number
  /** What its library has given up with. */
  readonly errors: readonly unknown[]
}

interface Sink extends Follower {
  changes: Change[]
  connected: number
  errors: unknown[]
}

const newSink = (by: string): Sink => ({ by, changes: [], connected: 0, errors: [] })

/** Soon, so that a test need not wait; the libraries' own waits are seconds. */
const RETRY_MS = 100
const RETRIES = 1000

/** The variables are sent as they stand whenever the library subscribes again: what was seen last is told by them. */
function resuming(sink: Sink, interviewId: string) {
  const variables: { interviewId: string; afterVersion?: number } = { interviewId }
  return {
    payload: { query: QUERY, variables },
    sink: {
      next(result: { data?: Record<string, unknown> | null | undefined; errors?: unknown }) {
        const change = result.data?.interviewStatusChanged as Change | undefined
        if (!change) return void sink.errors.push(result.errors)
        sink.changes.push(change)
        variables.afterVersion = change.version
      },
      error: (error: unknown) => void sink.errors.push(error),
      complete: () => void sink.errors.push('completed'),
    },
  }
}

export function followBySocketLibrary(url: string, token: string, interviewId: string): Follower {
  const sink = newSink('graphql-ws')
  const client = createSocketClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: RETRIES,
    retryWait: () => new Promise(resolve => setTimeout(resolve, RETRY_MS)),
    on: { connected: () => sink.connected++ },
  })
  const { payload, sink: results } = resuming(sink, interviewId)
  const leave = client.subscribe(payload, { ...results, complete: () => over || results.complete() })
  let over = false
  onTestFinished(async () => {
    over = true
    leave()
    // One that is about to connect again says so by a rejection.
    await Promise.resolve(client.dispose()).catch(() => {})
  })
  return sink
}

export function followByEventsLibrary(url: string, token: string, interviewId: string): Follower {
  const sink = newSink('graphql-sse')
  const client = createEventsClient({
    url: `${url}/graphql`,
    headers: { authorization: `Bearer ${token}` },
    retryAttempts: RETRIES,
    retry: () => new Promise(resolve => setTimeout(resolve, RETRY_MS)),
    on: { connected: () => sink.connected++ },
  })
  const { payload, sink: results } = resuming(sink, interviewId)
  let over = false
  client.subscribe(payload, { ...results, complete: () => over || results.complete() })
  onTestFinished(() => {
    over = true
    client.dispose()
  })
  return sink
}

/** A browser's own EventSource: it knows Last-Event-ID, and goes on after it by itself. Without an id: all the user's interviews. */
export function followByEventSource(url: string, token: string, interviewId?: string): Follower {
  const sink = newSink('EventSource')
  const parameters = new URLSearchParams({ query: QUERY, variables: JSON.stringify({ interviewId }) })
  const source = new EventSource(`${url}/graphql?${parameters}`, {
    fetch: (input, init) =>
      fetch(input, {
        ...init,
        headers: { ...init.headers, authorization: `Bearer ${token}` },
      } as RequestInit),
  })
  source.addEventListener('open', () => sink.connected++)
  source.addEventListener('error', ({ code }) => {
    // With a code it was refused, and the library does not come again.
    if (source.readyState === source.CLOSED) sink.errors.push(code)
  })
  source.addEventListener('next', ({ data }) => {
    const { data: result, errors } = JSON.parse(data)
    if (result) sink.changes.push(result.interviewStatusChanged)
    else sink.errors.push(errors)
  })
  source.addEventListener('complete', () => sink.errors.push('completed'))
  onTestFinished(() => source.close())
  return sink
}
