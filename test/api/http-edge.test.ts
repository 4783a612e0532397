import { request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { ask, exchange, expectError } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import { openRawSocket } from '../support/web-socket-client.ts'

let database: TestDatabase
let gateway: TestGateway
let strict: TestGateway
let token: string
const MAX_BODY = 4096
beforeAll(async () => {
  database = await createTestDatabase()
  const generator = new FakeGenerator()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
  strict = await startTestGateway({
    databaseUrl: database.url,
    generator,
    settings: {
      NODE_ENV: 'production',
      CORS_ORIGINS: 'https://app.example.com, https://admin.example.com',
      CLIENT_TIMEOUT_MS: '600',
      MAX_BODY_BYTES: String(MAX_BODY),
    },
  })
  token = await tokenOf('edgy')
})
afterAll(async () => {
  await gateway?.close()
  await strict?.close()
  await database?.drop()
})

const TYPENAME = '{"query":"{ __typename }"}'

interface Raw {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
}

/** Over node:http, which leaves compressed bodies alone. */
function raw(url: string, headers: Record<string, string>, body = TYPENAME): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      `${url}/graphql`,
      { method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
      response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** A connection whose client sends what it likes, when it likes. */
async function dial(url: string): Promise<{ socket: Socket; text: () => string; closed: () => boolean }> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1' })
  let text = ''
  let closed = false
  socket.on('data', chunk => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
  })
  onTestFinished(() => void socket.destroy())
  await new Promise<void>(resolve => socket.once('connect', () => resolve()))
  return { socket, text: () => text, closed: () => closed }
}

describe('a body', () => {
  const ofBytes = (bytes: number) => TYPENAME.padEnd(bytes, ' ')

  test('is taken below and at its limit', async () => {
    for (const bytes of [MAX_BODY - 1, MAX_BODY])
      expect((await ask(strict.url, ofBytes(bytes))).data, String(bytes)).toEqual({ __typename: 'Query' })
  })

  test('is refused above it, told or not told how long it is', async () => {
    const answer = await ask(strict.url, ofBytes(MAX_BODY + 1))
    expectError(answer, 'PAYLOAD_TOO_LARGE', /large/)
    expect(answer.status).toBe(413)
    const chunked = await exchange(strict.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([ofBytes(MAX_BODY + 1)]).stream(),
      duplex: 'half',
    } as RequestInit)
    expectError(chunked, 'PAYLOAD_TOO_LARGE', /large/)
    expect(chunked.status).toBe(413)
  })

  test('that is not sent to its end in time ends with its connection', async () => {
    const { socket, text, closed } = await dial(strict.url)
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"query"`,
    )
    await until(closed, { what: 'the connection to be closed' })
    expect(text()).toMatch(/^HTTP\/1\.1 408 /)
  })
})

describe('headers', () => {
  test('are taken up to 16 kB, and refused beyond', async () => {
    const ofBytes = (bytes: number) => ({ 'x-filler': 'x'.repeat(bytes) })
    expect((await raw(gateway.url, ofBytes(15 * 1024))).status).toBe(200)
    expect((await raw(gateway.url, ofBytes(17 * 1024))).status).toBe(431)
  })

  test('that do not end in time end their connection', async () => {
    const { socket, text, closed } = await dial(strict.url)
    socket.write('POST /graphql HTTP/1.1\r\nhost: x\r\n')
    await until(closed, { what: 'the connection to be closed' })
    expect(text()).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('of every answer forbid to run, frame or guess at it', async () => {
    for (const path of [
      '/graphql?query={__typename}',
      '/health/live',
      '/metrics',
      '/nowhere',
      '/api/health/coordination',
    ]) {
      const { headers } = await exchange(strict.url, {}, path)
      expect(headers.get('x-content-type-options'), path).toBe('nosniff')
      expect(headers.get('x-frame-options'), path).toBe('DENY')
      expect(headers.get('referrer-policy'), path).toBe('no-referrer')
      expect(headers.get('content-security-policy'), path).toMatch(
        /default-src 'none'.*frame-ancestors 'none'/,
      )
      expect(headers.get('x-powered-by'), path).toBeNull()
    }
  })
})

test('connections are taken up to their number; when one ends, another is', async () => {
  const small = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings: { MAX_CONNECTIONS: '5' },
  })
  onTestFinished(() => small.close())
  const open: Awaited<ReturnType<typeof dial>>[] = []
  for (let i = 0; i < 5; i++) {
    const connection = await dial(small.url)
    connection.socket.write('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n')
    await until(() => connection.text().includes('200 OK'), { what: `connection ${i} to be served` })
    open.push(connection)
  }
  const refused = await dial(small.url)
  await until(refused.closed, { what: 'the connection beyond the limit to be closed' })
  expect(open.filter(({ closed }) => closed())).toHaveLength(0)
  open[0]?.socket.destroy()
  await until(
    async () => {
      const next = await dial(small.url)
      next.socket.write('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n')
      await until(() => next.closed() || next.text() !== '', { what: 'an answer, or none' })
      return next.text().includes('200 OK')
    },
    { what: 'a connection to be taken again' },
  )
})

test('a client that does not take its answer is cut off, and one whose stream is quiet is not', async () => {
  const quick = await startTestGateway({
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings: {
      CLIENT_TIMEOUT_MS: '500',
      OPERATION_MAX_COST: '1000000000',
      OPERATION_MAX_ALIASES: '1000',
      OPERATION_MAX_TOKENS: '100000',
    },
  })
  onTestFinished(() => quick.close())
  const post = (accept: string, query: string) => {
    const body = JSON.stringify({ query })
    return `POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\naccept: ${accept}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  }
  const quiet = await dial(quick.url)
  quiet.socket.write(post('text/event-stream', 'subscription { interviewStatusChanged { version } }'))
  await until(() => quiet.text().includes('text/event-stream'), { what: 'the stream to open' })
  // Several times the schema: more than the buffers of both sides hold.
  const types = 'types { fields { name description args { name description type { name } } } }'
  const query = `{ __schema { ${Array.from({ length: 250 }, (_, i) => `a${i}: ${types}`).join(' ')} } }`
  const sleeper = await dial(quick.url)
  sleeper.socket.write(post('application/json', query))
  await until(() => sleeper.text().includes('content-length'), { what: 'the answer to begin' })
  sleeper.socket.pause()
  const length = Number(/content-length: (\d+)/.exec(sleeper.text())?.[1])
  const sleptAtMs = performance.now()
  await until(() => performance.now() - sleptAtMs > 2000, { what: 'its time to pass' })
  sleeper.socket.resume()
  await until(sleeper.closed, { what: 'the connection to be closed' })
  expect(sleeper.text().length).toBeLessThan(length)
  expect(quiet.closed()).toBe(false)
})

