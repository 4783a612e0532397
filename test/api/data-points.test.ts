import { afterAll, beforeAll, expect, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { dataPoints, post, RECORD_DATA_POINTS, requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
/** Two instances, so that a call meets another one in the database and not in a process. */
let gateway: TestGateway
let second: TestGateway
const generator = new FakeGenerator()

beforeAll(async () => {
  database = await createTestDatabase()
  const options = { databaseUrl: database.url, generator }
  ;[gateway, second] = await Promise.all([startTestGateway(options), startTestGateway(options)])
})
afterAll(async () => {
  await Promise.all([gateway?.close(), second?.close()])
  await database?.drop()
})

type Point = ReturnType<typeof dataPoints>[number]

/** @returns [stored, duplicates] */
async function record(token: string, points: Point[], url = gateway.url): Promise<[number, number]> {
  const { data, errors } = await post<{ recordDataPoints: { stored: number; duplicates: number } }>(url, {
    query: RECORD_DATA_POINTS,
    variables: { points },
    token,
  })
  if (!data) throw new Error(`nothing recorded: ${JSON.stringify(errors)}`)
  return [data.recordDataPoints.stored, data.recordDataPoints.duplicates]
}

const storedOf = (subject: string) =>
  database.query<{ externalId: string; value: number }>(
    `SELECT external_id AS "externalId", value FROM data_points d JOIN users u ON u.id = d.user_id
     WHERE u.subject = $1 ORDER BY d.id`,
    [subject],
  )

async function newDataPoints(token: string): Promise<number | undefined> {
  const { data } = await post<{ viewer: { tracking: { newDataPoints: number }[] } }>(gateway.url, {
    query: '{ viewer { tracking { newDataPoints } } }',
    token,
  })
  return data?.viewer.tracking[0]?.newDataPoints
}

/** Makes the user's analyses older than the recent window. */
async function passRecentWindow(subject: string): Promise<void> {
  await database.query(
    `UPDATE analyses SET created_at = created_at - interval '11 minutes'
     WHERE user_id = (SELECT id FROM users WHERE subject = $1)`,
    [subject],
  )
}
const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString()

test('a source and externalId is stored once of a call that brings it more than once', async () => {
  const [one, two] = dataPoints(2)
  if (!one || !two) throw new Error('two points were asked for')
  expect(await record(await tokenOf('stutterer'), [one, two, { ...one, value: 5 }, one])).toEqual([2, 2])
  const stored = await storedOf('stutterer')
  expect(stored.map(({ externalId }) => externalId).sort()).toEqual([one.externalId, two.externalId].sort())
})

test('a point that was stored before is a duplicate, and stays as it was', async () => {
  const token = await tokenOf('repeater')
  const [known, fresh] = dataPoints(2)
  if (!known || !fresh) throw new Error('two points were asked for')
  expect(await record(token, [known])).toEqual([1, 0])
  expect(await record(token, [{ ...known, value: known.value + 1 }, fresh])).toEqual([1, 1])
  expect(await record(token, [known, fresh])).toEqual([0, 2])
  expect(await storedOf('repeater')).toEqual([
    { externalId: known.externalId, value: known.value },
    { externalId: fresh.externalId, value: fresh.value },
  ])
})

test('the same externalId of another source is another point', async () => {
  const [point] = dataPoints(1)
  if (!point) throw new Error('a point was asked for')
  const token = await tokenOf('collector')
  expect(await record(token, [point, { ...point, source: 'scale' }])).toEqual([2, 0])
})

test('two users may have points of the same source and externalId', async () => {
  const points = dataPoints(3)
  expect(await record(await tokenOf('first-owner'), points)).toEqual([3, 0])
  expect(await record(await tokenOf('second-owner'), points)).toEqual([3, 0])
  expect(await storedOf('first-owner')).toHaveLength(3)
  expect(await storedOf('second-owner')).toHaveLength(3)
})

test('identical calls at the same moment, on two instances, store each point once and count truthfully', async () => {
  const token = await tokenOf('insistent')
  const points = dataPoints(200)
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      // Every other call brings them in the opposite order, which would deadlock if rows were locked as they come.
      record(token, index % 2 ? points : points.toReversed(), index % 3 ? gateway.url : second.url),
    ),
  )
  expect(answers.map(([stored, duplicates]) => stored + duplicates)).toEqual(answers.map(() => 200))
  expect(answers.reduce((sum, [stored]) => sum + stored, 0)).toBe(200)
  expect(await storedOf('insistent')).toHaveLength(200)
})

