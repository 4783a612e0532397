import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PlanKind, PlanPreferences } from '../../src/providers/plan.ts'
import { recipeCatalogue } from '../../src/providers/rules/plans/recipe-catalogue.ts'
import { createRulesPlans } from '../../src/providers/rules/plans/rules-plans.ts'
import { forbiddenFoods } from '../support/plan-food-knowledge.ts'
import { makePlan, menuRecord, nothingSaid, planInput, somePreferences } from '../support/plan-preferences.ts'

const plans = createRulesPlans()

function conflictsOf(preferences: Partial<PlanPreferences>, days = 7, kind: PlanKind = 'MENU') {
  return plans.findPreferenceConflicts({ kind, days, preferences: { ...nothingSaid, ...preferences } })
}

const namesOf = (preferences: Partial<PlanPreferences>, days = 7, kind: PlanKind = 'MENU') =>
  conflictsOf(preferences, days, kind).map(conflict => conflict.preferences.toSorted())

/** The preferences of a user who never said these. */
function unsaid(preferences: PlanPreferences, names: readonly (keyof PlanPreferences)[]): PlanPreferences {
  return { ...preferences, ...Object.fromEntries(names.map(name => [name, nothingSaid[name]])) }
}

describe('preferences that exclude each other', () => {
  it('are named in smallest sets: alone they leave no menu, without any one of them they do', () => {
    let seen = 0
    const sizes = new Set<number>()
    fc.assert(
      fc.property(somePreferences, fc.integer({ min: 1, max: 14 }), (preferences, days) => {
        const conflicts = plans.findPreferenceConflicts({ kind: 'MENU', days, preferences })
        const all = Object.keys(nothingSaid) as (keyof PlanPreferences)[]
        for (const { preferences: names, message } of conflicts) {
          seen += 1
          sizes.add(names.length)
          expect(message.length).toBeGreaterThan(20)
          const alone = unsaid(
            preferences,
            all.filter(name => !names.includes(name)),
          )
          expect(namesOf(alone, days)).toEqual([names.toSorted()])
          for (const name of names) expect([name, namesOf(unsaid(alone, [name]), days)]).toEqual([name, []])
        }
        // Told all at once: with each of them let go, nothing stands in the way.
        const told = conflicts.flatMap(conflict => conflict.preferences)
        expect(new Set(told).size).toBe(told.length)
        expect(namesOf(unsaid(preferences, told), days)).toEqual([])
      }),
      { numRuns: 150, seed: 20_260_403 },
    )
    expect(seen).toBeGreaterThan(40)
    expect([...sizes].sort()).toEqual(expect.arrayContaining([1, 2, 3]))
  })

  it.each([
    [
      { dietType: 'vegan', recipeType: ['salmon'] },
      ['dietType', 'recipeType'],
      /No dish of the kind 'salmon' is vegan/,
    ],
    [
      { dietType: 'vegan', recipeType: ['salmon', 'Beef'], servingsPerMeal: 4, calorieGoal: 2_000 },
      ['dietType', 'recipeType'],
      /'salmon' or 'Beef' is vegan/,
    ],
    [{ recipeType: ['klingon'] }, ['recipeType'], /Known are american, .*italian.*vietnamese/],
    [
      { dietType: 'vegan', dietaryRestrictions: ['gluten', 'soy'], prepComplexity: 15, snacksPerDay: 1 },
      ['dietType', 'dietaryRestrictions', 'prepComplexity'],
      /Only [1-6] main dishes are vegan, without gluten, without soy and of complexity 15 at most; 7 days need 7/,
    ],
    [
      { dietaryRestrictions: ['meat', 'fish', 'shellfish', 'dairy', 'eggs', 'legumes', 'nuts'] },
      ['dietaryRestrictions'],
      /^(No|Only).*main dish/,
    ],
    [{ dietType: 'keto', macroCarbs: 60 }, ['dietType', 'macroCarbs'], /60 percent .* up to 15/],
    [
      { dietaryRestrictions: ['keto'], macroCarbs: 60 },
      ['dietaryRestrictions', 'macroCarbs'],
      /60 percent .* up to 15/,
    ],
    [{ macroProtein: 80 }, ['macroProtein'], /protein from \d+ to \d\d percent \(wanted: 80\)/],
    [
      { dietType: 'vegan', macroProtein: 46, macroCarbs: 24, macroFat: 30 },
      ['dietType', 'macroProtein'],
      /vegan give protein from \d+ to [123]\d percent \(wanted: 46\)\. One of these/,
    ],
    [{ calorieGoal: 5_500 }, ['calorieGoal'], /three meals gives about \d+ to \d{4} kcal; the goal is 5500/],
    [
      { calorieGoal: 3_000, mealTimes: ['13:00'] },
      ['calorieGoal', 'mealTimes'],
      /A day in one meal gives about \d+ to 1\d{3} kcal/,
    ],
    [
      {
        calorieGoal: 800,
        mealTimes: ['07:00', '10:00', '13:00', '16:00', '19:00', '22:00'],
        snacksPerDay: 4,
      },
      ['calorieGoal', 'snacksPerDay'],
      /A day with 4 snacks gives about \d+ to \d+ kcal; the goal is 800/,
    ],
    [
      { appliances: ['blender'], dietType: 'paleo' },
      ['appliances', 'dietType'],
      /paleo and made with nothing but blender/,
    ],
  ] satisfies [Partial<PlanPreferences>, string[], RegExp][])('%o: %j', (preferences, names, message) => {
    const conflicts = conflictsOf(preferences)
    expect(conflicts.map(conflict => conflict.preferences.toSorted())).toEqual([names])
    expect(conflicts[0]?.message).toMatch(message)
  })

  it('name of a list the entries that matter', () => {
    const preferences = {
      dietType: 'vegan',
      dietaryRestrictions: ['sesame', 'gluten', 'mustard', 'soy'],
      prepComplexity: 15,
    }
    const [conflict] = conflictsOf(preferences)
    expect(conflict?.message).toContain('vegan, without gluten, without soy and of complexity 15')
    expect(conflict?.message).not.toMatch(/sesame|mustard/)
  })

  it('are told apart where they have nothing to do with each other', () => {
    const preferences = { dietType: 'vegan', recipeType: ['salmon'], calorieGoal: 5_000 }
    expect(namesOf(preferences).toSorted()).toEqual([['calorieGoal'], ['dietType', 'recipeType']])
  })

  it('depend on the days: too few dishes for two weeks may do for one', async () => {
    const preferences = { dietType: 'vegan', appliances: ['microwave'] }
    const [conflict] = conflictsOf(preferences, 14)
    expect(conflict?.preferences.toSorted()).toEqual(['appliances', 'dietType'])
    const upTo = Number(/A menu of up to (\d+) days can be made/.exec(conflict?.message ?? '')?.[1])
    expect(conflictsOf(preferences, upTo)).toEqual([])
    expect(conflictsOf(preferences, upTo + 1).length).toBe(1)
    const { mainDishes } = menuRecord(await makePlan(planInput('MENU', preferences, { days: upTo })))
    expect(new Set(mainDishes).size).toBe(upTo)
  })

  it('begin where the catalogue has one main dish too few, and not before', () => {
    const mains = recipeCatalogue.filter(({ kinds }) => kinds.includes('main'))
    const fitting = (diet: string, complexity: number) =>
      mains.filter(
        recipe =>
          recipe.complexity <= complexity &&
          !recipe.ingredients.some(({ food }) => forbiddenFoods[diet]?.includes(food)),
      ).length
    let boundaries = 0
    for (const dietType of ['vegan', 'vegetarian', 'pescatarian', 'gluten', 'nuts']) {
      for (let prepComplexity = 0; prepComplexity <= 40; prepComplexity += 5) {
        // One meal a day needs nothing but main dishes.
        const preferences = { dietType, prepComplexity, mealTimes: ['18:00'] }
        const count = fitting(dietType, prepComplexity)
        if (count > 0) expect([preferences, namesOf(preferences, count)]).toEqual([preferences, []])
        expect([preferences, namesOf(preferences, count + 1).length]).toEqual([preferences, 1])
        boundaries += 1
      }
    }
    expect(boundaries).toBe(45)
  })

  it('begin where a breakfast or a snack is missing, too', () => {
    const leadsOf = (kind: 'breakfast' | 'snack') => [
      ...new Set(
        recipeCatalogue.flatMap(({ kinds, ingredients }) => {
          return kinds.includes(kind) ? (ingredients[0]?.food ?? []) : []
        }),
      ),
    ]
    const noSnack = { dislikedIngredients: leadsOf('snack'), mealTimes: ['18:00'], snacksPerDay: 1 }
    expect(namesOf(noSnack, 1)).toEqual([['dislikedIngredients', 'snacksPerDay']])
    expect(conflictsOf(noSnack, 1)[0]?.message).toMatch(/^No snack is without/)
    const noBreakfast = { dislikedIngredients: leadsOf('breakfast'), mealTimes: ['12:00', '18:00'] }
    expect(namesOf(noBreakfast, 1)).toEqual([])
    // Without meal times the usual three meals are planned, and breakfast is one of them.
    expect(namesOf({ ...noBreakfast, mealTimes: [] }, 1)).toEqual([['dislikedIngredients']])
    expect(conflictsOf({ ...noBreakfast, mealTimes: [] }, 1)[0]?.message).toMatch(/^No breakfast is without/)
  })
})

