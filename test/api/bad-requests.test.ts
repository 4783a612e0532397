import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import {
  ask,
  CONTRACT_CODES,
  exchange,
  expectError,
  internalsIn,
  type WholeAnswer,
} from '../support/api-answers.ts'
import { storedState } from '../support/api-stored-state.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import { openRawSocket } from '../support/web-socket-client.ts'

let database: TestDatabase
let gateway: TestGateway
let token: string
const generator = new FakeGenerator()
let before: Record<string, string>

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
  token = await tokenOf('clumsy')
  await ask(gateway.url, { query: '{ viewer { id } }' }, { token })
  before = await storedState(database)
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

const nothingStored = async () => {
  expect(generator.calls).toHaveLength(0)
  expect(await storedState(database)).toEqual(before)
}
const MUTATION =
  'mutation Analyse { requestAnalysis(input: { archetype: FOUNDATION_BUILDER }) { __typename } }'
const get = (parameters: Record<string, string>) =>
  exchange(
    gateway.url,
    { headers: { authorization: `Bearer ${token}`, accept: 'application/json' } },
    `/graphql?${new URLSearchParams(parameters)}`,
  )

/** Refused for what the client sent, and by a status that says so. */
function expectBadRequest(answer: WholeAnswer, names: RegExp, status = 400): void {
  expectError(answer, 'BAD_USER_INPUT', names)
  expect(answer.status).toBe(status)
}

test.each([
  ['is missing', ''],
  ['is no JSON', '{"query": "{ viewer { id } }"'],
  ['is JSON with something behind it', '{"query": "{ viewer { id } }"} garbage'],
  ['is bytes', '\0\u0001\u0002'],
])('a body that %s is refused as such, and not sent back', async (_what, body) => {
  const answer = await ask(gateway.url, body, { token })
  expectBadRequest(answer, /JSON/)
  if (body) expect(answer.text).not.toContain(JSON.stringify(body).slice(1, -1))
  await nothingStored()
})

test('a body of a megabyte that is no JSON gets an answer of a few lines', async () => {
  const answer = await ask(gateway.url, 'x'.repeat(1024 * 1024), { token })
  expectBadRequest(answer, /JSON/)
  expect(answer.text.length).toBeLessThan(1000)
})

test.each([
  ['null', 'null', /object/],
  ['a string', '"{ viewer { id } }"', /object/],
  ['a number', '5', /object/],
  ['an empty list', '[]', /[Bb]atch/],
  ['a list of operations', `[{"query": ${JSON.stringify(MUTATION)}}]`, /[Bb]atch/],
  ['a query that is a number', '{"query": 5}', /query/],
  ['variables that are a string', '{"query": "{ viewer { id } }", "variables": "id"}', /variables/],
  ['variables that are a list', '{"query": "{ viewer { id } }", "variables": [1]}', /variables/],
  ['extensions that are a number', '{"query": "{ viewer { id } }", "extensions": 5}', /extensions/],
  ['a parameter that nobody knows', '{"query": "{ viewer { id } }", "colour": "red"}', /colour/],
])('a body that holds %s is refused, and the part named', async (_what, body, names) => {
  expectBadRequest(await ask(gateway.url, body, { token }), names)
  await nothingStored()
})

test('a body without a query is refused', async () => {
  expectError(await ask(gateway.url, '{}', { token }), 'BAD_USER_INPUT', /query/)
  expectError(await ask(gateway.url, '{"query": null}', { token }), 'BAD_USER_INPUT', /query/)
  expectError(await get({}), 'BAD_USER_INPUT', /query/)
})

test.each([
  'text/plain',
  'text/plain; application/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/graphql',
  'application/jsonp',
])('the content type %s, which a foreign page could send unasked, is refused', async type => {
  const answer = await ask(gateway.url, { query: MUTATION }, { token, headers: { 'content-type': type } })
  expectBadRequest(answer, /application\/json/, 415)
  await nothingStored()
})

