import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { readAll, save, user } from '../support/conversation-client.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { post, requestAnalysis } from '../support/graphql-client.ts'
import { deliverPrompt, newInterview, readInterview } from '../support/interview-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateway: TestGateway
let generator: FakeGenerator
let token: string
let admin: string
let service: string

beforeAll(async () => {
  database = await createTestDatabase()
  generator = new FakeGenerator()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
  token = await tokenOf('anna')
  admin = await tokenOf('operator', { roles: ['ADMIN'] })
  service = await tokenOf('enhancer', { roles: ['SERVICE'] })
})
afterAll(async () => {
  await gateway.close()
  await database.drop()
})

interface Report {
  healthy: boolean
  findings: { check: string; count: number; sampleIds: string[]; repaired: number }[]
}

const check = (repair: boolean) => checkAt(gateway.url, repair)

async function checkAt(url: string, repair: boolean): Promise<Report> {
  const query =
    'mutation($repair: Boolean) { runConsistencyCheck(repair: $repair) { healthy checkedAt findings { check count sampleIds repaired } } }'
  const { data, errors } = await post<{ runConsistencyCheck: Report }>(url, {
    query,
    variables: { repair },
    token: admin,
  })
  if (!data) throw new Error(JSON.stringify(errors))
  return data.runConsistencyCheck
}

const rawId = (id: string) => Buffer.from(id, 'base64url').toString().split(':')[1] ?? ''

test('the check finds nothing where everything was written by the gateway', async () => {
  await requestAnalysis(gateway.url, token)
  const { id } = await newInterview(gateway.url, token)
  await deliverPrompt(gateway.url, service, { interviewId: id, messageId: 'm' })
  expect(await check(false)).toMatchObject({ healthy: true, findings: [] })
})

test('a prompt without a READY interview is counted, and brought back to it on request', async () => {
  for (const status of ['ENHANCING', 'FAILED']) {
    const { id } = await newInterview(gateway.url, token)
    await deliverPrompt(gateway.url, service, { interviewId: id, messageId: 'm' })
    await database.query(`UPDATE interviews SET status = '${status}' WHERE id = $1`, [rawId(id)])
    await database.query(
      `UPDATE interview_status_changes SET status = '${status}' WHERE interview_id = $1 AND version = 2`,
      [rawId(id)],
    )
    const found = { check: 'orphaned_prompt', count: 1, sampleIds: [rawId(id)], repaired: 0 }
    expect(await check(false)).toMatchObject({ healthy: false, findings: [found] })
    expect(await check(true)).toMatchObject({ healthy: true, findings: [{ ...found, repaired: 1 }] })
    expect(await check(false)).toMatchObject({ healthy: true, findings: [] })
    expect(await readInterview(gateway.url, token, id)).toMatchObject({
      status: 'READY',
      enhancedPrompt: { text: 'the prompt of m' },
    })
  }
  expect(await gateway.metrics.registry.metrics()).toContain('rag_orphaned_prompt_total 4')
})

test('a READY interview without its prompt is FAILED on request; one that has begun is only told of', async () => {
  const ready = await newInterview(gateway.url, token)
  const begun = await newInterview(gateway.url, token)
  for (const { id } of [ready, begun])
    await deliverPrompt(gateway.url, service, { interviewId: id, messageId: 'm' })
  await database.query("UPDATE interviews SET status = 'IN_PROGRESS' WHERE id = $1", [rawId(begun.id)])
  await database.query(
    "UPDATE interview_status_changes SET status = 'IN_PROGRESS' WHERE interview_id = $1 AND version = 2",
    [rawId(begun.id)],
  )
  await database.query('DELETE FROM enhanced_prompts WHERE interview_id IN ($1, $2)', [
    rawId(ready.id),
    rawId(begun.id),
  ])
  expect(await check(true)).toMatchObject({
    healthy: false,
    findings: [{ check: 'missing_prompt', count: 2, repaired: 1 }],
  })
  expect(await readInterview(gateway.url, token, ready.id)).toMatchObject({
    status: 'FAILED',
    failureReason: 'Its prompt is gone. Retry the interview.',
  })
  expect((await check(false)).findings).toMatchObject([
    { check: 'missing_prompt', sampleIds: [rawId(begun.id)] },
  ])
  await database.query('DELETE FROM interviews WHERE id = $1', [rawId(begun.id)])
})

test('tracking that does not tell what is stored is written anew, also where there is none', async () => {
  await requestAnalysis(gateway.url, token, { archetype: 'PEAK_PERFORMER' })
  await database.query(
    "UPDATE archetype_tracking SET analysis_count = 7 WHERE archetype = 'FOUNDATION_BUILDER'",
  )
  await database.query("DELETE FROM archetype_tracking WHERE archetype = 'PEAK_PERFORMER'")
  expect(await check(true)).toMatchObject({
    healthy: true,
    findings: [{ check: 'tracking_mismatch', count: 2, repaired: 2 }],
  })
  const rows = await database.query(
    'SELECT archetype, analysis_count AS count FROM archetype_tracking ORDER BY archetype',
  )
  expect(rows).toEqual([
    { archetype: 'FOUNDATION_BUILDER', count: 1 },
    { archetype: 'PEAK_PERFORMER', count: 1 },
  ])
})

