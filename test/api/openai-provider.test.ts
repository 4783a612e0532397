import { describe, expect, onTestFinished, test } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../support/fake-openai-server.ts'
import { dataPoints, post, RECORD_DATA_POINTS, requestAnalysis } from '../support/graphql-client.ts'
import { type MainProcess, makeTemporaryFolder, startMain } from '../support/main-process.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { TEST_SECRET, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

/** `npm start` with GENERATOR=openai, as an operator has it, in front of a provider over real HTTP. */
const API_KEY = 'sk-secret-5f1c0a7e9b'

let provider: FakeOpenAi
let database: TestDatabase
let gateway: MainProcess

async function start(settings: Record<string, string> = {}): Promise<void> {
  provider = await startFakeOpenAi()
  database = await createTestDatabase()
  // Before the process is started, and so after it has ended.
  onTestFinished(() => database.drop())
  gateway = await startMain({
    DATABASE_URL: database.url,
    DATA_DIR: await makeTemporaryFolder(),
    JWT_SECRET: TEST_SECRET,
    ACCOUNT_SYNC_MINUTES: '0',
    GENERATOR: 'openai',
    OPENAI_BASE_URL: provider.url,
    OPENAI_API_KEY: API_KEY,
    OPENAI_MODEL: 'test-model',
    ...settings,
  })
  await gateway.ready()
}

interface PlanAnswer {
  __typename: string
  source: string
  analysisSource: string
  plan: {
    id: string
    summary: string
    items: { title: string; ingredients: string[] }[]
    notes: { kind: string; dish: string | null }[]
    analysis: { id: string }
  }
  message: string
  retryable: boolean
}

async function generatePlan(token: string, input: Record<string, unknown>): Promise<PlanAnswer> {
  const query = `mutation ($input: GeneratePlanInput!) { generatePlan(input: $input) {
    __typename
    ... on GeneratePlanPayload {
      source analysisSource
      plan { id summary items { title ingredients } notes { kind dish } analysis { id } }
    }
    ... on GenerationFailedError { message retryable }
    ... on Error { message }
  } }`
  const variables = { input: { archetype: 'FOUNDATION_BUILDER', ...input } }
  const answer = await post<{ generatePlan: PlanAnswer }>(gateway.url, { query, variables, token })
  if (!answer.data) throw new Error(`no data: ${JSON.stringify(answer.errors)}`)
  return answer.data.generatePlan
}

/** A user whose name and address are known when they turn up somewhere. */
async function aUser(): Promise<string> {
  const token = await tokenOf('subject-of-alice', { email: 'alice@address.example' })
  await post(gateway.url, {
    query: RECORD_DATA_POINTS,
    variables: { points: dataPoints(3, 'deep_sleep') },
    token,
  })
  return token
}

const nameOf = (call: FakeOpenAi['calls'][number]) => call.body.response_format.json_schema.name

test('an analysis and the three plans asked for at once are four calls of the provider, and what was stored says how it came about', async () => {
  await start()
  const token = await aUser()
  const [analysis, ...plans] = await Promise.all([
    requestAnalysis(gateway.url, token),
    ...['ROUTINE', 'NUTRITION', 'MENU'].map(kind => generatePlan(token, { kind, days: 2 })),
  ])
  for (const plan of plans)
    expect(plan).toMatchObject({
      __typename: 'GeneratePlanPayload',
      source: 'FRESH',
      plan: { analysis: { id: analysis.analysis.id } },
    })
  expect(provider.calls.map(nameOf).toSorted()).toEqual([
    'behavior_analysis',
    'menu_plan',
    'nutrition_plan',
    'routine_plan',
  ])
  const made = await database.query(`
    SELECT metadata->>'engine' AS engine, metadata->>'model' AS model, metadata->>'template' AS template, metadata->'tokens' AS tokens
    FROM plans UNION ALL
    SELECT result->'metadata'->>'engine', result->'metadata'->>'model', result->'metadata'->>'template', result->'metadata'->'tokens'
    FROM analyses ORDER BY template`)
  expect(made).toEqual(
    ['analysis.v1', 'menu.v1', 'nutrition.v1', 'routine.v1'].map(template => ({
      ...{ engine: 'openai', model: 'test-model', template },
      tokens: { input: 100, output: 40 },
    })),
  )
  for (const call of provider.calls) {
    expect(call.path).toBe('/v1/chat/completions')
    expect(call.headers.authorization).toBe(`Bearer ${API_KEY}`)
    const sent = JSON.stringify([call.body, { ...call.headers, authorization: '' }])
    for (const secret of ['alice', 'address.example', TEST_SECRET]) expect(sent).not.toContain(secret)
    expect(sent).toContain('deep_sleep')
  }
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
  for (const kind of ['BEHAVIOR_ANALYSIS', 'ROUTINE_PLAN', 'NUTRITION_PLAN', 'MENU_PLAN']) {
    expect(metrics).toContain(`provider_tokens_total{kind="${kind}",direction="input"} 100`)
    expect(metrics).toContain(`provider_calls_total{kind="${kind}",outcome="success"} 1`)
  }
  for (const secret of [API_KEY, 'alice', 'deep_sleep']) expect(gateway.output).not.toContain(secret)
})

