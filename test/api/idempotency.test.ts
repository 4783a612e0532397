import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import { callersArrived, coordinationFigures } from '../support/coordination-figures.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let here: TestGateway
let there: TestGateway
const generator = new FakeGenerator()

beforeAll(async () => {
  database = await createTestDatabase()
  const options = { databaseUrl: database.url, generator }
  ;[here, there] = await Promise.all([startTestGateway(options), startTestGateway(options)])
})
beforeEach(() => {
  generator.calls.length = 0
  generator.behave = async () => {}
})
afterAll(async () => {
  await here?.close()
  await there?.close()
  await database?.drop()
})

test('a forced request sent again under its key gets the same answer on every instance, and makes nothing new', async () => {
  const token = await tokenOf('again')
  const input = { forceRefresh: true, idempotencyKey: 'one' }
  const first = await requestAnalysis(here.url, token, input)
  expect(first.source).toBe('FRESH')
  expect(await requestAnalysis(there.url, token, { ...input, waitMs: 5000 })).toEqual(first)
  expect(generator.calls).toHaveLength(1)
  expect(await requestAnalysis(here.url, token, { ...input, idempotencyKey: 'two' })).toMatchObject({
    source: 'FRESH',
    tracking: { analysisCount: 2 },
  })
})

test('another input under the same key is refused, and the key of another user is another key', async () => {
  const token = await tokenOf('reusing')
  await requestAnalysis(here.url, token, { idempotencyKey: 'one' })
  expect(
    await requestAnalysis(there.url, token, { idempotencyKey: 'one', archetype: 'PEAK_PERFORMER' }),
  ).toMatchObject({
    __typename: 'IdempotencyKeyReusedError',
    code: 'IDEMPOTENCY_KEY_REUSED',
  })
  expect(generator.calls).toHaveLength(1)
  expect(
    await requestAnalysis(here.url, await tokenOf('somebody else'), { idempotencyKey: 'one' }),
  ).toMatchObject({ source: 'FRESH' })
})

test('two at once under one key give one effect and two equal answers', async () => {
  const token = await tokenOf('at once')
  const gate = new Gate()
  generator.behave = (_input, { signal }) => gate.pass(signal)
  const input = { forceRefresh: true, idempotencyKey: 'one' }
  const answers = [here, there].map(gateway => requestAnalysis(gateway.url, token, input))
  await callersArrived([here, there], 2)
  gate.open()
  const [one, other] = await Promise.all(answers)
  expect(one).toEqual(other)
  expect(generator.calls).toHaveLength(1)
})

test.each([
  ['was told to wait', 0],
  ['has left', null],
])(
  'a request that %s before its run ended is told JOINED under its key: FRESH went to the next',
  async (what, waitMs) => {
    const token = await tokenOf(`first that ${what}`)
    const gate = new Gate()
    generator.behave = (_input, { signal }) => gate.pass(signal)
    const input = { forceRefresh: true, idempotencyKey: 'one' }
    const leaving = new AbortController()
    const first = requestAnalysis(here.url, token, { ...input, waitMs }, leaving.signal)
    await gate.arrived(1)
    const next = requestAnalysis(here.url, token)
    await callersArrived([here], waitMs === null ? 2 : 1)
    leaving.abort()
    await first.catch(() => {})
    await until(async () => (await coordinationFigures(here.url)).waiters === 1, {
      what: 'the first to be gone',
    })
    gate.open()
    const { source, ...made } = await next
    expect(source).toBe('FRESH')
    expect(await requestAnalysis(there.url, token, input)).toEqual({ ...made, source: 'JOINED' })
    expect(generator.calls).toHaveLength(1)
  },
)

test('a failure is not kept: the same key may succeed later', async () => {
  const token = await tokenOf('failing')
  generator.behave = async () => {
    throw new GenerationError('not now', { retryable: false })
  }
  expect(await requestAnalysis(here.url, token, { idempotencyKey: 'one' })).toMatchObject({
    __typename: 'GenerationFailedError',
  })
  generator.behave = async () => {}
  expect(await requestAnalysis(here.url, token, { idempotencyKey: 'one' })).toMatchObject({ source: 'FRESH' })
})

test('an older analysis that was served for a failure is not kept: the same key may get a new one later', async () => {
  const token = await tokenOf('falling back')
  const older = await requestAnalysis(here.url, token, {})
  generator.behave = async () => {
    throw new GenerationError('not now', { retryable: false })
  }
  const input = { forceRefresh: true, idempotencyKey: 'one' }
  expect(await requestAnalysis(here.url, token, input)).toMatchObject({
    source: 'FALLBACK',
    analysis: { id: older.analysis.id },
  })
  generator.behave = async () => {}
  expect(await requestAnalysis(here.url, token, input)).toMatchObject({ source: 'FRESH' })
})

test('after 24 hours a key may be used anew', async () => {
  const token = await tokenOf('tomorrow')
  const input = { forceRefresh: true, idempotencyKey: 'one' }
  const first = await requestAnalysis(here.url, token, input)
  await database.query("UPDATE idempotency_keys SET created_at = created_at - interval '24 hours'")
  const next = await requestAnalysis(here.url, token, { ...input, archetype: 'FOUNDATION_BUILDER' })
  expect(next.analysis.id).not.toBe(first.analysis.id)
  expect(await requestAnalysis(here.url, token, input)).toEqual(next)
})

test('an answer is kept in the transaction that stores the analysis', async () => {
  const token = await tokenOf('together')
  await database.query("ALTER TABLE idempotency_keys ADD CONSTRAINT refuse CHECK (key <> 'refused')")
  const answer = await requestAnalysis(here.url, token, { idempotencyKey: 'refused' })
  expect(answer.__typename).toBe('GenerationFailedError')
  const rows = await database.query(
    "SELECT 1 FROM analyses a JOIN users u ON u.id = a.user_id WHERE u.subject = 'together'",
  )
  expect(rows).toEqual([])
})

test.each(['', 'x'.repeat(129), 'a\u0000b'])(
  'a key that no client should send is refused: %j',
  async idempotencyKey => {
    expect(await requestAnalysis(here.url, await tokenOf('bad key'), { idempotencyKey })).toMatchObject({
      __typename: 'InvalidInputError',
      issues: [{ path: ['input', 'idempotencyKey'] }],
    })
    expect(generator.calls).toHaveLength(0)
  },
)
