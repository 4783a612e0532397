import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { plainPost } from '../../src/http/plain-post.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

interface Sent {
  method?: string
  headers?: Record<string, string>
  body?: string | Buffer
  /** Without a length, in pieces. */
  chunked?: boolean
}
interface Got {
  status: number | undefined
  headers: IncomingHttpHeaders
  body: string
}

function send(url: string, { method = 'POST', headers = {}, body, chunked }: Sent): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, {
      method,
      headers: {
        'content-type': 'application/json',
        'x-request-id': 'the-request',
        ...(body !== undefined && !chunked && { 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
      agent: false,
    })
    request.once('error', reject)
    request.once('response', response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      )
    })
    if (chunked && body) request.write(body.slice(0, 5))
    request.end(chunked ? body?.slice(5) : body)
  })
}

const json = (value: unknown) => JSON.stringify(value)
const query = json({ query: '{ __typename }' })
const REQUESTS: [string, Sent][] = [
  ['a query', { body: query }],
  [
    'a query that names its operation',
    { body: json({ query: 'query A { __typename } query B { a: __typename }', operationName: 'B' }) },
  ],
  [
    'several operations and no name',
    { body: json({ query: 'query A { __typename } query B { a: __typename }' }) },
  ],
  ['a name that is not there', { body: json({ query: 'query A { __typename }', operationName: 'C' }) }],
  ['a query of a field that needs a token', { body: json({ query: '{ collectiveFacts { totalCount } }' }) }],
  ['the viewer without a token', { body: json({ query: '{ viewer { id } }' }) }],
  [
    'a node with an id that is none',
    { body: json({ query: 'query ($id: ID!) { node(id: $id) { id } }', variables: { id: 'x' } }) },
  ],
  ['a variable that is missing', { body: json({ query: 'query ($id: ID!) { node(id: $id) { id } }' }) }],
  [
    'a variable of another type',
    {
      body: json({
        query: 'query ($first: Int) { collectiveFacts(first: $first) { totalCount } }',
        variables: { first: 'x' },
      }),
    },
  ],
  ['variables that are no object', { body: json({ query: '{ __typename }', variables: [1] }) }],
  ['a parameter that is unknown', { body: json({ query: '{ __typename }', more: 1 }) }],
  ['a syntax error', { body: json({ query: '{ __typename' }) }],
  ['a field that is unknown', { body: json({ query: '{ viewr { id } }' }) }],
  ['no query', { body: json({ operationName: 'A' }) }],
  ['a query that is null', { body: json({ query: null }) }],
  ['a query that is a number', { body: json({ query: 7 }) }],
  [
    'a persisted operation',
    { body: json({ extensions: { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } } }) },
  ],
  ['a list of operations', { body: json([{ query: '{ __typename }' }]) }],
  ['null', { body: 'null' }],
  ['a string', { body: '"{ __typename }"' }],
  ['a number', { body: '7' }],
  ['broken JSON', { body: '{"query":' }],
  ['a byte order mark', { body: `\ufeff${query}` }],
  [
    'bytes that are no UTF-8',
    { body: Buffer.from([...Buffer.from('{"query":"{ __typename } #'), 0xff, ...Buffer.from('"}')]) },
  ],
  ['white space', { body: '   ' }],
  ['nothing', { body: '' }],
  ['no body and no length', {}],
  ['__proto__ among the variables', { body: '{"query":"{ __typename }","variables":{"__proto__":{"a":1}}}' }],
  ['__proto__ as a parameter', { body: '{"query":"{ __typename }","__proto__":{"a":1}}' }],
  [
    'emoji and lone surrogates',
    {
      body: '{"query":"query ($s: String!) { viewer { conversation(sessionId: $s) { id } } }","variables":{"s":"🏃\\ud800"}}',
    },
  ],
  ['a mutation without a token', { body: json({ query: 'mutation { logout(refreshToken: "x") }' }) }],
  [
    'a subscription',
    {
      body: json({ query: 'subscription { factPromoted { id } }' }),
      headers: { accept: 'application/json' },
    },
  ],
  ['a document nested deeply', { body: json({ query: `${'{ a '.repeat(500)}${'}'.repeat(500)}` }) }],
  [
    'a document of many aliases',
    { body: json({ query: `{ ${Array.from({ length: 300 }, (_, i) => `a${i}: __typename`).join(' ')} }` }) },
  ],
  [
    'a body longer than the plain way takes',
    { body: json({ query: `{ __typename } #${'x'.repeat(70_000)}` }) },
  ],
  ['a body in chunks', { body: query, chunked: true }],
  [
    'a body with parameters of its type',
    { body: query, headers: { 'content-type': 'application/json; charset=utf-8' } },
  ],
  [
    'a body of another charset',
    { body: query, headers: { 'content-type': 'application/json; charset=latin1' } },
  ],
  [
    'a form',
    { body: 'query={__typename}', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  ],
  ['text', { body: query, headers: { 'content-type': 'text/plain' } }],
  ['a body that says it is compressed', { body: query, headers: { 'content-encoding': 'gzip' } }],
  ['Accept of JSON', { body: query, headers: { accept: 'application/json' } }],
  ['Accept of GraphQL’s own type', { body: query, headers: { accept: 'application/graphql-response+json' } }],
  [
    'a syntax error to who knows GraphQL’s own type',
    { body: json({ query: '{' }), headers: { accept: 'application/graphql-response+json' } },
  ],
  [
    'a missing variable to who knows GraphQL’s own type',
    {
      body: json({ query: 'query ($id: ID!) { node(id: $id) { id } }' }),
      headers: { accept: 'application/graphql-response+json' },
    },
  ],
  [
    'Accept of several',
    { body: query, headers: { accept: 'application/json;q=0.5, application/graphql-response+json' } },
  ],
  ['Accept of a page', { body: query, headers: { accept: 'text/html' } }],
  ['Accept of nothing that is offered', { body: query, headers: { accept: 'image/png' } }],
  ['a page of another origin', { body: query, headers: { origin: 'https://example.com' } }],
  ['a page of this machine', { body: query, headers: { origin: 'http://localhost:5173' } }],
  ['a token that is none', { body: query, headers: { authorization: 'Bearer x' } }],
  ['an authorization of another kind', { body: query, headers: { authorization: 'Basic eDp5' } }],
  ['a request id that is none', { body: query, headers: { 'x-request-id': 'a b' } }],
  ['PUT', { method: 'PUT', body: query }],
  ['DELETE', { method: 'DELETE' }],
  ['OPTIONS', { method: 'OPTIONS' }],
  ['PATCH with a body', { method: 'PATCH', body: query }],
]

