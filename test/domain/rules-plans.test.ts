import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import type { PlanDraft, PlanInput, PlanPreferences } from '../../src/providers/plan.ts'
import { appliancesByNeed, type Recipe } from '../../src/providers/rules/plans/recipe.ts'
import { recipeCatalogue } from '../../src/providers/rules/plans/recipe-catalogue.ts'
import { createRulesPlans } from '../../src/providers/rules/plans/rules-plans.ts'
import { archetypes } from '../../src/shared/archetype.ts'
import { foodOf, forbiddenFoods } from '../support/plan-food-knowledge.ts'
import { dislikes, makePlan, menuRecord, planInput, somePreferences } from '../support/plan-preferences.ts'

const plans = createRulesPlans()
const recipeByTitle = new Map(recipeCatalogue.map(recipe => [recipe.title, recipe]))
const mainTitles = recipeCatalogue.filter(({ kinds }) => kinds.includes('main')).map(({ title }) => title)
const grams = { protein: 'proteinGrams', carbs: 'carbsGrams', fat: 'fatGrams' } as const

function recipeOf(title: string): Recipe {
  const recipe = recipeByTitle.get(title)
  if (!recipe) throw new Error(`${title} is in no catalogue`)
  return recipe
}

/** What the items of each day add up to. */
function dayTotals({ items }: PlanDraft, days: number) {
  return Array.from({ length: days }, (_, i) => {
    const ofDay = items.filter(({ day }) => day === i + 1)
    const sum = (of: (nutrition: NonNullable<PlanDraft['items'][number]['nutrition']>) => number) =>
      ofDay.reduce((total, { nutrition }) => total + (nutrition ? of(nutrition) : Number.NaN), 0)
    return {
      calories: sum(({ calories }) => calories),
      proteinGrams: sum(({ proteinGrams }) => proteinGrams),
      carbsGrams: sum(({ carbsGrams }) => carbsGrams),
      fatGrams: sum(({ fatGrams }) => fatGrams),
    }
  })
}

/** The grams that a user who set their macros is owed. */
function owed({ calorieGoal, macroProtein, macroCarbs, macroFat }: PlanPreferences) {
  const calories = calorieGoal ?? Number.NaN
  return {
    protein: macroProtein === null ? null : (calories * macroProtein) / 400,
    carbs: macroCarbs === null ? null : (calories * macroCarbs) / 400,
    fat: macroFat === null ? null : (calories * macroFat) / 900,
  }
}

function expectNothingForbidden(input: PlanInput, draft: PlanDraft): void {
  const { dietType, dietaryRestrictions, dislikedIngredients, appliances, prepComplexity } = input.preferences
  const eaten = draft.items.flatMap(({ ingredients }) => ingredients)
  for (const name of [...dietaryRestrictions, ...(dietType ? [dietType] : [])]) {
    const forbidden = forbiddenFoods[name] ?? []
    expect([name, eaten.filter(shown => forbidden.includes(foodOf(shown)))]).toEqual([name, []])
  }
  for (const name of dislikedIngredients) {
    const pattern = dislikes[name] ?? /./
    expect([name, eaten.filter(shown => pattern.test(shown))]).toEqual([name, []])
  }
  const owned = { hob: 'stove', Oven: 'oven', 'air fryer': 'air_fryer' } as Record<string, string>
  const usable = new Set<string>(appliances.map(name => owned[name] ?? name))
  for (const { title } of draft.items) {
    const { needs, complexity } = recipeOf(title)
    expect(complexity).toBeLessThanOrEqual(prepComplexity ?? 100)
    if (appliances.length === 0) continue
    for (const need of needs) expect(appliancesByNeed[need].some(one => usable.has(one))).toBe(true)
  }
}

