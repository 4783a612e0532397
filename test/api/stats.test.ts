import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let gateways: TestGateway[]
let urls: string[]

beforeAll(async () => {
  database = await createTestDatabase()
  gateways = await Promise.all(
    [1, 2].map(() => startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })),
  )
  urls = gateways.map(({ url }) => url)
})
afterAll(async () => {
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
})

interface Outcome {
  __typename: string
  stats: { provider: string; statsType: string; data: unknown; updatedAt: string }
  issues: { path: string[]; message: string }[]
}

async function upsert(token: string, input: Record<string, unknown>, on = 0): Promise<Outcome> {
  const query = `mutation($input: UpsertStatsInput!) { upsertStats(input: $input) {
    __typename
    ... on UpsertStatsPayload { stats { provider statsType data updatedAt } }
    ... on InvalidInputError { issues { path message } }
  } }`
  const variables = { input: { provider: 'STRAVA', statsType: 'ytd', data: {}, ...input } }
  const answer = await post<{ upsertStats: Outcome }>(urls[on] ?? '', { query, variables, token })
  if (!answer.data) throw new Error(JSON.stringify(answer.errors))
  return answer.data.upsertStats
}

async function read(token: string, filter = '', on = 1) {
  const query = `{ viewer { stats${filter} { provider statsType data updatedAt } } }`
  const answer = await post<{ viewer: { stats: Outcome['stats'][] } }>(urls[on] ?? '', { query, token })
  if (!answer.data) throw new Error(JSON.stringify(answer.errors))
  return answer.data.viewer.stats
}

describe('stats', () => {
  test('are one row for each provider and type, the newest, and of their user alone', async () => {
    const [token, other] = await Promise.all([tokenOf('runner'), tokenOf('another')])
    const first = await upsert(token, { data: { distance: 1.5, by: ['month', null], ключ: '→' } })
    expect(first.stats).toMatchObject({ provider: 'STRAVA', statsType: 'ytd' })
    const second = await upsert(token, { data: [1, 'two'] }, 1)
    expect(second.stats.updatedAt > first.stats.updatedAt).toBe(true)
    await upsert(token, { provider: 'WAKATIME', statsType: 'last_7_days', data: 7 })
    expect((await read(token)).map(({ provider, statsType, data }) => [provider, statsType, data])).toEqual([
      ['STRAVA', 'ytd', [1, 'two']],
      ['WAKATIME', 'last_7_days', 7],
    ])
    expect(await read(token, '(provider: WAKATIME)')).toHaveLength(1)
    expect(await read(other)).toEqual([])
  })

  test('of 40 writers on two gateways are one row, whole as one of them wrote it, without an error', async () => {
    const token = await tokenOf('popular')
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        upsert(token, { data: { writer: index, again: index } }, index % 2),
      ),
    )
    expect(outcomes.map(({ __typename }) => __typename)).toEqual(outcomes.map(() => 'UpsertStatsPayload'))
    const [row, ...more] = await read(token)
    expect(more).toEqual([])
    expect(row?.data).toEqual({ writer: expect.any(Number), again: expect.any(Number) })
    expect(new Set(Object.values(row?.data ?? {})).size).toBe(1)
  })
})

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])

describe('stats that cannot be stored are refused by name', () => {
  test.each<[string, Record<string, unknown>, string[]]>([
    ['an empty type', { statsType: '' }, ['input', 'statsType']],
    ['a type too long', { statsType: 'x'.repeat(65) }, ['input', 'statsType']],
    ['a character that PostgreSQL cannot hold', { data: { a: ['\u0000'] } }, ['input', 'data']],
    ['half a character in a name', { data: { '\ud83d': 1 } }, ['input', 'data']],
    ['too many levels', { data: nested(65) }, ['input', 'data']],
    ['too many bytes', { data: 'x'.repeat(256 * 1024) }, ['input', 'data']],
  ])('%s', async (_what, input, path) => {
    const token = await tokenOf('careless')
    const outcome = await upsert(token, input)
    expect(outcome.__typename).toBe('InvalidInputError')
    expect(outcome.issues.map(issue => issue.path)).toEqual([path])
    expect(await read(token)).toEqual([])
  })

  test('but text that only looks so is kept', async () => {
    const token = await tokenOf('tricky')
    const data = { __proto__x: '\\u0000 \\ud83d', deep: nested(60) }
    expect((await upsert(token, { data })).stats.data).toEqual(data)
  })
})
