import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, expectError, type WholeAnswer } from '../support/api-answers.ts'
import { storedState } from '../support/api-stored-state.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { dataPoints, RECORD_DATA_POINTS, REQUEST_ANALYSIS } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'

let database: TestDatabase
let gateway: TestGateway
let token: string
const generator = new FakeGenerator()
/** Nothing that any of the refused calls below may change. */
let before: Record<string, string>

beforeAll(async () => {
  database = await createTestDatabase()
  gateway = await startTestGateway({ databaseUrl: database.url, generator })
  token = await tokenOf('careless')
  await ask(gateway.url, { query: '{ viewer { id } }' }, { token })
  before = await storedState(database)
})
afterAll(async () => {
  await gateway?.close()
  await database?.drop()
})

const point = {
  metric: 'steps',
  value: 1,
  unit: 'steps',
  recordedAt: '2026-01-31T10:00:00.000Z',
  source: 'watch',
  externalId: 'one',
}
const record = (points: unknown) =>
  ask(gateway.url, { query: RECORD_DATA_POINTS, variables: { points } }, { token })
/** A call whose points stand in the document itself. */
const recordLiteral = (fields: Record<string, string>) => {
  const literals = Object.fromEntries(
    Object.entries(point).map(([field, value]) => [field, JSON.stringify(value)]),
  )
  const written = Object.entries({ ...literals, ...fields }).map(([field, value]) => `${field}: ${value}`)
  const query = RECORD_DATA_POINTS.replace('($points: [DataPointInput!]!)', '').replace(
    '$points',
    `[{ ${written.join(', ')} }]`,
  )
  return { query, answer: ask(gateway.url, { query }, { token }) }
}
const analyse = (input: unknown) =>
  ask(gateway.url, { query: REQUEST_ANALYSIS, variables: { input } }, { token })

const PLAN = 'generatePlan(input: { kind: ROUTINE, archetype: PEAK_PERFORMER'

const nothingStored = async () => expect(await storedState(database)).toEqual(before)

/** The answer is InvalidInputError whose first issue is at this path. */
function expectIssue(answer: WholeAnswer, path: string): void {
  expect(answer.errors, answer.text).toBeUndefined()
  const [result] = Object.values(answer.data ?? {}) as [
    { __typename: string; code: string; message: string; issues: { path: string[]; message: string }[] },
  ]
  expect(result, answer.text).toMatchObject({ __typename: 'InvalidInputError', code: 'INVALID_INPUT' })
  expect(result.issues[0]?.path.join('.')).toBe(path)
  expect(result.issues[0]?.message).toMatch(/^expected /)
  expect(result.message).toContain(path)
}

/** The error names the field, and points at the very value in the document. */
function expectPointsAt(answer: WholeAnswer, query: string, value: string, path: string): void {
  const error = expectError(answer, 'GRAPHQL_VALIDATION_FAILED', /./)
  expect(error.message.split(': ')[0]).toBe(path)
  expect(error.message.split(path)).toHaveLength(2)
  const { line, column } = error.locations?.[0] ?? { line: 0, column: 0 }
  const pointedAt = (query.split('\n')[line - 1] ?? '').slice(column - 1)
  expect(pointedAt.startsWith(value), `${error.message} points at "${pointedAt.slice(0, 40)}"`).toBe(true)
}

test.each([
  ['metric', 'Steps'],
  ['metric', ''],
  ['metric', 'sleep hours'],
  ['metric', 'steps\n'],
  ['metric', 'größe'],
  ['metric', 'a'.repeat(65)],
  ['metric', 'steps\0'],
  ['source', ''],
  ['source', 'a'.repeat(65)],
  ['source', '🦊'.repeat(65)],
  ['source', 'watch\0'],
  ['source', '\ud800'],
  ['externalId', ''],
  ['externalId', 'a'.repeat(257)],
  ['externalId', '\0'],
  ['externalId', 'half \udfff of a pair'],
  ['unit', 'a'.repeat(33)],
  ['unit', 'km\0h'],
  ['unit', '\ud83d'],
  ['recordedAt', new Date(Date.now() + 25 * 3_600_000).toISOString()],
  ['recordedAt', '9999-12-31T23:59:59.999Z'],
  ['recordedAt', '1969-12-31T23:59:59.999Z'],
  ['recordedAt', '0000-01-01T00:00:00Z'],
])(
  'a point whose %s is %j is refused with the path of the field, and so is the whole call',
  async (field, value) => {
    expectIssue(
      await record([
        { ...point, externalId: 'good' },
        { ...point, [field]: value },
      ]),
      `points.1.${field}`,
    )
    await nothingStored()
  },
)

