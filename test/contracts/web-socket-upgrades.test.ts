import { createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { EventSource } from 'eventsource'
import { createClient } from 'graphql-ws'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import type { GraphqlServer } from '../../src/http/graphql-server.ts'
import { listen } from '../../src/http/http-server.ts'
import type { RunOperation } from '../../src/http/operation/operations.ts'
import { WebSocketUpgrades } from '../../src/http/web-socket-upgrades.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { until } from '../support/until.ts'

/** The HTTP of an instance that is starting, over real sockets; once it serves, the test answers in place of GraphQL. */
async function scene(name: string, options: { clientTimeoutMs?: number; data?: unknown } = {}) {
  const http = await listen({
    host: '127.0.0.1',
    port: 0,
    logger: createLogger({ level: 'silent', format: 'json' }),
    phase: () => 'ready',
    reports: {},
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    maxConnections: 100,
    clientTimeoutMs: options.clientTimeoutMs ?? 30_000,
    maxBodyBytes: 1_000_000,
  })
  onTestFinished(() => http.close(0))
  const graphql: unknown = (_: unknown, response: { end(text: string): void }) => response.end('served')
  const runOperation: unknown = async () => ({ data: options.data ?? { by: name } })
  return {
    http,
    port: Number(new URL(http.url).port),
    serve: () => http.serve(graphql as GraphqlServer, runOperation as RunOperation, async () => true),
  }
}

/** Asks as a frontend's library does, which comes again by itself where it takes that for sensible. */
function ask(url: () => string) {
  const closed: unknown[] = []
  const client = createClient({
    url: () => `${url().replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 1000,
    retryWait: () => new Promise(resolve => setTimeout(resolve, 20)),
    on: { closed: event => closed.push((event as { code: number }).code) },
  })
  onTestFinished(() => void Promise.resolve(client.dispose()).catch(() => {}))
  const answer = new Promise((resolve, reject) =>
    client.subscribe({ query: '{ by }' }, { next: resolve, error: reject, complete: () => {} }),
  )
  return { closed, answer }
}

const HANDSHAKE = [
  'GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: WebSocket\r\nsec-websocket-version: 13\r\n',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n',
] as const

function raw(port: number) {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  onTestFinished(() => void socket.destroy())
  let bytes = Buffer.alloc(0)
  socket.on('data', chunk => {
    if (bytes.length < 1000) bytes = Buffer.concat([bytes, chunk])
  })
  return {
    socket,
    ended: new Promise(resolve => socket.once('close', resolve)),
    /** The code that the server has closed with, once it has. */
    closeCode: () => {
      const frame = bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)
      return frame[0] === 0x88 ? frame.readUInt16BE(2) : undefined
    },
  }
}

test('a socket that comes while an instance starts is told to come again, and is served once it can be', async () => {
  const { http, serve } = await scene('one')
  const { closed, answer } = ask(() => http.url)
  await until(() => closed.length > 0, { what: 'it to be sent away' })
  expect(new Set(closed)).toEqual(new Set([1013]))
  await serve()
  expect(await answer).toEqual({ data: { by: 'one' } })
})

test('a browser’s event stream that comes while an instance starts comes again, and is served once it can be', async () => {
  const { http, serve } = await scene('one')
  const statuses: number[] = []
  const source = new EventSource(`${http.url}/graphql?query={by}`, {
    fetch: async (input, init) => {
      const response = await fetch(input, init as RequestInit)
      statuses.push(response.status)
      return response
    },
  })
  onTestFinished(() => source.close())
  await until(() => source.readyState === source.CONNECTING && statuses.length === 1, { what: 'it to wait' })
  await serve()
  await until(() => statuses.length === 2, { what: 'it to come again' })
})

test('one that comes while an instance stops is sent on at once, and served by another', async () => {
  const [stopping, staying] = [await scene('stopping'), await scene('staying')]
  await stopping.serve()
  await staying.serve()
  let busy = true
  const drained = stopping.http.drain(20_000, () => busy)
  let connects = 0
  const { closed, answer } = ask(() => (connects++ === 0 ? stopping : staying).http.url)
  expect(await answer).toEqual({ data: { by: 'staying' } })
  expect(closed).toEqual([1012])
  busy = false
  await drained
})

test('one whose handshake is on its way when an instance closes is sent on, and does not hold it up', async () => {
  const { http, port, serve } = await scene('closing')
  await serve()
  const { socket, closeCode, ended } = raw(port)
  socket.write(HANDSHAKE[0])
  await fetch(`${http.url}/health/live`)
  const startedAtMs = performance.now()
  const closed = http.close(20_000)
  socket.write(HANDSHAKE[1])
  await until(() => closeCode() !== undefined, { what: 'it to be sent on' })
  expect(closeCode()).toBe(1012)
  socket.destroy()
  await ended
  await closed
  expect(performance.now() - startedAtMs).toBeLessThan(10_000)
})

test.each(['starting', 'serving'])(
  'a frame that breaks the protocol harms nobody but its socket: %s',
  async phase => {
    const { http, port, serve } = await scene('harmed')
    if (phase === 'serving') await serve()
    const { socket, ended } = raw(port)
    socket.write(HANDSHAKE.join(''))
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))
    await ended
    expect((await fetch(`${http.url}/health/live`)).status).toBe(200)
  },
)

test('who offers HTTP/2 beside, as Java’s client does, is served over HTTP/1.1', async () => {
  const { port, serve } = await scene('plain')
  await serve()
  const status = await new Promise((resolve, reject) => {
    const headers = {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': 'AAEAAEAAAAIAAAAB',
    }
    request({ port, host: '127.0.0.1', path: '/graphql?', method: 'POST', headers }, response => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end('{}')
  })
  expect(status).toBe(200)
})

/** A frame of a client, whose mask is all zeroes; up to 125 bytes. */
const frame = (opcode: number, payload = '') =>
  Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), Buffer.from(payload)])
const [TEXT, PING, PONG] = [1, 9, 10]

test.each([
  ['of the protocol above', frame(TEXT, JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(90) } }))],
  ['of WebSockets', frame(PING, 'x'.repeat(125))],
])('who sends pings %s and takes no answers is read no more, and fills no memory', async (what, ping) => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  onTestFinished(() => void server.close().closeAllConnections())
  const upgrades = new WebSocketUpgrades(server, { maxMessageBytes: 1000, phase: () => 'open' })
  const connected = new Promise<WebSocket>(resolve => upgrades.server.once('connection', resolve))
  const { socket } = raw((server.address() as AddressInfo).port)
  socket.write(HANDSHAKE.join(''))
  const served = await connected
  let most = 0
  let answered = 0
  served.on('message', data => {
    answered++
    served.send(data)
    most = Math.max(most, served.bufferedAmount)
  })
  const [rounds, pings] = [30, 10_000]
  socket.pause()
  for (let round = 0; round < rounds; round++) socket.write(Buffer.concat(Array<Buffer>(pings).fill(ping)))
  if (what === 'of WebSockets') {
    await until(() => served.readyState === served.CLOSED, { what: 'it to be cut off' })
    return
  }
  await until(() => served.isPaused && socket.writableLength > 0, { what: 'the client to be held up' })
  expect(answered).toBeLessThan(rounds * pings)
  socket.resume()
  await until(() => answered === rounds * pings, { what: 'all of it to be answered' })
  expect(most).toBeLessThan(3 * 1024 * 1024)
})

test('who takes nothing of what a socket is sent is cut off in time, although it says that it lives', async () => {
  const { port, serve } = await scene('slow', { clientTimeoutMs: 400, data: { by: 'x'.repeat(32_000_000) } })
  await serve()
  const { socket, ended } = raw(port)
  socket.write(HANDSHAKE.join(''))
  await new Promise(resolve => socket.once('data', resolve))
  socket.pause()
  socket.write(frame(TEXT, '{"type":"connection_init"}'))
  socket.write(frame(TEXT, '{"type":"subscribe","id":"1","payload":{"query":"{ by }"}}'))
  const living = setInterval(() => socket.write(frame(PONG)), 50)
  await ended.finally(() => clearInterval(living))
})
