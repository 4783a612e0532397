import type { Food } from './food.ts'
import { animalFoods } from './foods-animal.ts'
import { freshFoods } from './foods-fresh.ts'
import { stapleFoods } from './foods-staple.ts'

const allFoods = { ...animalFoods, ...freshFoods, ...stapleFoods }
export type FoodName = keyof typeof allFoods

export const foods: Readonly<Record<FoodName, Food>> = allFoods

export function isFoodName(name: string): name is FoodName {
  return Object.hasOwn(allFoods, name)
}
