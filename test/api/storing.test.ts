import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { AnalysisDraft, Generator } from '../../src/providers/generator.ts'
import { internalsIn } from '../support/api-answers.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { dataPoints, post, RECORD_DATA_POINTS, requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

/** Answers with what the test makes of the answer. */
class ChangingGenerator extends FakeGenerator {
  change: (draft: AnalysisDraft) => AnalysisDraft = draft => draft

  override async generateAnalysis(
    ...call: Parameters<Generator['generateAnalysis']>
  ): Promise<AnalysisDraft> {
    return this.change(await super.generateAnalysis(...call))
  }
}

let database: TestDatabase
let gateway: TestGateway
const generator = new ChangingGenerator()

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
})
beforeEach(() => {
  generator.change = draft => draft
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
async function age(subject: string, seconds: number): Promise<void> {
  const ago = `- interval '${seconds} seconds'`
  await database.query(`UPDATE analyses SET created_at = created_at ${ago} WHERE user_id = ${USER}`, [
    subject,
  ])
}
async function record(token: string, count: number): Promise<void> {
  const variables = { points: dataPoints(count) }
  const { data } = await post(gateway.url, { query: RECORD_DATA_POINTS, variables, token })
  expect(data).toMatchObject({ recordDataPoints: { stored: count } })
}
test.each([
  [
    'whose confidence is 7',
    (draft: AnalysisDraft) => draft.insights.map(insight => ({ ...insight, confidence: 7 })),
  ],
  [
    'of which the last alone is wrong',
    (draft: AnalysisDraft) => [
      ...draft.insights,
      ...draft.insights.map(insight => ({ ...insight, confidence: -1 })),
    ],
  ],
  [
    'of a kind that is not there',
    (draft: AnalysisDraft) => draft.insights.map(insight => ({ ...insight, kind: 'GOSSIP' as 'TREND' })),
  ],
])(
  'insights %s leave the analysis stored, counted in tracking, and without any insight',
  async (what, insights) => {
    const subject = `insights ${what}`
    generator.change = draft => ({ ...draft, insights: insights(draft) })
    const answer = await requestAnalysis(gateway.url, await tokenOf(subject))
    expect(answer).toMatchObject({
      source: 'FRESH',
      analysis: { insights: [] },
      tracking: { analysisCount: 1 },
      generation: { state: 'SUCCEEDED' },
    })
    expect(await rowsOf(subject)).toEqual({ analyses: 1, insights: 0, tracked: 1, runs: 0 })
  },
)

test('an analysis whose insights fit is stored with them, in their order', async () => {
  generator.change = draft => ({
    ...draft,
    insights: ['b', 'a', 'c'].map(title => ({ kind: 'RISK', title, body: 'so it is', confidence: 1 })),
  })
  const { analysis } = await requestAnalysis(gateway.url, await tokenOf('orderly'))
  expect(analysis.insights.map(({ title }) => title)).toEqual(['b', 'a', 'c'])
  expect(await rowsOf('orderly')).toMatchObject({ analyses: 1, insights: 3 })
})

test('of two forced analyses in one second the later is named with its epoch too', async () => {
  const token = await tokenOf('quick')
  const force = () => requestAnalysis(gateway.url, token, { forceRefresh: true })
  const secondOf = ({ createdAt }: { createdAt: string }) => createdAt.slice(11, 19).replaceAll(':', '')
  let [earlier, later] = [await force(), await force()]
  // A pair that a second's end fell between is no pair.
  for (let tries = 0; tries < 20 && secondOf(earlier.analysis) !== secondOf(later.analysis); tries++)
    [earlier, later] = [later, await force()]
  expect(secondOf(later.analysis)).toBe(secondOf(earlier.analysis))
  expect(earlier.analysis.trigger).toBe(`forced_${secondOf(earlier.analysis)}`)
  expect(later.analysis.trigger).toBe(`forced_${secondOf(later.analysis)}_${later.generation?.epoch}`)
  expect(later.analysis.id).not.toBe(earlier.analysis.id)
  const { analyses, tracked } = (await rowsOf('quick')) ?? {}
  expect(tracked).toBe(analyses)
})

test('a first analysis that is forced is INITIAL, without any data too', async () => {
  const answer = await requestAnalysis(gateway.url, await tokenOf('empty'), { forceRefresh: true })
  expect(answer).toMatchObject({
    source: 'FRESH',
    analysis: { mode: 'INITIAL', dataPointCount: 0 },
    tracking: { analysisCount: 1 },
  })
  const at = answer.analysis.createdAt
  expect(answer.analysis.trigger).toBe(`forced_${at.slice(11, 19).replaceAll(':', '')}`)
  expect(answer.analysis.date).toBe(at.slice(0, 10))
  expect(answer.tracking.lastAnalysisAt).toBe(at)
})

test('archetypes are analysed and counted each on its own', async () => {
  const token = await tokenOf('many-sided')
  for (const archetype of ['PEAK_PERFORMER', 'RESILIENCE_REBUILDER'])
    expect(await requestAnalysis(gateway.url, token, { archetype })).toMatchObject({
      source: 'FRESH',
      analysis: { mode: 'INITIAL', trigger: 'scheduled' },
      tracking: { archetype, analysisCount: 1 },
    })
  expect(await rowsOf('many-sided')).toMatchObject({ analyses: 2, tracked: 2 })
})

test('beyond the recent window 49 new points make CACHED, and the 50th makes a follow-up', async () => {
  const token = await tokenOf('boundary')
  const first = await requestAnalysis(gateway.url, token)
  await record(token, 50)
  expect((await requestAnalysis(gateway.url, token)).source).toBe('RECENT')
  await database.query(
    `DELETE FROM data_points WHERE id = (SELECT max(id) FROM data_points WHERE user_id = ${USER})`,
    ['boundary'],
  )

  await age('boundary', 601)
  expect(await requestAnalysis(gateway.url, token)).toMatchObject({
    source: 'CACHED',
    analysis: { id: first.analysis.id },
    tracking: { newDataPoints: 49, threshold: 50 },
    generation: null,
  })
  await record(token, 1)
  expect(await requestAnalysis(gateway.url, token)).toMatchObject({
    source: 'FRESH',
    analysis: { mode: 'FOLLOW_UP', trigger: expect.stringMatching(/^threshold_exceeded_\d{6}$/) },
    tracking: { analysisCount: 2, newDataPoints: 0 },
  })
})

test('an analysis just inside the recent window is RECENT and one just beyond it CACHED, never nothing', async () => {
  const token = await tokenOf('idle')
  const { analysis } = await requestAnalysis(gateway.url, token)
  const calls = generator.calls.length
  await age('idle', 540)
  expect(await requestAnalysis(gateway.url, token)).toMatchObject({
    source: 'RECENT',
    analysis: { id: analysis.id },
  })
  await age('idle', 61)
  expect(await requestAnalysis(gateway.url, token)).toMatchObject({
    source: 'CACHED',
    analysis: { id: analysis.id },
  })
  await age('idle', 365 * 86_400)
  expect(await requestAnalysis(gateway.url, token)).toMatchObject({
    source: 'CACHED',
    analysis: { id: analysis.id },
  })
  expect(generator.calls).toHaveLength(calls)
})

test('a result that the database cannot hold fails the run, and stores nothing of it', async () => {
  generator.change = draft => ({ ...draft, summary: 'nothing\0at all' })
  const answer = await requestAnalysis(gateway.url, await tokenOf('unstorable'))
  expect(answer).toMatchObject({ __typename: 'GenerationFailedError', retryable: false })
  expect(internalsIn(JSON.stringify(answer))).toEqual([])
  expect(await rowsOf('unstorable')).toEqual({ analyses: 0, insights: 0, tracked: 0, runs: 0 })
})
