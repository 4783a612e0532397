import { toArray } from './arrays.ts'
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

/** What is stored, and how often it has been written: 0 is a user who has said nothing. */
export interface VersionedPreferences extends PreferencesRow {
  version: number
  updatedAt: Date | null
}

/** Of a user who has said nothing. */
export const NOTHING_SAID: Readonly<PreferencesRow> = {
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

const COLUMNS = `
  diet_type AS "dietType", dietary_restrictions AS "dietaryRestrictions", disliked_ingredients AS "dislikedIngredients",
  recipe_type AS "recipeType", macro_protein AS "macroProtein", macro_carbs AS "macroCarbs", macro_fat AS "macroFat",
  calorie_goal AS "calorieGoal", meal_times AS "mealTimes", appliances, prep_complexity AS "prepComplexity",
  servings_per_meal AS "servingsPerMeal", snacks_per_day AS "snacksPerDay"`

/** A row that was locked and never written counts as none. */
const VERSION = `version, CASE WHEN version > 0 THEN updated_at END AS "updatedAt"`

/** What users have said, to be narrowed down to one of them. */
export const PREFERENCES = `SELECT ${COLUMNS} FROM preferences`

const FIND_VERSIONED = {
  name: 'preferences-find-versioned',
  text: `
    SELECT user_id AS "userId", ${COLUMNS}, ${VERSION} FROM preferences
    WHERE user_id = ANY ($1::uuid[])`,
}
/** Of each of these users, in their order. */
export async function getVersionedPreferences(
  db: Queryable,
  userIds: readonly string[],
): Promise<VersionedPreferences[]> {
  const rows = await db.query<VersionedPreferences & { userId: string }>(FIND_VERSIONED, [toArray(userIds)])
  const rowByUser = new Map(rows.map(row => [row.userId, row]))
  return userIds.map(id => rowByUser.get(id) ?? { ...NOTHING_SAID, version: 0, updatedAt: null })
}

const LOCK = {
  name: 'preferences-lock',
  text: `
    INSERT INTO preferences (user_id, version) VALUES ($1::uuid, 0)
    ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id
    RETURNING ${COLUMNS}, ${VERSION}`,
}
/** What the user has now, locked until the transaction ends: also where there was no row that could be locked. */
export async function lockPreferences(db: Queryable, userId: string): Promise<VersionedPreferences> {
  const [row] = await db.query<VersionedPreferences>(LOCK, [userId])
  if (!row) throw new Error('an upsert returned no row')
  return row
}

const WRITE = {
  name: 'preferences-write',
  text: `
    UPDATE preferences SET
      diet_type = said."dietType", dietary_restrictions = said."dietaryRestrictions",
      disliked_ingredients = said."dislikedIngredients", recipe_type = said."recipeType",
      macro_protein = said."macroProtein", macro_carbs = said."macroCarbs", macro_fat = said."macroFat",
      calorie_goal = said."calorieGoal", meal_times = said."mealTimes", appliances = said."appliancesThere",
      prep_complexity = said."prepComplexity", servings_per_meal = said."servingsPerMeal",
      snacks_per_day = said."snacksPerDay", version = preferences.version + 1, updated_at = clock_timestamp()
    FROM jsonb_to_record($2::jsonb) AS said ("dietType" text, "dietaryRestrictions" text[],
      "dislikedIngredients" text[], "recipeType" text[], "macroProtein" int, "macroCarbs" int, "macroFat" int,
      "calorieGoal" int, "mealTimes" text[], "appliancesThere" text[], "prepComplexity" int, "servingsPerMeal" int,
      "snacksPerDay" int)
    WHERE user_id = $1::uuid
    RETURNING ${COLUMNS}, ${VERSION}`,
}
/** For whoever holds the lock. */
export async function writePreferences(
  db: Queryable,
  userId: string,
  preferences: PreferencesRow,
): Promise<VersionedPreferences> {
  // Under a name of its own: the column is called the same.
  const said = JSON.stringify({ ...preferences, appliancesThere: preferences.appliances })
  const [row] = await db.query<VersionedPreferences>(WRITE, [userId, said])
  if (!row) throw new Error('the preferences are gone')
  return row
}
