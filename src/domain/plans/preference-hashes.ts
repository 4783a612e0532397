import { createHash } from 'node:crypto'
import type { PlanPreferences } from '../../providers/plan.ts'

/**
 * What preferences come down to: the same hash for the same preferences, whatever the order of a list, and however often
 * they were changed and changed back. `eating` is of what may be on a plate alone.
 */
export function preferenceHashes(preferences: PlanPreferences): { all: string; eating: string } {
  const { dietType, dietaryRestrictions, dislikedIngredients } = preferences
  return {
    all: hashOf({ ...preferences }),
    eating: hashOf({ dietType, dietaryRestrictions, dislikedIngredients }),
  }
}

function hashOf(said: { [name: string]: unknown }): string {
  const sorted = Object.keys(said)
    .sort()
    .map(name => {
      const value = said[name]
      return [name, Array.isArray(value) ? value.toSorted() : value]
    })
  return createHash('sha256').update(JSON.stringify(sorted)).digest('base64url').slice(0, 22)
}
