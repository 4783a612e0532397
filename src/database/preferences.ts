import type { Queryable } from './client.ts'

export interface PreferencesRow {
  dietType: string | null
  dietaryRestrictions: string[]
  dislikedIngredients: string[]
  recipeType: string[]
  macroProtein: number | null
  macroCarbs: number | null
  macroFat: number | null
  calorieGoal: number | null
  mealTimes: string[]
  appliances: string[]
  prepComplexity: number | null
  servingsPerMeal: number
  snacksPerDay: number
}

/** Of a user who has said nothing. */
const NOTHING_SAID: PreferencesRow = {
  dietType: null,
  dietaryRestrictions: [],
  dislikedIngredients: [],
  recipeType: [],
  macroProtein: null,
  macroCarbs: null,
  macroFat: null,
  calorieGoal: null,
  mealTimes: [],
  appliances: [],
  prepComplexity: null,
  servingsPerMeal: 1,
  snacksPerDay: 0,
}

const FIND = {
  name: 'preferences-find',
  text: `
    SELECT diet_type AS "dietType", dietary_restrictions AS "dietaryRestrictions", disliked_ingredients AS "dislikedIngredients",
      recipe_type AS "recipeType", macro_protein AS "macroProtein", macro_carbs AS "macroCarbs", macro_fat AS "macroFat",
      calorie_goal AS "calorieGoal", meal_times AS "mealTimes", appliances, prep_complexity AS "prepComplexity",
      servings_per_meal AS "servingsPerMeal", snacks_per_day AS "snacksPerDay"
    FROM preferences WHERE user_id = $1::uuid`,
}
export async function getPreferences(db: Queryable, userId: string): Promise<PreferencesRow> {
  return (await db.query<PreferencesRow>(FIND, [userId]))[0] ?? NOTHING_SAID
}
