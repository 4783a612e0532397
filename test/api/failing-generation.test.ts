import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import { internalsIn } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let gateway: TestGateway
const generator = new FakeGenerator()

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
})
beforeEach(() => {
  generator.behave = async () => {}
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

const USER = '(SELECT id FROM users WHERE subject = $1)'
/** Rows of the user: what an analysis writes, and the run that made it. */
async function rowsOf(subject: string) {
  const [row] = await database.query<Record<'analyses' | 'insights' | 'tracked' | 'runs', number>>(
    `SELECT
       (SELECT count(*)::int FROM analyses WHERE user_id = ${USER}) AS analyses,
       (SELECT count(*)::int FROM insights i JOIN analyses a ON a.id = i.analysis_id WHERE a.user_id = ${USER}) AS insights,
       (SELECT coalesce(sum(analysis_count), 0)::int FROM archetype_tracking WHERE user_id = ${USER}) AS tracked,
       (SELECT count(*)::int FROM leases WHERE state = 'RUNNING' AND key LIKE '%' || ${USER} || '%') AS runs`,
    [subject],
  )
  return row
}
const failWith = (error: Error) => {
  generator.behave = () => Promise.reject(error)
}

test('when a generation fails, the latest older analysis is served as FALLBACK, and nothing is counted', async () => {
  const token = await tokenOf('unlucky')
  await requestAnalysis(gateway.url, token)
  const latest = await requestAnalysis(gateway.url, token, { forceRefresh: true })
  failWith(new GenerationError('The provider is overloaded.', { retryable: true }))
  const answer = await requestAnalysis(gateway.url, token, { forceRefresh: true })
  expect(answer).toMatchObject({
    source: 'FALLBACK',
    analysis: { id: latest.analysis.id, insights: latest.analysis.insights },
    tracking: { analysisCount: 2 },
    generation: { state: 'FAILED' },
  })
  expect(await rowsOf('unlucky')).toEqual({ analyses: 2, insights: 2, tracked: 2, runs: 0 })
})

test("a failure without an older analysis is GENERATION_FAILED in the provider's words, and stores nothing", async () => {
  failWith(new GenerationError('The provider has no credit.', { retryable: false }))
  const token = await tokenOf('unserved')
  const answer = await requestAnalysis(gateway.url, token)
  expect(answer).toMatchObject({
    __typename: 'GenerationFailedError',
    code: 'GENERATION_FAILED',
    message: 'The provider has no credit.',
    retryable: false,
    retryAt: null,
    generation: { state: 'FAILED', error: 'The provider has no credit.' },
  })
  expect(await rowsOf('unserved')).toEqual({ analyses: 0, insights: 0, tracked: 0, runs: 0 })
  generator.behave = async () => {}
  expect(await requestAnalysis(gateway.url, token)).toMatchObject({
    source: 'FRESH',
    analysis: { mode: 'INITIAL' },
  })
})

test('a retryable failure says when, and until then nobody bothers the provider again', async () => {
  failWith(new GenerationError('The provider is overloaded.', { retryable: true }))
  const token = await tokenOf('persistent')
  const asked = Date.now()
  const failed = await requestAnalysis(gateway.url, token)
  expect(failed).toMatchObject({ __typename: 'GenerationFailedError', retryable: true })
  expect(new Date(failed.retryAt ?? 0).getTime()).toBeGreaterThan(asked)
  await database.query(
    `UPDATE leases SET retry_after = clock_timestamp() + interval '1 minute' WHERE key LIKE '%' || ${USER} || '%'`,
    ['persistent'],
  )
  const calls = generator.calls.length
  generator.behave = async () => {}
  expect(await requestAnalysis(gateway.url, token)).toMatchObject({
    __typename: 'GenerationFailedError',
    message: 'The provider is overloaded.',
    retryable: true,
  })
  expect(generator.calls).toHaveLength(calls)
  expect(await rowsOf('persistent')).toEqual({ analyses: 0, insights: 0, tracked: 0, runs: 0 })

  await database.query(
    `UPDATE leases SET retry_after = clock_timestamp() WHERE key LIKE '%' || ${USER} || '%'`,
    ['persistent'],
  )
  expect(await requestAnalysis(gateway.url, token)).toMatchObject({
    source: 'FRESH',
    tracking: { analysisCount: 1 },
  })
})

test('with each failure in a row the provider is left alone for longer, for a minute at most, and after a success as at first', async () => {
  const token = await tokenOf('tireless')
  const OF_USER = `key LIKE '%' || ${USER} || '%'`
  const failAfter = async (attempts: number) => {
    await database.query(`UPDATE leases SET attempts = $2, retry_after = NULL WHERE ${OF_USER}`, [
      'tireless',
      attempts,
    ])
    failWith(new GenerationError('The provider is overloaded.', { retryable: true }))
    await requestAnalysis(gateway.url, token, { forceRefresh: true })
    const [row] = await database.query<{ seconds: number; attempts: number }>(
      `SELECT extract(epoch FROM retry_after - g.finished_at)::float8 AS seconds, attempts
       FROM leases l JOIN generations g ON g.id = l.run_id WHERE l.${OF_USER}`,
      ['tireless'],
    )
    expect(row?.attempts).toBe(attempts + 1)
    return row?.seconds ?? 0
  }
  await requestAnalysis(gateway.url, token)
  for (const [attempts, longest] of [
    [0, 1],
    [1, 2],
    [2, 4],
    [5, 32],
    [6, 60],
    [100, 60],
  ] as const) {
    const seconds = await failAfter(attempts)
    expect(seconds, `after ${attempts} failures`).toBeGreaterThanOrEqual(longest / 2)
    expect(seconds, `after ${attempts} failures`).toBeLessThanOrEqual(longest)
  }
  generator.behave = async () => {}
  await database.query(`UPDATE leases SET retry_after = NULL WHERE ${OF_USER}`, ['tireless'])
  expect(await requestAnalysis(gateway.url, token, { forceRefresh: true })).toMatchObject({ source: 'FRESH' })
  expect(await database.query(`SELECT attempts FROM leases WHERE ${OF_USER}`, ['tireless'])).toEqual([
    { attempts: 0 },
  ])
})

test('an unexpected error of the generator fails the run in our words, not in its own, and is not retryable', async () => {
  failWith(new TypeError('cannot read /var/tributary/secrets of undefined'))
  const answer = await requestAnalysis(gateway.url, await tokenOf('surprised'))
  expect(answer).toMatchObject({ __typename: 'GenerationFailedError', retryable: false, retryAt: null })
  expect(JSON.stringify(answer)).not.toContain('secrets')
  expect(internalsIn(JSON.stringify(answer))).toEqual([])
})
