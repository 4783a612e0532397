import { afterEach, beforeEach, expect, test } from 'vitest'
import { ended, followByEvents } from '../support/api-follow.ts'
import { callersArrived, coordinationFigures } from '../support/coordination-figures.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { requestAnalysis } from '../support/graphql-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

/** COORDINATION=local: each instance coalesces for itself, and stores what it has made beside what others make. */

let database: TestDatabase
let generator: FakeGenerator
let gate: Gate
let gateways: TestGateway[]

beforeEach(async () => {
  database = await createTestDatabase()
  generator = new FakeGenerator()
  gate = new Gate()
  generator.behave = (_input, { signal }) => gate.pass(signal)
  const settings = { COORDINATION: 'local' }
  gateways = await Promise.all(
    [1, 2, 3].map(() => startTestGateway({ databaseUrl: database.url, generator, settings })),
  )
})
afterEach(async () => {
  gate.open()
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
})

test('one run serves all callers of an instance, who wait, are told to wait, or follow it, without a lease', async () => {
  const [gateway] = gateways
  const url = gateway?.url ?? ''
  const token = await tokenOf('alone')
  const callers = Array.from({ length: 5 }, () => requestAnalysis(url, token))
  await gate.arrived(1)
  await callersArrived([{ url }], 5)
  const { pending } = await requestAnalysis(url, token, { waitMs: 0 })
  const following = await followByEvents(url, { id: pending.id, token })
  await until(() => following.runs.length > 0, { what: 'the run as it stands' })
  gate.open()
  const answers = await Promise.all(callers)
  await ended(following)

  expect(answers.map(({ source }) => source).toSorted()).toEqual([
    'FRESH',
    ...Array.from({ length: 4 }, () => 'JOINED'),
  ])
  expect(new Set(answers.map(({ analysis }) => analysis.id)).size).toBe(1)
  expect(following.runs.at(-1)).toMatchObject({
    state: 'SUCCEEDED',
    epoch: 1,
    result: { id: answers[0]?.analysis.id },
  })
  expect(following.completed).toBe(true)
  expect(generator.calls).toHaveLength(1)
  expect(await database.query('SELECT 1 FROM leases')).toEqual([])
  expect(await coordinationFigures(url)).toMatchObject({
    ...{ status: 'ok', mode: 'local', flights: 0, waiters: 0, ownedRuns: 0 },
    // It has none, and needs none.
    livenessConnected: null,
  })
})

test('what instances make at the same time is stored each, and none over that of another', async () => {
  const token = await tokenOf('everywhere')
  const answers = gateways.map(({ url }) => requestAnalysis(url, token))
  await gate.arrived(3)
  const held = await holdLock(database.url, 'LOCK TABLE analyses IN EXCLUSIVE MODE')
  gate.open()
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
  await until(async () => (await database.query(waiting)).length === 3, { what: 'three that store' })
  await held.release()

  const made = await Promise.all(answers)
  expect(made.map(({ source }) => source)).toEqual(['FRESH', 'FRESH', 'FRESH'])
  expect(new Set(made.map(({ analysis }) => analysis.id)).size).toBe(3)
  expect(made.map(({ analysis }) => analysis.summary).toSorted()).toEqual([
    'answer 1',
    'answer 2',
    'answer 3',
  ])
  expect(made.map(({ analysis }) => analysis.trigger).toSorted()).toEqual([
    'scheduled',
    'scheduled_1',
    'scheduled_2',
  ])
  expect(await database.query('SELECT analysis_count FROM archetype_tracking')).toEqual([
    { analysis_count: 3 },
  ])
  expect(await database.query('SELECT 1 FROM insights')).toHaveLength(3)
})