describe('preferences that make no sense by themselves', () => {
  it.each([
    [
      { dietType: 'breatharian' },
      ['dietType'],
      /'breatharian' is not known. Known are omnivore, .*vegan.*keto/,
    ],
    [
      { dietaryRestrictions: ['soy', 'kryptonite'] },
      ['dietaryRestrictions'],
      /^'kryptonite' is not known .*gluten, dairy/,
    ],
    [{ mealTimes: ['07:30', '7pm'] }, ['mealTimes'], /'7pm' is no time of the day: meal times are HH:MM/],
    [{ mealTimes: ['24:00'] }, ['mealTimes'], /'24:00'/],
    [{ mealTimes: ['7:30'] }, ['mealTimes'], /HH:MM/],
    [{ mealTimes: ['12:00', '12:00'] }, ['mealTimes'], /Two meals are at 12:00/],
    [
      { mealTimes: Array.from({ length: 9 }, (_, i) => `1${i}:00`.slice(-5)) },
      ['mealTimes'],
      /up to 8 a day/,
    ],
    [
      { macroProtein: 40, macroCarbs: 40, macroFat: 40 },
      ['macroCarbs', 'macroFat', 'macroProtein'],
      /add up to 120/,
    ],
    [
      { macroProtein: 20, macroCarbs: 20, macroFat: 20 },
      ['macroCarbs', 'macroFat', 'macroProtein'],
      /add up to 60 .* to 100/,
    ],
    [
      { macroProtein: 60, macroFat: 60 },
      ['macroFat', 'macroProtein'],
      /add up to 120 percent \(protein 60, fat 60\)/,
    ],
    [{ macroFat: -5 }, ['macroFat'], /from 0 to 100/],
    [{ macroFat: 30, macroCarbs: 130 }, ['macroCarbs'], /from 0 to 100/],
    [{ calorieGoal: 200 }, ['calorieGoal'], /800 to 6000/],
    [{ calorieGoal: 20_000 }, ['calorieGoal'], /800 to 6000/],
    [{ snacksPerDay: 40 }, ['snacksPerDay'], /0 to 8/],
  ] satisfies [Partial<PlanPreferences>, string[], RegExp][])('%o: %j', (preferences, names, message) => {
    for (const kind of ['MENU', 'NUTRITION'] as const) {
      expect(namesOf(preferences, 1, kind)).toEqual([names])
      expect(conflictsOf(preferences, 1, kind)[0]?.message).toMatch(message)
    }
  })

  it('hide none of the others', () => {
    const names = namesOf({
      dietType: 'breatharian',
      dietaryRestrictions: ['vegan', 'kryptonite'],
      mealTimes: ['noon'],
      macroFat: 120,
      recipeType: ['salmon'],
    })
    expect(names).toEqual([
      ...[['mealTimes'], ['dietType'], ['dietaryRestrictions'], ['macroFat']],
      ['dietaryRestrictions', 'recipeType'],
    ])
  })

  it('concern a routine only where they are about times', () => {
    const preferences = { dietType: 'breatharian', calorieGoal: 1, macroFat: 200, recipeType: ['klingon'] }
    expect(conflictsOf(preferences, 1, 'ROUTINE')).toEqual([])
    expect(namesOf({ ...preferences, mealTimes: ['noon'] }, 1, 'ROUTINE')).toEqual([['mealTimes']])
  })

  it('concern a nutrition plan where they are about what is eaten, not about dishes', () => {
    expect(conflictsOf({ dietType: 'vegan', recipeType: ['salmon'] }, 1, 'NUTRITION')).toEqual([])
    expect(conflictsOf({ macroProtein: 70 }, 1, 'NUTRITION')).toEqual([])
    expect(namesOf({ dietType: 'keto', macroCarbs: 50 }, 1, 'NUTRITION')).toEqual([
      ['dietType', 'macroCarbs'],
    ])
    expect(namesOf({ dietType: 'keto', macroProtein: 30, macroFat: 20 }, 1, 'NUTRITION')).toEqual([
      ['dietType', 'macroFat', 'macroProtein'],
    ])
  })
})

