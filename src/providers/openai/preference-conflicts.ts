import { type PlanKind, type PlanPreferences, type PreferenceConflict, preferenceBounds } from '../plan.ts'

const { calorieGoal, mostMealTimes, mostSnacksPerDay } = preferenceBounds
const MACROS = ['macroProtein', 'macroCarbs', 'macroFat'] as const

export const isMealTime = (time: string) => /^([01]\d|2[0-3]):[0-5]\d$/.test(time)

/** Only what no plan could keep, whoever makes it: whether there are recipes for the rest is for the model to say. */
export function findNumericConflicts(kind: PlanKind, preferences: PlanPreferences): PreferenceConflict[] {
  const conflicts: PreferenceConflict[] = []
  const malformed = preferences.mealTimes.filter(time => !isMealTime(time))
  if (malformed.length > 0) {
    conflicts.push({
      preferences: ['mealTimes'],
      message: 'Meal times are expected as HH:MM, between 00:00 and 23:59.',
    })
  } else if (preferences.mealTimes.length > mostMealTimes) {
    conflicts.push({
      preferences: ['mealTimes'],
      message: `At most ${mostMealTimes} meal times a day are expected, not ${preferences.mealTimes.length}.`,
    })
  }
  if (kind === 'ROUTINE') return conflicts

  const set = MACROS.filter(macro => preferences[macro] !== null)
  const percents = set.map(macro => preferences[macro] ?? 0)
  const total = percents.reduce((sum, percent) => sum + percent, 0)
  if (
    percents.some(percent => percent < 0) ||
    total > 100 ||
    (set.length === MACROS.length && total !== 100)
  ) {
    conflicts.push({
      preferences: set,
      message: `Protein, carbohydrates and fat are expected to add up to 100 percent, not ${total}.`,
    })
  }
  const { calorieGoal: goal, snacksPerDay } = preferences
  if (goal !== null && !(goal >= calorieGoal.from && goal <= calorieGoal.to)) {
    conflicts.push({
      preferences: ['calorieGoal'],
      message: `The calories of a day are expected to be ${calorieGoal.from} to ${calorieGoal.to}, not ${goal}.`,
    })
  }
  if (!(Number.isInteger(snacksPerDay) && snacksPerDay >= 0 && snacksPerDay <= mostSnacksPerDay)) {
    conflicts.push({
      preferences: ['snacksPerDay'],
      message: `0 to ${mostSnacksPerDay} snacks a day are expected, not ${snacksPerDay}.`,
    })
  }
  return conflicts
}
