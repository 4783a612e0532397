import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { GraphqlServer, ServerContext } from '../../src/http/graphql-server.ts'
import type { Phase } from '../../src/http/health.ts'
import { listen } from '../../src/http/http-server.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { Gate } from '../support/gate.ts'
import { until } from '../support/until.ts'

/** The HTTP of an instance over real sockets, with answers of the test in place of GraphQL. */
async function scene() {
  let phase: Phase = 'ready'
  const lines: string[] = []
  const logger = createLogger({
    level: 'info',
    format: 'json',
    destination: { write: line => lines.push(line) },
  })
  const http = await listen({
    host: '127.0.0.1',
    port: 0,
    logger,
    phase: () => phase,
    reports: {},
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    maxConnections: 100,
    clientTimeoutMs: 30_000,
    maxBodyBytes: 1_000_000,
  })
  const gate = new Gate()
  const serve = async (asked: IncomingMessage, response: ServerResponse, context: ServerContext) => {
    asked.resume()
    if (asked.url?.includes('stream')) {
      context.becomesStream?.()
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      if (asked.url.includes('retired'))
        context.retirement?.add(async () => void response.end('event: bye\n\n'))
      return
    }
    if (asked.url?.includes('slow')) await gate.pass()
    response.end('served')
  }
  http.serve(serve as unknown as GraphqlServer, undefined as never, async () => true)
  onTestFinished(async () => {
    gate.open()
    await http.close(0)
  })
  const agent = new Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  const { port } = new URL(http.url)
  /** As a proxy asks, which keeps its connections. */
  const ask = (path: string) =>
    new Promise<{ status: number; connection: string | undefined; body: string; kept: boolean }>(
      (resolve, reject) => {
        const asked = request({ host: '127.0.0.1', port, path, agent }, response => {
          let body = ''
          response.setEncoding('utf8')
          response.on('data', chunk => {
            body += chunk
          })
          response.on('error', reject)
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              connection: response.headers.connection,
              body,
              kept: asked.reusedSocket,
            }),
          )
        })
        asked.on('error', reject).end()
      },
    )
  const drain = (timeoutMs = 20_000, busy = () => false) => {
    phase = 'draining'
    const drained = { over: false, ms: 0 }
    const startedAtMs = performance.now()
    const ended = http.drain(timeoutMs, busy).then(() => {
      drained.over = true
      drained.ms = performance.now() - startedAtMs
    })
    return Object.assign(drained, { ended })
  }
  return { http, gate, ask, drain, lines, port: Number(port) }
}

const READY = '/health/ready'
const watch = async (ask: (path: string) => Promise<{ status: number }>) => {
  for (let i = 0; i < 2; i++) expect((await ask(READY)).status).toBe(200)
}

test('without somebody who spreads requests by its readiness an instance with nothing to do is drained at once', async () => {
  const { ask, drain } = await scene()
  expect((await ask('/graphql')).body).toBe('served')
  await ask(READY)
  const drained = drain()
  await drained.ended
  expect(drained.ms).toBeLessThan(1000)
})

test('it serves on until its balancer knows, and for a moment more, and each answer ends its connection', async () => {
  const { ask, drain } = await scene()
  await watch(ask)
  expect(await ask('/graphql')).toMatchObject({ status: 200, connection: 'keep-alive' })
  const drained = drain()
  expect(await ask('/graphql')).toMatchObject({ status: 200, connection: 'close', kept: true })
  const told = await ask(READY)
  expect(told).toMatchObject({ status: 503, connection: 'close' })
  // What the balancer had decided upon by then.
  expect(await ask('/graphql')).toMatchObject({ status: 200, kept: false })
  const lastAtMs = performance.now()
  expect(drained.over).toBe(false)
  await drained.ended
  expect(performance.now() - lastAtMs).toBeGreaterThan(900)
})

test('a balancer that never asks again is waited for, for five seconds at most', async () => {
  const { ask, drain } = await scene()
  await watch(ask)
  const drained = drain()
  await drained.ended
  expect(drained.ms).toBeGreaterThan(4900)
  expect(drained.ms).toBeLessThan(9500)
})

test('and for half of the time there is', async () => {
  const { ask, drain } = await scene()
  await watch(ask)
  const drained = drain(1000)
  await drained.ended
  expect(drained.ms).toBeGreaterThan(450)
  expect(drained.ms).toBeLessThan(3000)
})

