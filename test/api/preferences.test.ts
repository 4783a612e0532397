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

const FIELDS = `dietType dietaryRestrictions dislikedIngredients recipeType macroProtein macroCarbs macroFat calorieGoal
  mealTimes appliances prepComplexity servingsPerMeal snacksPerDay version updatedAt`

interface Outcome {
  __typename: string
  preferences: Record<string, unknown> & { version: number }
  issues: { path: string[]; message: string }[]
  code: string
  currentVersion: number
}

async function update(token: string, input: Record<string, unknown>, on = 0): Promise<Outcome> {
  const query = `mutation($input: UpdatePreferencesInput!) { updatePreferences(input: $input) {
    __typename
    ... on UpdatePreferencesPayload { preferences { ${FIELDS} } }
    ... on InvalidInputError { code issues { path message } }
    ... on ConflictError { code currentVersion }
  } }`
  const answer = await post<{ updatePreferences: Outcome }>(urls[on] ?? '', {
    query,
    variables: { input },
    token,
  })
  if (!answer.data) throw new Error(JSON.stringify(answer.errors))
  return answer.data.updatePreferences
}

async function read(token: string, on = 1) {
  const query = `{ viewer { preferences { ${FIELDS} } } }`
  const answer = await post<{ viewer: { preferences: Outcome['preferences'] } }>(urls[on] ?? '', {
    query,
    token,
  })
  return answer.data?.viewer.preferences
}

let users = 0
const newUser = () => tokenOf(`eater-${users++}`)

describe('preferences', () => {
  test('of a user who has said nothing have the defaults and version 0', async () => {
    const token = await newUser()
    expect(await read(token)).toEqual({
      dietType: null,
      dietaryRestrictions: [],
      dislikedIngredients: [],
      recipeType: [],
      macroProtein: null,
      macroCarbs: null,
      macroFat: null,
      calorieGoal: null,
      mealTimes: [],
      appliances: [],
      prepComplexity: null,
      servingsPerMeal: 1,
      snacksPerDay: 0,
      version: 0,
      updatedAt: null,
    })
    expect(await database.query('SELECT 1 FROM preferences')).toEqual([])
  })

  test('keep what is said, leave what is not named, and take back what is null', async () => {
    const token = await newUser()
    const said = {
      dietType: 'vegan',
      dietaryRestrictions: ['gluten', 'crème brûlée, \'quoted\' {a,b} \\ "x"'],
      dislikedIngredients: ['mushrooms'],
      recipeType: ['asian'],
      macroProtein: 30,
      macroCarbs: 40,
      macroFat: 30,
      calorieGoal: 2000,
      mealTimes: ['07:30', '12:30'],
      appliances: ['oven', 'hob'],
      prepComplexity: 0,
      servingsPerMeal: 2,
      snacksPerDay: 8,
    }
    const first = await update(token, said)
    expect(first.preferences).toMatchObject({ ...said, version: 1 })
    expect(await read(token)).toEqual(first.preferences)
    const second = await update(token, { calorieGoal: 2100, expectedVersion: 1 }, 1)
    expect(second.preferences).toMatchObject({ ...said, calorieGoal: 2100, version: 2 })
    const nothing = Object.fromEntries(Object.keys(said).map(name => [name, null]))
    expect((await update(token, nothing)).preferences).toMatchObject({
      ...nothing,
      dietaryRestrictions: [],
      dislikedIngredients: [],
      recipeType: [],
      mealTimes: [],
      appliances: [],
      servingsPerMeal: 1,
      snacksPerDay: 0,
      version: 3,
    })
  })

  test('are seen by the next field of the same operation', async () => {
    const token = await newUser()
    const query = `mutation {
      a: updatePreferences(input: { calorieGoal: 1500 }) { ... on UpdatePreferencesPayload { preferences { version } } }
      b: updatePreferences(input: { macroFat: 20 }) { ... on UpdatePreferencesPayload { preferences { calorieGoal macroFat version } } }
    }`
    expect((await post(urls[0] ?? '', { query, token })).data).toEqual({
      a: { preferences: { version: 1 } },
      b: { preferences: { calorieGoal: 1500, macroFat: 20, version: 2 } },
    })
  })

  test('of another user stay as they are', async () => {
    const [mine, other] = [await newUser(), await newUser()]
    await update(other, { dietType: 'keto' })
    await update(mine, { dietType: 'vegan' })
    expect(await read(other)).toMatchObject({ dietType: 'keto', version: 1 })
  })
})

