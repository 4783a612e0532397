import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { internalsIn } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let gateway: TestGateway
let token: string
const generator = new FakeGenerator()
beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({
    databaseUrl: database.url,
    generator,
    settings: { NODE_ENV: 'production' },
  })
  token = await tokenOf('hostile')
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

/** A request as bytes, since no honest client would send some of them. */
function send(bytes: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(new URL(gateway.url).port), host: '127.0.0.1' })
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text }))
    socket.write(bytes)
  })
}
const HOST = 'host: gateway\r\nconnection: close\r\n'
const http = (line: string, headers = '', body = '') =>
  `${line} HTTP/1.1\r\n${HOST}${headers}${body && `content-length: ${Buffer.byteLength(body)}\r\n`}\r\n${body}`
const JSON_TYPE = 'content-type: application/json\r\n'
const post = (body: unknown, headers = '') =>
  http('POST /graphql', JSON_TYPE + headers, typeof body === 'string' ? body : JSON.stringify(body))
const as = (user: () => string) => () => `authorization: Bearer ${user()}\r\n`
const mine = as(() => token)
const get = (parameters: Record<string, string>) => http(`GET /graphql?${new URLSearchParams(parameters)}`)
const repeat = (count: number, of: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => of(i)).join(' ')
const MUTATION = 'mutation { requestAnalysis(input: { archetype: PEAK_PERFORMER }) { __typename } }'
const hash = (text: string) => createHash('sha256').update(text).digest('hex')
const unsigned = (header: object, payload: object) =>
  `${[header, payload].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`

