import { describe, expect, it } from 'vitest'
import { GenerationError } from '../../src/providers/generator.ts'
import { chooseDay, shelve } from '../../src/providers/rules/plans/day-search.ts'
import type { Recipe } from '../../src/providers/rules/plans/recipe.ts'
import { recipeCatalogue } from '../../src/providers/rules/plans/recipe-catalogue.ts'
import { createRulesPlans } from '../../src/providers/rules/plans/rules-plans.ts'
import { serve } from '../../src/providers/rules/plans/serving.ts'
import { archetypes } from '../../src/shared/archetype.ts'
import { forbiddenFoods } from '../support/plan-food-knowledge.ts'
import { makePlan, planInput } from '../support/plan-preferences.ts'

const plans = createRulesPlans()
const recipeByTitle = new Map(recipeCatalogue.map(recipe => [recipe.title, recipe]))

function recipeOf(title: string): Recipe {
  const recipe = recipeByTitle.get(title)
  if (!recipe) throw new Error(`${title} is in no catalogue`)
  return recipe
}

describe('the search of a day', () => {
  it('exchanges a larger portion here for a smaller one there, which no single change would do', () => {
    const [lean, fatty] = [
      { calories: 400, proteinGrams: 40, carbsGrams: 60, fatGrams: 0 },
      { calories: 400, proteinGrams: 0, carbsGrams: 0, fatGrams: 44.4 },
    ].map(nutrition => ({ ...recipeOf('Pear and walnuts'), nutrition }))
    if (!lean || !fatty) throw new Error('there are two')
    const sizes = [0.5, 1, 1.5]
    const shelves = [lean, fatty].map((dish, i) =>
      shelve(
        sizes.map(portion => serve(dish, portion)),
        () => i,
      ),
    )
    const slot = { name: 'Meal', time: 0, kinds: ['main'] as const, share: 0.5 }
    const targets = {
      calories: 800,
      shares: { protein: 30, carbs: 45, fat: 25 },
      grams: { calories: 800, proteinGrams: 60, carbsGrams: 90, fatGrams: 22.2 },
      asked: { protein: false, carbs: false, fat: false },
      reasons: { calories: '', macros: '' },
    }
    const question = {
      slots: [slot, slot],
      shelves,
      targets,
      dishCosts: [new Float64Array(2), new Float64Array(2)],
      clash: () => 0,
    }
    const beginInTheMiddle = () => 0.5
    expect(chooseDay(question, 1, beginInTheMiddle)).toEqual([2, 0])
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
    const [whole, ...meals] = items
    expect(whole).toMatchObject({ time: null, title: 'Daily target' })
    expect(whole?.nutrition).toEqual({
      calories: 2_345,
      proteinGrams: Math.round(2_345 * 0.31 * 2.5) / 10,
      carbsGrams: Math.round(2_345 * 0.42 * 2.5) / 10,
      fatGrams: Math.round((2_345 * 0.27 * 10) / 9) / 10,
    })
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
      const nothingReported = () => expect.unreachable('nothing is done')
      const context = { signal: AbortSignal.abort(new Error('lost')), reportProgress: nothingReported }
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
