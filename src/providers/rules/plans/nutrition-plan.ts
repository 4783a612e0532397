import { DAILY_TARGET, type PlanDraft, type PlanInput, type PlanItemDraft } from '../../plan.ts'
import { type Concerns, readConcerns } from './analysis-concerns.ts'
import { clockText } from './clock-time.ts'
import { readDemands } from './demands.ts'
import type { MealSlot } from './meal-slots.ts'
import { frameOf } from './menu-problem.ts'
import { dishesFor, portions } from './menu-reach.ts'
import { type NutritionTargets, nutritionTargets } from './nutrition-targets.ts'
import {
  archetypeName,
  caloriesText,
  gramsText,
  otherNote,
  planEngine,
  sharesText,
  targetsRecord,
} from './plan-text.ts'
import type { Nutrition, Recipe } from './recipe.ts'
import { chanceOf, seedOf } from './seeded-chance.ts'
import { type Serving, serve, shownNutrition } from './serving.ts'

/** How near to a meal's target a dish comes that is named as an example: of the nearest so many, two by chance. */
const nearestExamples = 6
const examples = 2

/** What to eat in calories and macros, meal by meal, adding up to the day's targets exactly. */
export function planNutrition(input: PlanInput): PlanDraft {
  const { archetype, preferences, points, analysis, date } = input
  const demands = readDemands(preferences)
  const { slots, dishes } = frameOf(demands)
  const rules = demands.flatMap(demand => (demand.type === 'dishes' && demand.rule ? [demand.rule] : []))
  const targets = nutritionTargets({ archetype, preferences, points, rules })
  const ruleNotes = [...new Set(rules.flatMap(({ note }) => note ?? []))]
  const advice = adviceFor(readConcerns(analysis.result))
  const seed = seedOf(JSON.stringify([archetype, date, preferences]))
  const meals = splitOver(slots, targets)
  const items = slots.map((slot, i): PlanItemDraft => {
    const nutrition = meals[i] as Nutrition
    const named = namedExamples(dishesFor(slot, dishes), nutrition, seed + i)
    return {
      day: 1,
      time: clockText(slot.time),
      title: slot.name,
      description:
        `${caloriesText(nutrition.calories)}, about ${Math.round(slot.share * 100)} % of the day: ` +
        `${gramsText(nutrition)}.${exampleText(named)}`,
      ingredients: [],
      nutrition,
    }
  })
  return {
    title: `Eating at ${caloriesText(targets.calories)} a day`,
    summary: [
      `For a ${archetypeName(archetype)}: ${caloriesText(targets.calories)} a day (${targets.reasons.calories}), of them ` +
        `${sharesText(targets)} (${targets.reasons.macros}).`,
      `That is ${gramsText(targets.grams)}, over ${countText(slots)}.`,
      advice[0],
    ]
      .filter(Boolean)
      .join(' '),
    items: [dailyTarget(targets, advice), ...items],
    notes: ruleNotes.map(otherNote),
    metadata: {
      ...planEngine,
      targets: targetsRecord(targets),
      meals: slots.map(({ name, time, share }, i) => ({
        name,
        time: clockText(time),
        percent: Math.round(share * 1_000) / 10,
        ...(meals[i] as Nutrition),
      })),
      notes: [...advice, ...ruleNotes],
    },
  }
}

function dailyTarget(targets: NutritionTargets, advice: readonly string[]): PlanItemDraft {
  return {
    day: 1,
    time: null,
    title: DAILY_TARGET,
    description: [
      `${caloriesText(targets.calories)}: ${gramsText(targets.grams)}. Within 10 % of each is close enough.`,
      ...advice,
    ].join(' '),
    ingredients: [],
    nutrition: shownNutrition(targets.grams),
  }
}

/** Each meal gets what the day's running total has come to, rounded, so that nothing is lost between the meals. */
function splitOver(slots: readonly MealSlot[], { grams }: NutritionTargets): Nutrition[] {
  const upTo = (share: number) =>
    shownNutrition({
      calories: grams.calories * share,
      proteinGrams: grams.proteinGrams * share,
      carbsGrams: grams.carbsGrams * share,
      fatGrams: grams.fatGrams * share,
    })
  let share = 0
  let before = upTo(0)
  return slots.map((slot, i) => {
    share = i === slots.length - 1 ? 1 : share + slot.share
    const now = upTo(share)
    const meal = shownNutrition({
      calories: now.calories - before.calories,
      proteinGrams: now.proteinGrams - before.proteinGrams,
      carbsGrams: now.carbsGrams - before.carbsGrams,
      fatGrams: now.fatGrams - before.fatGrams,
    })
    before = now
    return meal
  })
}

function namedExamples(dishes: readonly Recipe[], wanted: Nutrition, seed: number): Serving[] {
  const distance = ({ nutrition }: Serving) =>
    Math.abs(nutrition.calories - wanted.calories) +
    4 * Math.abs(nutrition.proteinGrams - wanted.proteinGrams) +
    4 * Math.abs(nutrition.carbsGrams - wanted.carbsGrams) +
    9 * Math.abs(nutrition.fatGrams - wanted.fatGrams)
  const best = dishes.map(recipe => {
    const servings = portions.map(portion => serve(recipe, portion))
    return servings.reduce((one, other) => (distance(other) < distance(one) ? other : one))
  })
  return best
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, nearestExamples)
    .sort((a, b) => chanceOf(seed, a.recipe.title) - chanceOf(seed, b.recipe.title))
    .slice(0, examples)
}

function exampleText(servings: readonly Serving[]): string {
  const named = servings.map(({ recipe, portion }) =>
    portion === 1 ? recipe.title : `${recipe.title} (${portion} servings)`,
  )
  return named.length > 0 ? ` For example: ${named.join(', or ')}.` : ''
}

function countText(slots: readonly MealSlot[]): string {
  const snacks = slots.filter(({ name }) => name === 'Snack').length
  const meals = slots.length - snacks
  const count = (number: number, noun: string) => (number === 1 ? `one ${noun}` : `${number} ${noun}s`)
  return snacks > 0 ? `${count(meals, 'meal')} and ${count(snacks, 'snack')}` : count(meals, 'meal')
}

/** What the analysis found and eating can help with, most important first. */
function adviceFor({ families, tooLittle, shortSleep }: Concerns): string[] {
  return [
    shortSleep
      ? 'Your sleep is short of what it should be: keep coffee and tea to the time before 14:00 and the last meal three hours before bed.'
      : null,
    families.has('recovery')
      ? 'Your recovery shows strain: leave alcohol out for these days and eat vegetables with every meal.'
      : null,
    tooLittle.has('training') || tooLittle.has('movement')
      ? 'With more movement to come back to, have the larger half of the carbohydrates around it.'
      : null,
    families.has('mood') ? 'For a steadier mood eat at the same times every day.' : null,
  ].filter(advice => advice !== null)
}
