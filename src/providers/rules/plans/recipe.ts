import type { Appliance } from './appliances.ts'
import type { FoodTag } from './food.ts'
import { type FoodName, foods, isFoodName } from './foods.ts'

export const mealKinds = ['breakfast', 'main', 'snack'] as const
export type MealKind = (typeof mealKinds)[number]

/** What cooking a recipe takes; any one of the appliances does. */
export const appliancesByNeed = {
  stove: ['stove'],
  oven: ['oven'],
  microwave: ['microwave'],
  blender: ['blender'],
  bake: ['oven', 'air_fryer'],
  'bake-or-grill': ['grill', 'oven', 'air_fryer'],
  'microwave-or-bake': ['microwave', 'oven', 'air_fryer'],
  sear: ['stove', 'grill'],
  heat: ['stove', 'microwave'],
  'boil-water': ['kettle', 'stove', 'microwave'],
  rice: ['rice_cooker', 'stove', 'microwave', 'pressure_cooker'],
  'microwave-rice': ['microwave', 'rice_cooker', 'stove'],
  simmer: ['stove', 'slow_cooker', 'pressure_cooker'],
  slow: ['slow_cooker', 'oven', 'pressure_cooker'],
  toast: ['toaster', 'oven', 'air_fryer', 'stove'],
} satisfies Record<string, readonly Appliance[]>
export type Need = keyof typeof appliancesByNeed

/** A recipe as it is written down; the amounts are for one serving. */
export interface RecipeData {
  title: string
  kinds: readonly MealKind[]
  cuisine: string
  /** Kinds of dish; `mediterranean` for what that diet recommends. */
  types: readonly string[]
  needs: readonly Need[]
  minutes: number
  /** How much work and skill, 0 to 100. */
  complexity: number
  /** Grams (of liquids, millilitres) and names of foods: '75 red lentils, 8 garlic'. The one that makes the dish first. */
  ingredients: string
  method: string
}

export interface Nutrition {
  calories: number
  proteinGrams: number
  carbsGrams: number
  fatGrams: number
}

export interface Ingredient {
  food: FoodName
  grams: number
}

/** With what follows from its ingredients, so that no tag can contradict what is in the pot. */
export interface Recipe extends Omit<RecipeData, 'ingredients'> {
  ingredients: readonly Ingredient[]
  /** Per serving. */
  nutrition: Nutrition
  tags: ReadonlySet<FoodTag>
}

/** @throws where an ingredient is not `<grams> <food>` of a known food */
export function readRecipe(data: RecipeData): Recipe {
  const ingredients = data.ingredients.split(', ').map(text => readIngredient(text, data.title))
  return {
    ...data,
    ingredients,
    nutrition: nutritionOf(ingredients),
    tags: new Set(ingredients.flatMap(ingredient => foods[ingredient.food].tags)),
  }
}

export function nutritionOf(ingredients: readonly Ingredient[]): Nutrition {
  const total = { calories: 0, proteinGrams: 0, carbsGrams: 0, fatGrams: 0 }
  for (const { food, grams } of ingredients) {
    const { calories, protein, carbs, fat } = foods[food]
    total.calories += (calories * grams) / 100
    total.proteinGrams += (protein * grams) / 100
    total.carbsGrams += (carbs * grams) / 100
    total.fatGrams += (fat * grams) / 100
  }
  return total
}

/** Of a dish's energy, by 4 kcal a gram of protein and carbohydrates and 9 of fat; 0 to 1. */
export function energyShares({ proteinGrams, carbsGrams, fatGrams }: Nutrition) {
  const energy = Math.max(1e-9, 4 * proteinGrams + 4 * carbsGrams + 9 * fatGrams)
  return {
    protein: (4 * proteinGrams) / energy,
    carbs: (4 * carbsGrams) / energy,
    fat: (9 * fatGrams) / energy,
  }
}

function readIngredient(text: string, title: string): Ingredient {
  const [, grams, name] = /^(\d+(?:\.\d+)?) (.+)$/.exec(text) ?? []
  if (grams === undefined || name === undefined || !isFoodName(name))
    throw new Error(`${title}: '${text}' is no amount of a known food`)
  return { food: name, grams: Number(grams) }
}
