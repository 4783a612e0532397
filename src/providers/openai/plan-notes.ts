import type { PlanInput, PlanItemDraft, PlanNote, PlanPreferences } from '../plan.ts'
import { brokenRules } from '../rules/plans/kept-rules.ts'

/** How far from a goal a day may be without a word: a tenth. */
const TOLERANCE = 0.1
/** What may harm comes first, so that it is the last to be left out. */
const MOST_NOTES = 100
const MOST_IN_SUMMARY = 3
const KCAL_PER_GRAM = { proteinGrams: 4, carbsGrams: 4, fatGrams: 9 } as const

type Nutrition = NonNullable<PlanItemDraft['nutrition']>

/**
 * Where a menu is not what was asked for. A model is asked to keep to the preferences, and what it answers is taken:
 * whoever reads the plan can know how far it did.
 * @param isMain tells the dishes that are not to come twice
 */
export function menuNotes(
  items: readonly PlanItemDraft[],
  input: PlanInput,
  isMain: (item: PlanItemDraft) => boolean,
): PlanNote[] {
  const { preferences } = input
  const days = [...Map.groupBy(items, ({ day }) => day)]
  return [
    ...brokenRules(items, preferences),
    ...days.flatMap(([day, dishes]) => targetNotes(`Day ${day}`, day, sumOf(dishes), preferences)),
    ...repetitionNotes(items.filter(isMain), input.previousDishes),
  ].slice(0, MOST_NOTES)
}

/** As menuNotes, for meals that name their foods. */
export function nutritionNotes(
  items: readonly PlanItemDraft[],
  target: { title: string; nutrition: Nutrition },
  preferences: PlanPreferences,
): PlanNote[] {
  return [
    ...brokenRules(items, preferences),
    ...targetNotes(target.title, null, target.nutrition, preferences),
  ].slice(0, MOST_NOTES)
}

/** A summary that tells what may harm, for clients that show nothing else. */
export function warnedSummary(summary: string, notes: readonly PlanNote[]): string {
  const broken = notes.filter(({ kind }) => kind === 'DIET' || kind === 'RESTRICTION')
  if (broken.length === 0) return summary
  const told = broken.slice(0, MOST_IN_SUMMARY).map(({ message }) => message)
  const more = broken.length - told.length
  return [
    summary.trim(),
    'Check before you eat:',
    ...told,
    ...(more > 0 ? [`And ${more} more, in the notes.`] : []),
  ]
    .filter(Boolean)
    .join(' ')
}

/** Calories and shares of the macros against the goals. */
function targetNotes(
  what: string,
  day: number | null,
  actual: Nutrition,
  preferences: PlanPreferences,
): PlanNote[] {
  const notes: PlanNote[] = []
  const note = (kind: PlanNote['kind'], message: string) => notes.push({ kind, day, dish: null, message })
  const { calorieGoal } = preferences
  if (calorieGoal !== null && isOff(actual.calories, calorieGoal))
    note('CALORIES', `${what}: ${Math.round(actual.calories)} kcal, asked for were ${calorieGoal}.`)
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
      note(
        'MACROS',
        `${what}: ${Math.round(percent)} % of the calories from ${name}, asked for were ${goal} %.`,
      )
  }
  return notes
}

function repetitionNotes(mains: readonly PlanItemDraft[], previousDishes: readonly string[]): PlanNote[] {
  const previous = new Set(previousDishes.map(normal))
  const seen = new Set<string>()
  return mains.flatMap(({ title: dish, day }): PlanNote[] => {
    const isRepeated = seen.has(normal(dish))
    seen.add(normal(dish))
    if (isRepeated)
      return [{ kind: 'REPEATED_DISH', day, dish, message: `Day ${day}: ${dish} is there a second time.` }]
    if (!previous.has(normal(dish))) return []
    return [{ kind: 'DISH_OF_LAST_MENU', day, dish, message: `Day ${day}: ${dish} was in the last menu.` }]
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