describe('preferences that are fine', () => {
  it.each([
    {},
    {
      dietType: '',
      dietaryRestrictions: ['none', ''],
      dislikedIngredients: ['', 'the'],
      recipeType: ['', 'any'],
    },
    { dietType: 'Gluten-Free' },
    { dietaryRestrictions: ['Vegan', 'nut-free', 'no soy'] },
    { dietaryRestrictions: ['mushrooms'], dislikedIngredients: ['kryptonite'] },
    { appliances: ['waffle iron'] },
    { prepComplexity: 0 },
    { mealTimes: ['20:00', '08:00'] },
    { mealTimes: ['00:00', '23:59'] },
    { macroProtein: 25, macroCarbs: 45 },
    { dietType: 'keto', macroCarbs: 10 },
    { recipeType: ['klingon', 'italian'] },
  ] satisfies Partial<PlanPreferences>[])('%o: no conflict, and a menu', async preferences => {
    expect(conflictsOf(preferences, 2)).toEqual([])
    const { items } = await makePlan(planInput('MENU', preferences, { days: 2 }))
    expect(items.length).toBe(2 * (preferences.mealTimes?.length ?? 3))
  })

  it('are told within milliseconds, however long the lists', () => {
    const dislikedIngredients = recipeCatalogue
      .slice(0, 60)
      .flatMap(({ ingredients }) => ingredients.map(({ food }) => food))
    const before = process.threadCpuUsage()
    expect(
      conflictsOf({ dislikedIngredients: [...new Set(dislikedIngredients)] }, 14).length,
    ).toBeGreaterThan(0)
    const { user, system } = process.threadCpuUsage(before)
    expect((user + system) / 1_000).toBeLessThan(500)
  })
})
