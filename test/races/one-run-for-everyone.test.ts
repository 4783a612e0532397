import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import { callersArrived, coordinationFigures } from '../support/coordination-figures.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { dataPoints, post, RECORD_DATA_POINTS, requestAnalysis } from '../support/graphql-client.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let gateways: TestGateway[]
let generator: FakeGenerator
let gate: Gate

beforeEach(async () => {
  database = await createTestDatabase()
  generator = new FakeGenerator()
  gate = new Gate()
  generator.behave = (_input, { signal }) => gate.pass(signal)
  gateways = await Promise.all([1, 2].map(() => startTestGateway({ databaseUrl: database.url, generator })))
})
afterEach(async () => {
  gate.open()
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
})

const gateway = (index: number): TestGateway => {
  const found = gateways[index]
  if (!found) throw new Error('no such gateway')
  return found
}

async function rows() {
  const [counts] = await database.query<{
    analyses: number
    tracked: number
    running: number
    runs: number
  }>(`
    SELECT (SELECT count(*)::int FROM analyses) AS analyses,
      (SELECT coalesce(sum(analysis_count), 0)::int FROM archetype_tracking) AS tracked,
      (SELECT count(*)::int FROM leases WHERE state = 'RUNNING') AS running,
      (SELECT count(*)::int FROM generations WHERE state = 'SUCCEEDED') AS runs`)
  return counts
}

test('runs the provider once when 50 callers on two instances ask together, FRESH for one and JOINED for 49', async () => {
  const token = await tokenOf('many')
  const answers = Array.from({ length: 50 }, (_, index) => requestAnalysis(gateway(index % 2).url, token))
  await callersArrived(gateways, 50)
  await gate.arrived(1)
  gate.open()

  const results = await Promise.all(answers)
  expect(generator.calls).toHaveLength(1)
  expect(new Set(results.map(result => result.analysis.id)).size).toBe(1)
  expect(results.filter(result => result.source === 'FRESH')).toHaveLength(1)
  expect(results.filter(result => result.source === 'JOINED')).toHaveLength(49)
  expect(await rows()).toEqual({ analyses: 1, tracked: 1, running: 0, runs: 1 })
  for (const { url } of gateways)
    expect(await coordinationFigures(url)).toMatchObject({ flights: 0, waiters: 0, ownedRuns: 0 })
})

test('never shares a run between two users or two archetypes', async () => {
  const [one, two] = [await tokenOf('one'), await tokenOf('two')]
  const answers = [
    requestAnalysis(gateway(0).url, one),
    requestAnalysis(gateway(1).url, two),
    requestAnalysis(gateway(1).url, one, { archetype: 'PEAK_PERFORMER' }),
  ]
  await gate.arrived(3)
  gate.open()
  const results = await Promise.all(answers)
  expect(results.map(result => result.source)).toEqual(['FRESH', 'FRESH', 'FRESH'])
  expect(new Set(results.map(result => result.analysis.id)).size).toBe(3)
})

async function oneFlightEach() {
  for (const { url } of gateways) expect(await coordinationFigures(url)).toMatchObject({ flights: 1 })
}

test('a request that is not forced joins a run in flight, here and elsewhere, whatever data has come since it read', async () => {
  const token = await tokenOf('content')
  const first = requestAnalysis(gateway(0).url, token)
  await gate.arrived(1)
  await post(gateway(1).url, { query: RECORD_DATA_POINTS, variables: { points: dataPoints(60) }, token })
  const others = [0, 1, 1].map(index => requestAnalysis(gateway(index).url, token))
  await callersArrived(gateways, 4)
  await oneFlightEach()
  gate.open()
  expect(await first).toMatchObject({ source: 'FRESH', analysis: { dataPointCount: 0 } })
  for (const other of await Promise.all(others))
    expect(other).toMatchObject({ source: 'JOINED', analysis: { id: (await first).analysis.id } })
  expect(generator.calls).toHaveLength(1)
})