test('a point is stored whose every field is as long and as late as it may be', async () => {
  const owner = await tokenOf('generous')
  const widest = {
    metric: 'a'.repeat(64),
    value: -Number.MAX_VALUE,
    unit: '🐎'.repeat(32),
    recordedAt: new Date(Date.now() + 23 * 3_600_000).toISOString(),
    source: '源'.repeat(63).concat('🦊'),
    externalId: 'é'.repeat(255).concat('🦊'),
  }
  const answer = await ask(
    gateway.url,
    { query: RECORD_DATA_POINTS, variables: { points: [widest, { ...point, unit: null }] } },
    { token: owner },
  )
  expect(answer.data).toMatchObject({ recordDataPoints: { stored: 2 } })
  before = await storedState(database)
})

test.each([
  'yesterday',
  '',
  '2026-01-31',
  '2026-02-30T10:00:00Z',
  '2026-01-31T25:00:00Z',
  '2026-01-31T10:00:00',
])('the unparsable date %j is refused as a variable and as a literal, and named', async date => {
  expectError(await record([{ ...point, recordedAt: date }]), 'BAD_USER_INPUT', /recordedAt/)
  const { query, answer } = recordLiteral({ recordedAt: JSON.stringify(date) })
  expectPointsAt(await answer, query, JSON.stringify(date), 'points.0.recordedAt')
  await nothingStored()
})

test.each(['NaN', 'Infinity', '-Infinity'])('the value %s is no JSON and no literal', async value => {
  const body = JSON.stringify({ query: RECORD_DATA_POINTS, variables: { points: [point] } })
  expectError(
    await ask(gateway.url, body.replace('"value":1', `"value":${value}`), { token }),
    'BAD_USER_INPUT',
    /JSON/,
  )
  const { query, answer } = recordLiteral({ value })
  const written = await answer
  if (value.startsWith('-')) expectError(written, 'GRAPHQL_PARSE_FAILED', /Infinity|"I"/)
  else expectPointsAt(written, query, value, 'points.0.value')
  await nothingStored()
})

test.each(['1e999', '-1e999'])(
  'the value %s, which no number holds, is refused in JSON and as a literal',
  async value => {
    const body = JSON.stringify({ query: RECORD_DATA_POINTS, variables: { points: [point] } })
    expectError(
      await ask(gateway.url, body.replace('"value":1', `"value":${value}`), { token }),
      'BAD_USER_INPUT',
      /value/,
    )
    expectIssue(await recordLiteral({ value }).answer, 'points.0.value')
    await nothingStored()
  },
)

test.each([null, '1', true, []])('the value %j is refused, and named', async value => {
  expectError(await record([{ ...point, value }]), 'BAD_USER_INPUT', /value/)
  await nothingStored()
})

test('10,001 points in one call are refused and 10,000 are stored', async () => {
  expectIssue(await record(dataPoints(10_001)), 'points')
  await nothingStored()
  const owner = await tokenOf('diligent')
  const variables = { points: dataPoints(10_000) }
  const answer = await ask(gateway.url, { query: RECORD_DATA_POINTS, variables }, { token: owner })
  expect(answer.data).toEqual({
    recordDataPoints: { __typename: 'RecordDataPointsPayload', stored: 10_000, duplicates: 0 },
  })
  before = await storedState(database)
})

test('thousands of mistakes in one call get an answer that a reader can end', async () => {
  const typed = await record(dataPoints(5000).map(good => ({ ...good, metric: 'NO' })))
  expectIssue(typed, 'points.0.metric')
  expect(typed.text.length).toBeLessThan(20_000)
  const topLevel = await record(dataPoints(5000).map(good => ({ ...good, value: 'much' })))
  expectError(topLevel, 'BAD_USER_INPUT', /value|Too many errors/)
  expect(topLevel.text.length).toBeLessThan(50_000)
  await nothingStored()
})

test('no points at all, a point with a field too few or too many, and what is no list are refused', async () => {
  expectIssue(await record([]), 'points')
  expectError(await record([{ ...point, source: undefined }]), 'BAD_USER_INPUT', /source/)
  expectError(await record([{ ...point, colour: 'red' }]), 'BAD_USER_INPUT', /colour/)
  expectError(await record('steps'), 'BAD_USER_INPUT', /points/)
  expectError(await record([null]), 'BAD_USER_INPUT', /points/)
  expectError(await record(null), 'BAD_USER_INPUT', /points/)
  await nothingStored()
})