test('calls that overlap at the same moment store the union, and count truthfully', async () => {
  const token = await tokenOf('overlapping')
  const points = dataPoints(100)
  const answers = await Promise.all(
    [0, 10, 20, 30, 40, 50].map((from, index) =>
      record(token, points.slice(from, from + 50), index % 2 ? gateway.url : second.url),
    ),
  )
  expect(answers.reduce((sum, [stored]) => sum + stored, 0)).toBe(100)
  expect(await storedOf('overlapping')).toHaveLength(100)
})

test('newDataPoints after an analysis is exactly what came since', async () => {
  const token = await tokenOf('tracked')
  const before = dataPoints(7)
  await record(token, before)
  const { tracking, analysis } = await requestAnalysis(gateway.url, token)
  expect(tracking.newDataPoints).toBe(0)
  expect(analysis.dataPointCount).toBe(7)

  const after = dataPoints(5)
  expect(await record(token, [...before, ...after])).toEqual([5, 7])
  expect(await newDataPoints(token)).toBe(5)
  await record(token, after)
  expect(await newDataPoints(token)).toBe(5)
  await record(await tokenOf('somebody-else'), dataPoints(9))
  expect(await newDataPoints(token)).toBe(5)

  const again = await requestAnalysis(gateway.url, token, { forceRefresh: true })
  expect(again.tracking).toMatchObject({ newDataPoints: 0, analysisCount: 2 })
  expect(await newDataPoints(token)).toBe(0)
})

test('points that arrive while an analysis is being made are new after it', async () => {
  const token = await tokenOf('lively')
  await record(token, dataPoints(4))
  const gate = new Gate()
  generator.behave = (_input, { signal }) => gate.pass(signal)
  const asked = requestAnalysis(gateway.url, token)
  await gate.arrived(1)
  await record(token, dataPoints(3))
  gate.open()
  const { analysis, tracking } = await asked
  expect(analysis.dataPointCount).toBe(4)
  expect(tracking.newDataPoints).toBe(3)
})

test('a late sync counts as new, however long ago it was recorded, and is read by the analysis it makes due', async () => {
  const token = await tokenOf('latecomer')
  await record(token, dataPoints(10))
  await requestAnalysis(gateway.url, token)
  await passRecentWindow('latecomer')

  const late = dataPoints(50).map(point => ({ ...point, recordedAt: daysAgo(60) }))
  expect(await record(token, late.slice(0, 49))).toEqual([49, 0])
  expect(await newDataPoints(token)).toBe(49)
  expect((await requestAnalysis(gateway.url, token)).source).toBe('CACHED')

  expect(await record(token, late)).toEqual([1, 49])
  const followUp = await requestAnalysis(gateway.url, token)
  expect(followUp).toMatchObject({ source: 'FRESH', analysis: { mode: 'FOLLOW_UP' } })
  // The ten of today once more, because a follow-up looks back a day at least, and the fifty that came late.
  expect(followUp.analysis.dataPointCount).toBe(60)
  expect(
    generator.calls.at(-1)?.points.filter(point => point.recordedAt < new Date(daysAgo(59))),
  ).toHaveLength(50)
})

test('history from years ago counts as new, and the analysis that it makes due reads it', async () => {
  const token = await tokenOf('historian')
  await requestAnalysis(gateway.url, token)
  const history = dataPoints(50).map(point => ({ ...point, recordedAt: '2010-01-31T10:00:00.000Z' }))
  await record(token, history)
  expect(await newDataPoints(token)).toBe(50)
  await passRecentWindow('historian')
  expect(await requestAnalysis(gateway.url, token)).toMatchObject({
    source: 'FRESH',
    analysis: { mode: 'FOLLOW_UP', dataPointCount: 50 },
    tracking: { newDataPoints: 0 },
  })
})