describe('a forced request', () => {
  beforeEach(async () => {
    const token = await tokenOf('forced')
    const open = new Gate()
    open.open()
    generator.behave = () => open.pass()
    await requestAnalysis(gateway(0).url, token)
    generator.calls.length = 0
    generator.behave = (_input, { signal }) => gate.pass(signal)
  })

  test('makes a new analysis in the recent window, and others that force meanwhile join it on every instance', async () => {
    const token = await tokenOf('forced')
    const first = requestAnalysis(gateway(0).url, token, { forceRefresh: true })
    await gate.arrived(1)
    const others = [0, 1, 1].map(index => requestAnalysis(gateway(index).url, token, { forceRefresh: true }))
    await callersArrived(gateways, 4)
    await oneFlightEach()
    gate.open()
    expect(await first).toMatchObject({ source: 'FRESH', tracking: { analysisCount: 2 } })
    for (const other of await Promise.all(others))
      expect(other).toMatchObject({ source: 'JOINED', analysis: { id: (await first).analysis.id } })
    expect(generator.calls).toHaveLength(1)
  })

  test('joins a run here that nobody has forced, once it has read all that was there', async () => {
    await database.query("UPDATE analyses SET created_at = created_at - interval '1 hour'")
    const token = await tokenOf('forced')
    await post(gateway(1).url, { query: RECORD_DATA_POINTS, variables: { points: dataPoints(60) }, token })
    const unforced = requestAnalysis(gateway(0).url, token)
    await gate.arrived(1)
    const forced = requestAnalysis(gateway(0).url, token, { forceRefresh: true })
    await callersArrived(gateways, 2)
    expect(await coordinationFigures(gateway(0).url)).toMatchObject({ flights: 1, waiters: 2 })
    gate.open()
    expect(await unforced).toMatchObject({ source: 'FRESH', analysis: { dataPointCount: 60 } })
    expect(await forced).toMatchObject({
      source: 'JOINED',
      analysis: { id: (await unforced).analysis.id },
    })
    expect(generator.calls).toHaveLength(1)
  })

  test('is joined here by a request that would be content with what is stored, and not elsewhere', async () => {
    const token = await tokenOf('forced')
    const forced = requestAnalysis(gateway(0).url, token, { forceRefresh: true })
    await gate.arrived(1)
    const here = requestAnalysis(gateway(0).url, token)
    await callersArrived(gateways, 2)
    expect(await requestAnalysis(gateway(1).url, token)).toMatchObject({ source: 'RECENT' })
    gate.open()
    expect(await here).toMatchObject({ source: 'JOINED', analysis: { id: (await forced).analysis.id } })
  })

  test('gets the next run when data points arrived after the run in flight read them, and shares it with all such requests', async () => {
    const token = await tokenOf('forced')
    const first = requestAnalysis(gateway(0).url, token, { forceRefresh: true })
    await gate.arrived(1)
    await post(gateway(1).url, { query: RECORD_DATA_POINTS, variables: { points: dataPoints(3) }, token })
    const later = [0, 0, 1, 1].map(index =>
      requestAnalysis(gateway(index).url, token, { forceRefresh: true }),
    )
    await callersArrived(gateways, 5)
    // The first one's, and one for the next run on each instance.
    expect(await coordinationFigures(gateway(0).url)).toMatchObject({ flights: 2, waiters: 3 })
    expect(await coordinationFigures(gateway(1).url)).toMatchObject({ flights: 1, waiters: 2 })
    expect(generator.calls).toHaveLength(1)
    gate.open()

    expect(await first).toMatchObject({ source: 'FRESH', analysis: { dataPointCount: 0 } })
    const results = await Promise.all(later)
    expect(generator.calls).toHaveLength(2)
    expect(results.map(result => result.source).sort()).toEqual(['FRESH', 'JOINED', 'JOINED', 'JOINED'])
    for (const result of results)
      expect(result).toMatchObject({
        analysis: { dataPointCount: 3 },
        tracking: { analysisCount: 3, newDataPoints: 0 },
      })
  })
})

test('a forced request that follows a run which turns out not to be needed makes its own, and is not given what was there before it', async () => {
  gate.open()
  const token = await tokenOf('forced')
  const first = await requestAnalysis(gateway(0).url, token)
  await database.query("UPDATE analyses SET created_at = created_at - interval '1 hour'")
  await post(gateway(0).url, { query: RECORD_DATA_POINTS, variables: { points: dataPoints(60) }, token })

  const beforeLease = await holdLock(database.url, 'LOCK TABLE leases IN EXCLUSIVE MODE')
  const unforced = requestAnalysis(gateway(0).url, token)
  await beforeLease.waitedFor()
  // As a run leaves it that has ended just before: the request finds it when it has the lease.
  await database.query(
    'UPDATE analyses SET created_at = clock_timestamp(), data_revision = (SELECT max(data_revision) FROM users)',
  )
  const beforeWithdrawal = await holdLock(
    database.url,
    'LOCK TABLE archetype_tracking IN ACCESS EXCLUSIVE MODE',
  )
  await beforeLease.release()
  await beforeWithdrawal.waitedFor()
  const forced = requestAnalysis(gateway(1).url, token, { forceRefresh: true })
  const { pending } = await requestAnalysis(gateway(1).url, token, { forceRefresh: true, waitMs: 0 })
  expect(pending).toMatchObject({ state: 'RUNNING', epoch: 2 })
  expect(generator.calls).toHaveLength(1)
  await beforeWithdrawal.release()

  // Of the run that made it, and not of its own that made nothing.
  expect(await unforced).toMatchObject({
    source: 'JOINED',
    analysis: { id: first.analysis.id },
    generation: { id: first.generation?.id },
  })
  expect(await forced).toMatchObject({
    source: 'FRESH',
    analysis: { dataPointCount: 60 },
    generation: { epoch: 3 },
  })
  expect((await forced).analysis.id).not.toBe(first.analysis.id)
  expect(generator.calls).toHaveLength(2)
})

