import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { CancellablePool } from '../../src/database/cancellable-client.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post, requestAnalysis } from '../support/graphql-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

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

interface Seen {
  viewer: {
    id: string
    email: string
    emailVerified: boolean
    createdAt: string
    analyses: { nodes: { id: string; summary: string }[] }
  }
}
const SEEN =
  'query { viewer { id email emailVerified createdAt analyses(first: 5) { nodes { id summary } } } }'
const see = (token: string) => post<Seen>(gateway.url, { query: SEEN, token })

/** Their look-up and their reads both stand before a lock at the same time, or it waits in vain. */
async function seeWhileLookedUp(token: string) {
  const [users, analyses] = await Promise.all([
    holdLock(database.url, 'LOCK TABLE users IN ACCESS EXCLUSIVE MODE'),
    holdLock(database.url, 'LOCK TABLE analyses IN ACCESS EXCLUSIVE MODE'),
  ])
  const answer = see(token)
  await Promise.all([users.waitedFor(), analyses.waitedFor()])
  await analyses.release()
  await users.release()
  return answer
}

test('who is known here waits for their own reads alone, not for being looked up before them', async () => {
  const token = await tokenOf('ahead')
  await requestAnalysis(gateway.url, token)
  const before = await see(token)

  const answer = await seeWhileLookedUp(token)

  expect(answer.data).toEqual(before.data)
  expect(before.data?.viewer.analyses.nodes).toHaveLength(1)
})

test('what has changed about them since they were last seen is told, to the last column', async () => {
  const token = await tokenOf('changed')
  const { id, createdAt } = (await see(token)).data?.viewer ?? {}

  for (const [column, value, changed] of [
    ['email_verified', 'true', { emailVerified: true }],
    ['created_at', "'2020-01-01T00:00:00Z'", { emailVerified: true, createdAt: '2020-01-01T00:00:00.000Z' }],
    ['email', "'other@example.com'", { emailVerified: true, createdAt: '2020-01-01T00:00:00.000Z' }],
  ] as const) {
    await database.query(`UPDATE users SET ${column} = ${value} WHERE subject = 'changed'`)
    expect((await see(token)).data?.viewer).toEqual({
      ...{ id, email: 'changed@example.com', createdAt, analyses: { nodes: [] } },
      ...changed,
    })
  }
})

test('a user who was deleted elsewhere and comes again is shown nothing of the one before', async () => {
  const token = await tokenOf('again')
  await requestAnalysis(gateway.url, token)
  const before = (await see(token)).data?.viewer
  await database.query(`DELETE FROM users WHERE subject = 'again'`)
  // Made by another instance, on their next request there.
  await database.query(`INSERT INTO users (issuer, subject, email) VALUES ('', 'again', 'again@example.com')`)

  const after = (await see(token)).data?.viewer

  expect(before?.analyses.nodes).toHaveLength(1)
  expect(after?.analyses.nodes).toEqual([])
  expect(after?.id).not.toBe(before?.id)
})

test('an analysis of a user who is gone is shown to nobody who comes with their token', async () => {
  const token = await tokenOf('node')
  await requestAnalysis(gateway.url, token)
  const id = (await see(token)).data?.viewer.analyses.nodes[0]?.id
  const node = () =>
    post<{ node: { id: string } | null }>(gateway.url, {
      query: 'query($id: ID!) { node(id: $id) { id } }',
      variables: { id },
      token,
    })
  expect((await node()).data?.node).toEqual({ id })
  // The row stays, and its owner's token comes to somebody else.
  await database.query(`UPDATE users SET subject = 'node before' WHERE subject = 'node'`)

  expect((await node()).data?.node).toBeNull()
})

test('several queries at once, of a token that comes to somebody else now, are answered of them alone', async () => {
  const token = await tokenOf('parallel')
  await requestAnalysis(gateway.url, token)
  const first = (n: number) =>
    post<Seen>(gateway.url, {
      query: `{ viewer { id analyses(first: ${n}) { nodes { id summary } } } }`,
      token,
    })
  const before = (await first(9)).data?.viewer
  await database.query(`UPDATE users SET subject = 'parallel before' WHERE subject = 'parallel'`)
  const [now] = await database.query<{ id: string }>(
    `INSERT INTO users (issuer, subject, email) VALUES ('', 'parallel', 'parallel@example.com') RETURNING id`,
  )

  const answers = await Promise.all([1, 2, 3, 4].map(first))

  expect(before?.analyses.nodes).toHaveLength(1)
  const id = Buffer.from(`User:${now?.id}`).toString('base64url')
  expect(answers.map(({ data }) => data?.viewer)).toEqual(
    answers.map(() => ({ id, analyses: { nodes: [] } })),
  )
})

test('who is brought up to date by being looked up is not answered by what was read before', async () => {
  const [one, other] = await Promise.all([
    tokenOf('two', { email: 'one@example.com' }),
    tokenOf('two', { email: 'other@example.com' }),
  ])
  const { id } = (await see(one)).data?.viewer ?? {}
  const query = `{ viewer { email } node(id: "${id}") { ... on User { email } } }`
  for (let time = 0; time < 3; time++)
    for (const [token, email] of [
      [one, 'one@example.com'],
      [other, 'other@example.com'],
    ] as const)
      expect((await post(gateway.url, { query, token })).data).toEqual({ viewer: { email }, node: { email } })
})

test('a session that has ended reads nothing more: what began is cancelled, and nothing begins again', async () => {
  const [user] = await database.query<{ id: string; subject: string }>(
    `INSERT INTO users (issuer, subject, email) VALUES ('urn:tributary:sign-in', 'in session', 's@example.com') RETURNING id, subject`,
  )
  const [session] = await database.query<{ id: string }>(
    `INSERT INTO sessions (user_id, expires_at) VALUES ($1, now() + interval '1 hour') RETURNING id`,
    [user?.id],
  )
  const token = await tokenOf('in session', {
    iss: 'urn:tributary:sign-in',
    email: 's@example.com',
    sid: session?.id,
  })
  const search = () =>
    post(gateway.url, { query: '{ searchCollection(collection: "c", query: "water") { text } }', token })
  expect((await search()).status).toBe(200)
  await database.query('DELETE FROM sessions WHERE id = $1', [session?.id])
  const held = await holdLock(database.url, 'LOCK TABLE documents, collections IN ACCESS EXCLUSIVE MODE')
  const waiting = async () => {
    const [row] = await database.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE application_name = 'tributary' AND datname = current_database() AND wait_event_type = 'Lock'`,
    )
    return row?.count
  }

  expect((await search()).status).toBe(401)
  await until(async () => (await waiting()) === 0, { what: 'the search to be cancelled' })
  const sent = vi.spyOn(CancellablePool.prototype, 'runPrepared')
  onTestFinished(() => sent.mockRestore())
  expect((await search()).status).toBe(401)
  expect(
    sent.mock.calls.map(([{ name }]) => name).filter(name => /^(sessions|collections|documents)-/.test(name)),
  ).toEqual(['sessions-find-users'])
  await held.release()
})

test('a probe that asks for nothing of anybody takes nothing of what is known', async () => {
  const token = await tokenOf('probed')
  await see(token)
  await post(gateway.url, { query: '{ __typename }', token })
  const answer = await seeWhileLookedUp(token)
  expect(answer.errors).toBeUndefined()
})
