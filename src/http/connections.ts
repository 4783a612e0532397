import type { Server } from 'node:http'
import type { Socket } from 'node:net'

const SWEEP_MS = 50
/** On a connection where nothing is under way: a request may be on its way. */
const SILENT_MS = 1000

/** What a connection has sent, and since when it has sent no more. */
interface Sent {
  bytes: number
  sinceMs: number
}

/**
 * The connections of a server, so that it can end: Node itself knows those as idle upon which something was answered, and waits for
 * one that a browser or a balancer has opened in advance, or that stays silent, for as long as it stays.
 */
export class Connections {
  readonly #server: Server
  /** With how many requests are under way on each; a socket that became a WebSocket's is so for good. */
  readonly #underWay = new Map<Socket, number>()

  constructor(server: Server) {
    this.#server = server
    const count = (socket: Socket, by: number) => {
      const known = this.#underWay.get(socket)
      if (known !== undefined) this.#underWay.set(socket, known + by)
    }
    server.on('connection', (socket: Socket) => {
      this.#underWay.set(socket, 0)
      socket.once('close', () => this.#underWay.delete(socket))
    })
    server.on('request', ({ socket }, response) => {
      count(socket, 1)
      response.on('close', () => count(socket, -1))
    })
    server.on('upgrade', ({ socket }) => count(socket, 1))
  }

  /** Takes no more of them, ends each once nothing is under way on it, and all when `deadlineMs` is over. */
  close(deadlineMs: number): Promise<void> {
    const sent = new Map<Socket, Sent>()
    const sweep = () => {
      const nowMs = performance.now()
      for (const [socket, underWay] of this.#underWay) {
        if (underWay > 0) continue
        const known = sent.get(socket)
        if (known?.bytes !== socket.bytesRead) sent.set(socket, { bytes: socket.bytesRead, sinceMs: nowMs })
        else if (nowMs - known.sinceMs >= SILENT_MS) socket.destroy()
      }
    }
    return new Promise(resolve => {
      const cutOff = setTimeout(() => {
        for (const socket of this.#underWay.keys()) socket.destroy()
      }, deadlineMs)
      // A connection whose last answer goes out after this would be kept for its client's next request.
      const timer = setInterval(sweep, SWEEP_MS)
      this.#server.close(() => {
        clearTimeout(cutOff)
        clearInterval(timer)
        resolve()
      })
      sweep()
    })
  }
}
