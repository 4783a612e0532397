import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A way to PostgreSQL that can go silent, as behind a firewall that drops what it does not know any more. */
export interface Road {
  /** Of the database, by this way. */
  readonly url: string
  /** From here on nothing arrives on any connection, and none is closed. */
  silence(): void
  /** New connections work; those from before the silence stay dead, and nobody has told either end. */
  reopen(): void
}

export async function startRoad(databaseUrl: string): Promise<Road> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let silent = false
  let silences = 0
  const server = createServer(near => {
    const far = connect(Number(target.port), target.hostname)
    const since = silences
    const isDead = () => silent || silences > since
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => sockets.delete(from))
      from.on('data', data => void (isDead() || to.write(data)))
      from.on('end', () => void (isDead() || to.end()))
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: url.href,
    silence() {
      silent = true
      silences++
    },
    reopen() {
      silent = false
    },
  }
}
