import { type MacroName, macroNames, type NutritionTargets } from './nutrition-targets.ts'
import type { Nutrition, Recipe } from './recipe.ts'

/** A portion of a recipe as it is told to the user, numbers rounded as shown: what the plan promises holds for these. */
export interface Serving {
  recipe: Recipe
  portion: number
  nutrition: Nutrition
}

/** How far a day may miss a target. */
export const tolerance = 0.1

export const gramsOfMacro = {
  protein: 'proteinGrams',
  carbs: 'carbsGrams',
  fat: 'fatGrams',
} as const satisfies Record<MacroName, keyof Nutrition>

export function serve(recipe: Recipe, portion: number): Serving {
  const { calories, proteinGrams, carbsGrams, fatGrams } = recipe.nutrition
  return {
    recipe,
    portion,
    nutrition: shownNutrition({
      calories: calories * portion,
      proteinGrams: proteinGrams * portion,
      carbsGrams: carbsGrams * portion,
      fatGrams: fatGrams * portion,
    }),
  }
}

export function sumNutrition(all: readonly Nutrition[]): Nutrition {
  const sum = { calories: 0, proteinGrams: 0, carbsGrams: 0, fatGrams: 0 }
  for (const { calories, proteinGrams, carbsGrams, fatGrams } of all) {
    sum.calories += calories
    sum.proteinGrams += proteinGrams
    sum.carbsGrams += carbsGrams
    sum.fatGrams += fatGrams
  }
  return shownNutrition(sum)
}

/** Whole kilocalories and tenths of a gram. */
export function shownNutrition({ calories, proteinGrams, carbsGrams, fatGrams }: Nutrition): Nutrition {
  const tenth = (value: number) => Math.round(value * 10) / 10
  return {
    calories: Math.round(calories),
    proteinGrams: tenth(proteinGrams),
    carbsGrams: tenth(carbsGrams),
    fatGrams: tenth(fatGrams),
  }
}

/** Which targets a day's total misses by more than the tolerance. */
export function missedTargets(
  total: Nutrition,
  { calories, grams }: Pick<NutritionTargets, 'calories' | 'grams'>,
): ('calories' | MacroName)[] {
  const misses = (value: number, target: number) => Math.abs(value - target) > tolerance * target + 1e-9
  return [
    ...(misses(total.calories, calories) ? (['calories'] as const) : []),
    ...macroNames.filter(name => misses(total[gramsOfMacro[name]], grams[gramsOfMacro[name]])),
  ]
}
