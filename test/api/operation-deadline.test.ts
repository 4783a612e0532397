import { connect } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { ask, expectError } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'
import { connectSocket } from '../support/web-socket-client.ts'

let database: TestDatabase
let gateway: TestGateway
let token: string
const generator = new FakeGenerator()
const start = (timeoutMs: number) =>
  startTestGateway({
    databaseUrl: database.url,
    generator,
    settings: {
      OPERATION_TIMEOUT_MS: String(timeoutMs),
      // One statement that hangs takes half of it.
      DATABASE_POOL_SIZE: '2',
      LOCK_TIMEOUT_MS: '20000',
    },
  })
beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await start(700)
  token = await tokenOf('waiting')
  await ask(gateway.url, { query: '{ viewer { id } }' }, { token })
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

/** Holds a table against every reader until the test ends or it is released. */
async function hold(table: string): Promise<() => Promise<void>> {
  const { Client } = (await import('pg')).default
  const client = new Client({ connectionString: database.url })
  await client.connect()
  await client.query('BEGIN')
  await client.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)
  let held = true
  const release = async () => {
    if (held) await client.end()
    held = false
  }
  onTestFinished(release)
  return release
}
/** Statements of the gateway that wait for the lock. */
const waiting = async () => {
  const [row] = await database.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_stat_activity
     WHERE application_name = 'tributary' AND datname = current_database() AND wait_event_type = 'Lock'`,
  )
  return row?.count ?? 0
}
/** A statement of its own. */
const SEARCH = { query: '{ searchCollection(collection: "c", query: "water") { text } }' }
/** Reads that go to the database together with those of others. */
const ANALYSES = { query: '{ viewer { analyses { nodes { id } } } }' }

test('an operation that takes too long is told so, and its statement is cancelled', async () => {
  await hold('documents')
  for (const headers of [{}, { accept: 'application/graphql-response+json' }]) {
    const answer = await ask(gateway.url, SEARCH, { token, headers })
    expectError(answer, 'TIMEOUT', /700 ms/)
    expect(answer.status).toBe(504)
    expect(answer).not.toHaveProperty('data')
  }
  await until(async () => (await waiting()) === 0, { what: 'the statements to be cancelled' })
})

test('its connection goes back to the pool sound: more of them than there are connections, then one that is served', async () => {
  const release = await hold('documents')
  const answers = await Promise.all(Array.from({ length: 6 }, () => ask(gateway.url, SEARCH, { token })))
  for (const answer of answers) expectError(answer, 'TIMEOUT', /./)
  await release()
  for (let i = 0; i < 6; i++)
    expect((await ask(gateway.url, SEARCH, { token })).data).toEqual({ searchCollection: [] })
})

test('what it reads together with others is answered to them, whoever has given up', async () => {
  const release = await hold('analyses')
  const patient = await start(60_000)
  onTestFinished(() => patient.close())
  const waits = ask(patient.url, ANALYSES, { token })
  expectError(await ask(gateway.url, ANALYSES, { token }), 'TIMEOUT', /700 ms/)
  await release()
  expect((await waits).data).toEqual({ viewer: { analyses: { nodes: [] } } })
  await until(async () => (await ask(gateway.url, ANALYSES, { token })).errors === undefined, {
    what: 'the next one to be served',
  })
})

test('over a socket it is an error of that operation alone', async () => {
  await hold('documents')
  const socket = connectSocket(gateway.url, token)
  const [slow, quick] = await Promise.all([socket.ask(SEARCH), socket.ask({ query: '{ __typename }' })])
  expect(slow.errors).toMatchObject([{ extensions: { code: 'TIMEOUT' } }])
  expect(quick.results).toEqual([{ data: { __typename: 'Query' } }])
  expect(socket.closed).toBe(0)
})

test('the statement of a client that leaves is cancelled at once', async () => {
  const patient = await start(60_000)
  onTestFinished(() => patient.close())
  await hold('documents')
  const leaving = new AbortController()
  const asked = fetch(`${patient.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(SEARCH),
    signal: leaving.signal,
  }).catch(() => 'left')
  await until(async () => (await waiting()) === 1, { what: 'the statement to wait' })
  leaving.abort()
  expect(await asked).toBe('left')
  await until(async () => (await waiting()) === 0, { what: 'the statement to be cancelled' })
})

test('so is that of a client whose socket breaks off, and of one that completes the operation', async () => {
  const patient = await start(60_000)
  onTestFinished(() => patient.close())
  await hold('documents')
  const socket = connectSocket(patient.url, token)
  void socket.ask(SEARCH).catch(() => {})
  await until(async () => (await waiting()) === 1, { what: 'the statement to wait' })
  socket.dispose()
  await until(async () => (await waiting()) === 0, { what: 'the statement to be cancelled' })
})

test('a run goes on without the client that asked for it, beyond any deadline of operations', async () => {
  const gate = new Gate()
  generator.behave = (_input, { signal }) => gate.pass(signal)
  const mutation = {
    query:
      'mutation { requestAnalysis(input: { archetype: PEAK_PERFORMER }) { __typename ... on RequestAnalysisPayload { source } } }',
  }
  await ask(
    gateway.url,
    {
      query: `mutation { recordDataPoints(points: [{ externalId: "a", metric: "steps", recordedAt: "2026-11-01T00:00:00.000Z", source: "x", value: 1 }]) { __typename } }`,
    },
    { token },
  )
  const socket = connect({ port: Number(new URL(gateway.url).port), host: '127.0.0.1' })
  const body = JSON.stringify(mutation)
  socket.write(
    `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer ${token}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  await until(() => generator.calls.length === 1, { what: 'the run to begin' })
  const waiter = ask(gateway.url, mutation, { token })
  socket.destroy()
  // Past the deadline that other operations have.
  const beganAtMs = performance.now()
  await until(() => performance.now() - beganAtMs > 1000, { what: 'the deadline to pass' })
  gate.open()
  expect((await waiter).data).toEqual({
    requestAnalysis: { __typename: 'RequestAnalysisPayload', source: expect.stringMatching(/FRESH|JOINED/) },
  })
  expect(generator.calls).toHaveLength(1)
})