function expectTargetsKeptOrTold(input: PlanInput, draft: PlanDraft): void {
  const record = menuRecord(draft)
  const { calorieGoal } = input.preferences
  if (calorieGoal !== null) expect(record.targets.calories).toBe(calorieGoal)
  for (const [i, total] of dayTotals(draft, input.days).entries()) {
    const told = record.days[i]?.missed ?? []
    const isOff = (value: number, target: number) => Math.abs(value - target) > 0.1 * target + 1e-6
    expect([i, isOff(total.calories, record.targets.calories)]).toEqual([i, told.includes('calories')])
    for (const macro of ['protein', 'carbs', 'fat'] as const) {
      const target = owed({ ...input.preferences, calorieGoal: record.targets.calories })[macro]
      const gramsOff = isOff(total[grams[macro]], target ?? record.targets[grams[macro]])
      expect([i, macro, gramsOff]).toEqual([i, macro, told.includes(macro)])
    }
  }
  const words = { calories: 'calories', protein: 'protein', carbs: 'carbohydrates', fat: 'fat' }
  for (const target of new Set(record.days.flatMap(({ missed }) => missed)))
    expect(draft.summary).toMatch(new RegExp(`did not come within 10 %.*the ${words[target as 'fat']}`))
  if (record.days.every(({ missed }) => missed.length === 0))
    expect(draft.summary).toMatch(/within 10 % of these/)
}

function expectNoRepetitionButTold(input: PlanInput, draft: PlanDraft): void {
  const { mainDishes, repeatedMainDishes, dishesOfLastMenu } = menuRecord(draft)
  expect(draft.items.map(({ title }) => title).filter(title => mainTitles.includes(title))).toEqual(
    mainDishes,
  )
  const distinct = new Set(mainDishes)
  expect(repeatedMainDishes.toSorted()).toEqual(
    [...distinct].filter(title => mainDishes.filter(one => one === title).length > 1).sort(),
  )
  expect(dishesOfLastMenu.toSorted()).toEqual(
    [...distinct].filter(one => input.previousDishes.includes(one)).sort(),
  )
  if (repeatedMainDishes.length > 0)
    expect(draft.summary).toMatch(/^.*Only \d+ main dish(es)? fits? for \d+ meals/)
  if (dishesOfLastMenu.length > 0) expect(draft.summary).toContain('in your last menu')
}

