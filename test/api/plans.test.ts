import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { RunWatch } from '../../src/coordination/run-watch.ts'
import { GenerationError } from '../../src/providers/generator.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { dataPoints, post, RECORD_DATA_POINTS, requestAnalysis } from '../support/graphql-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

const GENERATE_PLAN = `
  mutation GeneratePlan($input: GeneratePlanInput!) {
    generatePlan(input: $input) {
      __typename
      ... on GeneratePlanPayload {
        source
        analysisSource
        plan { id kind archetype title summary date notes { kind day dish message } analysis { id } items { day time title ingredients nutrition { calories } } }
        generation { id kind state result { id } }
      }
      ... on GenerationPending { pending: generation { id kind state } }
      ... on GenerationFailedError { message retryable }
      ... on InvalidInputError { issues { path message } }
      ... on Error { code message }
    }
  }`

interface PlanAnswer {
  __typename: string
  source: string
  analysisSource: string
  plan: { id: string; kind: string; title: string; analysis: { id: string }; items: unknown[] }
  generation: { id: string; kind: string; state: string; result: { id: string } } | null
  pending: { id: string; kind: string; state: string }
  message: string
  issues: { path: string[]; message: string }[]
}

let database: TestDatabase
let gateways: TestGateway[]
let generator: FakeGenerator

beforeEach(async () => {
  database = await createTestDatabase()
  generator = new FakeGenerator()
  gateways = await Promise.all([1, 2].map(() => startTestGateway({ databaseUrl: database.url, generator })))
})
afterEach(async () => {
  await Promise.all(gateways.map(gateway => gateway.close()))
  await database.drop()
})

async function generatePlan(token: string, input: Record<string, unknown>, index = 0): Promise<PlanAnswer> {
  const variables = { input: { kind: 'ROUTINE', archetype: 'FOUNDATION_BUILDER', ...input } }
  const answer = await post<{ generatePlan: PlanAnswer }>(gateways[index]?.url ?? '', {
    query: GENERATE_PLAN,
    variables,
    token,
  })
  if (!answer.data) throw new Error(`no data: ${JSON.stringify(answer.errors)}`)
  return answer.data.generatePlan
}

async function prefer(token: string, input: Record<string, unknown>): Promise<void> {
  const query = `mutation ($input: UpdatePreferencesInput!) { updatePreferences(input: $input) { __typename } }`
  const answer = await post(gateways[0]?.url ?? '', { query, variables: { input }, token })
  expect(answer.data).toEqual({ updatePreferences: { __typename: 'UpdatePreferencesPayload' } })
}

const stored = async () =>
  (
    await database.query(`
      SELECT (SELECT count(*)::int FROM analyses) AS analyses, (SELECT count(*)::int FROM plans) AS plans,
        (SELECT count(*)::int FROM leases WHERE state = 'RUNNING') AS running`)
  )[0]

