import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
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
  generator.planCalls.length = 0
  generator.conflicts = []
  generator.behave = async () => {}
  generator.behavePlan = async () => {}
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

/** Every mutation that takes a key: two inputs of it, what it answers, and where its effects are. */
const KEYED = {
  requestAnalysis: {
    inputs: [{ archetype: 'PEAK_PERFORMER' }, { archetype: 'FOUNDATION_BUILDER' }],
    payload: 'RequestAnalysisPayload { source analysis { id } }',
    effects: 'analyses WHERE true',
  },
  generatePlan: {
    inputs: ['ROUTINE', 'NUTRITION'].map(kind => ({ kind, archetype: 'PEAK_PERFORMER' })),
    payload: 'GeneratePlanPayload { source plan { id } }',
    effects: 'plans WHERE true',
  },
  createInterview: {
    inputs: [{ topic: 'sleep' }, { topic: 'work' }],
    payload: 'CreateInterviewPayload { interview { id } }',
    effects: 'interviews WHERE true',
  },
  sendMessage: {
    inputs: [{ content: 'hello' }, { content: 'goodbye' }],
    payload: 'SendMessagePayload { source reply { id } }',
    effects: "messages JOIN conversations ON conversations.id = conversation_id WHERE role = 'USER'",
  },
} as const

async function ask(gateway: TestGateway, token: string, field: keyof typeof KEYED, input: object) {
  const type = `${field[0]?.toUpperCase()}${field.slice(1)}Input!`
  const query = `mutation ($input: ${type}) { ${field}(input: $input) {
    __typename ... on ${KEYED[field].payload} ... on InvalidInputError { issues { path } } } }`
  const { data, errors } = await post<Record<string, { __typename: string }>>(gateway.url, {
    query,
    variables: { input },
    token,
  })
  const answer = data?.[field]
  if (!answer) throw new Error(`no data: ${JSON.stringify(errors)}`)
  return answer
}

/** Makes the user, who is then made by no request of the test. */
const known = (token: string) => post(here.url, { query: '{ viewer { id } }', token })

const effectsOf = (field: keyof typeof KEYED, subject: string) =>
  database.query(
    `SELECT 1 FROM ${KEYED[field].effects} AND user_id = (SELECT id FROM users WHERE subject = '${subject}')`,
  )
/** Statements that wait for a lock, in this test's database. */
const waitingForLock = (count: number) =>
  until(
    async () => {
      const waiting = await database.query(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      )
      return waiting.length >= count
    },
    { what: `${count} statements to wait for a lock` },
  )

describe.each(Object.keys(KEYED) as (keyof typeof KEYED)[])('two at once under one key of %s', field => {
  test.each([
    ['one instance', () => [here, here]],
    ['two instances', () => [here, there]],
  ] as const)('with different inputs on %s give one effect, and the other is refused', async (where, at) => {
    const subject = `${field} on ${where}`
    const token = await tokenOf(subject)
    await known(token)
    const lock = await holdLock(database.url, 'LOCK TABLE idempotency_keys IN EXCLUSIVE MODE')
    const answers = at().map((gateway, index) =>
      ask(gateway, token, field, { ...KEYED[field].inputs[index], idempotencyKey: 'one' }),
    )
    // Each has looked for the key and found none.
    await waitingForLock(2)
    await lock.release()
    const types = (await Promise.all(answers)).map(({ __typename }) => __typename)
    expect(types.sort()).toEqual(['IdempotencyKeyReusedError', KEYED[field].payload.split(' ')[0]].sort())
    expect(await effectsOf(field, subject)).toHaveLength(1)
  })
})

test('a key that came with one mutation is refused by every other one, also at once', async () => {
  const token = await tokenOf('of all kinds')
  await known(token)
  const lock = await holdLock(database.url, 'LOCK TABLE idempotency_keys IN EXCLUSIVE MODE')
  const fields = Object.keys(KEYED) as (keyof typeof KEYED)[]
  const answers = fields.map((field, index) =>
    ask(index % 2 ? here : there, token, field, { ...KEYED[field].inputs[0], idempotencyKey: 'one' }),
  )
  await waitingForLock(fields.length)
  await lock.release()
  const types = (await Promise.all(answers)).map(({ __typename }) => __typename)
  expect(types.filter(type => type === 'IdempotencyKeyReusedError')).toHaveLength(fields.length - 1)
  const effects = await Promise.all(fields.map(field => effectsOf(field, 'of all kinds')))
  // A plan stands on an analysis, which is made beside it.
  expect(effects.flat().length - (types.includes('GeneratePlanPayload') ? 1 : 0)).toBe(1)
})

