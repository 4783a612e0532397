import { listText } from '../wording.ts'
import { type Demand, type DemandOf, dishesLeft } from './demands.ts'
import type { MacroShares } from './diets.ts'
import { type MealSlot, planMealSlots } from './meal-slots.ts'
import { calorieReach, dishesFor, macroReach, macrosOutside } from './menu-reach.ts'
import { type MacroName, macroNames, macroTexts } from './nutrition-targets.ts'
import type { MealKind, Recipe } from './recipe.ts'
import { recipeCatalogue } from './recipe-catalogue.ts'
import { knownTypes } from './recipe-types.ts'

/** Why no menu is possible. */
export type MenuProblem =
  | { type: 'no-dish'; kinds: readonly MealKind[] }
  | { type: 'too-few-mains'; mains: number; days: number }
  | { type: 'no-such-type' }
  | { type: 'calories'; least: number; most: number; goal: number }
  | { type: 'macros'; reach: { name: MacroName; percent: number; from: number; to: number }[] }
  | { type: 'diet-carbs'; asked: number; most: number }

/**
 * Days may miss the goals, and say so; a goal farther off than this is none. Ten percent of the calories is what a day
 * promises anyway, and five points of the energy are, of a usual share, more than that.
 */
const calorieTolerance = 0.1
const macroTolerance = 0.05

export interface ServingFrame {
  slots: MealSlot[]
  dishes: Recipe[]
}

/** The day that the demands ask for, and what may be served in it. */
export function frameOf(demands: Iterable<Demand>): ServingFrame {
  const all = [...demands]
  const slots = planMealSlots(find(all, 'meal-times')?.times.slice() ?? [], find(all, 'snacks')?.count ?? 0)
  return { slots, dishes: dishesLeft(all) }
}

/** The first reason why these demands, and no others, leave no menu; null where a menu can be made. */
export function findMenuProblem(demands: Iterable<Demand>, days: number): MenuProblem | null {
  const all = [...demands]
  const { slots, dishes } = frameOf(all)
  const empty = slots.find(slot => dishesFor(slot, dishes).length === 0)
  if (empty) return { type: 'no-dish', kinds: empty.kinds }
  const mains = dishesFor({ kinds: ['main'] }, dishes).length
  if (mains < days) return { type: 'too-few-mains', mains, days }

  const types = find(all, 'types')
  if (types) {
    const wanted = new Set(recipeCatalogue.filter((_, i) => types.leaves[i]))
    const served = slots.some(slot => dishesFor(slot, dishes).some(dish => wanted.has(dish)))
    if (!served) return { type: 'no-such-type' }
  }

  const goal = find(all, 'calories')?.goal
  if (goal !== undefined) {
    const { least, most } = calorieReach(slots, dishes, days)
    const outside = goal * (1 + calorieTolerance) < least || goal * (1 - calorieTolerance) > most
    if (outside) return { type: 'calories', least, most, goal }
  }
  return findCarbsProblem(all) ?? findMacrosProblem(wantedMacros(all), slots, dishes)
}

/** Carbohydrates that a diet excludes by what it is, whatever the dishes. */
export function findCarbsProblem(demands: readonly Demand[]): MenuProblem | null {
  const asked = wantedMacros(demands).carbs ?? 0
  const limits = demands.flatMap(demand => (demand.type === 'dishes' ? (demand.rule?.mostCarbs ?? []) : []))
  const most = Math.min(...limits)
  return asked > most ? { type: 'diet-carbs', asked, most } : null
}