test('messages that are missing are told of, and a count that is wrong is mended, so that the next message finds its place', async () => {
  for (const sessionId of ['gap', 'low', 'high', 'none', 'fine'])
    await save(gateway.url, token, { sessionId, messages: [user('1'), user('2'), user('3')] })
  const idOf = async (sessionId: string) =>
    (
      await database.query<{ id: string }>('SELECT id FROM conversations WHERE session_id = $1', [sessionId])
    )[0]?.id ?? ''
  const remove = (sessionId: string, where: string) =>
    database.query(
      `DELETE FROM messages WHERE conversation_id = (SELECT id FROM conversations WHERE session_id = $1) AND ${where}`,
      [sessionId],
    )
  await remove('gap', 'seq = 2')
  await remove('high', 'seq = 3')
  await remove('none', 'true')
  await database.query("UPDATE conversations SET message_count = 1 WHERE session_id = 'low'")
  const ids = await Promise.all(['low', 'high', 'none'].map(idOf))
  const gap = { check: 'message_gap', count: 1, sampleIds: [await idOf('gap')], repaired: 0 }
  // The instance's own cache still has what was deleted.
  const without = ({ findings }: Report) => findings.filter(({ check }) => check !== 'cache_mismatch')
  expect(without(await check(false))).toEqual([
    gap,
    { check: 'message_count_mismatch', count: 3, sampleIds: ids.toSorted(), repaired: 0 },
  ])
  expect(without(await check(true))).toEqual([
    gap,
    { check: 'message_count_mismatch', count: 3, sampleIds: ids.toSorted(), repaired: 3 },
  ])
  expect(without(await check(true))).toEqual([gap])
  for (const [sessionId, contents] of [
    ['low', ['1', '2', '3', 'next']],
    ['high', ['1', '2', 'next']],
    ['none', ['next']],
  ] as const) {
    await save(gateway.url, token, { sessionId, messages: [user('next')] })
    const read = await readAll(gateway.url, token, sessionId)
    expect(read.map(({ content }) => content)).toEqual(contents)
    expect(read.map(({ seq }) => seq)).toEqual(contents.map((_, index) => index + 1))
  }
  await database.query("DELETE FROM conversations WHERE session_id = 'gap'")
  await check(true)
})

test('a cached conversation that says something else than the database, is ahead of it, or of none, is found and dropped', async () => {
  const server = await startRedisServer(inject('redisServer'))
  const redis = new Redis(server.url)
  const cached = await startTestGateway({
    databaseUrl: database.url,
    generator,
    settings: { REDIS_URL: server.url },
  })
  onTestFinished(async () => {
    await cached.close()
    redis.disconnect()
    await server.stop()
  })
  const ids: Record<string, string> = {}
  for (const sessionId of ['same', 'other words', 'shorter', 'ahead', 'behind', 'gone']) {
    await save(cached.url, token, { sessionId, messages: [user('è 🌊'), user('2')] })
    const [row] = await database.query<{ id: string }>('SELECT id FROM conversations WHERE session_id = $1', [
      sessionId,
    ])
    ids[sessionId] = row?.id ?? ''
    await until(async () => (await redis.get(`tributary:conversation:{${row?.id}}:version`)) === '1', {
      what: 'the cache to be written',
    })
  }
  expect(await checkAt(cached.url, false)).toMatchObject({ healthy: true, findings: [] })
  await database.query("UPDATE messages SET content = 'x' WHERE conversation_id = $1 AND seq = 2", [
    ids['other words'],
  ])
  await redis.rpop(`tributary:conversation:{${ids.shorter}}:messages`)
  await database.query('UPDATE conversations SET version = 0 WHERE id = $1', [ids.ahead])
  await database.query('UPDATE conversations SET version = 2 WHERE id = $1', [ids.behind])
  await database.query('DELETE FROM conversations WHERE id = $1', [ids.gone])
  const wrong = [ids['other words'], ids.shorter, ids.ahead, ids.gone]
  const found = await checkAt(cached.url, false)
  expect(found.findings).toMatchObject([{ check: 'cache_mismatch', count: 4, repaired: 0 }])
  expect(found.findings[0]?.sampleIds.toSorted()).toEqual(wrong.toSorted())
  expect(await checkAt(cached.url, true)).toMatchObject({ healthy: true, findings: [{ repaired: 4 }] })
  for (const id of wrong) expect(await redis.exists(`tributary:conversation:{${id}}:version`)).toBe(0)
  for (const id of [ids.same, ids.behind])
    expect(await redis.exists(`tributary:conversation:{${id}}:version`)).toBe(1)
  // A Redis that is away has nothing that could be wrong.
  await server.stop()
  expect(await checkAt(cached.url, true)).toMatchObject({ healthy: true, findings: [] })
})

test('operators see what runs on every instance; nobody else sees anything', async () => {
  const query = '{ operations { runningGenerations { kind archetype state phase } consistency { healthy } } }'
  const gate = new Gate()
  generator.behave = (_input, { signal }) => gate.pass(signal)
  const running = requestAnalysis(gateway.url, token, { archetype: 'SYSTEMATIC_IMPROVER' })
  await gate.arrived(1)
  const answer = await post<{ operations: { runningGenerations: unknown[] } }>(gateway.url, {
    query,
    token: admin,
  })
  expect(answer.data?.operations).toEqual({
    runningGenerations: [
      { kind: 'BEHAVIOR_ANALYSIS', archetype: 'SYSTEMATIC_IMPROVER', state: 'RUNNING', phase: 'GENERATING' },
    ],
    consistency: { healthy: true },
  })
  gate.open()
  await running
  for (const [who, code] of [
    [token, 'FORBIDDEN'],
    [undefined, 'UNAUTHENTICATED'],
  ] as const) {
    const refused = await post(gateway.url, { query, ...(who && { token: who }) })
    expect(refused.errors?.[0]?.extensions.code).toBe(code)
    const mutation = await post(gateway.url, {
      query: 'mutation { runConsistencyCheck(repair: true) { healthy } }',
      ...(who && { token: who }),
    })
    expect(mutation.errors?.[0]?.extensions.code).toBe(code)
  }
})
