import type { Archetype } from '../../../shared/archetype.ts'
import type { PlanNote } from '../../plan.ts'
import { archetypeReadings } from '../archetype-weights.ts'
import { listText } from '../wording.ts'
import { type MacroName, macroNames, macroTexts, type NutritionTargets } from './nutrition-targets.ts'
import type { Nutrition } from './recipe.ts'
import { gramsOfMacro } from './serving.ts'

/** What every plan of this engine says of itself. */
export const planEngine = { engine: 'rules', version: 1 } as const

export function archetypeName(archetype: Archetype): string {
  return archetypeReadings[archetype].name
}

/** 2,150 kcal. */
export function caloriesText(calories: number): string {
  return `${new Intl.NumberFormat('en-US').format(Math.round(calories))} kcal`
}

/** "20 % protein, 48 % carbohydrates and 32 % fat". */
export function sharesText({ shares }: NutritionTargets): string {
  return listText(macroNames.map(name => `${Math.round(shares[name])} % ${macroTexts[name]}`))
}

/** "100 g protein, 240 g carbohydrates and 71 g fat". */
export function gramsText(nutrition: Nutrition): string {
  return listText(
    macroNames.map(name => `${Math.round(nutrition[gramsOfMacro[name]])} g ${macroTexts[name]}`),
  )
}

export function targetText(target: 'calories' | MacroName): string {
  return target === 'calories' ? 'calories' : macroTexts[target]
}

/** The targets as they are kept with a plan. */
export function targetsRecord({ calories, shares, grams, asked, reasons }: NutritionTargets) {
  const tenth = (value: number) => Math.round(value * 10) / 10
  return {
    calories,
    proteinGrams: tenth(grams.proteinGrams),
    carbsGrams: tenth(grams.carbsGrams),
    fatGrams: tenth(grams.fatGrams),
    percent: { protein: tenth(shares.protein), carbs: tenth(shares.carbs), fat: tenth(shares.fat) },
    askedFor: macroNames.filter(name => asked[name]),
    from: reasons,
  }
}

/** Of no day or dish alone. */
export function otherNote(message: string): PlanNote {
  return { kind: 'OTHER', day: null, dish: null, message }
}