/** @param demands a smallest set that has the problem */
export function problemText(problem: MenuProblem, demands: readonly Demand[]): string {
  const dishWords = demands.filter(({ type }) => type === 'dishes').map(({ wording }) => wording)
  const dishText = dishWords.length > 0 ? ` ${listText(dishWords)}` : ''
  const dayWords = demands
    .filter(({ type }) => type === 'meal-times' || type === 'snacks')
    .map(({ wording }) => wording)
  const letGo = demands.length > 1 ? ' One of these has to give way.' : ''
  switch (problem.type) {
    case 'no-dish':
      return `No ${kindText(problem.kinds)} is${dishText || ' left'}.${letGo}`
    case 'too-few-mains': {
      const { mains, days } = problem
      const left = `${mains === 0 ? 'No main dish is' : mains === 1 ? 'Only one main dish is' : `Only ${mains} main dishes are`}${dishText}`
      const shorter =
        mains > 0 ? ` A menu of up to ${mains === 1 ? 'one day' : `${mains} days`} can be made.` : ''
      return `${left}; ${days === 1 ? 'one day needs one' : `${days} days need ${days} different ones`}.${shorter}${letGo}`
    }
    case 'no-such-type': {
      const types = demands.find(({ type }) => type === 'types')?.wording ?? ''
      if (demands.length === 1)
        return `No dish is ${types}. Known are ${knownTypes().join(', ')}, and what dishes are made of.`
      const others = demands.filter(({ type }) => type !== 'types').map(({ wording }) => wording)
      return `No dish ${types} is ${listText(others)}.${letGo}`
    }
    case 'calories': {
      const { least, most, goal } = problem
      const given = dayWords.length > 0 ? `A day ${listText(dayWords)}` : 'A day of three meals'
      const of = dishWords.length > 0 ? ` of dishes that are${dishText}` : ''
      return `${given}${of} gives about ${tens(least)} to ${tens(most)} kcal; the goal is ${goal}.${letGo}`
    }
    case 'diet-carbs': {
      const { asked, most } = problem
      return `Carbohydrates of ${asked} percent are asked for, and dishes that are${dishText} go up to ${most}.${letGo}`
    }
    case 'macros': {
      const reach = problem.reach.map(({ name, percent, from, to }) => {
        return `${macroTexts[name]} from ${percentOf(from)} to ${percentOf(to)} percent (wanted: ${percent})`
      })
      const of = dishWords.length > 0 ? `Dishes that are${dishText}` : 'Dishes'
      const day = dayWords.length > 0 ? `, ${listText(dayWords)},` : ''
      const together = reach.length > 1 ? ', not all of them at once' : ''
      return `${of}${day} give ${listText(reach)}${together}.${letGo}`
    }
  }
}

function findMacrosProblem(
  wanted: Partial<MacroShares>,
  slots: readonly MealSlot[],
  dishes: readonly Recipe[],
): MenuProblem | null {
  const names = macroNames.filter(name => wanted[name] !== undefined)
  if (names.length === 0 || macrosOutside(wanted, slots, dishes) <= macroTolerance) return null
  return {
    type: 'macros',
    reach: names.map(name => ({ name, percent: wanted[name] ?? 0, ...macroReach(name, slots, dishes) })),
  }
}

/** In percent; two of them say what the third must be. */
function wantedMacros(demands: readonly Demand[]): Partial<MacroShares> {
  const asked = demands.filter(demand => demand.type === 'macro')
  const wanted: Partial<MacroShares> = Object.fromEntries(asked.map(({ name, percent }) => [name, percent]))
  if (asked.length !== 2) return wanted
  const third = macroNames.find(name => wanted[name] === undefined) ?? 'fat'
  return { ...wanted, [third]: 100 - asked.reduce((sum, { percent }) => sum + percent, 0) }
}

function find<Type extends Demand['type']>(
  demands: readonly Demand[],
  type: Type,
): DemandOf<Type> | undefined {
  return demands.find((demand): demand is DemandOf<Type> => demand.type === type)
}

function kindText(kinds: readonly MealKind[]): string {
  return kinds.includes('main') ? 'main dish' : kinds.join(' or ')
}

function tens(calories: number): string {
  return String(Math.round(calories / 10) * 10)
}

function percentOf(share: number): number {
  return Math.round(share * 100)
}
