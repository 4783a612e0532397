import type { ExecutionResult } from 'graphql'
import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import type { FakeGenerator } from './fake-generator.ts'
import type { Gate } from './gate.ts'
import { requestAnalysis } from './graphql-client.ts'
import { until } from './until.ts'

/** A run as a subscriber sees it. */
export interface RunEvent {
  id: string
  state: string
  phase: string
  progress: number
  epoch: number
  finishedAt: string | null
  error: string | null
  result: { __typename: string; id: string } | null
}

type Result = ExecutionResult<{ generationChanged: RunEvent }>

interface Problem {
  message: string
  extensions?: { code?: string }
}

/** What a subscriber has got so far. */
export interface Following {
  readonly results: Result[]
  /** The runs of the results; throws when one is an error. */
  readonly runs: RunEvent[]
  readonly errors: readonly Problem[]
  /** Of SSE: the name and the id of every event. */
  readonly eventIds: { event: string; id: string }[]
  /** Told so by the gateway, and not cut off. */
  readonly completed: boolean
  /** Nothing comes any more, for whatever reason. */
  readonly ended: boolean
  leave(): void
}

export const FOLLOW = `subscription Follow($id: ID!) {
  generationChanged(id: $id) {
    id state phase progress epoch finishedAt error result { __typename id }
  }
}`

class Collected implements Following {
  readonly results: Result[] = []
  readonly errors: Problem[] = []
  readonly eventIds: Following['eventIds'] = []
  completed = false
  ended = false
  leave = () => {}

  get runs(): RunEvent[] {
    return this.results.map(({ data, errors }) => {
      if (!data) throw new Error(`no run but ${JSON.stringify(errors)}`)
      return data.generationChanged
    })
  }

  add(result: Result): void {
    this.results.push(result)
    this.errors.push(...((result.errors ?? []) as readonly Problem[]))
  }
}

export interface FollowOptions {
  id: string
  token?: string
  query?: string
  /** Left out: the id alone. */
  variables?: Record<string, unknown>
  /** Of Server-Sent Events alone. */
  headers?: Record<string, string>
  /** Of Server-Sent Events alone; a browser's EventSource knows GET only. */
  method?: 'POST' | 'GET'
}

export const ended = (following: Following) => until(() => following.ended, { what: 'a subscription to end' })
export const firstRun = (following: Following) =>
  until(() => following.runs.length > 0, { what: 'the run as it stands' })

/** Starts a run that waits at the gate, and fails behind it where the test says so. @returns its id. */
export async function startRun(
  run: { url: string; generator: FakeGenerator; token: string; gate: Gate },
  failure?: Error,
): Promise<string> {
  const { url, generator, token, gate } = run
  generator.behave = async (_input, { signal }) => {
    await gate.pass(signal)
    if (failure) throw failure
  }
  const { pending } = await requestAnalysis(url, token, { forceRefresh: true, waitMs: 0 })
  await gate.arrived(1)
  return pending.id
}

/** Subscribes over Server-Sent Events, as fetch-based clients do. */
export async function followByEvents(url: string, options: FollowOptions): Promise<Following> {
  const { id, token, query = FOLLOW, variables = { id }, method = 'POST' } = options
  const controller = new AbortController()
  const headers = {
    accept: 'text/event-stream',
    ...(token && { authorization: `Bearer ${token}` }),
    ...options.headers,
  }
  const init = { method, headers, signal: controller.signal }
  const parameters = new URLSearchParams({ query, variables: JSON.stringify(variables) })
  const response =
    method === 'GET'
      ? await fetch(`${url}/graphql?${parameters}`, init)
      : await fetch(`${url}/graphql`, {
          ...init,
          headers: { ...headers, 'content-type': 'application/json' },
          body: JSON.stringify({ query, variables }),
        })
  if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream'))
    throw new Error(`no event stream but ${response.status} ${await response.text()}`)
  const following = new Collected()
  following.leave = () => controller.abort()
  void readEvents(response.body, event => {
    following.eventIds.push({ event: event.event, id: event.id })
    if (event.event === 'complete') following.completed = true
    else following.add(JSON.parse(event.data) as Result)
  })
    .catch(() => {})
    .finally(() => {
      following.ended = true
    })
  return following
}

/** The format of https://html.spec.whatwg.org/multipage/server-sent-events.html, for what a gateway writes. */
async function readEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: { event: string; id: string; data: string }) => void,
): Promise<void> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = block.split('\n').map(line => /^(\w*):? ?(.*)$/.exec(line) ?? [])
      const field = (name: string) =>
        fields.flatMap(([, key, value]) => (key === name ? [value ?? ''] : [])).join('\n')
      if (fields.some(([, key]) => key === 'event'))
        onEvent({ event: field('event'), id: field('id'), data: field('data') })
    }
  }
}

export interface Socket {
  readonly client: Client
  /** How often it was opened, and closed. */
  readonly opened: number
  readonly closed: number
  follow(id: string, query?: string, variables?: Record<string, unknown>): Following
  close(): Promise<void>
}

/** A WebSocket of a frontend, on which several operations may run. It is not opened again once it is closed. */
export function openSocket(url: string, token?: string): Socket {
  let opened = 0
  let closed = 0
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    lazy: false,
    retryAttempts: 0,
    onNonLazyError: () => {},
    ...(token && { connectionParams: { authorization: `Bearer ${token}` } }),
    on: { opened: () => opened++, closed: () => closed++ },
  })
  return {
    client,
    get opened() {
      return opened
    },
    get closed() {
      return closed
    },
    follow(id, query = FOLLOW, variables = { id }) {
      const following = new Collected()
      let left = false
      const unsubscribe = client.subscribe<{ generationChanged: RunEvent }>(
        { query, variables },
        {
          next: result => following.add(result as Result),
          error: error => {
            following.errors.push(...(Array.isArray(error) ? error : [{ message: String(error) }]))
            following.ended = true
          },
          // The client completes what it leaves itself, too.
          complete: () => {
            following.completed = !left
            following.ended = true
          },
        },
      )
      following.leave = () => {
        left = true
        unsubscribe()
      }
      return following
    },
    close: async () => client.dispose(),
  }
}

/** Subscribes over a WebSocket of its own. */
export async function followBySocket(url: string, options: FollowOptions): Promise<Following> {
  const socket = openSocket(url, options.token)
  const following = socket.follow(options.id, options.query, options.variables)
  const { leave } = following
  following.leave = () => {
    leave()
    void socket.close()
  }
  return following
}