describe('a menu', () => {
  it('keeps its promises, or says where not, for whatever anybody may prefer', {
    timeout: 60_000,
  }, async () => {
    let planned = 0
    await fc.assert(
      fc.asyncProperty(
        somePreferences,
        fc.integer({ min: 1, max: 10 }),
        fc.constantFrom(...archetypes),
        fc.integer({ min: 0, max: 99 }),
        fc.subarray(mainTitles, { maxLength: 40 }),
        async (preferences, days, archetype, day, previousDishes) => {
          const date = new Date(Date.UTC(2026, 0, 1 + day)).toISOString().slice(0, 10)
          const input = planInput('MENU', preferences, { days, archetype, date, previousDishes })
          if (plans.findPreferenceConflicts(input).length > 0) return
          planned += 1
          const draft = await makePlan(input)
          const slots = (preferences.mealTimes.length || 3) + preferences.snacksPerDay
          expect(draft.items.length).toBe(days * slots)
          expect(new Set(draft.items.map(item => item.day))).toEqual(
            new Set(Array.from({ length: days }, (_, i) => i + 1)),
          )
          expectNothingForbidden(input, draft)
          expectTargetsKeptOrTold(input, draft)
          expectNoRepetitionButTold(input, draft)
        },
      ),
      { numRuns: 60, seed: 20_260_402 },
    )
    expect(planned).toBeGreaterThan(25)
  })

  it.each([
    {},
    { calorieGoal: 1_500 },
    { calorieGoal: 2_800, snacksPerDay: 2 },
    { calorieGoal: 2_200, snacksPerDay: 1, macroProtein: 30, macroCarbs: 40, macroFat: 30 },
    { dietType: 'vegetarian', calorieGoal: 2_000, macroProtein: 20, macroCarbs: 50, macroFat: 30 },
    { dietType: 'vegan', calorieGoal: 2_000, snacksPerDay: 1 },
    { dietType: 'pescatarian', calorieGoal: 1_800, snacksPerDay: 1 },
    { dietType: 'mediterranean', snacksPerDay: 2 },
    { dietType: 'keto', snacksPerDay: 1 },
    { dietaryRestrictions: ['gluten', 'dairy'], calorieGoal: 2_400, snacksPerDay: 1 },
    { appliances: ['stove'], prepComplexity: 25, calorieGoal: 2_000 },
  ] satisfies Partial<PlanPreferences>[])(
    'meets all its goals on every day of two weeks and repeats no main dish: %o',
    async preferences => {
      const draft = await makePlan(planInput('MENU', preferences, { days: 14 }))
      const { days, mainDishes } = menuRecord(draft)
      expect(days.filter(({ missed }) => missed.length > 0)).toEqual([])
      expect(new Set(mainDishes).size).toBe(28)
    },
  )

  it('brings no main dish of the last menu again, the user’s writing of it notwithstanding', async () => {
    const first = menuRecord(await makePlan(planInput('MENU', { dietType: 'vegan' }, { days: 7 })))
    const previousDishes = first.mainDishes.map(title => ` ${title.toUpperCase()}`)
    const second = await makePlan(planInput('MENU', { dietType: 'vegan' }, { days: 7, previousDishes }))
    expect(menuRecord(second).mainDishes.filter(title => first.mainDishes.includes(title))).toEqual([])
    expect(second.summary).toContain('none was in your last menu')
  })

  it('takes from the last menu no more than it must, and says so', async () => {
    const previousDishes = mainTitles.slice(10)
    const draft = await makePlan(planInput('MENU', {}, { days: 7, previousDishes }))
    const { mainDishes, dishesOfLastMenu, repeatedMainDishes } = menuRecord(draft)
    expect(repeatedMainDishes).toEqual([])
    expect(mainDishes.filter(title => !previousDishes.includes(title)).toSorted()).toEqual(
      mainTitles.slice(0, 10).sort(),
    )
    expect(dishesOfLastMenu.length).toBe(4)
    expect(draft.summary).toContain('4 were in your last menu, as only 10 others fit')
  })

  it('repeats where it must as evenly as can be, never on one day, and says so', async () => {
    const preferences = { dietType: 'vegan', appliances: ['microwave'] }
    const draft = await makePlan(planInput('MENU', preferences, { days: 10 }))
    const { mainDishes, repeatedMainDishes } = menuRecord(draft)
    expect(new Set(mainDishes).size).toBe(10)
    expect(repeatedMainDishes.length).toBe(10)
    expect(mainDishes.every(title => mainDishes.filter(one => one === title).length === 2)).toBe(true)
    for (let day = 0; day < 10; day++) expect(mainDishes[2 * day]).not.toBe(mainDishes[2 * day + 1])
    expect(draft.summary).toContain('Only 10 main dishes fit for 20 meals, so 10 of them come more than once')
  })

  it('is the same for the same input, and another one for another day, user input or last menu', async () => {
    const input = planInput('MENU', { snacksPerDay: 1 }, { days: 5 })
    const first = await makePlan(input)
    expect(JSON.stringify(await makePlan(structuredClone(input)))).toBe(JSON.stringify(first))
    const others = await Promise.all([
      makePlan({ ...input, date: '2026-04-03' }),
      makePlan(planInput('MENU', { snacksPerDay: 1, dislikedIngredients: ['kryptonite'] }, { days: 5 })),
      makePlan({ ...input, previousDishes: [mainTitles[0] ?? ''] }),
    ])
    const titles = [first, ...others].map(({ items }) => items.map(({ title }) => title).join())
    expect(new Set(titles).size).toBe(4)
  })

  it('tells portions, and scales ingredients by portion and servings', async () => {
    const input = planInput('MENU', { calorieGoal: 3_000, snacksPerDay: 2 }, { days: 6 })
    const [forOne, forThree] = await Promise.all([
      makePlan(input),
      makePlan({ ...input, preferences: { ...input.preferences, servingsPerMeal: 3 } }),
    ])
    const portionOf = (description: string) =>
      Number(/([\d.]+) servings of the recipe/.exec(description)?.[1] ?? 1)
    const weighed = (shown: string) => Number(/^(\d+) (?:g|ml) /.exec(shown)?.[1] ?? Number.NaN)
    let compared = 0
    for (const { items } of [forOne, forThree]) {
      const servings = items === forThree.items ? 3 : 1
      for (const { title, description, ingredients, nutrition } of items) {
        const recipe = recipeOf(title)
        const portion = portionOf(description)
        expect(portion).toBeGreaterThanOrEqual(0.5)
        expect(portion).toBeLessThanOrEqual(2)
        expect(portion * 4).toBe(Math.round(portion * 4))
        expect(nutrition?.calories).toBe(Math.round(recipe.nutrition.calories * portion))
        expect(ingredients.length).toBe(recipe.ingredients.length)
        for (const [i, shown] of ingredients.entries()) {
          const amount = (recipe.ingredients[i]?.grams ?? 0) * portion * servings
          expect(foodOf(shown)).toBe(recipe.ingredients[i]?.food)
          if (Number.isNaN(weighed(shown)) || amount < 50) continue
          compared += 1
          expect(Math.abs(weighed(shown) - amount)).toBeLessThanOrEqual(2.5)
        }
      }
    }
    expect(compared).toBeGreaterThan(100)
    expect(forThree.items[0]?.description).toContain('ingredients for 3')
    expect(forOne.items.some(({ description }) => portionOf(description) !== 1)).toBe(true)
  })

  it('serves at the meal times, breakfast in the morning, main dishes at the large meals, snacks between', async () => {
    const preferences = { mealTimes: ['19:30', '07:15', '13:00'], snacksPerDay: 2 }
    const { items } = await makePlan(planInput('MENU', preferences, { days: 2 }))
    const day = items.filter(item => item.day === 2)
    expect(day.map(({ time }) => time)).toEqual(['07:15', '10:10', '13:00', '16:15', '19:30'])
    const kinds = ['breakfast', 'snack', 'main', 'snack', 'main'] as const
    for (const [i, kind] of kinds.entries()) expect(recipeOf(day[i]?.title ?? '').kinds).toContain(kind)
    expect(day.map(({ description }) => description.split(':')[0])).toEqual([
      ...['Breakfast', 'Snack', 'Lunch', 'Snack', 'Dinner'],
    ])
  })

  it('prefers the kinds of recipe that the user likes, as far as the goals let it', async () => {
    const italian = (draft: PlanDraft) =>
      menuRecord(draft).mainDishes.filter(title => recipeOf(title).cuisine === 'italian').length
    const [liked, unasked] = await Promise.all([
      makePlan(planInput('MENU', { recipeType: ['Italian'] })),
      makePlan(planInput('MENU')),
    ])
    expect(italian(liked)).toBeGreaterThanOrEqual(11)
    expect(italian(unasked)).toBeLessThan(6)
    const few = await makePlan(planInput('MENU', { recipeType: ['korean'] }))
    expect(menuRecord(few).notes.join()).toMatch(/^[12] of 14 main dishes are of the kinds you like/)
  })

  it('varies breakfasts and snacks', async () => {
    const { items } = await makePlan(planInput('MENU', { snacksPerDay: 1 }, { days: 7 }))
    const breakfasts = items.filter(({ time }) => time === '07:30').map(({ title }) => title)
    expect(new Set(breakfasts).size).toBeGreaterThanOrEqual(6)
    const titlesOf = (day: number) => items.filter(item => item.day === day).map(({ title }) => title)
    for (let day = 1; day < 7; day++)
      expect(titlesOf(day).filter(title => titlesOf(day + 1).includes(title))).toEqual([])
  })

  it('says what it assumed where no goal is set, and follows what the days show', async () => {
    const day = (n: number) => new Date(Date.UTC(2026, 2, 10 + n, 21))
    const points = Array.from({ length: 10 }, (_, n) => ({
      metric: 'steps',
      value: 15_000,
      unit: null,
      recordedAt: day(n),
    }))
    const [idle, busy] = await Promise.all([
      makePlan(planInput('MENU')),
      makePlan(planInput('MENU', {}, { points })),
    ])
    expect(menuRecord(idle).targets.calories).toBe(2_000)
    expect(menuRecord(busy).targets.calories).toBe(2_400)
    expect(busy.summary).toContain('15000 steps a day')
    // One meal cannot hold it: an assumed goal gives way, and says so.
    const single = await makePlan(planInput('MENU', { mealTimes: ['18:00'] }, { points }))
    expect(menuRecord(single).targets.calories).toBeLessThan(1_700)
    expect(menuRecord(single).notes.join()).toContain('So many meals cannot hold 2,400 kcal')
    expect(menuRecord(single).days.every(({ missed }) => !missed.includes('calories'))).toBe(true)
  })

  it('takes well under 50 ms of a processor a day', async () => {
    const input = planInput(
      'MENU',
      { snacksPerDay: 3, calorieGoal: 2_600, macroProtein: 38, macroCarbs: 27, macroFat: 35 },
      { days: 14 },
    )
    await makePlan(input)
    const before = process.threadCpuUsage()
    await makePlan({ ...input, date: '2026-05-05' })
    const { user, system } = process.threadCpuUsage(before)
    expect((user + system) / 1_000 / 14).toBeLessThan(50)
  })
})