describe('writers at the same moment', () => {
  test('with one expectedVersion on two gateways are one that writes; the others learn the current version', async () => {
    const token = await newUser()
    for (const version of [0, 1, 2]) {
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          update(token, { calorieGoal: 1000 + index, expectedVersion: version }, index % 2),
        ),
      )
      const written = outcomes.filter(({ __typename }) => __typename === 'UpdatePreferencesPayload')
      expect(written).toHaveLength(1)
      const lost = outcomes.filter(outcome => outcome !== written[0])
      expect(lost.map(({ code, currentVersion }) => [code, currentVersion])).toEqual(
        lost.map(() => ['CONFLICT', version + 1]),
      )
      expect(await read(token)).toEqual(written[0]?.preferences)
    }
  })

  test('that lose leave nothing: who has said nothing still has the defaults', async () => {
    const token = await newUser()
    const before = await read(token)
    expect((await update(token, { calorieGoal: 1000, expectedVersion: 1 })).currentVersion).toBe(0)
    expect(await read(token)).toEqual(before)
  })

  test('of different fields without an expectedVersion are all kept, also where there was no row', async () => {
    const token = await newUser()
    const changes = [
      { macroProtein: 30 },
      { macroCarbs: 40 },
      { macroFat: 30 },
      { calorieGoal: 1900 },
      { dietType: 'keto' },
    ]
    await Promise.all(changes.map((change, index) => update(token, change, index % 2)))
    expect(await read(token)).toMatchObject({ ...Object.assign({}, ...changes), version: changes.length })
  })

  test('never leave macros together that do not add up, though each alone would have fitted', async () => {
    const token = await newUser()
    await update(token, { macroProtein: 30 })
    const outcomes = await Promise.all([
      update(token, { macroCarbs: 60 }, 0),
      update(token, { macroFat: 60 }, 1),
    ])
    expect(outcomes.map(({ __typename }) => __typename).sort()).toEqual([
      'InvalidInputError',
      'UpdatePreferencesPayload',
    ])
    expect(await read(token)).toMatchObject({ macroProtein: 30, version: 2 })
  })
})

describe('what does not fit is named and nothing of it is stored', () => {
  test.each<[string, Record<string, unknown>, string[]]>([
    ['calories below', { calorieGoal: 799 }, ['input', 'calorieGoal']],
    ['calories above', { calorieGoal: 6001 }, ['input', 'calorieGoal']],
    ['snacks above', { snacksPerDay: 9 }, ['input', 'snacksPerDay']],
    ['snacks below', { snacksPerDay: -1 }, ['input', 'snacksPerDay']],
    ['servings above', { servingsPerMeal: 13 }, ['input', 'servingsPerMeal']],
    ['no servings', { servingsPerMeal: 0 }, ['input', 'servingsPerMeal']],
    ['complexity above', { prepComplexity: 101 }, ['input', 'prepComplexity']],
    ['a macro above', { macroFat: 101 }, ['input', 'macroFat']],
    ['a time of day that is none', { mealTimes: ['08:00', '24:00'] }, ['input', 'mealTimes', '1']],
    ['a time without a nought', { mealTimes: ['8:00'] }, ['input', 'mealTimes', '0']],
    ['a time twice', { mealTimes: ['08:00', '08:00'] }, ['input', 'mealTimes']],
    ['nine meals', { mealTimes: [1, 2, 3, 4, 5, 6, 7, 8, 9].map(n => `0${n}:00`) }, ['input', 'mealTimes']],
    ['an empty word', { appliances: ['oven', ' '] }, ['input', 'appliances', '1']],
    ['a word too long', { dietType: 'x'.repeat(101) }, ['input', 'dietType']],
    ['half a character', { dietType: '\ud83d' }, ['input', 'dietType']],
    ['a character that cannot be stored', { recipeType: ['a\u0000b'] }, ['input', 'recipeType', '0']],
    ['a list too long', { dislikedIngredients: Array(51).fill('x') }, ['input', 'dislikedIngredients']],
    ['macros of 99', { macroProtein: 33, macroCarbs: 33, macroFat: 33 }, ['input', 'macroProtein']],
    ['two macros of 101', { macroProtein: 50, macroCarbs: 51 }, ['input', 'macroProtein']],
  ])('%s', async (_what, input, path) => {
    const token = await newUser()
    await update(token, { dietType: 'paleo' })
    const outcome = await update(token, { ...input, expectedVersion: 1 })
    expect(outcome).toMatchObject({ __typename: 'InvalidInputError', code: 'INVALID_INPUT' })
    expect(outcome.issues[0]?.path).toEqual(path)
    expect(outcome.issues[0]?.message).toMatch(/^expected/)
    expect(await read(token)).toMatchObject({ dietType: 'paleo', version: 1 })
  })

  test('a macro that breaks the sum with those that were there before', async () => {
    const token = await newUser()
    await update(token, { macroProtein: 30, macroCarbs: 40, macroFat: 30 })
    const { issues } = await update(token, { macroFat: 31 })
    expect(issues).toEqual([
      { path: ['input', 'macroFat'], message: 'expected macros that together add up to 100, got 101' },
    ])
    // Something else may still be changed, and one of them taken back.
    expect((await update(token, { macroFat: null })).preferences).toMatchObject({
      macroFat: null,
      version: 2,
    })
  })
})