test.each([
  'application/json; charset=latin1',
  'application/json;charset=ISO-8859-1',
  'application/json; charset="utf-16"',
  'application/json; a=b; charset=',
])('a body of the type %s, which would be read as what it is not, is refused', async type => {
  const answer = await ask(gateway.url, { query: MUTATION }, { token, headers: { 'content-type': type } })
  expectBadRequest(answer, /UTF-8/, 415)
  await nothingStored()
})

test.each(['gzip', 'deflate', 'br', 'zstd', 'identity, gzip'])(
  'a body under the encoding %s is refused, whether it is or not',
  async encoding => {
    const headers = { 'content-encoding': encoding }
    for (const body of [JSON.stringify({ query: MUTATION }), 'x'.repeat(100_000)]) {
      const answer = await ask(gateway.url, body, { token, headers })
      expectBadRequest(answer, /Content-Encoding/, 415)
      expect(answer.headers.get('accept-encoding')).toBe('identity')
    }
    await nothingStored()
  },
)

test('a body that says in any spelling that it is JSON, in UTF-8 and as it is, is taken', async () => {
  const query = '{ viewer { email } }'
  for (const [type, encoding] of [
    ['application/json; charset=utf-8', 'identity'],
    ['Application/JSON ; charset="UTF-8"', 'Identity'],
    ['application/json;charset=utf8;a=b', ''],
  ] as const) {
    const headers = { 'content-type': type, ...(encoding && { 'content-encoding': encoding }) }
    // Beside the short way the one of long bodies.
    for (const filler of ['', ` #${'x'.repeat(70_000)}`])
      expect((await ask(gateway.url, { query: query + filler }, { token, headers })).data, type).toEqual({
        viewer: { email: 'clumsy@example.com' },
      })
  }
})

test('a body without a content type is refused', async () => {
  const body = new Blob([JSON.stringify({ query: MUTATION })])
  const headers = { authorization: `Bearer ${token}` }
  expectBadRequest(await exchange(gateway.url, { method: 'POST', headers, body }), /application\/json/, 415)
  await nothingStored()
})

test('a body larger than the gateway takes is refused as too large', async () => {
  const variables = { filler: 'x'.repeat(9 * 1024 * 1024) }
  const answer = await ask(gateway.url, { query: MUTATION, variables }, { token })
  expectError(answer, 'PAYLOAD_TOO_LARGE', /large/)
  expect(answer.status).toBe(413)
  await nothingStored()
})

test('an operation name that the document does not have, or several operations without a name, are refused', async () => {
  const query = `${MUTATION} query Who { viewer { id } }`
  for (const operationName of ['Somebody', '', 'analyse', 'Analyse\0']) {
    const body = JSON.stringify({ query, operationName })
    expectBadRequest(await ask(gateway.url, body, { token }), /operation/i)
  }
  expectBadRequest(await ask(gateway.url, { query }, { token }), /operation/i)
  expectBadRequest(await get({ query, operationName: 'Somebody' }), /operation/i)
  await nothingStored()
})

test('a mutation by GET is refused, and does nothing', async () => {
  const answer = await get({ query: MUTATION })
  expectBadRequest(answer, /mutation/, 405)
  expect(answer.headers.get('allow')).toBe('POST')
  expectBadRequest(
    await get({ query: `${MUTATION} query Who { viewer { id } }`, operationName: 'Analyse' }),
    /mutation/,
    405,
  )
  await nothingStored()
})

test('a query by GET is answered, and one whose variables are no JSON is refused', async () => {
  const query = 'query ($first: Int) { viewer { analyses(first: $first) { totalCount } } }'
  expect((await get({ query, variables: '{"first": 1}' })).data).toEqual({
    viewer: { analyses: { totalCount: 0 } },
  })
  for (const variables of ['{', '[1]', '"first"'])
    expectBadRequest(await get({ query, variables }), /variables/)
  expectBadRequest(await get({ query, extensions: '{' }), /extensions/)
})

test('methods other than GET and POST are refused', async () => {
  for (const method of ['PUT', 'DELETE', 'PATCH']) {
    const answer = await exchange(gateway.url, { method, headers: { authorization: `Bearer ${token}` } })
    expectBadRequest(answer, /GET and POST/, 405)
  }
})