/** On all instances. */
async function waiters(): Promise<number> {
  const counts = gateways.map(async ({ url }) => {
    const response = await fetch(`${url}/api/health/coordination`)
    return ((await response.json()) as { waiters: number }).waiters
  })
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

const age = async (seconds: number) => {
  for (const table of ['analyses', 'plans'])
    await database.query(`UPDATE ${table} SET created_at = created_at - interval '${seconds} seconds'`)
}

test('an analysis, a routine 3 s later and a nutrition 5 s after that are one analysis, one routine, one nutrition', async () => {
  const token = await tokenOf('one by one')
  const analysis = await requestAnalysis(gateways[0]?.url ?? '', token)
  await age(3)
  const routine = await generatePlan(token, { kind: 'ROUTINE' })
  await age(5)
  const nutrition = await generatePlan(token, { kind: 'NUTRITION' }, 1)
  for (const answer of [routine, nutrition])
    expect(answer).toMatchObject({
      source: 'FRESH',
      analysisSource: 'RECENT',
      plan: { analysis: { id: analysis.analysis.id } },
    })
  expect(generator.calls).toHaveLength(1)
  expect(await stored()).toEqual({ analyses: 1, plans: 2, running: 0 })
})

test('analysis, routine, nutrition and menu at once, on two instances, share one analysis', async () => {
  const token = await tokenOf('at once')
  const gate = new Gate()
  generator.behave = (_input, { signal }) => gate.pass(signal)
  const plans = ['ROUTINE', 'NUTRITION', 'MENU'].flatMap(kind => [
    generatePlan(token, { kind }, 0),
    generatePlan(token, { kind }, 1),
  ])
  const analysis = requestAnalysis(gateways[1]?.url ?? '', token)
  await gate.arrived(1)
  gate.open()
  const answers = await Promise.all(plans)
  const { id } = (await analysis).analysis
  for (const answer of answers)
    expect(answer).toMatchObject({ plan: { analysis: { id } }, generation: { state: 'SUCCEEDED' } })
  expect(answers.filter(answer => answer.source === 'FRESH')).toHaveLength(3)
  expect(answers.filter(answer => answer.source === 'JOINED')).toHaveLength(3)
  expect([generator.calls.length, generator.planCalls.length]).toEqual([1, 3])
  expect(await stored()).toEqual({ analyses: 1, plans: 3, running: 0 })
})

test('the same plan asked for again from the same analysis is RECENT, and after the window, or from a newer analysis, is made anew', async () => {
  const token = await tokenOf('again')
  const first = await generatePlan(token, {})
  expect(await generatePlan(token, {}, 1)).toMatchObject({
    source: 'RECENT',
    analysisSource: 'RECENT',
    plan: { id: first.plan.id },
  })
  await requestAnalysis(gateways[0]?.url ?? '', token, { forceRefresh: true })
  expect(await generatePlan(token, {})).toMatchObject({ source: 'FRESH', analysisSource: 'RECENT' })
  await age(601)
  expect(await generatePlan(token, {})).toMatchObject({ source: 'FRESH', analysisSource: 'CACHED' })
  expect(generator.calls).toHaveLength(2)
})

test('forceRefresh makes a new plan, and a new analysis only where the decision says so', async () => {
  const token = await tokenOf('forced')
  await generatePlan(token, {})
  expect(await generatePlan(token, { forceRefresh: true })).toMatchObject({
    source: 'FRESH',
    analysisSource: 'RECENT',
  })
  await age(601)
  await post(gateways[0]?.url ?? '', {
    query: RECORD_DATA_POINTS,
    variables: { points: dataPoints(50) },
    token,
  })
  expect(await generatePlan(token, { forceRefresh: true })).toMatchObject({
    source: 'FRESH',
    analysisSource: 'FRESH',
  })
  expect(await stored()).toEqual({ analyses: 2, plans: 3, running: 0 })
})

describe('when the analysis fails', () => {
  beforeEach(() => {
    generator.behave = async () => {
      throw new GenerationError('The model is away.', { retryable: true })
    }
  })

  test('all three plans fail with the one error, and nothing is stored', async () => {
    const token = await tokenOf('failing')
    // It fails when all three wait for it: one that came later, after the pause that follows a failure, would try again.
    const gate = new Gate()
    const { behave } = generator
    generator.behave = async (input, context, call) => {
      await gate.pass(context.signal)
      await behave(input, context, call)
    }
    const listen = vi.spyOn(RunWatch.prototype, 'listen')
    onTestFinished(() => listen.mockRestore())
    const answers = ['ROUTINE', 'NUTRITION', 'MENU'].map((kind, index) =>
      generatePlan(token, { kind }, index % 2),
    )
    // Each plan has a caller, and each is one of the analysis, which one instance makes and the other follows.
    await until(async () => (await waiters()) === 6 && listen.mock.calls.length === 1, {
      what: 'all three to wait for the analysis',
    })
    gate.open()
    for (const answer of await Promise.all(answers))
      expect(answer).toMatchObject({ __typename: 'GenerationFailedError', message: 'The model is away.' })
    expect(generator.calls).toHaveLength(1)
    expect(await stored()).toEqual({ analyses: 0, plans: 0, running: 0 })
  })

  test('an older analysis serves, and the plan says so', async () => {
    const token = await tokenOf('falling back')
    const { behave } = generator
    generator.behave = async () => {}
    await requestAnalysis(gateways[0]?.url ?? '', token)
    generator.behave = behave
    await age(601)
    await post(gateways[0]?.url ?? '', {
      query: RECORD_DATA_POINTS,
      variables: { points: dataPoints(50) },
      token,
    })
    expect(await generatePlan(token, {})).toMatchObject({ source: 'FRESH', analysisSource: 'FALLBACK' })
  })
})

test('when the plan fails and an older one exists, that one serves', async () => {
  const token = await tokenOf('plan fails')
  const first = await generatePlan(token, {})
  generator.behavePlan = async () => {
    throw new GenerationError('no', { retryable: false })
  }
  expect(await generatePlan(token, { forceRefresh: true })).toMatchObject({
    source: 'FALLBACK',
    plan: { id: first.plan.id },
  })
  expect(await generatePlan(token, { kind: 'MENU' })).toMatchObject({ __typename: 'GenerationFailedError' })
})

describe('once the preferences have changed', () => {
  test('a plan of before is not RECENT any more, and is again once they are what they were', async () => {
    const token = await tokenOf('changed')
    const first = await generatePlan(token, { kind: 'MENU' })
    await prefer(token, { dietType: 'vegan', dislikedIngredients: ['onion', 'egg'] })
    const second = await generatePlan(token, { kind: 'MENU' }, 1)
    expect(second.source).toBe('FRESH')
    expect(generator.planCalls[1]?.preferences.dietType).toBe('vegan')
    await prefer(token, { dislikedIngredients: ['egg', 'onion'] })
    expect(await generatePlan(token, { kind: 'MENU' })).toMatchObject({
      source: 'RECENT',
      plan: { id: second.plan.id },
    })
    expect(second.plan.id).not.toBe(first.plan.id)
  })

  test('nobody joins a run that began under the ones of before', async () => {
    const token = await tokenOf('changing')
    const gate = new Gate()
    generator.behavePlan = (_input, { signal }) => gate.pass(signal)
    const before = generatePlan(token, { kind: 'MENU' })
    await gate.arrived(1)
    await prefer(token, { dietaryRestrictions: ['peanuts'] })
    const after = [0, 1].map(index => generatePlan(token, { kind: 'MENU' }, index))
    await gate.arrived(2)
    gate.open()
    const [one, other] = await Promise.all(after)
    expect([one?.source, other?.source].sort()).toEqual(['FRESH', 'JOINED'])
    expect(one?.plan.id).toBe(other?.plan.id)
    expect((await before).plan.id).not.toBe(one?.plan.id)
    expect(generator.planCalls.map(({ preferences }) => preferences.dietaryRestrictions)).toEqual([
      [],
      ['peanuts'],
    ])
  })

  describe('and the plan fails', () => {
    const fail = () => {
      generator.behavePlan = async () => {
        throw new GenerationError('no', { retryable: false })
      }
    }

    test.each([
      { dietType: 'vegan' },
      { dietaryRestrictions: ['gluten'] },
      { dislikedIngredients: ['rice'] },
    ])('no menu that was made without %j serves', async changed => {
      const token = await tokenOf('falls')
      await generatePlan(token, { kind: 'MENU' })
      await prefer(token, changed)
      fail()
      expect(await generatePlan(token, { kind: 'MENU' })).toMatchObject({
        __typename: 'GenerationFailedError',
      })
    })

    test('one that was made under the same eating rules does, where only other things have changed', async () => {
      const token = await tokenOf('same rules')
      const before = await generatePlan(token, { kind: 'MENU' })
      await prefer(token, { calorieGoal: 1800, appliances: ['stove'] })
      fail()
      expect(await generatePlan(token, { kind: 'MENU' })).toMatchObject({
        source: 'FALLBACK',
        plan: { id: before.plan.id },
      })
    })

    test('a routine, which says nothing about food, does in any case', async () => {
      const token = await tokenOf('routine falls')
      const before = await generatePlan(token, {})
      await prefer(token, { dietType: 'vegan' })
      fail()
      expect(await generatePlan(token, {})).toMatchObject({
        source: 'FALLBACK',
        plan: { id: before.plan.id },
      })
    })

    test('rules that change while the run is under way count as well', async () => {
      const token = await tokenOf('while it runs')
      await generatePlan(token, { kind: 'MENU' })
      const gate = new Gate()
      generator.behavePlan = async (_input, { signal }) => {
        await gate.pass(signal)
        throw new GenerationError('no', { retryable: false })
      }
      const answer = generatePlan(token, { kind: 'MENU', forceRefresh: true })
      await gate.arrived(1)
      await prefer(token, { dietType: 'vegan' })
      gate.open()
      expect(await answer).toMatchObject({ __typename: 'GenerationFailedError' })
    })
  })
})

test('a menu of another length does not serve where one cannot be made', async () => {
  const token = await tokenOf('lengths')
  await generatePlan(token, { kind: 'MENU', days: 3 })
  generator.behavePlan = async () => {
    throw new GenerationError('no', { retryable: false })
  }
  expect(await generatePlan(token, { kind: 'MENU', days: 5 })).toMatchObject({
    __typename: 'GenerationFailedError',
  })
  expect(await generatePlan(token, { kind: 'MENU', days: 3, forceRefresh: true })).toMatchObject({
    source: 'FALLBACK',
  })
})

test('a run goes on behind GenerationPending, and its result is the plan', async () => {
  const token = await tokenOf('patient')
  const gate = new Gate()
  generator.behavePlan = (_input, { signal }) => gate.pass(signal)
  expect(await generatePlan(token, { kind: 'MENU', waitMs: 0 })).toMatchObject({
    __typename: 'GenerationPending',
    pending: { kind: 'MENU_PLAN', state: 'RUNNING' },
  })
  gate.open()
  const answer = await generatePlan(token, { kind: 'MENU' }, 1)
  expect(answer.generation === null || answer.generation.result.id === answer.plan.id).toBe(true)
  expect(generator.planCalls).toHaveLength(1)
})

test('a menu of another length is another plan, and a new menu is told the dishes of the last one', async () => {
  const token = await tokenOf('menus')
  await generatePlan(token, { kind: 'MENU', days: 3 })
  expect(await generatePlan(token, { kind: 'MENU', days: 5 })).toMatchObject({ source: 'FRESH' })
  expect(generator.planCalls.map(call => [call.days, call.previousDishes])).toEqual([
    [3, []],
    [5, ['dish 1']],
  ])
})

test('preferences in conflict are named, and cost nothing', async () => {
  generator.conflicts = [{ preferences: ['dietType', 'appliances'], message: 'no vegan dish needs no stove' }]
  expect(await generatePlan(await tokenOf('impossible'), { kind: 'MENU' })).toMatchObject({
    __typename: 'InvalidInputError',
    issues: [{ path: ['preferences', 'dietType', 'appliances'], message: 'no vegan dish needs no stove' }],
  })
  expect(generator.calls).toHaveLength(0)
})

test.each([0, 15, -1])('a menu of %i days is refused', async days => {
  expect(await generatePlan(await tokenOf('days'), { kind: 'MENU', days })).toMatchObject({
    issues: [{ path: ['input', 'days'] }],
  })
})

test('plans are listed newest first, by kind and archetype, with a count, and belong to their analysis', async () => {
  const token = await tokenOf('lists')
  for (const kind of ['ROUTINE', 'NUTRITION', 'ROUTINE'])
    await generatePlan(token, { kind, forceRefresh: true })
  const query = `{ viewer {
    plans(first: 2) { totalCount nodes { id kind } pageInfo { hasNextPage endCursor } }
    routines: plans(kind: ROUTINE) { totalCount }
    others: plans(archetype: PEAK_PERFORMER) { totalCount nodes { id } }
    latestPlan(kind: ROUTINE, archetype: FOUNDATION_BUILDER) { id title }
    latestAnalysis(archetype: FOUNDATION_BUILDER) { plans { title } }
  } }`
  const { data } = await post<{ viewer: Record<string, unknown> }>(gateways[0]?.url ?? '', { query, token })
  expect(data?.viewer).toMatchObject({
    plans: {
      totalCount: 3,
      nodes: [{ kind: 'ROUTINE' }, { kind: 'NUTRITION' }],
      pageInfo: { hasNextPage: true },
    },
    routines: { totalCount: 2 },
    others: { totalCount: 0, nodes: [] },
    latestPlan: { title: 'ROUTINE 3' },
    latestAnalysis: { plans: [{ title: 'ROUTINE 3' }, { title: 'NUTRITION 2' }, { title: 'ROUTINE 1' }] },
  })
  const [latest] = await database.query<{ id: string }>(
    'SELECT id FROM plans ORDER BY created_at DESC LIMIT 1',
  )
  const id = Buffer.from(`Plan:${latest?.id}`).toString('base64url')
  const node = { query: 'query ($id: ID!) { node(id: $id) { id ... on Plan { title } } }', variables: { id } }
  expect((await post(gateways[1]?.url ?? '', { ...node, token })).data).toMatchObject({
    node: { title: 'ROUTINE 3' },
  })
  expect((await post(gateways[1]?.url ?? '', { ...node, token: await tokenOf('a stranger') })).data).toEqual({
    node: null,
  })
})
