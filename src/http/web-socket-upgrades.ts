import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { handleProtocols } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Outgoing } from './slow-clients.ts'

/** RFC 6455's register: Service Restart, and Try Again Later. graphql-ws and its like connect again after both, and resubscribe. */
export const SERVICE_RESTART = 1012
const TRY_AGAIN_LATER = 1013
export const STOPPING = 'The instance is stopping: connect again'
const STARTING = 'The gateway is starting: connect again in a moment'

/** Of answers that a client does not take: then nothing more is read of it, until it has taken them. */
const MAX_UNREAD_BYTES = 1024 * 1024

/** What else asks to be upgraded, as Java's client does to HTTP/2, is served as it is. */
export const isForWebSocket = ({ headers }: IncomingMessage) => headers.upgrade?.toLowerCase() === 'websocket'

/**
 * Every handshake of the server's life is answered. One that comes while the instance starts or stops is accepted, and closed in a way
 * that says to come again: graphql-ws gives up after a handshake that is refused, and waits for ever for one that nobody answers.
 */
export class WebSocketUpgrades {
  /** Tells of those that are served, by `connection`. */
  readonly server: WebSocketServer
  /** For who ends those that take nothing of what they are sent. */
  readonly outgoing = new Set<Outgoing>()
  #closing = false

  constructor(
    server: Server,
    options: { maxMessageBytes: number; phase: () => 'starting' | 'open' | 'stopping' },
  ) {
    this.server = new WebSocketServer({
      noServer: true,
      path: '/graphql',
      maxPayload: options.maxMessageBytes,
      handleProtocols: protocols => handleProtocols(protocols),
    })
    server.on('upgrade', (request: IncomingMessage, stream: Socket, head: Buffer) => {
      this.server.handleUpgrade(request, stream, head, socket => {
        // A frame that breaks the protocol has closed the socket already.
        socket.on('error', () => {})
        this.#bound(socket, stream)
        const phase = this.#closing ? 'stopping' : options.phase()
        if (phase === 'open') this.server.emit('connection', socket, request)
        else if (phase === 'starting') socket.close(TRY_AGAIN_LATER, STARTING)
        else socket.close(SERVICE_RESTART, STOPPING)
      })
    })
  }

  /** A ping of graphql-transport-ws asks for an answer, and costs its sender nothing. Those of WebSockets ws itself bounds. */
  #bound(socket: WebSocket, stream: Socket): void {
    const outgoing = { socket: stream, destroy: () => socket.terminate() }
    this.outgoing.add(outgoing)
    socket.once('close', () => this.outgoing.delete(outgoing))
    const readNoMore = () => {
      if (socket.isPaused || socket.bufferedAmount <= MAX_UNREAD_BYTES) return
      socket.pause()
      stream.once('drain', () => socket.resume())
    }
    socket.on('message', readNoMore)
  }

  /** Says goodbye to all; ends when they have answered it or been cut off. */
  async close(): Promise<void> {
    this.#closing = true
    const gone = [...this.server.clients].map(
      socket =>
        new Promise<void>(resolve => {
          socket.once('close', () => resolve())
          socket.close(SERVICE_RESTART, STOPPING)
        }),
    )
    await Promise.all(gone)
  }
}