/** What is sent, and what it must be answered with: a status, and the code of its error where it is an answer of GraphQL. */
const HOSTILE: [what: string, bytes: () => string, status: number, code?: string][] = [
  ['no HTTP at all', () => 'hello\r\n\r\n', 400],
  ['a request line without end', () => `GET /${'a'.repeat(40_000)} HTTP/1.1\r\n\r\n`, 431],
  ['a header of 40 kB', () => http('GET /graphql', `x: ${'a'.repeat(40_000)}\r\n`), 431],
  [
    '2,000 headers',
    () => http('GET /graphql', repeat(2000, i => `x${i}: aaaaaaaaaa\r\n`).replaceAll(' x', 'x')),
    431,
  ],
  [
    'a length and chunks at once',
    () =>
      `POST /graphql HTTP/1.1\r\n${HOST}${JSON_TYPE}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ...['[[[', 'a b', '%%', 'x:99999', '1.2.3.999', 'x/graphql?a=', 'x?a=', 'x#a', 'a@x', 'x\\a'].flatMap(
    (host): (typeof HOSTILE)[number][] => [
      [
        `the host ${host} by GET`,
        () => `GET /graphql?query={__typename} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`,
        400,
        'BAD_USER_INPUT',
      ],
      [
        `the host ${host} by POST`,
        () => post('{"query": "{ __typename }"}').replace('host: gateway', `host: ${host}`),
        400,
        'BAD_USER_INPUT',
      ],
    ],
  ),
  [
    'two lengths',
    () => `POST /graphql HTTP/1.1\r\n${HOST}${JSON_TYPE}content-length: 5\r\ncontent-length: 6\r\n\r\n{}`,
    400,
  ],
  [
    'a length that is no number',
    () => `POST /graphql HTTP/1.1\r\n${HOST}${JSON_TYPE}content-length: x\r\n\r\n{}`,
    400,
  ],
  ['a header with a line break in it', () => http('GET /graphql', 'x: a\nb\r\n'), 400],
  ['no host', () => 'GET /graphql HTTP/1.1\r\n\r\n', 400],
  ['a way out of the folder', () => http('GET /../../etc/passwd'), 404],
  ['a way out, encoded', () => http('GET /%2e%2e/%2e%2e/etc/passwd'), 404],
  [
    'an address that cannot be decoded',
    () => http('GET /graphql?query=%E0%A4%A'),
    200,
    'GRAPHQL_PARSE_FAILED',
  ],
  ['a prototype for a path', () => http('GET /__proto__'), 404],
  ['another method', () => http('TRACE /graphql'), 405],
  [
    'a form of a foreign page',
    () => http('POST /graphql', 'content-type: application/x-www-form-urlencoded\r\n', `query=${MUTATION}`),
    415,
    'BAD_USER_INPUT',
  ],
  [
    'a multipart form of a foreign page',
    () =>
      http(
        'POST /graphql',
        'content-type: multipart/form-data; boundary=x\r\n',
        `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{"query":"${MUTATION}"}\r\n--x--`,
      ),
    415,
    'BAD_USER_INPUT',
  ],
  [
    'plain text of a foreign page',
    () => http('POST /graphql', 'content-type: text/plain\r\n', JSON.stringify({ query: MUTATION })),
    415,
    'BAD_USER_INPUT',
  ],
  [
    'a picture of a foreign page that changes something',
    () => get({ query: MUTATION }),
    405,
    'BAD_USER_INPUT',
  ],
  [
    'a mutation hidden behind a query, by GET',
    () =>
      get({
        query: `query A { __typename } ${MUTATION.replace('mutation', 'mutation B')}`,
        operationName: 'B',
      }),
    405,
    'BAD_USER_INPUT',
  ],
  [
    'a subscription whose client takes no stream',
    () => post({ query: 'subscription { factPromoted { id } }' }, 'accept: application/json\r\n'),
    406,
    'BAD_USER_INPUT',
  ],
  ['half a JSON', () => post('{"query": "{ __typename }'), 400, 'BAD_USER_INPUT'],
  [
    'JSON nested 100,000 deep',
    () =>
      post(`{"query": "{ __typename }", "variables": {"a": ${'['.repeat(100_000)}${']'.repeat(100_000)}}}`),
    200,
  ],
  [
    'JSON nested 100,000 deep for a field that takes any',
    () =>
      post(
        `{"query": "mutation ($data: JSON!) { upsertStats(input: { provider: STRAVA, statsType: \\"x\\", data: $data }) { __typename } }", "variables": {"data": ${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
        mine(),
      ),
    200,
  ],
  [
    'a prototype in the body',
    () => post('{"query": "{ __typename }", "__proto__": {"query": "{ nobody }"}}'),
    400,
    'BAD_USER_INPUT',
  ],
  [
    'a prototype in the variables',
    () =>
      post(
        '{"query": "query ($a: ID = \\"x\\") { __typename @skip(if: false) }", "variables": {"__proto__": {"a": "b"}}}',
      ),
    200,
    'GRAPHQL_VALIDATION_FAILED',
  ],
  [
    'a batch of 1,000',
    () => post(Array.from({ length: 1000 }, () => ({ query: '{ __typename }' }))),
    400,
    'BAD_USER_INPUT',
  ],
  [
    'a body of 9 MB',
    () => http('POST /graphql', `${JSON_TYPE}content-length: 9000000\r\n`),
    413,
    'PAYLOAD_TOO_LARGE',
  ],
  [
    'a document nested 20,000 deep',
    () => post({ query: '{viewer'.repeat(20_000) }),
    200,
    'OPERATION_TOO_COMPLEX',
  ],
  [
    'a list nested 20,000 deep',
    () => post({ query: `{ viewer(a: ${'['.repeat(20_000)}) }` }),
    200,
    'OPERATION_TOO_COMPLEX',
  ],
  [
    '10,000 aliases',
    () => post({ query: `{ ${repeat(10_000, i => `a${i}: __typename`)} }` }),
    200,
    'OPERATION_TOO_COMPLEX',
  ],
  [
    '100 times the same field',
    () => post({ query: `{ ${repeat(100, () => '__typename')} }` }),
    200,
    'OPERATION_TOO_COMPLEX',
  ],
  [
    '1,000 directives',
    () => post({ query: `{ __typename ${repeat(1000, () => '@a')} }` }),
    200,
    'OPERATION_TOO_COMPLEX',
  ],
  [
    'fragments in a circle',
    () => post({ query: '{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }' }),
    200,
    'GRAPHQL_VALIDATION_FAILED',
  ],
  [
    'fragments that double sixty times',
    () =>
      post({
        query: `{ viewer { ...F0 } } ${repeat(60, i => `fragment F${i} on User { ${i < 59 ? `a${i}: latestAnalysis(archetype: PEAK_PERFORMER) { user { ...F${i + 1} } } b${i}: latestAnalysis(archetype: PEAK_PERFORMER) { user { ...F${i + 1} } }` : 'id'} }`)}`,
      }),
    200,
    'OPERATION_TOO_COMPLEX',
  ],
  [
    'pages of pages of pages',
    () =>
      post(
        {
          query:
            '{ viewer { analyses(first: 100) { nodes { user { analyses(first: 100) { nodes { user { analyses(first: 100) { nodes { id } } } } } } } } } }',
        },
        mine(),
      ),
    200,
    'OPERATION_TOO_COMPLEX',
  ],
  [
    'pages whose sizes come in variables',
    () =>
      post(
        {
          query:
            'query ($n: Int) { viewer { analyses(first: $n) { nodes { user { analyses(first: $n) { nodes { id } } } } } } }',
          variables: { n: 2_000_000_000 },
        },
        mine(),
      ),
    200,
    'OPERATION_TOO_COMPLEX',
  ],
  [
    'a look at the schema',
    () => post({ query: '{ __schema { types { name } } }' }),
    200,
    'GRAPHQL_VALIDATION_FAILED',
  ],
  ['guesses at names', () => post({ query: '{ viewr { id } }' }), 200, 'GRAPHQL_VALIDATION_FAILED'],
  [
    '3,000 unknown fields',
    () => post({ query: `{ ${repeat(1900, i => `x${i}`)} }` }),
    200,
    'GRAPHQL_VALIDATION_FAILED',
  ],
  [
    'a number beyond all numbers',
    () => post({ query: '{ viewer { analyses(first: 1e999) { totalCount } } }' }),
    200,
    'GRAPHQL_VALIDATION_FAILED',
  ],
  [
    'an id that is SQL',
    () => post({ query: "{ node(id: \"1' OR '1'='1\") { id } }" }, mine()),
    200,
    'BAD_USER_INPUT',
  ],
  [
    'an operation name that is a script',
    () => post({ query: 'query A { __typename }', operationName: '<script>alert(1)</script>' }),
    400,
    'BAD_USER_INPUT',
  ],
  ['zero bytes', () => post({ query: '{ node(id: "\\u0000") { id } }' }, mine()), 200, 'BAD_USER_INPUT'],
  [
    'half a character',
    () => post('{"query": "{ node(id: \\"\\\\uD800\\") { id } }"}', mine()),
    200,
    'GRAPHQL_PARSE_FAILED',
  ],
  ['no token where one is needed', () => post({ query: MUTATION }), 200, 'UNAUTHENTICATED'],
  [
    'a token without a signature',
    () =>
      post(
        { query: MUTATION },
        `authorization: Bearer ${unsigned({ alg: 'none' }, { sub: 'x', email: 'a@b.c', exp: 9_999_999_999 })}\r\n`,
      ),
    401,
    'UNAUTHENTICATED',
  ],
  [
    'a token of another key',
    () =>
      post(
        { query: MUTATION },
        `authorization: Bearer ${unsigned({ alg: 'HS256' }, { sub: 'x', email: 'a@b.c', exp: 9_999_999_999 })}AAAA\r\n`,
      ),
    401,
    'UNAUTHENTICATED',
  ],
  [
    'a token of 10 kB',
    () => post({ query: MUTATION }, `authorization: Bearer ${'a'.repeat(10_000)}\r\n`),
    401,
    'UNAUTHENTICATED',
  ],
  [
    "an administrator's field",
    () => post({ query: '{ operations { consistency { healthy } } }' }, mine()),
    200,
    'FORBIDDEN',
  ],
  [
    'a document that nobody has sent',
    () => post({ extensions: { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } } }),
    200,
    'PERSISTED_QUERY_NOT_FOUND',
  ],
  [
    "a document under another's hash",
    () =>
      post({
        query: MUTATION,
        extensions: { persistedQuery: { version: 1, sha256Hash: hash('{ __typename }') } },
      }),
    400,
    'BAD_USER_INPUT',
  ],
  [
    'a request id with a line of the log in it',
    () => post({ query: '{ __typename }' }, 'x-request-id: a"}{"level":60,"msg":"owned\r\n'),
    200,
  ],
  [
    '2,000 types in the header Accept',
    () => post({ query: '{ __typename }' }, `accept: ${repeat(1500, () => 'a/b,').replaceAll(' ', '')}\r\n`),
    200,
  ],
]

test('they are many', () => {
  expect(HOSTILE.length).toBeGreaterThanOrEqual(40)
})

test.each(HOSTILE)('%s', async (_what, bytes, status, code) => {
  const { status: answered, text } = await send(bytes())
  expect(answered, text.slice(0, 600)).toBe(status)
  const [head = '', body = ''] = text.split('\r\n\r\n')
  expect(internalsIn(body), body.slice(0, 600)).toEqual([])
  expect(head).not.toMatch(/x-powered-by|^server:/im)
  expect(text).not.toMatch(/<script|Did you mean/)
  const codes = [...body.matchAll(/"code":"([A-Z_]+)"/g)].map(([, found]) => found)
  if (code === undefined) expect(codes.filter(found => found === 'INTERNAL')).toEqual([])
  else expect(new Set(codes)).toEqual(new Set([code]))
})

test('after all of them nothing was generated, and an honest request is answered', async () => {
  expect(generator.calls).toEqual([])
  expect((await send(post({ query: '{ viewer { email } }' }, mine()))).text).toContain(
    '"email":"hostile@example.com"',
  )
})