describe('a nutrition plan', () => {
  it('adds up to the goal in calories and grams, by 4, 4 and 9 kcal', async () => {
    const preferences = {
      calorieGoal: 2_345,
      macroProtein: 31,
      macroCarbs: 42,
      macroFat: 27,
      snacksPerDay: 2,
    }
    const { items, metadata } = await makePlan(planInput('NUTRITION', preferences))
    const whole = items.at(-1)
    expect(whole).toMatchObject({ time: null, title: 'The whole day' })
    expect(whole?.nutrition).toEqual({
      calories: 2_345,
      proteinGrams: Math.round(2_345 * 0.31 * 2.5) / 10,
      carbsGrams: Math.round(2_345 * 0.42 * 2.5) / 10,
      fatGrams: Math.round((2_345 * 0.27 * 10) / 9) / 10,
    })
    const meals = items.slice(0, -1)
    const sum = (key: 'calories' | 'proteinGrams' | 'carbsGrams' | 'fatGrams') =>
      meals.reduce((total, { nutrition }) => total + (nutrition?.[key] ?? 0), 0)
    expect(sum('calories')).toBe(2_345)
    for (const key of ['proteinGrams', 'carbsGrams', 'fatGrams'] as const)
      expect(sum(key)).toBeCloseTo(whole?.nutrition?.[key] ?? 0, 6)
    expect(meals.map(({ title }) => title)).toEqual(['Breakfast', 'Snack', 'Lunch', 'Snack', 'Dinner'])
    expect(metadata).toMatchObject({ engine: 'rules', version: 1, targets: { calories: 2_345 } })
  })

  it('fills the macros up to 100, each archetype in its own way', async () => {
    const percents = await Promise.all(
      archetypes.map(async archetype => {
        const { metadata } = await makePlan(planInput('NUTRITION', { macroProtein: 30 }, { archetype }))
        return (metadata.targets as { percent: { protein: number; carbs: number; fat: number } }).percent
      }),
    )
    for (const { protein, carbs, fat } of percents) {
      expect(protein).toBe(30)
      expect(protein + carbs + fat).toBeCloseTo(100, 0)
    }
    expect(new Set(percents.map(({ carbs }) => carbs)).size).toBeGreaterThanOrEqual(3)
    const two = await makePlan(planInput('NUTRITION', { macroProtein: 30, macroFat: 45 }))
    expect(two.metadata.targets).toMatchObject({ percent: { protein: 30, carbs: 25, fat: 45 } })
    const keto = await makePlan(planInput('NUTRITION', { dietType: 'keto' }))
    expect(keto.metadata.targets).toMatchObject({ percent: { carbs: 9 } })
  })

  it('names dishes that fit, none that is forbidden', async () => {
    const { items } = await makePlan(
      planInput('NUTRITION', { dietType: 'vegan', appliances: ['none'], snacksPerDay: 1 }),
    )
    const named = items.flatMap(({ description }) =>
      [...recipeByTitle.keys()].filter(title => description.includes(title)),
    )
    expect(named.length).toBeGreaterThanOrEqual(6)
    for (const title of named) {
      const { ingredients, needs } = recipeOf(title)
      expect(ingredients.filter(({ food }) => forbiddenFoods.vegan?.includes(food))).toEqual([])
      expect(needs).toEqual([])
    }
  })
})