test('a failure is shared by all who wait, on every instance, and the next request waits for the backoff', async () => {
  generator.behave = async (_input, { signal }) => {
    await gate.pass(signal)
    throw new GenerationError('The model is overloaded.', { retryable: true })
  }
  const token = await tokenOf('failing')
  const answers = [0, 0, 1, 1].map(index => requestAnalysis(gateway(index).url, token))
  await callersArrived(gateways, 4)
  gate.open()
  for (const answer of await Promise.all(answers)) {
    expect(answer).toMatchObject({
      __typename: 'GenerationFailedError',
      code: 'GENERATION_FAILED',
      message: 'The model is overloaded.',
      retryable: true,
    })
    expect(Date.parse(answer.retryAt ?? '')).toBeGreaterThan(0)
  }
  expect(generator.calls).toHaveLength(1)
  expect(await rows()).toEqual({ analyses: 0, tracked: 0, running: 0, runs: 0 })

  await database.query("UPDATE leases SET retry_after = clock_timestamp() + interval '1 hour'")
  expect(await requestAnalysis(gateway(1).url, token)).toMatchObject({
    __typename: 'GenerationFailedError',
    retryable: true,
  })
  expect(generator.calls).toHaveLength(1)

  await database.query("UPDATE leases SET retry_after = clock_timestamp() - interval '1 second'")
  generator.behave = async () => {}
  expect(await requestAnalysis(gateway(1).url, token)).toMatchObject({ source: 'FRESH' })
})

test('a caller that leaves detaches itself alone, and the run goes on for the others, with FRESH for the one who came next', async () => {
  const token = await tokenOf('leaving')
  const leaving = new AbortController()
  const first = requestAnalysis(gateway(0).url, token, {}, leaving.signal)
  await callersArrived(gateways, 1)
  const second = requestAnalysis(gateway(0).url, token)
  await callersArrived(gateways, 2)
  leaving.abort()
  await expect(first).rejects.toThrow()
  await until(async () => (await coordinationFigures(gateway(0).url)).waiters === 1, {
    what: 'the caller to be detached',
  })
  gate.open()
  expect(await second).toMatchObject({ source: 'FRESH' })
  expect(generator.calls).toHaveLength(1)
})

test('a run whose callers have all left is finished and stored', async () => {
  const token = await tokenOf('alone')
  const leaving = new AbortController()
  const only = requestAnalysis(gateway(0).url, token, {}, leaving.signal)
  await gate.arrived(1)
  leaving.abort()
  await expect(only).rejects.toThrow()
  gate.open()
  await until(async () => (await rows())?.analyses === 1, { what: 'the analysis to be stored' })
  expect(await requestAnalysis(gateway(1).url, token)).toMatchObject({ source: 'RECENT' })
})

test('waitMs answers GenerationPending while the run goes on, on the instance that runs it and on another', async () => {
  const token = await tokenOf('patient')
  const [here, there] = await Promise.all(
    [0, 1].map(index => requestAnalysis(gateway(index).url, token, { waitMs: 0 })),
  )
  expect(here).toMatchObject({ __typename: 'GenerationPending', pending: { state: 'RUNNING', epoch: 1 } })
  expect(there?.pending.id).toBe(here?.pending.id)
  gate.open()
  expect((await requestAnalysis(gateway(1).url, token)).__typename).toBe('RequestAnalysisPayload')
  expect(generator.calls).toHaveLength(1)
})

test('a run that its owner lost is taken over, the stale owner cannot commit, and its caller gets the result of the winner', async () => {
  const stale = new Gate()
  generator.behave = (_input, _context, call) => (call === 1 ? stale.pass() : gate.pass())
  const token = await tokenOf('fenced')
  const ofStale = requestAnalysis(gateway(0).url, token)
  await stale.arrived(1)
  const ofWinner = requestAnalysis(gateway(1).url, token)
  await callersArrived(gateways, 2)
  // What a pause beyond the TTL looks like to everybody else. The keeper of the stale owner is not asked before it commits.
  await database.query("UPDATE leases SET lease_until = '-infinity'")
  await gate.arrived(1)
  stale.open()
  gate.open()

  const [loser, winner] = [await ofStale, await ofWinner]
  expect(generator.calls).toHaveLength(2)
  expect(winner).toMatchObject({
    source: 'FRESH',
    analysis: { summary: 'answer 2' },
    generation: { epoch: 2 },
  })
  expect(loser).toMatchObject({ source: 'JOINED', analysis: { id: winner.analysis.id } })
  expect(await rows()).toEqual({ analyses: 1, tracked: 1, running: 0, runs: 1 })
})
