import type { Archetype } from '../../../shared/archetype.ts'
import type { GeneratorDataPoint } from '../../generator.ts'
import type { PlanPreferences } from '../../plan.ts'
import type { EatingRule, MacroShares } from './diets.ts'
import type { Nutrition } from './recipe.ts'
import { usualDay } from './usual-day.ts'

export const macroNames = ['protein', 'carbs', 'fat'] as const
export type MacroName = (typeof macroNames)[number]

export const macroPreferences = {
  protein: 'macroProtein',
  carbs: 'macroCarbs',
  fat: 'macroFat',
} as const satisfies Record<MacroName, keyof PlanPreferences>

export const macroTexts: Record<MacroName, string> = {
  protein: 'protein',
  carbs: 'carbohydrates',
  fat: 'fat',
}

const caloriesPerGram: Record<MacroName, number> = { protein: 4, carbs: 4, fat: 9 }

/** Of a day. */
export interface NutritionTargets {
  calories: number
  /** Percent of the calories. */
  shares: MacroShares
  /** What the shares come to. */
  grams: Nutrition
  /** Which of the shares the user set; the others are filled in. */
  asked: Record<MacroName, boolean>
  /** Where the calories and the shares come from, for the user. */
  reasons: { calories: string; macros: string }
}

/** The reference intake of an average adult: Regulation (EU) 1169/2011, annex XIII. */
const referenceCalories = 2_000

/** More for training, and never less: nobody recovers, or builds a habit, on a deficit that they did not choose. */
const caloriesByArchetype: Record<Archetype, number> = {
  FOUNDATION_BUILDER: 0,
  PEAK_PERFORMER: 200,
  SYSTEMATIC_IMPROVER: 0,
  RESILIENCE_REBUILDER: 0,
}

/**
 * All within the acceptable ranges of the Institute of Medicine (2005): protein 10 to 35 %, carbohydrates 45 to 65 %,
 * fat 20 to 35 %. More protein where training counts, a little more fat where steadiness does.
 */
const macrosByArchetype: Record<Archetype, MacroShares> = {
  FOUNDATION_BUILDER: { protein: 20, carbs: 48, fat: 32 },
  PEAK_PERFORMER: { protein: 25, carbs: 47, fat: 28 },
  SYSTEMATIC_IMPROVER: { protein: 23, carbs: 45, fat: 32 },
  RESILIENCE_REBUILDER: { protein: 20, carbs: 46, fat: 34 },
}

export function nutritionTargets(input: {
  archetype: Archetype
  preferences: PlanPreferences
  points: readonly GeneratorDataPoint[]
  /** The diet, and what is restricted: the first that says something of the macros is heard. */
  rules: readonly EatingRule[]
}): NutritionTargets {
  const { archetype, preferences, points, rules } = input
  const goal = preferences.calorieGoal
  const estimate = estimateCalories(archetype, points)
  const diet = rules.find(({ macros }) => macros)
  const { shares, asked } = fillMacros(preferences, diet?.macros ?? macrosByArchetype[archetype])
  const askedCount = macroNames.filter(name => asked[name]).length
  const filledFrom = diet ? `the usual for ${diet.name.replaceAll('_', ' ')}` : 'the usual for your archetype'
  return {
    ...withCalories(goal ?? estimate.calories, shares),
    asked,
    reasons: {
      calories: goal === null ? estimate.reason : 'your calorie goal',
      macros:
        askedCount === 0
          ? filledFrom
          : askedCount === 3
            ? 'your macros'
            : `your macros, the rest filled by ${filledFrom}`,
    },
  }
}

export function withCalories(calories: number, shares: MacroShares) {
  return { calories, shares, grams: gramsOf(calories, shares) }
}

/** Fills up to 100, the missing ones in proportion to the usual. */
export function fillMacros(
  preferences: PlanPreferences,
  usual: MacroShares,
): { shares: MacroShares; asked: Record<MacroName, boolean> } {
  const given = macroNames.map(name => preferences[macroPreferences[name]])
  const missing = macroNames.filter((_, i) => given[i] === null)
  const left = 100 - given.reduce<number>((sum, value) => sum + (value ?? 0), 0)
  const usualOfMissing = missing.reduce((sum, name) => sum + usual[name], 0)
  const shareOf = (name: MacroName) =>
    preferences[macroPreferences[name]] ?? (left * usual[name]) / usualOfMissing
  return {
    shares: { protein: shareOf('protein'), carbs: shareOf('carbs'), fat: shareOf('fat') },
    asked: {
      protein: preferences.macroProtein !== null,
      carbs: preferences.macroCarbs !== null,
      fat: preferences.macroFat !== null,
    },
  }
}

function gramsOf(calories: number, shares: MacroShares): Nutrition {
  const grams = (name: MacroName) => ((shares[name] / 100) * calories) / caloriesPerGram[name]
  return { calories, proteinGrams: grams('protein'), carbsGrams: grams('carbs'), fatGrams: grams('fat') }
}

/**
 * Without a goal: the reference intake, the archetype's extra, and what the user's days show. A step burns about 0.04
 * kcal and a minute of exercise about 6 beyond rest, for an adult of 70 kg; up to 5,000 steps and 15 minutes are in the
 * reference already, and at most 600 kcal are added, for a tracker can be wrong.
 */
function estimateCalories(
  archetype: Archetype,
  points: readonly GeneratorDataPoint[],
): { calories: number; reason: string } {
  const steps = usualDay(points, 'steps')
  const active = usualDay(points, 'active_minutes')
  const walked = steps === null ? 0 : Math.max(-100, (steps - 5_000) * 0.04)
  const trained = active === null ? 0 : Math.max(0, (active - 15) * 6)
  // A run is in both the steps and the minutes; the larger of the two counts.
  const extra = Math.min(600, Math.max(walked, trained))
  const calories = Math.round((referenceCalories + caloriesByArchetype[archetype] + extra) / 50) * 50
  const seen = [
    steps === null ? null : `${Math.round(steps / 100) * 100} steps`,
    active === null ? null : `${Math.round(active)} active minutes`,
  ].filter(text => text !== null)
  return {
    calories,
    reason:
      seen.length === 0
        ? 'the reference for an average adult, as no goal is set'
        : `the reference for an average adult and your ${seen.join(' and ')} a day, as no goal is set`,
  }
}
