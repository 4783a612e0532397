import { z } from 'zod'
import {
  lockPreferences,
  NOTHING_SAID,
  type PreferencesRow,
  type VersionedPreferences,
  writePreferences,
} from '../../database/preferences.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import { preferenceBounds } from '../../providers/plan.ts'
import { parseClockTime } from '../../providers/rules/plans/clock-time.ts'
import { type FieldIssue, fieldIssues, plainText } from '../field-issues.ts'

/** A field that is absent stays as it is; null takes back what was said. */
export type PreferencesChange = { [Name in keyof PreferencesRow]?: PreferencesRow[Name] | null | undefined }

export type UpdatePreferencesOutcome =
  | { type: 'updated'; preferences: VersionedPreferences }
  | { type: 'invalid-input'; issues: FieldIssue[] }
  | { type: 'conflict'; currentVersion: number }

const MAX_WORDS = 50
/** A household's largest pot. */
const MAX_SERVINGS = 12

const word = plainText({ min: 1, max: 100 }).refine(
  text => text.trim() !== '',
  'expected more than white space',
)
const words = z.array(word).max(MAX_WORDS, `expected at most ${MAX_WORDS}`).nullish()

const whole = (from: number, to: number) => {
  const expected = `expected a whole number from ${from} to ${to}`
  return z.int(expected).min(from, expected).max(to, expected).nullish()
}

const Change = z.object({
  dietType: word.nullish(),
  dietaryRestrictions: words,
  dislikedIngredients: words,
  recipeType: words,
  macroProtein: whole(0, 100),
  macroCarbs: whole(0, 100),
  macroFat: whole(0, 100),
  calorieGoal: whole(preferenceBounds.calorieGoal.from, preferenceBounds.calorieGoal.to),
  mealTimes: z
    .array(z.string().refine(time => parseClockTime(time) !== null, 'expected HH:MM from 00:00 to 23:59'))
    .max(preferenceBounds.mostMealTimes, `expected at most ${preferenceBounds.mostMealTimes}`)
    .refine(times => new Set(times).size === times.length, 'expected each time once')
    .nullish(),
  appliances: words,
  prepComplexity: whole(0, 100),
  servingsPerMeal: whole(1, MAX_SERVINGS),
  snacksPerDay: whole(0, preferenceBounds.mostSnacksPerDay),
})

const MACROS = ['macroProtein', 'macroCarbs', 'macroFat'] as const

/**
 * Changes what is named and leaves the rest, in one transaction that holds the row's lock from the read on: two that
 * change different fields at the same moment are both kept, and of two with the same `expectedVersion` one is.
 */
export async function updatePreferences(
  transaction: RunTransaction,
  userId: string,
  change: PreferencesChange,
  expectedVersion: number | null,
): Promise<UpdatePreferencesOutcome> {
  const parsed = Change.safeParse(change)
  if (!parsed.success) return { type: 'invalid-input', issues: fieldIssues(parsed.error, ['input']) }
  return transaction('update-preferences', async transaction => {
    const current = await lockPreferences(transaction, userId)
    if (expectedVersion !== null && expectedVersion !== current.version)
      return { type: 'conflict', currentVersion: current.version }
    const { version, updatedAt, ...before } = current
    const wanted: PreferencesRow = { ...before, ...said(parsed.data) }
    const issues = macroIssues(wanted, change)
    if (issues.length > 0) return { type: 'invalid-input', issues }
    return { type: 'updated', preferences: await writePreferences(transaction, userId, wanted) }
  })
}

function said(change: z.infer<typeof Change>): Partial<PreferencesRow> {
  const fields = Object.entries(change).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value ?? NOTHING_SAID[name as keyof PreferencesRow]]],
  )
  return Object.fromEntries(fields)
}

/** All three are the whole; fewer leave room. Held against what is then stored: one of them may have been there before. */
function macroIssues(wanted: PreferencesRow, change: PreferencesChange): FieldIssue[] {
  const set = MACROS.flatMap(name => wanted[name] ?? [])
  const sum = set.reduce((total, share) => total + share, 0)
  const fits = set.length === MACROS.length ? sum === 100 : sum <= 100
  const changed = MACROS.filter(name => change[name] !== undefined)
  if (fits || changed.length === 0) return []
  const expected = set.length === MACROS.length ? 'add up to 100' : 'add up to 100 at most'
  const message = `expected macros that together ${expected}, got ${sum}`
  return changed.map(name => ({ path: ['input', name], message }))
}
