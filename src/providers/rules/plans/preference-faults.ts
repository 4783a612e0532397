import type { PlanKind, PlanPreferences, PreferenceConflict } from '../../plan.ts'
import { parseClockTime } from './clock-time.ts'
import { diets, findDiet, findRestriction, restrictions } from './diets.ts'
import { macroNames, macroPreferences, macroTexts } from './nutrition-targets.ts'

/** Beyond these a plan would be dangerous, or no plan of meals any more. */
export const calorieBounds = { from: 800, to: 6_000 }
export const mostMeals = 8
export const mostSnacks = 8

/**
 * What is wrong with preferences each by itself, before they are held against dishes; and the preferences with those
 * left out, so that the others can still be judged.
 */
export function findFaults(
  kind: PlanKind,
  preferences: PlanPreferences,
): { faults: PreferenceConflict[]; sound: PlanPreferences } {
  const found = [mealTimesFault(preferences), ...(kind === 'ROUTINE' ? [] : foodFaults(preferences))]
  const faults = found.filter(fault => fault !== null)
  const sound: PlanPreferences = Object.assign({}, preferences, ...faults.map(({ without }) => without))
  return { faults: faults.map(({ names, message }) => ({ preferences: names, message })), sound }
}

interface Fault {
  names: (keyof PlanPreferences)[]
  message: string
  /** The preferences without what is wrong. */
  without: Partial<PlanPreferences>
}

function foodFaults(preferences: PlanPreferences): (Fault | null)[] {
  return [
    dietFault(preferences),
    restrictionsFault(preferences),
    macrosFault(preferences),
    caloriesFault(preferences),
    snacksFault(preferences),
  ]
}

function mealTimesFault({ mealTimes }: PlanPreferences): Fault | null {
  const fault = (message: string): Fault => ({ names: ['mealTimes'], message, without: { mealTimes: [] } })
  const malformed = mealTimes.filter(time => parseClockTime(time) === null)
  if (malformed.length > 0)
    return fault(`${quoted(malformed)} is no time of the day: meal times are HH:MM from 00:00 to 23:59.`)
  const twice = mealTimes.find((time, i) => mealTimes.indexOf(time) !== i)
  if (twice !== undefined)
    return fault(`Two meals are at ${twice}: each meal has a time of its own, as in 07:30, 12:30 and 19:00.`)
  if (mealTimes.length > mostMeals)
    return fault(`There are ${mealTimes.length} meal times: up to ${mostMeals} a day can be planned.`)
  return null
}

function dietFault({ dietType }: PlanPreferences): Fault | null {
  if (dietType === null || findDiet(dietType) !== undefined) return null
  return {
    names: ['dietType'],
    message: `The diet '${dietType}' is not known. Known are ${ruleNames(diets)}.`,
    without: { dietType: null },
  }
}

function restrictionsFault({ dietaryRestrictions }: PlanPreferences): Fault | null {
  const unknown = dietaryRestrictions.filter(name => findRestriction(name) === undefined)
  if (unknown.length === 0) return null
  return {
    names: ['dietaryRestrictions'],
    message:
      `${quoted(unknown)} is not known as a restriction, and nobody should rely on it being kept. ` +
      `Known are ${ruleNames([...restrictions, ...diets.slice(1)])}, and the foods that dishes are made of.`,
    without: { dietaryRestrictions: dietaryRestrictions.filter(name => !unknown.includes(name)) },
  }
}

function macrosFault(preferences: PlanPreferences): Fault | null {
  const set = macroNames.flatMap(name => {
    const value = preferences[macroPreferences[name]]
    return value === null ? [] : [{ name, value }]
  })
  const fault = (faulty: typeof set, message: string): Fault => ({
    names: faulty.map(({ name }) => macroPreferences[name]),
    message,
    without: Object.fromEntries(faulty.map(({ name }) => [macroPreferences[name], null])),
  })
  const outside = set.filter(({ value }) => !(value >= 0 && value <= 100))
  if (outside.length > 0)
    return fault(outside, 'Each macro is a share of the calories, from 0 to 100 percent.')
  const sum = set.reduce((total, { value }) => total + value, 0)
  const told = set.map(({ name, value }) => `${macroTexts[name]} ${value}`).join(', ')
  if (set.length === 3 && sum !== 100)
    return fault(set, `The macros add up to ${sum} percent (${told}): the three are to add up to 100.`)
  if (sum <= 100) return null
  // Of two that are too much together each may be right; one above 100 has been found already.
  return fault(set, `The macros add up to ${sum} percent (${told}): together they are 100 at most.`)
}

function caloriesFault({ calorieGoal }: PlanPreferences): Fault | null {
  const { from, to } = calorieBounds
  if (calorieGoal === null || (calorieGoal >= from && calorieGoal <= to)) return null
  return {
    names: ['calorieGoal'],
    message: `${calorieGoal} kcal a day is no goal to plan for: expected are ${from} to ${to}.`,
    without: { calorieGoal: null },
  }
}

function snacksFault({ snacksPerDay }: PlanPreferences): Fault | null {
  if (Number.isInteger(snacksPerDay) && snacksPerDay >= 0 && snacksPerDay <= mostSnacks) return null
  return {
    names: ['snacksPerDay'],
    message: `${snacksPerDay} snacks a day cannot be planned: expected are 0 to ${mostSnacks}.`,
    without: { snacksPerDay: 0 },
  }
}

function ruleNames(rules: readonly { name: string }[]): string {
  return rules.map(({ name }) => name).join(', ')
}

function quoted(names: readonly string[]): string {
  return names.map(name => `'${name}'`).join(', ')
}
