import { type ClockTime, roundTo } from './clock-time.ts'
import type { MealKind } from './recipe.ts'

/** A time of the day at which something is eaten. */
export interface MealSlot {
  /** Breakfast, Lunch, Dinner …, Snack; for the user. */
  name: string
  time: ClockTime
  /** What may be served: main dishes in the two or three large meals. */
  kinds: readonly MealKind[]
  /** Of the day's calories; all slots' add up to 1. */
  share: number
}

export const defaultMealTimes: readonly ClockTime[] = [450, 750, 1_140]

const breakfastUntil = 660
/** Where somebody eats more often than three times beside breakfast, the meals nearest to these stay the large ones. */
const usualLunch = 750
const usualDinner = 1_140
const mostMains = 3
const weights = { breakfast: 25, main: 35, small: 15, snack: 10 }
type SlotType = keyof typeof weights

const kindsByType: Record<SlotType, readonly MealKind[]> = {
  breakfast: ['breakfast'],
  main: ['main'],
  small: ['snack', 'breakfast'],
  snack: ['snack'],
}

/**
 * The day's meals and snacks in the order of the clock; at least one serves a main dish. Snacks go halfway into the
 * widest gaps.
 * @param mealTimes rising; none takes the usual three
 */
export function planMealSlots(mealTimes: readonly ClockTime[], snacks: number): MealSlot[] {
  const times = mealTimes.length > 0 ? mealTimes : defaultMealTimes
  const types = mealTypes(times)
  const meals = times.map((time, i) => {
    const type = types[i] ?? 'main'
    return { time, type, name: mealName(time, type) }
  })
  const between = snackTimes(times, snacks).map(time => ({ time, type: 'snack' as const, name: 'Snack' }))
  const all = [...meals, ...between].sort((a, b) => a.time - b.time)
  const total = all.reduce((sum, { type }) => sum + weights[type], 0)
  return all.map(({ name, time, type }) => ({
    name,
    time,
    kinds: kindsByType[type],
    share: weights[type] / total,
  }))
}

export function isMainSlot(slot: MealSlot): boolean {
  return slot.kinds.includes('main')
}

function mealTypes(times: readonly ClockTime[]): SlotType[] {
  const hasBreakfast = times.length > 1 && (times[0] ?? breakfastUntil) < breakfastUntil
  const rest = times.map((time, i) => ({ time, i })).slice(hasBreakfast ? 1 : 0)
  const isLarge = (index: number) =>
    rest.length <= mostMains || [usualLunch, usualDinner].some(usual => nearest(rest, usual) === index)
  return times.map((_, i) => (i === 0 && hasBreakfast ? 'breakfast' : isLarge(i) ? 'main' : 'small'))
}

function nearest(meals: readonly { time: ClockTime; i: number }[], to: ClockTime): number {
  const [first] = [...meals].sort((a, b) => Math.abs(a.time - to) - Math.abs(b.time - to) || a.i - b.i)
  return first?.i ?? 0
}

function mealName(time: ClockTime, type: SlotType): string {
  if (type === 'small') return 'Small meal'
  if (type === 'breakfast') return 'Breakfast'
  if (time < breakfastUntil) return 'Brunch'
  return time < 960 ? 'Lunch' : 'Dinner'
}

function snackTimes(mealTimes: readonly ClockTime[], snacks: number): ClockTime[] {
  const times = [...mealTimes]
  const added: ClockTime[] = []
  while (added.length < snacks) {
    const gaps = times.slice(1).map((time, i) => ({ from: times[i] ?? 0, width: time - (times[i] ?? 0) }))
    // Before the first meal and after the last there is room too, if less of it than between two.
    gaps.push({ from: Math.max(0, (times[0] ?? 0) - 180), width: Math.min(180, times[0] ?? 0) })
    gaps.push({ from: times.at(-1) ?? 0, width: Math.min(180, 1_439 - (times.at(-1) ?? 0)) })
    const [widest] = gaps.sort((a, b) => b.width - a.width || a.from - b.from)
    if (!widest) break
    const time = Math.min(1_435, roundTo(5, widest.from + widest.width / 2))
    added.push(time)
    times.push(time)
    times.sort((a, b) => a - b)
  }
  return added
}
