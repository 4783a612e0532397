import type { ExecutionResult } from 'graphql'
import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'

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

/** What a subscriber has got so far. */
export interface Following {
  readonly results: Result[]
  /** The runs of the results; throws when one is an error. */
  readonly runs: RunEvent[]
  readonly errors: { message: string; extensions?: { code?: string } }[]
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
  readonly errors: Following['errors'] = []
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
    this.errors.push(...((result.errors ?? []) as Following['errors']))
  }
}

export interface FollowOptions {
  id: string
  token?: string
  query?: string
}

/** Subscribes over Server-Sent Events, as fetch-based clients do. */
export async function followByEvents(url: string, options: FollowOptions): Promise<Following> {
  const { id, token, query = FOLLOW } = options
  const controller = new AbortController()
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      accept: 'text/event-stream',
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables: { id } }),
    signal: controller.signal,
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
  let text = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk
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
  follow(id: string, query?: string): Following
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
    follow(id, query = FOLLOW) {
      const following = new Collected()
      let left = false
      const unsubscribe = client.subscribe<{ generationChanged: RunEvent }>(
        { query, variables: { id } },
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
  const following = socket.follow(options.id, options.query)
  const { leave } = following
  following.leave = () => {
    leave()
    void socket.close()
  }
  return following
}
