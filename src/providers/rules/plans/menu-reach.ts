import type { MacroShares } from './diets.ts'
import type { MealSlot } from './meal-slots.ts'
import { isMainSlot } from './meal-slots.ts'
import { type MacroName, macroNames } from './nutrition-targets.ts'
import { energyShares, type MealKind, type Recipe } from './recipe.ts'

/** How much of a recipe's serving one portion may be. */
export const portions = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const
const smallestPortion = portions[0]
const largestPortion = 2

/** What is served in a slot at all. */
export function dishesFor(slot: { kinds: readonly MealKind[] }, dishes: readonly Recipe[]): Recipe[] {
  return dishes.filter(({ kinds }) => kinds.some(kind => slot.kinds.includes(kind)))
}

/**
 * The least and the most calories of a day, each slot with its smallest or largest dishes; of the main dishes as many as
 * a plan without repetition takes.
 */
export function calorieReach(slots: readonly MealSlot[], dishes: readonly Recipe[], days: number) {
  let least = 0
  let most = 0
  const mains = slots.filter(isMainSlot).length * days
  for (const slot of slots) {
    const calories = dishesFor(slot, dishes)
      .map(({ nutrition }) => nutrition.calories)
      .sort((a, b) => a - b)
    const taken = isMainSlot(slot) ? Math.min(mains, calories.length) : 1
    least += mean(calories.slice(0, taken)) * smallestPortion
    most += mean(calories.slice(-taken)) * largestPortion
  }
  return { least, most }
}

/** The smallest and largest share of a day's energy, 0 to 1, that a macro can come to. */
export function macroReach(name: MacroName, slots: readonly MealSlot[], dishes: readonly Recipe[]) {
  const direction = { protein: 0, carbs: 0, fat: 0, [name]: 1 }
  const opposite = { protein: 0, carbs: 0, fat: 0, [name]: -1 }
  const table = shareTable(slots, dishes)
  return { from: -farthest(opposite, table), to: farthest(direction, table) }
}

/**
 * How far, as a share of the energy, the wanted percents lie outside everything that can be mixed: each slot gives its
 * share of the calories by a mix of its dishes, so the days lie in a sum of convex hulls, and what lies outside one is told
 * by some direction in which nothing of it reaches as far. 0 inside.
 * @param wanted all three, or one, where the others may be anything
 */
export function macrosOutside(
  wanted: Partial<MacroShares>,
  slots: readonly MealSlot[],
  dishes: readonly Recipe[],
): number {
  const asked = macroNames.filter(name => wanted[name] !== undefined)
  if (asked.length < macroNames.length) {
    const outside = asked.map(name => {
      const { from, to } = macroReach(name, slots, dishes)
      const share = (wanted[name] ?? 0) / 100
      return Math.max(from - share, share - to)
    })
    return Math.max(0, ...outside)
  }
  const { protein = 0, carbs = 0, fat = 0 } = wanted
  const table = shareTable(slots, dishes)
  let outside = 0
  for (const direction of directions) {
    const share = (direction.protein * protein + direction.carbs * carbs + direction.fat * fat) / 100
    outside = Math.max(outside, share - farthest(direction, table))
  }
  return outside
}

type Shares = Record<MacroName, number>
type ShareTable = { share: number; dishes: Shares[] }[]

/** Around the plane in which shares that add up to 1 lie; 48 of them miss a corner by less than a percent. */
const directions: readonly Shares[] = Array.from({ length: 48 }, (_, i) => {
  const angle = (2 * Math.PI * i) / 48
  const [x, y] = [Math.cos(angle), Math.sin(angle)]
  return {
    protein: x / Math.SQRT2 + y / Math.sqrt(6),
    carbs: -x / Math.SQRT2 + y / Math.sqrt(6),
    fat: (-2 * y) / Math.sqrt(6),
  }
})

function shareTable(slots: readonly MealSlot[], dishes: readonly Recipe[]): ShareTable {
  return slots.map(slot => ({
    share: slot.share,
    dishes: dishesFor(slot, dishes).map(({ nutrition }) => energyShares(nutrition)),
  }))
}

function farthest(direction: Shares, table: ShareTable): number {
  let reached = 0
  for (const { share, dishes } of table) {
    let best = Number.NEGATIVE_INFINITY
    for (const { protein, carbs, fat } of dishes) {
      best = Math.max(best, direction.protein * protein + direction.carbs * carbs + direction.fat * fat)
    }
    reached += share * best
  }
  return reached
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
