import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** What somebody is sent: an answer, an event stream, a WebSocket. */
export interface Outgoing {
  readonly socket: Socket | null
  destroy(): unknown
}

interface Progress {
  /** Bytes that the other side's machine has taken. */
  taken: number
  sinceMs: number
}

/** Looks at each so often within the time that it has. */
const LOOKS = 4

/**
 * Bounds how long a client may hold up a connection: with a request that it does not finish sending, which Node ends by a 408, or
 * by not taking what it is sent, as a reader of an event stream or a WebSocket who has gone to sleep: that connection is closed.
 * An answer that is being worked on holds up nobody.
 */
export function endSlowClients(server: Server, answers: () => Iterable<Outgoing>, timeoutMs: number): void {
  const progressOf = new WeakMap<Outgoing, Progress>()
  const look = (response: Outgoing) => {
    const { socket } = response
    if (!socket || socket.writableLength === 0) {
      progressOf.delete(response)
      return
    }
    const taken = socket.bytesWritten - socket.writableLength
    const progress = progressOf.get(response)
    const nowMs = performance.now()
    if (progress?.taken !== taken) progressOf.set(response, { taken, sinceMs: nowMs })
    else if (nowMs - progress.sinceMs >= timeoutMs) response.destroy()
  }
  const timer = setInterval(() => {
    for (const response of answers()) look(response)
  }, timeoutMs / LOOKS)
  timer.unref()
  server.once('close', () => clearInterval(timer))
}

/** What Node itself bounds, for `createServer`. */
export function requestBounds(timeoutMs: number) {
  return {
    /** Tokens of identity providers with many claims fit; Node answers 431 to more. */
    maxHeaderSize: MAX_HEADER_BYTES,
    /** From the first byte to the last of the body. */
    requestTimeout: timeoutMs,
    headersTimeout: Math.min(timeoutMs, HEADERS_TIMEOUT_MS),
    connectionsCheckingInterval: Math.min(timeoutMs / LOOKS, HEADERS_TIMEOUT_MS / LOOKS),
    keepAliveTimeout: KEEP_ALIVE_MS,
  }
}

const MAX_HEADER_BYTES = 16 * 1024
const HEADERS_TIMEOUT_MS = 10_000
/**
 * Longer than proxies keep a connection on which nothing happens, of which 60, 90 and 120 s are usual: one that sends on it at the
 * moment it is closed here would have its request lost.
 */
const KEEP_ALIVE_MS = 130_000