test('a menu that breaks a restriction is taken, and says so', async () => {
  await start()
  const token = await aUser()
  await post(gateway.url, {
    query: `mutation { updatePreferences(input: { dietaryRestrictions: ["peanuts"], mealTimes: ["12:00"] }) { __typename } }`,
    token,
  })
  const nutrition = { calories: 500, proteinGrams: 20, carbsGrams: 50, fatGrams: 20 }
  const dish = { title: 'Satay', description: 'Fry.', ingredients: ['2 tbsp peanut butter'], nutrition }
  provider.onCall = call =>
    nameOf(call) === 'menu_plan'
      ? call.answer({
          content: JSON.stringify({ title: 'Menu', summary: 'Eat.', days: [{ dishes: [dish] }] }),
        })
      : call.answer()
  const { plan } = await generatePlan(token, { kind: 'MENU', days: 1 })
  expect(plan.items).toMatchObject([{ title: 'Satay' }])
  expect(plan.notes).toEqual([{ kind: 'RESTRICTION', dish: 'Satay' }])
  expect(plan.summary).toBe(
    "Eat. Check before you eat: Day 1: Satay seems to contain '2 tbsp peanut butter'; it should be without peanuts.",
  )
  expect(provider.calls.map(nameOf)).toEqual(['behavior_analysis', 'menu_plan'])
  const [stored] = await database.query('SELECT summary, notes, metadata FROM plans')
  expect(stored).toMatchObject({
    summary: plan.summary,
    notes: [{ kind: 'RESTRICTION', day: 1, dish: 'Satay' }],
    metadata: { mainDishes: ['Satay'], notes: [expect.stringContaining('peanut butter')] },
  })
})

describe('a provider that fails', () => {
  const nothingStored = async () =>
    (
      await database.query(`
        SELECT (SELECT count(*)::int FROM analyses) AS analyses, (SELECT count(*)::int FROM plans) AS plans,
          (SELECT count(*)::int FROM leases WHERE state = 'RUNNING') AS running`)
    )[0]

  test('by its credentials fails analysis and plans with one error, after one call', async () => {
    await start()
    const token = await aUser()
    provider.onCall = call => call.status(401)
    const answers = await Promise.all(
      ['ROUTINE', 'NUTRITION', 'MENU'].map(kind => generatePlan(token, { kind })),
    )
    for (const answer of answers)
      expect(answer).toMatchObject({
        __typename: 'GenerationFailedError',
        message: 'The model provider does not accept the credentials of this gateway.',
        retryable: false,
      })
    expect(provider.calls.length).toBe(1)
    expect(await nothingStored()).toEqual({ analyses: 0, plans: 0, running: 0 })
  })

  test('by saying nothing is given up after the time of a call, and no connection to it stays open', async () => {
    await start({ GENERATION_TIMEOUT_MS: '1000' })
    const token = await aUser()
    provider.onCall = () => {}
    expect(await generatePlan(token, { kind: 'MENU' })).toMatchObject({
      __typename: 'GenerationFailedError',
      retryable: true,
    })
    await until(() => provider.openConnections === 0, { what: 'the end of the connection' })
    expect(provider.calls).toHaveLength(1)
    expect(await nothingStored()).toEqual({ analyses: 0, plans: 0, running: 0 })
  })

  test('at a plan alone leaves the analysis, and the plan of before serves', async () => {
    await start()
    const token = await aUser()
    const before = await generatePlan(token, { kind: 'ROUTINE' })
    provider.onCall = call => call.answer({ content: '{"title": "half', finishReason: 'length' })
    expect(await generatePlan(token, { kind: 'ROUTINE', forceRefresh: true })).toMatchObject({
      source: 'FALLBACK',
      plan: { id: before.plan.id },
    })
  })
})
