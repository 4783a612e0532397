import type { Archetype } from '../shared/archetype.ts'
import type { JsonValue } from '../shared/json.ts'
import type { GenerationContext, GeneratorDataPoint } from './generator.ts'

export const planKinds = ['ROUTINE', 'NUTRITION', 'MENU'] as const
export type PlanKind = (typeof planKinds)[number]

/**
 * What a plan can be made for, whoever makes it: less or more calories would be dangerous, more meals no meals any more.
 * Bounds of what may be stored as a preference, too.
 */
export const preferenceBounds = {
  calorieGoal: { from: 800, to: 6_000 },
  mostMealTimes: 8,
  mostSnacksPerDay: 8,
} as const

/** The item of a NUTRITION plan that holds what its meals add up to; the first of its items. */
export const DAILY_TARGET = 'Daily target'

/** What the user likes, may and can. Null and empty lists: nothing said. */
export interface PlanPreferences {
  dietType: string | null
  dietaryRestrictions: readonly string[]
  dislikedIngredients: readonly string[]
  recipeType: readonly string[]
  /** Percent of the calories; the three, when all are set, add up to 100. */
  macroProtein: number | null
  macroCarbs: number | null
  macroFat: number | null
  /** Kilocalories a day. */
  calorieGoal: number | null
  /** HH:MM, in the order of the day. */
  mealTimes: readonly string[]
  appliances: readonly string[]
  /** 0 to 100: how much work a meal may be. */
  prepComplexity: number | null
  servingsPerMeal: number
  snacksPerDay: number
}

export interface PlanInput {
  kind: PlanKind
  archetype: Archetype
  /** The plan's first day, YYYY-MM-DD in UTC. */
  date: string
  /** MENU: how many days, 1 to 14; 1 for the others. */
  days: number
  /** The behavior analysis that the plan stands on; its `result` is what some generator once returned. */
  analysis: { summary: string; result: JsonValue; createdAt: Date }
  preferences: PlanPreferences
  /** What the user recorded lately, with the times of day: ordered by metric, then recordedAt. */
  points: readonly GeneratorDataPoint[]
  /** Titles of the main dishes of the user's last menu, which a new one does not repeat. */
  previousDishes: readonly string[]
}

export interface PlanItemDraft {
  /** 1 is the plan's first day. */
  day: number
  /** HH:MM, 24-hour. */
  time: string | null
  title: string
  description: string
  ingredients: string[]
  nutrition: { calories: number; proteinGrams: number; carbsGrams: number; fatGrams: number } | null
}

export const planNoteKinds = [
  'DIET',
  'RESTRICTION',
  'DISLIKE',
  'CALORIES',
  'MACROS',
  'REPEATED_DISH',
  'DISH_OF_LAST_MENU',
  'OTHER',
] as const

/** What of the preferences a plan does not keep, does not seem to keep, or nobody could check. */
export interface PlanNote {
  kind: (typeof planNoteKinds)[number]
  /** Null: of no day alone. */
  day: number | null
  /** The title of the dish it is about; null: of none alone. */
  dish: string | null
  /** For the user. */
  message: string
}

export interface PlanDraft {
  title: string
  summary: string
  items: PlanItemDraft[]
  notes: PlanNote[]
  /** Beside the result, for whoever wants to know how it came about: engine, template version, notes on what could not be kept. */
  metadata: { [key: string]: JsonValue }
}

/** Preferences that no plan can satisfy together. */
export interface PreferenceConflict {
  /** The names of the preferences, as in PlanPreferences. */
  preferences: (keyof PlanPreferences)[]
  /** What was expected, for the user. */
  message: string
}

/** The part of the generator that makes plans; calls and errors as in Generator. */
export interface PlanGenerator {
  generatePlan(input: PlanInput, context: GenerationContext): Promise<PlanDraft>
  /** Whether a plan can be made at all, told before anything is paid for. Pure and fast. */
  findPreferenceConflicts(request: {
    kind: PlanKind
    days: number
    preferences: PlanPreferences
  }): PreferenceConflict[]
}
