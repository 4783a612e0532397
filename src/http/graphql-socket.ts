import type { IncomingMessage } from 'node:http'
import { CloseCode, MessageType, type makeServer, validateMessage } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { Logger } from '../shared/logger.ts'

/** A proxy closes a socket on which nothing happens, after half a minute at the soonest. */
const PING_MS = 12_000
/** Of a close frame, by RFC 6455. */
const MAX_REASON_BYTES = 123

export interface SocketExtra {
  readonly socket: WebSocket
  readonly request: IncomingMessage
}

/**
 * Speaks `graphql-transport-ws` over a WebSocket, as graphql-ws' own adapter for ws does, except that a message may name a document
 * by its id and have no `query`, that whoever sends what is no message is told what is wrong with it, and that nothing is
 * written past our log.
 * @see https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
export function speakGraphql(
  { socket, request }: SocketExtra,
  options: {
    server: ReturnType<typeof makeServer<Record<string, unknown>, SocketExtra>>
    logger: Logger
    /** One that takes longer to answer a ping, as it takes nothing that it is sent, is cut off. */
    clientTimeoutMs: number
    /** Called for what is no message, upon which the socket closes. */
    onBroken: (reason: string) => void
  },
): void {
  const { server, logger, clientTimeoutMs, onBroken } = options
  const failed = (error: unknown) => {
    logger.error({ err: error }, 'a WebSocket failed unexpectedly')
    socket.close(CloseCode.InternalServerError, 'Internal server error')
  }
  // Frames that are none, or longer than they may be: ws itself closes the socket, and says why.
  socket.on('error', error => onBroken(error.message))
  const stopPings = pingRegularly(socket, Math.min(PING_MS, clientTimeoutMs))
  const closed = server.opened(
    {
      protocol: socket.protocol,
      send: data =>
        new Promise((resolve, reject) => {
          if (socket.readyState !== socket.OPEN) return resolve()
          socket.send(data, error => (error ? reject(error) : resolve()))
        }),
      close: (code, reason = '') => socket.close(code, shortened(reason)),
      onMessage: take => {
        const inTurn = onePerId(socket, text => take(text).catch(failed))
        socket.on('message', data => {
          // One that is closing still gets what its client had sent.
          if (socket.readyState !== socket.OPEN) return
          let message: ClientMessage
          try {
            message = readMessage(String(data))
          } catch (error) {
            const reason = error instanceof Error ? error.message : String(error)
            onBroken(reason)
            socket.close(CloseCode.BadRequest, shortened(reason))
            return
          }
          inTurn(message)
        })
      },
    },
    { socket, request },
  )
  socket.once('close', (code, reason) => {
    stopPings()
    Promise.resolve(closed(code, String(reason))).catch(failed)
  })
}

/** What a client may send. */
const OF_CLIENTS: ReadonlySet<unknown> = new Set([
  MessageType.ConnectionInit,
  MessageType.Ping,
  MessageType.Pong,
  MessageType.Subscribe,
  MessageType.Complete,
])

interface ClientMessage {
  type: unknown
  /** Of those that are about an operation. */
  id: string | undefined
  /** For graphql-ws, which wants a `query` in each operation. */
  text: string
}

/** @throws with what does not fit */
function readMessage(text: string): ClientMessage {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch {
    throw new Error('Expected a message in JSON')
  }
  const named = namesDocument(message)
  if (named) named.query = ''
  const { type } = validateMessage(message)
  if (!OF_CLIENTS.has(type)) throw new Error(`A client does not send messages of the type "${type}"`)
  const { id } = message as { id?: string }
  return { type, id, text: named ? JSON.stringify(message) : text }
}

/**
 * An id may be used again as soon as its operation is completed. graphql-ws forgets it when that one has ended, which takes a moment,
 * and would forget the next one with it: nothing could end that any more, not even the end of the socket. So the next one waits.
 * @param take ends with the operation that its message begins
 */
function onePerId(
  socket: WebSocket,
  take: (text: string) => Promise<void>,
): (message: ClientMessage) => void {
  /** By id what has not ended, and what waits for that. */
  const running = new Map<string, { completed: boolean; next: string | undefined }>()
  const begin = (id: string, text: string) => {
    const operation = { completed: false, next: undefined as string | undefined }
    running.set(id, operation)
    void take(text).then(() => {
      running.delete(id)
      if (operation.next !== undefined && socket.readyState === socket.OPEN) begin(id, operation.next)
    })
  }
  return ({ type, id, text }) => {
    const before = id === undefined ? undefined : running.get(id)
    if (id !== undefined && type === MessageType.Subscribe && !before) begin(id, text)
    else if (type === MessageType.Subscribe && before?.completed) {
      if (before.next === undefined) before.next = text
      else socket.close(CloseCode.SubscriberAlreadyExists, shortened(`Subscriber for ${id} already exists`))
    } else if (type === MessageType.Complete && before?.next !== undefined) before.next = undefined
    else {
      if (type === MessageType.Complete && before) before.completed = true
      void take(text)
    }
  }
}

/** @returns the payload of an operation that has no `query` and says by an id which document it means */
function namesDocument(message: unknown): Record<string, unknown> | undefined {
  const { type, payload } = (message ?? {}) as { type?: unknown; payload?: Record<string, unknown> | null }
  if (type !== MessageType.Subscribe || payload == null || payload.query != null) return undefined
  const { persistedQuery } = (payload.extensions ?? {}) as { persistedQuery?: unknown }
  return payload.documentId != null || persistedQuery != null ? payload : undefined
}

function shortened(reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= MAX_REASON_BYTES) return reason
  // As a stream it leaves off a character that is cut in two.
  return new TextDecoder().decode(bytes.subarray(0, MAX_REASON_BYTES), { stream: true })
}

/** @returns what ends it */
function pingRegularly(socket: WebSocket, pingMs: number): () => void {
  let answered = true
  socket.on('pong', () => {
    answered = true
  })
  const timer = setInterval(() => {
    if (socket.readyState !== socket.OPEN) return
    if (!answered) return socket.terminate()
    answered = false
    socket.ping()
  }, pingMs)
  return () => clearInterval(timer)
}
