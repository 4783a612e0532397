/** What a restriction or a diet may exclude. A food carries every tag that holds for it, by its usual recipe. */
export const foodTags = [
  'poultry',
  'beef',
  'lamb',
  'pork',
  /** Of game, or of an animal that is not said. */
  'meat',
  'fish',
  'shellfish',
  'eggs',
  'dairy',
  /** Cheese that is by its rules made with calves' rennet: not vegetarian. */
  'rennet',
  'honey',
  'gluten',
  'grain',
  'legume',
  'soy',
  'nuts',
  'peanuts',
  'sesame',
  'celery',
  'mustard',
  'sulphites',
  'coconut',
  'caffeine',
  'alcohol',
  'sugar',
] as const
export type FoodTag = (typeof foodTags)[number]

/** How an amount is told: by weight, by volume, or in spoons, slices and pieces of so many grams. */
export type Measure =
  | { type: 'weight' }
  | { type: 'volume' }
  | { type: 'spoon'; unit: string; grams: number }
  | { type: 'slice'; one: string; many: string; grams: number }
  | { type: 'piece'; many: string; grams: number }

/**
 * Per 100 g as bought: pulses and grains dry unless tinned, meat and fish raw unless named otherwise. After the USDA's
 * FoodData Central and the labels of common brands; fibre counts as half its weight in carbohydrates, which is how it
 * counts in a European label's calories, so that 4, 4 and 9 kcal a gram give the calories.
 */
export interface Food {
  calories: number
  protein: number
  carbs: number
  fat: number
  tags: readonly FoodTag[]
  measure: Measure
}

export function food(
  calories: number,
  protein: number,
  carbs: number,
  fat: number,
  tags: readonly FoodTag[] = [],
  measure: Measure = { type: 'weight' },
): Food {
  return { calories, protein, carbs, fat, tags, measure }
}

export const volume: Measure = { type: 'volume' }

export function tablespoon(grams: number): Measure {
  return { type: 'spoon', unit: 'tbsp', grams }
}

export function teaspoon(grams: number): Measure {
  return { type: 'spoon', unit: 'tsp', grams }
}

export function slice(grams: number): Measure {
  return { type: 'slice', one: 'slice of', many: 'slices of', grams }
}

export function clove(grams: number): Measure {
  return { type: 'slice', one: 'clove of', many: 'cloves of', grams }
}

export function piece(grams: number, many: string): Measure {
  return { type: 'piece', many, grams }
}
