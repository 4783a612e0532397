import { afterAll, beforeAll, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { dataPoints, post, RECORD_DATA_POINTS, requestAnalysis } from '../support/graphql-client.ts'
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

/** Makes everything of the user as old as if it had happened so long ago, by the clock that decides. */
async function age(subject: string, seconds: number): Promise<void> {
  const ago = `- interval '${seconds} seconds'`
  const user = `(SELECT id FROM users WHERE subject = '${subject}')`
  await database.query(`UPDATE analyses SET created_at = created_at ${ago} WHERE user_id = ${user}`)
  await database.query(
    `UPDATE archetype_tracking SET last_analysis_at = last_analysis_at ${ago} WHERE user_id = ${user}`,
  )
}

test('an analysis at 10:00:00 answers a request at 10:00:03, and 60 new data points after the window make a follow-up', async () => {
  const token = await tokenOf('timeline')
  const first = await requestAnalysis(gateway.url, token)
  expect(first).toMatchObject({
    source: 'FRESH',
    analysis: { mode: 'INITIAL', trigger: 'scheduled' },
    tracking: { analysisCount: 1, newDataPoints: 0 },
  })

  await age('timeline', 3)
  const second = await requestAnalysis(gateway.url, token)
  expect(second).toMatchObject({
    source: 'RECENT',
    analysis: { id: first.analysis.id },
    tracking: { analysisCount: 1 },
  })

  await age('timeline', 600)
  const recorded = await post(gateway.url, {
    query: RECORD_DATA_POINTS,
    variables: { points: dataPoints(60) },
    token,
  })
  expect(recorded.data).toEqual({
    recordDataPoints: { __typename: 'RecordDataPointsPayload', stored: 60, duplicates: 0 },
  })

  const third = await requestAnalysis(gateway.url, token)
  expect(third).toMatchObject({
    source: 'FRESH',
    analysis: { mode: 'FOLLOW_UP', dataPointCount: 60 },
    tracking: { analysisCount: 2, newDataPoints: 0 },
  })
  expect(third.analysis.trigger).toMatch(/^threshold_exceeded_\d{6}$/)
  expect(generator.calls).toHaveLength(2)
})