test.each([
  ['', 'GRAPHQL_PARSE_FAILED'],
  ['{ viewer { id }', 'GRAPHQL_PARSE_FAILED'],
  ['{ viewer(id: "\\uD800") { id } }', 'GRAPHQL_PARSE_FAILED'],
  ['{ viewer { id } } \0', 'GRAPHQL_PARSE_FAILED'],
  ['{ viewer { __proto__ } }', 'GRAPHQL_VALIDATION_FAILED'],
  ['{ nobody }', 'GRAPHQL_VALIDATION_FAILED'],
  ['query ($id: ID!) { viewer { id } }', 'GRAPHQL_VALIDATION_FAILED'],
])('the document %j is refused as %s', async (query, code) => {
  expectError(await ask(gateway.url, { query }, { token }), code, /./)
})

test('a refusal has a status that says so where the client knows the media type of GraphQL', async () => {
  const headers = { accept: 'application/graphql-response+json' }
  for (const query of ['{ viewer {', '{ nobody }', 'query ($id: ID!) { node(id: $id) { id } }'])
    expect((await ask(gateway.url, { query }, { token, headers })).status, query).toBe(400)
  expect((await ask(gateway.url, '{}', { token, headers })).status).toBe(400)
})

test('every refusal has a code of the contract, and nothing of HTTP in it', async () => {
  const answers = await Promise.all([
    ask(gateway.url, ''),
    ask(gateway.url, '[]'),
    ask(gateway.url, '{}'),
    ask(gateway.url, { query: '{' }),
    ask(gateway.url, { query: '{ nobody }' }),
    ask(gateway.url, { query: '{ node(id: "x") { id } }' }),
    ask(gateway.url, { query: '{ viewer { id } }' }, { token: 'x' }),
    get({ query: MUTATION }),
    get({ query: '{ viewer { id } }', variables: '{' }),
    exchange(gateway.url, { method: 'PUT' }),
  ])
  for (const { errors = [], text } of answers) {
    expect(errors.length, text).toBeGreaterThan(0)
    for (const error of errors) expect(CONTRACT_CODES, text).toContain(error.extensions?.code)
    for (const error of errors) expect(error.extensions, text).not.toHaveProperty('http')
  }
})

test.each([
  'TypeError: x is undefined\n    at resolve (/var/tributary/src/schema/user.ts:10:5)',
  'error: invalid input syntax for type uuid: "x"',
  'Invalid `prisma.$queryRaw()` invocation',
  'SELECT id FROM users WHERE id = $1',
  'ENOENT: no such file or directory, open "/tmp/tributary/PG_VERSION"',
  'new row violates check constraint "insights_confidence_range"',
])('the search for our insides, which all answers here go through, finds %j', text => {
  expect(internalsIn(JSON.stringify({ errors: [{ message: text }] }))).not.toEqual([])
})

