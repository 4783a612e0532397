import { randomInt } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'

/**
 * Below the ranges from which systems take ports for outgoing connections (Linux: from 32768), so that the port is
 * still free at the next start, and what has it in its settings (a psql, a database viewer) goes on working.
 */
const firstPort = 20_000
const endPort = 30_000
const attempts = 50

/** A port that is free now: the preferred one if it is. Another program may be faster; who binds it tells. */
export async function choosePort(preferred: number | null): Promise<number> {
  if (preferred !== null && (await listen(preferred)) !== null) return preferred
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = await listen(randomInt(firstPort, endPort))
    if (port !== null) return port
  }
  const port = await listen(0)
  if (port === null) throw new Error('no TCP port of 127.0.0.1 is free')
  return port
}

/** Null when it is taken, or this user may not have it. */
function listen(port: number): Promise<number | null> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(null))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const bound = (server.address() as AddressInfo).port
      server.close(() => resolve(bound))
    })
  })
}
