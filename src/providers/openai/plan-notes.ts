import type { PlanInput, PlanItemDraft, PlanPreferences } from '../plan.ts'

/** How far from a goal a day may be without a word: a tenth. */
const TOLERANCE = 0.1
const MOST_NOTES = 20
const KCAL_PER_GRAM = { proteinGrams: 4, carbsGrams: 4, fatGrams: 9 } as const

type Nutrition = NonNullable<PlanItemDraft['nutrition']>

/**
 * Where a menu is not what was asked for. A model is asked to keep to the preferences, and what it answers is taken:
 * whoever reads the plan can know how far it did.
 */
export function menuNotes(items: readonly PlanItemDraft[], input: PlanInput): string[] {
  const { preferences } = input
  const days = [...Map.groupBy(items, ({ day }) => day)]
  return [
    ...days.flatMap(([day, dishes]) => targetNotes(`Day ${day}`, sumOf(dishes), preferences)),
    ...repetitionNotes(items, input.previousDishes),
    ...dislikeNotes(items, preferences.dislikedIngredients),
  ].slice(0, MOST_NOTES)
}

/** Calories and shares of the macros against the goals. */
export function targetNotes(what: string, actual: Nutrition, preferences: PlanPreferences): string[] {
  const notes: string[] = []
  const { calorieGoal } = preferences
  if (calorieGoal !== null && isOff(actual.calories, calorieGoal))
    notes.push(`${what}: ${Math.round(actual.calories)} kcal, asked for were ${calorieGoal}.`)
  const energy = Object.entries(KCAL_PER_GRAM).reduce(
    (sum, [macro, kcal]) => sum + actual[macro as keyof typeof KCAL_PER_GRAM] * kcal,
    0,
  )
  const macros = [
    ['protein', 'proteinGrams', preferences.macroProtein],
    ['carbohydrates', 'carbsGrams', preferences.macroCarbs],
    ['fat', 'fatGrams', preferences.macroFat],
  ] as const
  for (const [name, macro, goal] of macros) {
    if (goal === null || energy === 0) continue
    const percent = (100 * actual[macro] * KCAL_PER_GRAM[macro]) / energy
    if (isOff(percent, goal))
      notes.push(`${what}: ${Math.round(percent)} % of the calories from ${name}, asked for were ${goal} %.`)
  }
  return notes
}

function repetitionNotes(items: readonly PlanItemDraft[], previousDishes: readonly string[]): string[] {
  const seen = new Set(previousDishes.map(normal))
  const notes: string[] = []
  for (const { title, day, time } of items) {
    // Snacks, which have no time, may come again.
    if (time === null) continue
    if (seen.has(normal(title)))
      notes.push(`Day ${day}: ${title} is there a second time, or was in the last menu.`)
    seen.add(normal(title))
  }
  return notes
}

function dislikeNotes(items: readonly PlanItemDraft[], disliked: readonly string[]): string[] {
  return items.flatMap(({ title, day, ingredients }) => {
    const found = disliked.find(one =>
      ingredients.some(ingredient => one.trim() !== '' && normal(ingredient).includes(normal(one))),
    )
    return found === undefined ? [] : [`Day ${day}: ${title} seems to contain ${found}.`]
  })
}

function sumOf(items: readonly PlanItemDraft[]): Nutrition {
  const total = { calories: 0, proteinGrams: 0, carbsGrams: 0, fatGrams: 0 }
  for (const { nutrition } of items) {
    if (!nutrition) continue
    total.calories += nutrition.calories
    total.proteinGrams += nutrition.proteinGrams
    total.carbsGrams += nutrition.carbsGrams
    total.fatGrams += nutrition.fatGrams
  }
  return total
}

const isOff = (actual: number, goal: number) => Math.abs(actual - goal) > TOLERANCE * goal
const normal = (text: string) => text.trim().toLowerCase()