describe('generating', () => {
  it('reports progress that rises to 1, and lets others have their turn between two days', async () => {
    const fractions: number[] = []
    let turns = 0
    let done = false
    const count = () => {
      turns += 1
      if (!done) setImmediate(count)
    }
    setImmediate(count)
    await plans.generatePlan(planInput('MENU', {}, { days: 10 }), {
      signal: new AbortController().signal,
      reportProgress: fraction => fractions.push(fraction),
    })
    done = true
    expect(fractions.at(-1)).toBe(1)
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
    expect(new Set(fractions).size).toBeGreaterThanOrEqual(10)
    expect(turns).toBeGreaterThanOrEqual(10)
  })

  it.each(['ROUTINE', 'NUTRITION', 'MENU'] as const)(
    'of a %s ends when it is aborted, before and on the way',
    async kind => {
      const context = { signal: AbortSignal.abort(new Error('lost')), reportProgress: () => {} }
      await expect(plans.generatePlan(planInput(kind), context)).rejects.toThrow('lost')
      const controller = new AbortController()
      let reports = 0
      const reportProgress = () => {
        reports += 1
        if (reports === (kind === 'MENU' ? 4 : 1)) controller.abort(new Error('lost later'))
      }
      await expect(
        plans.generatePlan(planInput(kind, {}, { days: kind === 'MENU' ? 14 : 1 }), {
          signal: controller.signal,
          reportProgress,
        }),
      ).rejects.toThrow('lost later')
      expect(reports).toBeLessThanOrEqual(4)
    },
  )

  it('of what is in conflict fails with the conflict in words, not to be tried again', async () => {
    const input = planInput('MENU', { dietType: 'vegan', recipeType: ['salmon'] })
    const failure = await makePlan(input).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(GenerationError)
    expect(failure).toMatchObject({ retryable: false, message: expect.stringContaining("'salmon' is vegan") })
  })

  it.each(['ROUTINE', 'NUTRITION', 'MENU'] as const)(
    'gives a %s of plain JSON with title, summary and metadata',
    async kind => {
      const draft = await makePlan(planInput(kind))
      expect(JSON.parse(JSON.stringify(draft))).toEqual(draft)
      expect(draft.title.length).toBeGreaterThan(5)
      const sentences = draft.summary.split(/[.!?](?: |$)/).filter(Boolean).length
      expect(sentences).toBeGreaterThanOrEqual(2)
      expect(sentences).toBeLessThanOrEqual(4)
      expect(draft.metadata).toMatchObject({ engine: 'rules', version: 1, notes: expect.any(Array) })
      for (const { day, time, title, description } of draft.items) {
        expect(day).toBeGreaterThanOrEqual(1)
        expect(time ?? '00:00').toMatch(/^([01]\d|2[0-3]):[0-5]\d$/)
        expect(title.length * description.length).toBeGreaterThan(0)
      }
    },
  )
})