test('another input is refused while the first is under way, and after it has failed', async () => {
  const token = await tokenOf('hasty')
  const gate = new Gate()
  generator.behave = async (_input, { signal }) => {
    await gate.pass(signal)
    throw new GenerationError('not now', { retryable: false })
  }
  const input = { idempotencyKey: 'one', waitMs: 0 }
  expect(await requestAnalysis(here.url, token, input)).toMatchObject({ __typename: 'GenerationPending' })
  const another = { ...input, archetype: 'PEAK_PERFORMER' }
  const refused = { __typename: 'IdempotencyKeyReusedError' }
  for (const { url } of [here, there])
    expect(await requestAnalysis(url, token, another)).toMatchObject(refused)
  const first = requestAnalysis(there.url, token, { idempotencyKey: 'one' })
  await callersArrived([there], 1)
  gate.open()
  expect(await first).toMatchObject({ __typename: 'GenerationFailedError' })
  expect(await requestAnalysis(here.url, token, another)).toMatchObject(refused)
  expect(generator.calls).toHaveLength(1)
})

test('what is refused for its input takes no key', async () => {
  const token = await tokenOf('impossible')
  const [input, another] = KEYED.generatePlan.inputs.map(one => ({ ...one, idempotencyKey: 'one' }))
  generator.conflicts = [{ preferences: ['dietType'], message: 'nothing is left to eat' }]
  expect(await ask(here, token, 'generatePlan', input ?? {})).toMatchObject({
    __typename: 'InvalidInputError',
  })
  generator.conflicts = []
  expect(await ask(there, token, 'generatePlan', another ?? {})).toMatchObject({ source: 'FRESH' })
})

test.each([
  ['the same', () => here],
  ['another', () => there],
])(
  'sent twice at once, data coming between, a forced request has one effect and one answer: the second on %s instance',
  async (where, at) => {
    const token = await tokenOf(`twice, on ${where}`)
    const gate = new Gate()
    generator.behave = (_input, { signal }) => gate.pass(signal)
    const input = { forceRefresh: true, idempotencyKey: 'one' }
    const first = requestAnalysis(here.url, token, input)
    await gate.arrived(1)
    await post(here.url, { query: RECORD_DATA_POINTS, variables: { points: dataPoints(1) }, token })
    // What is under way has not read it: the second one waits to make its own.
    const second = requestAnalysis(at().url, token, input)
    await callersArrived([here, there], 2)
    gate.open()
    expect(await second).toEqual(await first)
    expect(generator.calls).toHaveLength(1)
  },
)

test('a plan that is asked for twice under one key is made once, although preferences change between', async () => {
  const token = await tokenOf('choosy')
  const prefer = (diet: string) =>
    post(here.url, {
      query: `mutation { updatePreferences(input: { dietType: "${diet}" }) { __typename } }`,
      token,
    })
  await prefer('vegan')
  const gate = new Gate()
  generator.behavePlan = (_input, { signal }) => gate.pass(signal)
  const input = { ...KEYED.generatePlan.inputs[0], forceRefresh: true, idempotencyKey: 'one' }
  const first = ask(here, token, 'generatePlan', input)
  await gate.arrived(1)
  await prefer('vegetarian')
  const second = ask(there, token, 'generatePlan', input)
  await callersArrived([there], 1)
  // A third has found no answer under the key, and reads what its plan is made from only after there is one.
  const lock = await holdLock(database.url, 'LOCK TABLE preferences IN ACCESS EXCLUSIVE MODE')
  const third = ask(there, token, 'generatePlan', input)
  await lock.waitedFor()
  gate.open()
  const made = await first
  expect(await second).toEqual(made)
  await lock.release()
  expect(await third).toEqual(made)
  expect(generator.planCalls).toHaveLength(1)
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