test.each(['NOBODY', 'foundation_builder', '', 5])(
  'the archetype %j is refused, and named',
  async archetype => {
    expectError(await analyse({ archetype }), 'BAD_USER_INPUT', /archetype/)
    await nothingStored()
  },
)

test.each([
  ['mutation { requestAnalysis(input: { archetype: NOBODY }) { __typename } }', 'NOBODY', 'input.archetype'],
  ['{ viewer { analyses(archetype: NOBODY) { totalCount } } }', 'NOBODY', 'archetype'],
  ['{ viewer { analyses(first: 1.5) { totalCount } } }', '1.5', 'first'],
  ['{ viewer { ...on User { analyses(first: null, after: 7) { totalCount } } } }', '7', 'after'],
  ['{ node(id: null) { id } }', 'null', 'id'],
  ['{ nodes(ids: ["a", null]) { id } }', 'null', 'ids.1'],
  ['query($first: Int = "many") { viewer { analyses(first: $first) { totalCount } } }', '"many"', '$first'],
  [`mutation { ${PLAN}, days: 1.5 }) { __typename } }`, '1.5', 'input.days'],
  [`mutation { ${PLAN}, waitMs: 99999999999 }) { __typename } }`, '99999999999', 'input.waitMs'],
  [`mutation { ${PLAN}, colour: 5 }) { __typename } }`, 'colour: 5', 'input.colour'],
  [`mutation { ${PLAN}, idempotencyKey: 5 }) { __typename } }`, '5', 'input.idempotencyKey'],
  [`mutation { ${PLAN}, kind: MENU }) { __typename } }`, 'kind: ROUTINE', 'input.kind'],
])('the literal of %s is refused, pointed at and named, each time it is sent', async (query, value, path) => {
  expectPointsAt(await ask(gateway.url, { query }, { token }), query, value, path)
  expectPointsAt(await ask(gateway.url, { query }, { token }), query, value, path)
  await nothingStored()
})

test.each([
  ['metric', 'null'],
  ['metric', '5'],
  ['value', 'null'],
  ['value', '"much"'],
  ['value', '[1, 2]'],
  ['recordedAt', 'null'],
  ['recordedAt', '1769853600000'],
  ['unit', '{ of: "length" }'],
])('a literal point whose %s is %s is refused, pointed at and named', async (field, value) => {
  const { query, answer } = recordLiteral({ [field]: value })
  expectPointsAt(await answer, query, value, `points.0.${field}`)
  await nothingStored()
})

test('what is wrong with a document beside its values is told without a place in the arguments', async () => {
  const about = async (query: string) =>
    expectError(await ask(gateway.url, { query }, { token }), 'GRAPHQL_VALIDATION_FAILED', /./).message
  expect(await about('{ viewer { colour } }')).toBe('Cannot query field "colour" on type "User".')
  expect(await about('mutation { requestAnalysis { __typename } }')).toMatch(
    /^Field "requestAnalysis" argument "input"/,
  )
  expect(await about('{ viewer { analyses(colour: 5) { totalCount } } }')).toMatch(
    /^Unknown argument "colour"/,
  )
})

test('waitMs is refused when it is negative, longer than anybody may wait, or no whole number', async () => {
  const archetype = 'FOUNDATION_BUILDER'
  expectIssue(await analyse({ archetype, waitMs: -1 }), 'input.waitMs')
  expectIssue(await analyse({ archetype, waitMs: 2_147_483_647 }), 'input.waitMs')
  expectError(await analyse({ archetype, waitMs: 2_147_483_648 }), 'BAD_USER_INPUT', /waitMs/)
  expectError(await analyse({ archetype, waitMs: 1.5 }), 'BAD_USER_INPUT', /waitMs/)
  expect(generator.calls).toHaveLength(0)
  await nothingStored()
})

test.each(['', 'k'.repeat(129), 'key\0', '\ud800'])(
  'the idempotency key %j is refused, and named',
  async idempotencyKey => {
    expectIssue(await analyse({ archetype: 'FOUNDATION_BUILDER', idempotencyKey }), 'input.idempotencyKey')
    expect(generator.calls).toHaveLength(0)
    await nothingStored()
  },
)
