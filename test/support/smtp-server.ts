import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'

/** Enough of RFC 5321 for a client that sends mails one after another; keeps what it took. */
export class FakeSmtpServer {
  readonly mails: string[] = []
  /** What it answers to the next mails instead of taking them. */
  readonly refusals: string[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor() {
    this.#server = createServer(socket => this.#serve(socket))
  }

  static async start(): Promise<FakeSmtpServer> {
    const server = new FakeSmtpServer()
    await new Promise<void>(resolve => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
    let buffered = ''
    let inData = false
    socket.write('220 ready\r\n')
    socket.on('data', chunk => {
      buffered += chunk
      for (;;) {
        const end = inData ? buffered.indexOf('\r\n.\r\n') : buffered.indexOf('\r\n')
        if (end === -1) return
        const text = buffered.slice(0, end)
        buffered = buffered.slice(end + (inData ? 5 : 2))
        if (inData) {
          inData = false
          this.mails.push(text)
          socket.write('250 taken\r\n')
        } else if (text.startsWith('MAIL') && this.refusals.length > 0) {
          socket.write(`${this.refusals.shift()}\r\n`)
        } else if (text === 'DATA') {
          inData = true
          socket.write('354 go on\r\n')
        } else if (text === 'QUIT') socket.end('221 bye\r\n')
        else socket.write('250 fine\r\n')
      }
    })
  }
}
