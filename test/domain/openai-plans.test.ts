import { describe, expect, test } from 'vitest'
import type { PlanPreferences } from '../../src/providers/plan.ts'
import { noPreferences, openAiScene, planInput, runContext } from '../support/fake-openai-scene.ts'

const nutrition = { calories: 500, proteinGrams: 25, carbsGrams: 50, fatGrams: 20 }
const dish = (title: string, more: object = {}) => ({
  title,
  description: 'Cook it, 20 minutes.',
  ingredients: ['200 g rice'],
  nutrition,
  ...more,
})

async function menuOf(
  days: { dishes: object[] }[],
  preferences: Partial<PlanPreferences> = {},
  previousDishes: string[] = [],
) {
  const { server, generator } = await openAiScene()
  server.script(call => call.answer({ content: JSON.stringify({ title: 'Menu', summary: 'Eat.', days }) }))
  return generator.generatePlan(
    planInput({
      kind: 'MENU',
      days: days.length,
      preferences: { ...noPreferences, ...preferences },
      previousDishes,
    }),
    runContext(),
  )
}

describe('a plan from a model', () => {
  test('a menu has its dishes at the meal times of its days', async () => {
    const plan = await menuOf(
      [
        { dishes: [dish('Oats'), dish('Soup'), dish('Apple')] },
        { dishes: [dish('Toast'), dish('Stew'), dish('Apple')] },
      ],
      { mealTimes: ['07:15', '19:00'], snacksPerDay: 1 },
    )
    expect(plan.items.map(({ day, time, title }) => [day, time, title])).toEqual([
      [1, '07:15', 'Oats'],
      [1, '19:00', 'Soup'],
      [1, null, 'Apple'],
      [2, '07:15', 'Toast'],
      [2, '19:00', 'Stew'],
      [2, null, 'Apple'],
    ])
    expect(plan.items[0]).toMatchObject({ nutrition, ingredients: ['200 g rice'] })
    expect(plan.metadata.notes).toEqual([])
    // Breakfasts and snacks may come again, in this menu and the next.
    expect(plan.metadata.mainDishes).toEqual(['Soup', 'Stew'])
  })

  test('of a menu, breakfasts may come again, and are no main dishes', async () => {
    const day = { dishes: [dish('Oats'), dish('Soup'), dish('Wrap'), dish('Stew')] }
    const plan = await menuOf(
      [day, { dishes: [dish('Oats'), dish('Rice'), dish('Wrap'), dish('Stew')] }],
      { mealTimes: ['07:15', '12:00', '16:00', '19:00'] },
      ['Oats', 'Rice'],
    )
    expect(plan.metadata.mainDishes).toEqual(['Soup', 'Wrap', 'Stew', 'Rice', 'Wrap', 'Stew'])
    expect(plan.notes.map(({ kind, day, dish }) => [kind, day, dish])).toEqual([
      ['DISH_OF_LAST_MENU', 2, 'Rice'],
      ['REPEATED_DISH', 2, 'Wrap'],
      ['REPEATED_DISH', 2, 'Stew'],
    ])
  })

  test('a routine goes by the clock', async () => {
    const { server, generator } = await openAiScene()
    const activities = [
      { hour: 22, minute: 5, title: 'To bed', description: 'Early.' },
      { hour: 6, minute: 30, title: 'Get up', description: 'As always.' },
      { hour: 12, minute: 0, title: 'Lunch', description: 'A break.' },
      { hour: 9, minute: 0, title: 'Work', description: 'Deep.' },
    ]
    server.script(call =>
      call.answer({ content: JSON.stringify({ title: 'Day', summary: 'Go.', activities }) }),
    )
    const plan = await generator.generatePlan(planInput({ kind: 'ROUTINE' }), runContext())
    expect(plan.items.map(({ day, time, title }) => `${day} ${time} ${title}`)).toEqual([
      '1 06:30 Get up',
      '1 09:00 Work',
      '1 12:00 Lunch',
      '1 22:05 To bed',
    ])
  })

  test('a nutrition plan has its target, its meals and its guidelines', async () => {
    const { server, generator } = await openAiScene()
    const meal = { title: 'Breakfast', description: 'Protein first.', foods: ['eggs'], nutrition }
    const dailyTarget = { calories: 3000, proteinGrams: 150, carbsGrams: 375, fatGrams: 100 }
    const answer = {
      title: 'Eat well',
      summary: 'More protein.',
      dailyTarget,
      targetReason: 'You train.',
      meals: [meal],
      guidelines: [{ title: 'Drink', description: 'Water.' }],
    }
    server.script(call => call.answer({ content: JSON.stringify(answer) }))
    const preferences = { ...noPreferences, mealTimes: ['07:00'], calorieGoal: 2000, macroProtein: 40 }
    const plan = await generator.generatePlan(planInput({ kind: 'NUTRITION', preferences }), runContext())
    expect(plan.items).toEqual([
      {
        day: 1,
        time: null,
        title: 'Daily target',
        description: 'You train.',
        ingredients: [],
        nutrition: dailyTarget,
      },
      {
        day: 1,
        time: '07:00',
        title: 'Breakfast',
        description: 'Protein first.',
        ingredients: ['eggs'],
        nutrition,
      },
      { day: 1, time: null, title: 'Drink', description: 'Water.', ingredients: [], nutrition: null },
    ])
    expect(plan.metadata.notes).toEqual([
      'Daily target: 3000 kcal, asked for were 2000.',
      'Daily target: 20 % of the calories from protein, asked for were 40 %.',
    ])
  })

  test('a nutrition plan that breaks a restriction says so too', async () => {
    const { server, generator } = await openAiScene()
    const meal = { title: 'Breakfast', description: 'Protein first.', foods: ['2 eggs'], nutrition }
    const content = {
      title: 'Eat',
      summary: 'More.',
      dailyTarget: nutrition,
      targetReason: 'You train.',
      meals: [meal],
      guidelines: [{ title: 'Drink', description: 'Water.' }],
    }
    server.script(call => call.answer({ content: JSON.stringify(content) }))
    const preferences = { ...noPreferences, mealTimes: ['07:00'], dietaryRestrictions: ['eggs'] }
    const plan = await generator.generatePlan(planInput({ kind: 'NUTRITION', preferences }), runContext())
    expect(plan.summary).toContain("Breakfast seems to contain '2 eggs'")
    expect(plan.notes).toMatchObject([{ kind: 'RESTRICTION', dish: 'Breakfast' }])
  })

  test('the model is told the slots, and of a menu the dishes to avoid', async () => {
    const { server, generator } = await openAiScene()
    const preferences = { ...noPreferences, mealTimes: ['07:15'], snacksPerDay: 1 }
    const input = planInput({ kind: 'MENU', days: 4, preferences, previousDishes: ['Red stew'] })
    await generator.generatePlan(input, runContext())
    const prompt = server.calls[0]?.prompt
    expect(prompt).toContain('[{"type":"meal","time":"07:15"},{"type":"snack","time":null}]')
    expect(prompt).toContain('["Red stew"]')
    expect(prompt).toContain('A menu for 4 day(s) from 2026-04-03 on.')
    expect(prompt).toContain('You sleep well.')
  })
})

