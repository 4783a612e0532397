import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** As often as a balancer that is set up well asks. */
const CHECK_MS = 200
const CHECK_TIMEOUT_MS = 5000
/** In a row. */
const MOST_LATE = 3

export interface Balancer {
  readonly url: string
  /** Those that take requests just now. */
  readonly ready: readonly string[]
  /** What it had to answer itself, because an instance did not. */
  readonly failures: readonly string[]
}

/**
 * What stands before several instances: it sends each request to the next one that says it is ready, once and never again
 * to another, keeps its connections, and does nothing for a request that an instance has dropped.
 */
export async function startBalancer(instances: readonly string[]): Promise<Balancer> {
  const agent = new Agent({ keepAlive: true })
  const ready = new Set<string>()
  /** When each was last heard of: for what a failure says. */
  const heardAtMs = new Map<string, number>()
  const failures: string[] = []
  const sockets = new Set<Socket>()
  let turn = 0
  const next = () => {
    const urls = instances.filter(url => ready.has(url))
    return urls[turn++ % urls.length]
  }
  const lateBy = new Map<string, number>()
  const check = async (url: string) => {
    const response = await fetch(`${url}/health/ready`, {
      signal: AbortSignal.timeout(CHECK_TIMEOUT_MS),
    }).catch((error: Error) => error)
    const answer =
      response instanceof Response ? ((await response.json().catch(() => ({}))) as { phase?: string }) : {}
    heardAtMs.set(url, performance.now())
    if (response instanceof Response && response.status === 200) {
      lateBy.delete(url)
      ready.add(url)
      return
    }
    // One that is slow, or whose database is, is not gone for that: this machine may be busy.
    const slow = answer.phase === 'ready' || (response instanceof Error && response.name === 'TimeoutError')
    const late = (lateBy.get(url) ?? 0) + 1
    lateBy.set(url, late)
    if (!slow || late >= MOST_LATE) ready.delete(url)
  }
  const checks = instances.map(url => {
    let over = false
    const loop = (async () => {
      while (!over) {
        await check(url)
        await new Promise(resolve => setTimeout(resolve, CHECK_MS))
      }
    })()
    return async () => {
      over = true
      await loop
    }
  })

  const forward = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const target = next()
    const fail = (why: string) => {
      failures.push(`${incoming.method} by ${target ?? 'nobody'}: ${why}`)
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(502).end(why)
    }
    if (target === undefined) return fail('no instance is ready')
    const { hostname, port } = new URL(target)
    const asked = request(
      { hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers, agent },
      answer => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        outgoing.flushHeaders()
        answer.pipe(outgoing)
        answer.once('error', error => outgoing.destroy(error))
      },
    )
    const askedAtMs = performance.now()
    asked.once('error', error => {
      if (outgoing.destroyed) return
      const ms = (since: number) => Math.round(performance.now() - since)
      fail(
        `${error}, ${ms(askedAtMs)} ms after it was asked, on ${asked.reusedSocket ? 'a kept' : 'a new'} connection, ${ready.has(target) ? '' : 'not '}ready as of ${ms(heardAtMs.get(target) ?? 0)} ms ago`,
      )
    })
    outgoing.once('close', () => asked.destroy())
    incoming.pipe(asked)
  }
  const server = createServer(forward)
  server.on('upgrade', (incoming, near: Socket, head) => {
    const target = next()
    if (target === undefined) return void near.destroy()
    const far = connect(Number(new URL(target).port), '127.0.0.1')
    far.write(
      `${incoming.method} ${incoming.url} HTTP/1.1\r\n${Object.entries(incoming.headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n`,
    )
    far.write(head)
    near.pipe(far).pipe(near)
    // An instance that is gone, and of which nobody was told.
    far.once('error', error => {
      if (far.bytesRead === 0) failures.push(`upgrade by ${target}: ${error}`)
    })
    near.once('close', () => far.destroy())
    far.once('close', () => near.destroy())
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    await Promise.all(checks.map(stop => stop()))
    server.close()
    server.closeAllConnections()
    for (const socket of sockets) socket.destroy()
    agent.destroy()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get ready() {
      return [...ready]
    },
    failures,
  }
}
