import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { callersArrived } from '../support/coordination-figures.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { dataPoints, post } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

/** One operation with several mutations: each is answered from what is stored when it has happened. */

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

test('a run that the first mutation told as running has ended for the second one, which waited for it', async () => {
  const gate = new Gate()
  generator.behave = (_input, { signal }) => gate.pass(signal)
  const RUN = 'generation { id state phase progress result { id } }'
  const asking = post<{
    early: { generation: { id: string } }
    late: { analysis: { id: string }; generation: object }
  }>(gateway.url, {
    token: await tokenOf('impatient'),
    query: `mutation {
      early: requestAnalysis(input: {archetype: PEAK_PERFORMER, waitMs: 0}) { ... on GenerationPending { ${RUN} } }
      late: requestAnalysis(input: {archetype: PEAK_PERFORMER}) { ... on RequestAnalysisPayload { analysis { id } ${RUN} } }
    }`,
  })
  await gate.arrived(1)
  await callersArrived([gateway], 1)
  gate.open()
  const { data } = await asking
  expect(data?.early.generation).toMatchObject({ state: 'RUNNING', result: null })
  expect(data?.late.generation).toEqual({
    id: data?.early.generation.id,
    state: 'SUCCEEDED',
    phase: 'DONE',
    progress: 1,
    result: { id: data?.late.analysis.id },
  })
})

test('what data points and a forced analysis change between two mutations is seen by the later one', async () => {
  const SEEN = `... on RequestAnalysisPayload { analysis { user {
    tracking { analysisCount newDataPoints } analyses { totalCount } latestAnalysis(archetype: PEAK_PERFORMER) { dataPointCount }
  } } }`
  const { data } = await post(gateway.url, {
    token: await tokenOf('thorough'),
    variables: { points: dataPoints(3) },
    query: `mutation ($points: [DataPointInput!]!) {
      first: requestAnalysis(input: {archetype: PEAK_PERFORMER}) { ${SEEN} }
      points: recordDataPoints(points: $points) { ... on RecordDataPointsPayload { stored } }
      second: requestAnalysis(input: {archetype: PEAK_PERFORMER}) { ${SEEN} }
      third: requestAnalysis(input: {archetype: PEAK_PERFORMER, forceRefresh: true}) { ${SEEN} }
    }`,
  })
  const seen = (analysisCount: number, newDataPoints: number, dataPointCount: number) => ({
    analysis: {
      user: {
        tracking: [{ analysisCount, newDataPoints }],
        analyses: { totalCount: analysisCount },
        latestAnalysis: { dataPointCount },
      },
    },
  })
  expect(data).toEqual({
    first: seen(1, 0, 0),
    points: { stored: 3 },
    second: seen(1, 3, 0),
    third: seen(2, 0, 3),
  })
})