describe('the notes of a menu say', () => {
  const meals = { mealTimes: ['12:00', '19:00'] }

  test('which days are off the goals by more than a tenth', async () => {
    const macros = { calorieGoal: 1100, macroProtein: 20, macroCarbs: 40, macroFat: 40 }
    const plan = await menuOf(
      [
        { dishes: [dish('A'), dish('B')] },
        { dishes: [dish('C', { nutrition: { ...nutrition, calories: 300 } }), dish('D')] },
        { dishes: [dish('E', { nutrition: { ...nutrition, fatGrams: 80 } }), dish('F')] },
      ],
      { ...meals, ...macros },
    )
    expect(plan.metadata.notes).toEqual([
      'Day 2: 800 kcal, asked for were 1100.',
      'Day 3: 13 % of the calories from protein, asked for were 20 %.',
      'Day 3: 27 % of the calories from carbohydrates, asked for were 40 %.',
      'Day 3: 60 % of the calories from fat, asked for were 40 %.',
    ])
  })

  test('which main dishes come again, in the menu or from the last one', async () => {
    const plan = await menuOf(
      [
        { dishes: [dish('Stew'), dish('soup '), dish('Apple')] },
        { dishes: [dish('STEW'), dish('Rice'), dish('Apple')] },
      ],
      { ...meals, snacksPerDay: 1 },
      ['Soup'],
    )
    expect(plan.metadata.notes).toEqual([
      'Day 1: soup  was in the last menu.',
      'Day 2: STEW is there a second time.',
    ])
  })

  test('which dishes seem to contain what the user does not like', async () => {
    const plan = await menuOf(
      [{ dishes: [dish('Stew', { ingredients: ['2 Red Onions', 'salt'] }), dish('Rice')] }],
      { ...meals, dislikedIngredients: ['onion', ' '] },
    )
    expect(plan.metadata.notes).toEqual(["Day 1: Stew seems to contain 'onion'."])
    expect(plan.summary).toBe('Eat.')
  })

  test('which dishes seem to break the diet or a restriction, first of all, and so does the summary', async () => {
    const plan = await menuOf(
      [
        {
          dishes: [
            dish('Satay', { ingredients: ['2 tbsp peanut butter'] }),
            dish('Steak', { ingredients: ['200 g beef'] }),
          ],
        },
      ],
      { ...meals, dietType: 'vegetarian', dietaryRestrictions: ['peanuts'], calorieGoal: 2000 },
    )
    const told = [
      "Day 1: Steak seems to contain '200 g beef'; it should be vegetarian.",
      "Day 1: Satay seems to contain '2 tbsp peanut butter'; it should be without peanuts.",
    ]
    expect(plan.notes).toEqual([
      { kind: 'DIET', day: 1, dish: 'Steak', message: told[0] },
      { kind: 'RESTRICTION', day: 1, dish: 'Satay', message: told[1] },
      { kind: 'CALORIES', day: 1, dish: null, message: 'Day 1: 1000 kcal, asked for were 2000.' },
    ])
    expect(plan.summary).toBe(`Eat. Check before you eat: ${told.join(' ')}`)
    expect(plan.items.map(({ title }) => title)).toEqual(['Satay', 'Steak'])
  })

  test('and the summary names three at most', async () => {
    const dishes = ['A', 'B', 'C', 'D', 'E'].map(title => dish(title, { ingredients: ['50 g butter'] }))
    const { summary, notes } = await menuOf(
      [{ dishes: dishes.slice(0, 2) }, { dishes: dishes.slice(2, 4) }],
      {
        ...meals,
        dietType: 'vegan',
      },
    )
    expect(notes).toHaveLength(4)
    expect(summary).toMatch(
      /^Eat\. Check before you eat: Day 1: A .* Day 2: C .* And 1 more, in the notes\.$/,
    )
  })
})

