import { once } from 'node:events'
import type { ExecutionResult } from 'graphql'
import { createClient } from 'graphql-ws'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import type { AnswerError } from './api-answers.ts'
import { until } from './until.ts'

/** What came for one operation over a socket. */
export interface SocketAnswer {
  results: ExecutionResult[]
  errors: AnswerError[]
}

export interface SocketClient {
  /** @param signal completes the operation before it has its answer, of which then nothing comes */
  ask(
    request: {
      query?: string
      variables?: Record<string, unknown>
      extensions?: Record<string, unknown>
    },
    signal?: AbortSignal,
  ): Promise<SocketAnswer>
  /** How often the gateway has closed the socket. */
  readonly closed: number
  dispose(): void
}

/** A socket on which anything may be sent, also what no library would. */
export interface RawSocket {
  send(message: unknown): void
  /** Every message that has come, in order. */
  readonly messages: readonly { type: string; id?: string; payload?: unknown }[]
  /** How the gateway has closed it; undefined while it is open. */
  readonly closed: { code: number; reason: string } | undefined
}

/** Opens one for that token; it is gone after the test. */
export async function openRawSocket(
  url: string,
  { token, ...options }: { token?: string; headers?: Record<string, string>; autoPong?: boolean } = {},
): Promise<RawSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', options)
  onTestFinished(() => socket.terminate())
  const messages: RawSocket['messages'][number][] = []
  let closed: RawSocket['closed']
  socket.on('message', data => messages.push(JSON.parse(String(data))))
  socket.on('close', (code, reason) => {
    closed = { code, reason: String(reason) }
  })
  await once(socket, 'open')
  const send = (message: unknown) =>
    socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  send({ type: 'connection_init', ...(token && { payload: { authorization: `Bearer ${token}` } }) })
  await until(() => messages.length > 0, { what: 'the acknowledgement' })
  messages.length = 0
  return {
    send,
    messages,
    get closed() {
      return closed
    },
  }
}

/** A client of graphql-ws with one socket, which is gone after the test. */
export function connectSocket(
  url: string,
  token?: string,
  headers: Record<string, string> = {},
): SocketClient {
  let closed = 0
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: class extends WebSocket {
      constructor(address: string, protocols: string | string[]) {
        super(address, protocols, { headers })
      }
    },
    lazy: false,
    retryAttempts: 0,
    ...(token && { connectionParams: { authorization: `Bearer ${token}` } }),
    onNonLazyError: () => {},
    on: { closed: () => void closed++ },
  })
  onTestFinished(() => void client.dispose())
  return {
    ask: ({ query = '', ...request }, signal) =>
      new Promise((resolve, reject) => {
        const results: ExecutionResult[] = []
        const complete = client.subscribe(
          { query, ...request },
          {
            next: result => results.push(result as ExecutionResult),
            error: error =>
              Array.isArray(error) ? resolve({ results, errors: error as AnswerError[] }) : reject(error),
            complete: () =>
              resolve({
                results,
                errors: results.flatMap(({ errors }) => (errors ?? []) as unknown as AnswerError[]),
              }),
          },
        )
        signal?.addEventListener('abort', complete)
      }),
    get closed() {
      return closed
    },
    dispose: () => void client.dispose(),
  }
}