test('a socket whose client answers no ping is cut off, and one on which nothing else happens is not', async () => {
  const silent = await openRawSocket(strict.url, { token, autoPong: false })
  const quiet = await openRawSocket(strict.url, { token })
  await until(() => silent.closed !== undefined, { what: 'the socket to be cut off' })
  expect(silent.closed).toEqual({ code: 1006, reason: '' })
  expect(quiet.closed).toBeUndefined()
})

describe('compression', () => {
  const large = JSON.stringify({ query: '{ __schema { types { name description } } }' })

  test('is used for large answers to those who take it', async () => {
    const { headers, body } = await raw(gateway.url, { 'accept-encoding': 'gzip' }, large)
    expect(headers['content-encoding']).toBe('gzip')
    expect(headers.vary).toMatch(/accept-encoding/i)
    expect(JSON.parse(gunzipSync(body).toString()).data.__schema.types.length).toBeGreaterThan(10)
    expect((await raw(gateway.url, { 'accept-encoding': 'br' }, large)).headers['content-encoding']).toBe(
      'br',
    )
  })

  test('is not used for small answers, nor for those who do not ask', async () => {
    expect(
      (await raw(gateway.url, { 'accept-encoding': 'gzip' })).headers['content-encoding'],
    ).toBeUndefined()
    expect((await raw(gateway.url, {}, large)).headers['content-encoding']).toBeUndefined()
    const stream = { accept: 'text/event-stream', 'accept-encoding': 'gzip' }
    expect((await raw(gateway.url, stream, large)).headers['content-encoding']).toBeUndefined()
  })
})

describe('CORS', () => {
  const from = (url: string, origin: string, method = 'OPTIONS') =>
    exchange(url, {
      method,
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
        'content-type': 'application/json',
      },
      ...(method === 'POST' && { body: TYPENAME }),
    })

  test('lets pages of the origins that are set ask, and no others, and never sends credentials along', async () => {
    for (const origin of ['https://app.example.com', 'https://admin.example.com']) {
      for (const method of ['OPTIONS', 'POST']) {
        const { headers } = await from(strict.url, origin, method)
        expect(headers.get('access-control-allow-origin'), origin).toBe(origin)
        expect(headers.get('access-control-allow-credentials'), origin).toBeNull()
        expect(headers.get('vary'), origin).toMatch(/origin/i)
      }
      expect((await from(strict.url, origin)).headers.get('access-control-allow-headers')).toMatch(
        /authorization/i,
      )
    }
    for (const origin of [
      'https://evil.example',
      'https://app.example.com.evil.example',
      'http://app.example.com',
      'null',
      'http://localhost:3000',
    ])
      for (const method of ['OPTIONS', 'POST'])
        expect(
          (await from(strict.url, origin, method)).headers.get('access-control-allow-origin'),
          origin,
        ).toBeNull()
  })

  test('without a setting lets pages of this machine ask, outside production', async () => {
    for (const origin of ['http://localhost:3000', 'http://127.0.0.1:8080', 'http://[::1]:1'])
      expect((await from(gateway.url, origin)).headers.get('access-control-allow-origin')).toBe(origin)
    expect(
      (await from(gateway.url, 'https://evil.example')).headers.get('access-control-allow-origin'),
    ).toBeNull()
    expect(
      (await from(gateway.url, 'http://localhost.evil.example')).headers.get('access-control-allow-origin'),
    ).toBeNull()
  })
})

describe('GraphiQL', () => {
  const page = (url: string) => exchange(url, { headers: { accept: 'text/html' } })

  test('is a page that a browser lets ask this server alone', async () => {
    const response = await fetch(`${gateway.url}/graphql`, { headers: { accept: 'text/html' } })
    await response.body?.cancel()
    expect(response.headers.get('content-type')).toMatch(/html/)
    const policy = response.headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/default-src 'none'/)
    expect(policy).toMatch(/connect-src 'self' data:;/)
    expect(policy).not.toMatch(/https?:|\*/)
  })

  test('is not there in production', async () => {
    const { headers, text } = await page(strict.url)
    expect(headers.get('content-type')).not.toMatch(/html/)
    expect(text).not.toMatch(/<script/)
  })

  test('is there in production where it is asked for, without a token', async () => {
    const asked = await startTestGateway({
      databaseUrl: database.url,
      generator: new FakeGenerator(),
      settings: { NODE_ENV: 'production', GRAPHIQL: 'on' },
    })
    onTestFinished(() => asked.close())
    const response = await fetch(`${asked.url}/graphql`, { headers: { accept: 'text/html' } })
    const text = await response.text()
    expect(response.headers.get('content-type')).toMatch(/html/)
    expect(text).toContain('Bearer <token>')
  })
})