describe('conflicts of preferences', () => {
  const eightMeals = ['06:00', '08:00', '10:00', '12:00', '14:00', '16:00', '18:00', '20:00']
  const conflictsOf = async (preferences: Partial<PlanPreferences>, kind: 'ROUTINE' | 'MENU' = 'MENU') => {
    const { generator } = await openAiScene()
    const found = generator.findPreferenceConflicts({
      kind,
      days: 7,
      preferences: { ...noPreferences, ...preferences },
    })
    return found.map(({ preferences: names }) => names.join(' '))
  }

  test.each<[Partial<PlanPreferences>, string[]]>([
    [{}, []],
    [{ macroProtein: 30, macroCarbs: 40, macroFat: 30, mealTimes: ['00:00', '23:59'], calorieGoal: 800 }, []],
    [{ macroProtein: 90 }, []],
    [{ macroProtein: 30, macroCarbs: 40, macroFat: 31 }, ['macroProtein macroCarbs macroFat']],
    [{ macroProtein: 30, macroCarbs: 40, macroFat: 29 }, ['macroProtein macroCarbs macroFat']],
    [{ macroProtein: 60, macroFat: 41 }, ['macroProtein macroFat']],
    [{ macroProtein: -10, macroCarbs: 60, macroFat: 50 }, ['macroProtein macroCarbs macroFat']],
    [{ mealTimes: ['08:00', '24:00'] }, ['mealTimes']],
    [{ mealTimes: ['8:00'] }, ['mealTimes']],
    [{ calorieGoal: 799 }, ['calorieGoal']],
    [{ calorieGoal: 6_000, snacksPerDay: 8, mealTimes: eightMeals }, []],
    [{ calorieGoal: 6_001 }, ['calorieGoal']],
    [{ calorieGoal: Number.NaN }, ['calorieGoal']],
    [{ snacksPerDay: 9 }, ['snacksPerDay']],
    [{ snacksPerDay: -1 }, ['snacksPerDay']],
    [{ mealTimes: [...eightMeals, '23:00'] }, ['mealTimes']],
    [{ dietType: 'vegan', dietaryRestrictions: ['everything'] }, []],
  ])('%j: %j', async (preferences, expected) => {
    expect(await conflictsOf(preferences)).toEqual(expected)
  })

  test('of what a routine does not need are none of a routine', async () => {
    expect(await conflictsOf({ macroProtein: 90, macroFat: 90, calorieGoal: -1 }, 'ROUTINE')).toEqual([])
  })
})