const subscribe = (payload: unknown) => ({ id: '1', type: 'subscribe', payload })
test.each<[string, unknown, number, RegExp]>([
  [
    'a batch',
    subscribe([{ query: '{ __typename }' }]),
    4400,
    /'payload' property to be an object, but got array/,
  ],
  ['no payload', { id: '1', type: 'subscribe' }, 4400, /'payload' property to be an object/],
  ['neither a query nor an id of one', subscribe({ variables: {} }), 4400, /'query' property to be a string/],
  [
    'a query that is a number',
    subscribe({ query: 5 }),
    4400,
    /'query' property to be a string, but got number/,
  ],
  ['variables that are a list', subscribe({ query: '{ a }', variables: [1] }), 4400, /'variables' property/],
  ['no id', { type: 'subscribe', payload: { query: '{ a }' } }, 4400, /'id' property/],
  ['half a JSON', '{"type":"ping"', 4400, /JSON/],
  ['null', 'null', 4400, /object/],
  ['a list', '[]', 4400, /object/],
  ['an unknown type', { type: 'start' }, 4400, /'type' property "start"/],
  ['a type of half a kilobyte', { type: 'è'.repeat(256) }, 4400, /^Invalid message 'type' property "è+$/],
  ['a message that only the gateway sends', { type: 'next', id: '1', payload: {} }, 4400, /"next"/],
  ['more than it takes', `"${'x'.repeat(8 * 1024 * 1024)}"`, 1009, /^$/],
])(
  'a socket on which %s is sent is closed, and told what was expected',
  async (_what, message, code, reason) => {
    const socket = await openRawSocket(gateway.url, { token })
    socket.send(message)
    // Behind it nothing is looked at any more.
    socket.send(subscribe({ query: MUTATION }))
    await until(() => socket.closed !== undefined, { what: 'the close' })
    expect(socket.closed).toEqual({ code, reason: expect.stringMatching(reason) })
    expect(socket.messages).toEqual([])
    await nothingStored()
  },
)

const INIT = { type: 'connection_init' }
const FOLLOWED = subscribe({ query: 'subscription { factPromoted { id } }' })
test.each<[string, string, (token: string) => unknown[], number]>([
  [
    'an operation before the connection is begun',
    'graphql-transport-ws',
    () => [subscribe({ query: MUTATION })],
    4401,
  ],
  ['a second beginning', 'graphql-transport-ws', () => [INIT, INIT], 4429],
  [
    'two operations of one id',
    'graphql-transport-ws',
    of => [{ ...INIT, payload: { authorization: `Bearer ${of}` } }, FOLLOWED, FOLLOWED],
    4409,
  ],
  ['nothing at all', 'graphql-transport-ws', () => [], 4408],
  ['the protocol of before', 'graphql-ws', () => [INIT], 1006],
])('a socket that brings %s is closed, and nothing is stored', async (_what, protocol, messages, code) => {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/graphql`, protocol)
  onTestFinished(() => socket.terminate())
  const closed = new Promise<number>(resolve => socket.once('close', resolve))
  // One without a protocol in common fails.
  socket.on('error', () => {})
  const [first, ...others] = messages(token)
  socket.once('open', () => first && socket.send(JSON.stringify(first)))
  // Once it is acknowledged.
  socket.once('message', () => {
    for (const message of others) socket.send(JSON.stringify(message))
  })
  expect(await closed).toBe(code)
  await nothingStored()
})

test('a socket stays open over an id that is not known, a ping and a pong', async () => {
  const socket = await openRawSocket(gateway.url, { token })
  for (const message of [
    { type: 'complete', id: 'x' },
    { type: 'pong' },
    { type: 'ping', payload: { a: 1 } },
  ])
    socket.send(message)
  await until(() => socket.messages.length > 0, { what: 'the pong' })
  expect(socket.messages).toEqual([{ type: 'pong', payload: { a: 1 } }])
  expect(socket.closed).toBeUndefined()
})

test('an authorization over a socket that is no text is malformed, and takes nobody for a stranger', async () => {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  onTestFinished(() => socket.terminate())
  const messages: { type: string; payload?: unknown }[] = []
  socket.on('message', data => messages.push(JSON.parse(String(data))))
  socket.once('message', () => socket.send(JSON.stringify(subscribe({ query: '{ viewer { id } }' }))))
  socket.once('open', () =>
    socket.send(JSON.stringify({ ...INIT, payload: { authorization: [`Bearer ${token}`] } })),
  )
  await until(() => messages.length > 1, { what: 'the refusal' })
  expect(messages[1]).toMatchObject({
    type: 'error',
    payload: [{ message: expect.stringMatching(/malformed/), extensions: { code: 'UNAUTHENTICATED' } }],
  })
})

test('an address that only ends like a health page is none', async () => {
  for (const path of ['/health', '/elsewhere/health/live', '/api/health'])
    expect([path, (await exchange(gateway.url, {}, path)).status]).toEqual([path, 404])
  const path = '/graphql?query={__typename}&x=/health/live'
  const answer = await exchange(gateway.url, { headers: { accept: 'application/json' } }, path)
  expect(answer.data).toEqual({ __typename: 'Query' })
})
