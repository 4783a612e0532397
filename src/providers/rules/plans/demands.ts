import type { PlanPreferences } from '../../plan.ts'
import { listText } from '../wording.ts'
import { applianceName, findAppliances, readAppliances } from './appliances.ts'
import { type ClockTime, parseClockTime } from './clock-time.ts'
import { dislikeRule, type EatingRule, findDiet, findRestriction } from './diets.ts'
import { defaultMealTimes } from './meal-slots.ts'
import { significantWords } from './name-match.ts'
import { type MacroName, macroNames, macroPreferences, macroTexts } from './nutrition-targets.ts'
import { appliancesByNeed, type Recipe } from './recipe.ts'
import { recipeCatalogue } from './recipe-catalogue.ts'
import { createTypeMatcher } from './recipe-types.ts'

/**
 * One thing that the user asks for and could let go of by itself: one entry of a list, or one preference where its
 * entries belong together. What is in conflict is told in demands.
 */
export type Demand = {
  preferences: readonly (keyof PlanPreferences)[]
  /** As in "no main dish is vegan, without gluten and made in a microwave alone". */
  wording: string
} & (
  | {
      type: 'dishes'
      /** Which recipes of the catalogue it leaves, by their place. */
      leaves: readonly boolean[]
      /** Null for what is no diet or restriction. */
      rule: EatingRule | null
    }
  | { type: 'types'; names: readonly string[]; leaves: readonly boolean[] }
  | { type: 'meal-times'; times: readonly ClockTime[] }
  | { type: 'snacks'; count: number }
  | { type: 'calories'; goal: number }
  | { type: 'macro'; name: MacroName; percent: number }
)
export type DemandOf<Type extends Demand['type']> = Extract<Demand, { type: Type }>

/** @param preferences without what preference-faults.ts finds fault with: unknown names are passed over here */
export function readDemands(preferences: PlanPreferences): Demand[] {
  const { dietType, dietaryRestrictions, dislikedIngredients, recipeType, appliances } = preferences
  const { prepComplexity, calorieGoal, mealTimes, snacksPerDay } = preferences
  const demands: Demand[] = []
  const add = (preference: keyof PlanPreferences, rule: EatingRule | null | undefined) => {
    if (rule) demands.push(ruleDemand(preference, rule))
  }
  if (dietType !== null) add('dietType', findDiet(dietType))
  for (const name of new Set(dietaryRestrictions)) add('dietaryRestrictions', findRestriction(name))
  for (const name of new Set(dislikedIngredients)) add('dislikedIngredients', dislikeRule(name))
  if (appliances.length > 0) demands.push(appliancesDemand(appliances))
  if (prepComplexity !== null)
    demands.push({
      type: 'dishes',
      preferences: ['prepComplexity'],
      wording: `of complexity ${prepComplexity} at most`,
      leaves: recipeCatalogue.map(({ complexity }) => complexity <= prepComplexity),
      rule: null,
    })
  const types = recipeType.filter(name => significantWords(name).length > 0)
  const matchers = types.map(createTypeMatcher)
  if (types.length > 0)
    demands.push({
      type: 'types',
      preferences: ['recipeType'],
      wording: `of the kind ${types.map(name => `'${name}'`).join(' or ')}`,
      names: types,
      leaves: recipeCatalogue.map(recipe => matchers.some(matches => matches(recipe))),
    })
  if (mealTimes.length > 0)
    demands.push({
      type: 'meal-times',
      preferences: ['mealTimes'],
      wording: `in ${mealTimes.length === 1 ? 'one meal' : `${mealTimes.length} meals`}`,
      times: readMealTimes(mealTimes),
    })
  if (snacksPerDay > 0)
    demands.push({
      type: 'snacks',
      preferences: ['snacksPerDay'],
      wording: `with ${snacksPerDay === 1 ? 'one snack' : `${snacksPerDay} snacks`}`,
      count: snacksPerDay,
    })
  if (calorieGoal !== null)
    demands.push({
      type: 'calories',
      preferences: ['calorieGoal'],
      wording: `at ${calorieGoal} kcal a day`,
      goal: calorieGoal,
    })
  return [...demands, ...macroDemands(preferences)]
}

/** In the order of the clock; the usual three where none is readable. */
export function readMealTimes(mealTimes: readonly string[]): readonly ClockTime[] {
  const times = mealTimes.map(parseClockTime).filter(time => time !== null)
  return times.length > 0 ? times.sort((a, b) => a - b) : defaultMealTimes
}

/** The recipes of the catalogue that every demand about dishes leaves. */
export function dishesLeft(demands: Iterable<Demand>): Recipe[] {
  const rules = [...demands].filter(demand => demand.type === 'dishes')
  return recipeCatalogue.filter((_, i) => rules.every(({ leaves }) => leaves[i]))
}

function ruleDemand(preference: keyof PlanPreferences, rule: EatingRule): Demand {
  const leaves = recipeCatalogue.map(recipe => rule.allows(recipe))
  return { type: 'dishes', preferences: [preference], wording: rule.wording, leaves, rule }
}

function appliancesDemand(names: readonly string[]): Demand {
  const known = readAppliances(names)
  const told = names.filter(name => findAppliances(name).length > 0)
  return {
    type: 'dishes',
    preferences: ['appliances'],
    wording:
      known.size === 0
        ? 'made without any appliance'
        : `made with nothing but ${listText([...new Set(told.flatMap(findAppliances))].map(applianceName))}`,
    leaves: recipeCatalogue.map(({ needs }) =>
      needs.every(need => appliancesByNeed[need].some(appliance => known.has(appliance))),
    ),
    rule: null,
  }
}

/** Protein last, for what comes last is the last to be cleared of a conflict, and protein is mostly what is out of reach. */
function macroDemands(preferences: PlanPreferences): Demand[] {
  return macroNames.toReversed().flatMap(name => {
    const percent = preferences[macroPreferences[name]]
    if (percent === null) return []
    const wording = `with ${percent} % ${macroTexts[name]}`
    return [{ type: 'macro', preferences: [macroPreferences[name]], wording, name, percent }]
  })
}
