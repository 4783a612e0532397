import { afterAll, beforeAll, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { post, requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let gateway: TestGateway
const generator = new FakeGenerator()

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

const ask = async (token: string, query: string, variables?: Record<string, unknown>) => {
  const { data, errors } = await post<Record<string, { __typename?: string }>>(gateway.url, {
    query,
    token,
    ...(variables && { variables }),
  })
  if (!data) throw new Error(JSON.stringify(errors))
  return data
}

const remove = (token: string, confirmEmail: string) =>
  ask(
    token,
    `mutation($confirmEmail: String!) { deleteViewer(confirmEmail: $confirmEmail) {
      __typename ... on DeleteViewerPayload { deleted } ... on InvalidInputError { issues { path } } } }`,
    { confirmEmail },
  )

/** Something of every kind that is stored of a user. */
async function live(token: string): Promise<void> {
  await ask(
    token,
    'mutation { recordDataPoints(points: [{ metric: "steps", value: 1, recordedAt: "2026-01-01T10:00:00.000Z", source: "s", externalId: "1" }]) { __typename } }',
  )
  await requestAnalysis(gateway.url, token)
  for (const mutation of [
    'generatePlan(input: { kind: MENU, archetype: PEAK_PERFORMER, idempotencyKey: "k" })',
    'createInterview(input: { topic: "mornings", enhancer: EXTERNAL, idempotencyKey: "i" })',
    'saveConversation(input: { sessionId: "s", messages: [{ role: USER, content: "hello" }] })',
    'sendMessage(input: { sessionId: "t", content: "hello" })',
    'rememberExchange(input: { userMessage: "My name is Anna.", aiResponse: "Hello." })',
    'updatePreferences(input: { calorieGoal: 2000 })',
    'upsertStats(input: { provider: STRAVA, statsType: "ytd", data: {} })',
    'connectAccount(input: { provider: STRAVA, athleteId: "1", accessToken: "a", refreshToken: "r", expiresAt: "2036-01-01T10:00:00.000Z" })',
    'contributeFact(input: { content: "Water first." })',
  ])
    await ask(token, `mutation { ${mutation} { __typename } }`)
}

const idOf = async (subject: string) =>
  (await database.query<{ id: string }>('SELECT id FROM users WHERE subject = $1', [subject]))[0]?.id ?? ''

/** In every table that has a user: how many rows are theirs. */
async function rowsOf(userId: string): Promise<Record<string, number>> {
  const tables = await database.query<{ table: string }>(
    `SELECT c.table_name AS table FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
     WHERE c.table_schema = 'public' AND c.column_name = 'user_id' AND t.table_type = 'BASE TABLE'`,
  )
  const rows: Record<string, number> = {}
  for (const { table } of tables) {
    const [counted] = await database.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${table} WHERE user_id = $1`,
      [userId],
    )
    if (counted && counted.count > 0) rows[table] = counted.count
  }
  return rows
}

test('a user who leaves takes everything along, and nothing of anybody else', async () => {
  const [leaves, stays] = [await tokenOf('leaves'), await tokenOf('stays')]
  await live(leaves)
  await live(stays)
  const [leaving, staying] = [await idOf('leaves'), await idOf('stays')]
  expect(Object.keys(await rowsOf(leaving)).length).toBeGreaterThan(12)
  const before = await rowsOf(staying)
  const leasesBefore = await database.query('SELECT 1 FROM leases')

  expect(await remove(leaves, 'leaves@example.com')).toEqual({
    deleteViewer: { __typename: 'DeleteViewerPayload', deleted: true },
  })

  expect(await rowsOf(leaving)).toEqual({})
  expect(await database.query('SELECT 1 FROM users WHERE id = $1', [leaving])).toEqual([])
  expect(await rowsOf(staying)).toEqual(before)
  expect((await database.query('SELECT 1 FROM leases')).length).toBeLessThan(leasesBefore.length)
  const [fact] = await database.query('SELECT source_count, promoted_at FROM collective_facts')
  expect(fact).toEqual({ source_count: 1, promoted_at: null })
})

test('a fact that nobody else holds goes; one that was promoted stays', async () => {
  const tokens = await Promise.all(['one', 'two', 'three'].map(name => tokenOf(`fact-${name}`)))
  const contribute = (token: string | undefined, content: string) =>
    ask(token ?? '', `mutation { contributeFact(input: { content: "${content}" }) { __typename } }`)
  for (const token of tokens) await contribute(token, 'Sleep matters.')
  await contribute(tokens[0], 'Mine alone.')
  for (const [index, name] of ['one', 'two', 'three'].entries())
    await remove(tokens[index] ?? '', `fact-${name}@example.com`)
  const facts = await database.query<{ content: string; source_count: number }>(
    "SELECT content, source_count FROM collective_facts WHERE content IN ('Sleep matters.', 'Mine alone.')",
  )
  expect(facts).toEqual([{ content: 'Sleep matters.', source_count: 0 }])
})

test('a run under way stores nothing any more, and whoever waits for it is answered', async () => {
  const token = await tokenOf('running')
  const gate = new Gate()
  generator.behave = () => gate.pass()
  const waiting = post(gateway.url, {
    query: 'mutation { requestAnalysis(input: { archetype: PEAK_PERFORMER }) { __typename } }',
    token,
  })
  await gate.arrived(1)
  await remove(token, 'running@example.com')
  gate.open()
  const { status } = await waiting
  expect(status).toBe(200)
  expect(await idOf('running')).toBe('')
  const runs = await database.query("SELECT 1 FROM leases WHERE state = 'RUNNING'")
  expect(runs).toEqual([])
})

test('another address than the own one deletes nobody', async () => {
  const token = await tokenOf('careful')
  await live(token)
  expect(await remove(token, 'someone@example.com')).toEqual({
    deleteViewer: { __typename: 'InvalidInputError', issues: [{ path: ['confirmEmail'] }] },
  })
  expect(Object.keys(await rowsOf(await idOf('careful'))).length).toBeGreaterThan(12)
})

test('two who delete the same user at once both succeed', async () => {
  const token = await tokenOf('twice')
  await live(token)
  const id = await idOf('twice')
  const answers = await Promise.all([1, 2].map(() => remove(token, 'twice@example.com')))
  for (const { deleteViewer } of answers) expect(deleteViewer).toMatchObject({ deleted: true })
  expect(await rowsOf(id)).toEqual({})
})