let database: TestDatabase
let gateway: TestGateway
beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

describe('what comes over the plain way and over the full transport', () => {
  /** An address with a question mark takes the full transport. */
  async function bothWays(sent: Sent): Promise<[Got, Got]> {
    const [plain, full] = [
      await send(`${gateway.url}/graphql`, sent),
      await send(`${gateway.url}/graphql?`, sent),
    ]
    const comparable = ({ status, headers, body }: Got): Got => {
      const { date: _, 'x-request-id': id, ...rest } = headers
      // Made up where the client's is none.
      const own = id === 'the-request' ? id : 'made up'
      return {
        status,
        headers: { ...rest, 'x-request-id': own },
        body: id ? body.replaceAll(String(id), own) : body,
      }
    }
    return [comparable(plain), comparable(full)]
  }

  test.each(REQUESTS)('%s has the same answer', async (_name, sent) => {
    const [plain, full] = await bothWays(sent)
    expect(plain).toEqual(full)
  })

  test.each(REQUESTS.slice(0, 12))('%s with a token has the same answer', async (_name, sent) => {
    const authorization = `Bearer ${await tokenOf('both-ways')}`
    const [plain, full] = await bothWays({ ...sent, headers: { ...sent.headers, authorization } })
    expect(plain).toEqual(full)
  })

  test('tokens that are refused have the same answer', async () => {
    for (const claims of [{ exp: 1 }, { sub: '' }, { email: '' }, { nbf: 9_999_999_999 }]) {
      const authorization = `Bearer ${await tokenOf('refused', claims)}`
      const [plain, full] = await bothWays({ body: query, headers: { authorization } })
      expect(plain).toEqual(full)
    }
  })
})

describe('the plain way', () => {
  /** A server whose full transport says so. */
  async function serve(answer: (params: unknown, signal: AbortSignal | undefined) => Promise<unknown>) {
    const seen = { full: 0, read: undefined as unknown }
    const serveGraphql = plainPost(
      (request, response) => {
        seen.full++
        seen.read = (request as { body?: unknown }).body
        response.end('full')
      },
      (params, { scope }) => answer(params, scope?.signal) as never,
      { maxBodyBytes: 1024 * 1024 },
    )
    const server = createServer((request, response) =>
      serveGraphql(request, response, { requestId: 'r', authorization: undefined, client: 'c' }),
    )
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
    })
    return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql` }
  }

  test('is what an operation by POST takes', async () => {
    const { seen, url } = await serve(async params => ({ data: params }))
    const got = await send(url, { body: query })
    expect(got).toMatchObject({ status: 200, body: json({ data: { query: '{ __typename }' } }) })
    expect(got.headers).toMatchObject({
      'content-length': String(Buffer.byteLength(got.body)),
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
    })
    expect(seen.full).toBe(0)
  })

  test.each<[string, Sent, unknown]>([
    ['a subscription', { body: json({ query: 'subscription { factPromoted { id } }' }) }, 'read'],
    ['an empty document with an id', { body: json({ query: '', documentId: 'a' }) }, 'read'],
    ['a body that is no JSON', { body: '{' }, 'read'],
    ['an operation known by its hash', { body: json({ extensions: {} }) }, 'read'],
    ['a list', { body: '[]' }, 'read'],
    ['a page of another origin', { body: query, headers: { origin: 'https://example.com' } }, undefined],
    ['a stream', { body: query, headers: { accept: 'text/event-stream' } }, undefined],
    ['another type', { body: query, headers: { 'content-type': 'text/plain' } }, undefined],
    ['a long body', { body: `"${'x'.repeat(64 * 1024)}"` }, undefined],
    ['a body in chunks', { body: query, chunked: true }, undefined],
    ['GET', { method: 'GET' }, undefined],
  ])('leaves %s to the full transport, with what has been read of it', async (_name, sent, read) => {
    const { seen, url } = await serve(async () => ({ data: null }))
    expect((await send(url, sent)).body).toBe('full')
    expect(seen.full).toBe(1)
    expect(seen.read === undefined ? undefined : String(seen.read)).toBe(read && String(sent.body))
  })

  test('tells an operation that its client has left', async () => {
    const arrived = Promise.withResolvers<AbortSignal | undefined>()
    const { url } = await serve((_params, signal) => {
      arrived.resolve(signal)
      return new Promise(() => {})
    })
    const leaving = new AbortController()
    const gone = fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: query,
      signal: leaving.signal,
    }).catch(() => 'gone')
    const signal = await arrived.promise
    const aborted = new Promise(resolve => signal?.addEventListener('abort', resolve))
    leaving.abort()
    await aborted
    expect(await gone).toBe('gone')
  })
})