test('subscribers are not sent away before the balancer knows: they would be sent here again', async () => {
  const { ask, drain, lines } = await scene()
  await watch(ask)
  let ended = false
  const stream = ask('/graphql?stream-to-be-retired').then(answer => {
    ended = true
    return answer
  })
  await ask('/graphql')
  const drained = drain()
  for (let i = 0; i < 5; i++) await ask('/graphql')
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(ended).toBe(false)
  await ask(READY)
  expect((await stream).body).toBe('event: bye\n\n')
  await drained.ended
  expect(lines.map(line => JSON.parse(line))).toMatchObject([
    { msg: 'subscribers are sent to other instances', connections: 1 },
  ])
})

test('what is under way is waited for and answered, on a connection that ends with it', async () => {
  const { http, gate, ask, drain } = await scene()
  const slow = ask('/graphql?slow')
  await until(() => gate.arrivals === 1, { what: 'it to be under way' })
  const drained = drain()
  await new Promise(resolve => setTimeout(resolve, 200))
  expect(drained.over).toBe(false)
  gate.open()
  expect(await slow).toMatchObject({ status: 200, body: 'served', connection: 'close' })
  await drained.ended
  await http.close(0)
})

test('runs that nobody waits for here are waited for', async () => {
  const { drain } = await scene()
  let busy = true
  const drained = drain(20_000, () => busy)
  await new Promise(resolve => setTimeout(resolve, 200))
  expect(drained.over).toBe(false)
  busy = false
  await drained.ended
})

test('subscribers are gone once it is drained', async () => {
  const { ask, drain } = await scene()
  let ended = 0
  const streams = Array.from({ length: 30 }, () =>
    ask('/graphql?stream-to-be-retired').then(() => {
      ended++
    }),
  )
  await ask('/graphql')
  await drain().ended
  await ask('/graphql')
  expect(ended).toBe(30)
  await Promise.all(streams)
})

test('closing waits for what is under way, and answers it', async () => {
  const { http, gate, ask } = await scene()
  const slow = ask('/graphql?slow')
  await until(() => gate.arrivals === 1, { what: 'it to be under way' })
  const closed = http.close(20_000)
  // Longer than a connection may be silent.
  await new Promise(resolve => setTimeout(resolve, 1500))
  gate.open()
  expect(await slow).toMatchObject({ status: 200, body: 'served' })
  await closed
})

test('what does not end is waited for no longer than was said, and then cut off', async () => {
  const { http, gate, ask, drain } = await scene()
  const slow = ask('/graphql?slow').catch((error: Error) => error)
  await until(() => gate.arrivals === 1, { what: 'it to be under way' })
  const drained = drain(500)
  await drained.ended
  expect(drained.ms).toBeGreaterThan(450)
  await http.close(100)
  expect(await slow).toBeInstanceOf(Error)
})

test('a request that is on its way when it closes is answered', async () => {
  const { http, ask, port } = await scene()
  const socket = connect(port, '127.0.0.1')
  const answer = new Promise<string>((resolve, reject) => {
    let text = ''
    socket.setEncoding('utf8').on('data', chunk => {
      text += chunk
    })
    socket.on('end', () => resolve(text)).on('error', reject)
  })
  socket.write('GET /graphql HTTP/1.1\r\nhost: x\r\n')
  await ask('/health/live')
  const closed = http.close(20_000)
  await new Promise(resolve => setTimeout(resolve, 300))
  socket.write('\r\n')
  expect(await answer).toContain('served')
  await closed
})

test('closing ends streams, idle connections, and those that have sent nothing', async () => {
  const { http, ask, port } = await scene()
  const stream = ask('/graphql?stream').catch((error: Error) => error)
  await ask('/graphql')
  const openings = ['', 'GET /graphql HTTP/1.1\r\nhost: x\r\n'].map(async sent => {
    const silent = connect(port, '127.0.0.1').on('error', () => {})
    await new Promise<void>(resolve => silent.write(sent, () => resolve()))
    return { gone: new Promise(resolve => silent.once('close', resolve)) }
  })
  const silent = await Promise.all(openings)
  await ask('/health/live')
  const startedAtMs = performance.now()
  await http.close(20_000)
  expect(performance.now() - startedAtMs).toBeLessThan(5000)
  expect(await stream).toBeInstanceOf(Error)
  await Promise.all(silent.map(({ gone }) => gone))
  await expect(ask('/health/live')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('a WebSocket whose client does not answer its close is cut off when the time is over', async () => {
  const { http, port } = await scene()
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  const gone = new Promise(resolve => socket.once('close', resolve))
  socket.write(
    'GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n',
  )
  await new Promise(resolve => socket.once('data', resolve))
  const startedAtMs = performance.now()
  await http.close(500)
  expect(performance.now() - startedAtMs).toBeLessThan(10_000)
  await gone
})
