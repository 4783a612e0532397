import { afterAll, beforeAll, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post, requestAnalysis } from '../support/graphql-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

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

test('who is known here waits for their own reads alone, not for being looked up before them', async () => {
  const token = await tokenOf('ahead')
  await requestAnalysis(gateway.url, token)
  const before = await see(token)

  const [users, analyses] = await Promise.all([
    holdLock(database.url, 'LOCK TABLE users IN ACCESS EXCLUSIVE MODE'),
    holdLock(database.url, 'LOCK TABLE analyses IN ACCESS EXCLUSIVE MODE'),
  ])
  const answer = see(token)
  await Promise.all([users.waitedFor(), analyses.waitedFor()])
  await analyses.release()
  await users.release()

  expect((await answer).data).toEqual(before.data)
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
