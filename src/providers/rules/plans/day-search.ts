import type { MealSlot } from './meal-slots.ts'
import type { NutritionTargets } from './nutrition-targets.ts'
import { type Serving, tolerance } from './serving.ts'

/** What may be served in a slot, in columns: the search reads them some hundred thousand times a day. */
export interface Shelf {
  servings: readonly Serving[]
  /** Which dish it is a portion of, by its number. */
  dish: Int32Array
  calories: Float64Array
  protein: Float64Array
  carbs: Float64Array
  fat: Float64Array
}

export interface DayQuestion {
  slots: readonly MealSlot[]
  /** By slot; none is empty. */
  shelves: readonly Shelf[]
  targets: NutritionTargets
  /** What a dish costs on this day beside the numbers, by slot and dish: the less, the better it suits. */
  dishCosts: readonly Float64Array[]
  /** What two dishes cost for going badly together on one day. */
  clash(one: number, other: number): number
}

/** By slot, a place on its shelf. */
export type DayChoice = number[]

/** What the search takes for the limit, so that it rarely stops just short of it. */
const margin = 0.08
const mostSweeps = 8
/** A meal may be larger or smaller than its share by a quarter before that is weighed. */
const slotSlack = 0.25
const slotWeight = 4
const oddPortion = 1.2
const weights = { calories: 1.5, asked: 1, filled: 0.4 }

export function shelve(servings: readonly Serving[], numberOf: (serving: Serving) => number): Shelf {
  return {
    servings,
    dish: Int32Array.from(servings, numberOf),
    calories: Float64Array.from(servings, ({ nutrition }) => nutrition.calories),
    protein: Float64Array.from(servings, ({ nutrition }) => nutrition.proteinGrams),
    carbs: Float64Array.from(servings, ({ nutrition }) => nutrition.carbsGrams),
    fat: Float64Array.from(servings, ({ nutrition }) => nutrition.fatGrams),
  }
}

/**
 * Servings for a day that meet its targets and suit: from several random beginnings the best serving for one slot after
 * another, until nothing changes, then the portions of two slots against each other. Bounded, and the same for the same
 * chance.
 */
export function chooseDay(question: DayQuestion, starts: number, chance: () => number): DayChoice {
  let best: DayChoice = []
  let bestCost = Number.POSITIVE_INFINITY
  for (let start = 0; start < starts; start++) {
    const choice = question.shelves.map(({ servings }) => Math.floor(chance() * servings.length))
    descend(question, choice)
    balancePortions(question, choice)
    const cost = costOfDay(question, choice)
    if (cost >= bestCost) continue
    best = choice
    bestCost = cost
  }
  return best
}

export function costOfDay(question: DayQuestion, choice: DayChoice): number {
  const { calories, protein, carbs, fat } = sumWithout(question, choice, -1)
  let cost = missCost(question.targets, calories, protein, carbs, fat)
  for (const [i, place] of choice.entries()) {
    cost += ownCost(question, i, place)
    for (let j = i + 1; j < choice.length; j++) {
      cost += question.clash(dishAt(question, i, place), dishAt(question, j, choice[j] ?? 0))
    }
  }
  return cost
}

function descend(question: DayQuestion, choice: DayChoice): void {
  for (let sweep = 0; sweep < mostSweeps; sweep++) {
    let changed = false
    for (let slot = 0; slot < choice.length; slot++) {
      const best = bestPlace(question, choice, slot)
      if (best !== choice[slot]) changed = true
      choice[slot] = best
    }
    if (!changed) return
  }
}

function bestPlace(question: DayQuestion, choice: DayChoice, slot: number): number {
  const { shelves, targets } = question
  const shelf = shelves[slot] as Shelf
  const { calories, protein, carbs, fat } = sumWithout(question, choice, slot)
  const clashes = new Float64Array((question.dishCosts[slot] as Float64Array).length).fill(-1)
  let best = choice[slot] ?? 0
  let bestCost = Number.POSITIVE_INFINITY
  for (let place = 0; place < shelf.dish.length; place++) {
    // Most dishes are out by what they cost themselves, before anything is added up.
    let cost = ownCost(question, slot, place)
    if (cost >= bestCost) continue
    cost += missCost(
      targets,
      calories + (shelf.calories[place] as number),
      protein + (shelf.protein[place] as number),
      carbs + (shelf.carbs[place] as number),
      fat + (shelf.fat[place] as number),
    )
    if (cost >= bestCost) continue
    const dish = shelf.dish[place] as number
    if ((clashes[dish] as number) < 0) clashes[dish] = clashesOf(question, choice, slot, dish)
    cost += clashes[dish] as number
    if (cost >= bestCost) continue
    bestCost = cost
    best = place
  }
  return best
}

/** A larger portion here and a smaller one there: what no single change reaches. */
function balancePortions(question: DayQuestion, choice: DayChoice): void {
  let cost = costOfDay(question, choice)
  for (let i = 0; i < choice.length; i++) {
    for (let j = i + 1; j < choice.length; j++) {
      for (const one of portionsAt(question, choice, i)) {
        for (const other of portionsAt(question, choice, j)) {
          const changed = choice.with(i, one).with(j, other)
          const changedCost = costOfDay(question, changed)
          if (changedCost >= cost) continue
          cost = changedCost
          choice[i] = one
          choice[j] = other
        }
      }
    }
  }
}

function portionsAt(question: DayQuestion, choice: DayChoice, slot: number): number[] {
  const shelf = question.shelves[slot] as Shelf
  const dish = dishAt(question, slot, choice[slot] ?? 0)
  const places: number[] = []
  for (let place = shelf.dish.indexOf(dish); shelf.dish[place] === dish; place++) places.push(place)
  return places
}

function sumWithout({ shelves }: DayQuestion, choice: DayChoice, left: number) {
  const sum = { calories: 0, protein: 0, carbs: 0, fat: 0 }
  for (const [slot, place] of choice.entries()) {
    if (slot === left) continue
    const shelf = shelves[slot] as Shelf
    sum.calories += shelf.calories[place] as number
    sum.protein += shelf.protein[place] as number
    sum.carbs += shelf.carbs[place] as number
    sum.fat += shelf.fat[place] as number
  }
  return sum
}

function ownCost({ shelves, slots, targets, dishCosts }: DayQuestion, slot: number, place: number): number {
  const shelf = shelves[slot] as Shelf
  const wanted = (slots[slot] as MealSlot).share * targets.calories
  const off = Math.abs((shelf.calories[place] as number) - wanted) / wanted
  const { portion } = shelf.servings[place] as Serving
  return (
    ((dishCosts[slot] as Float64Array)[shelf.dish[place] as number] as number) +
    oddPortion * Math.abs(Math.log(portion)) +
    slotWeight * Math.max(0, off - slotSlack)
  )
}

function clashesOf(question: DayQuestion, choice: DayChoice, slot: number, dish: number): number {
  let sum = 0
  for (const [other, place] of choice.entries()) {
    if (other !== slot) sum += question.clash(dish, dishAt(question, other, place))
  }
  return sum
}

function dishAt({ shelves }: DayQuestion, slot: number, place: number): number {
  return (shelves[slot] as Shelf).dish[place] as number
}

/** What missing the targets costs; macros that the user did not ask for count less. */
function missCost(
  { calories: wanted, grams, asked }: NutritionTargets,
  calories: number,
  protein: number,
  carbs: number,
  fat: number,
): number {
  return (
    weights.calories * miss(calories, wanted) +
    (asked.protein ? weights.asked : weights.filled) * miss(protein, grams.proteinGrams) +
    (asked.carbs ? weights.asked : weights.filled) * miss(carbs, grams.carbsGrams) +
    (asked.fat ? weights.asked : weights.filled) * miss(fat, grams.fatGrams)
  )
}

/** Little within the tolerance, so that taste decides there; a step at its end; then the more the farther off. */
function miss(value: number, target: number): number {
  const off = Math.abs(value - target) / Math.max(1, target)
  if (off <= margin) return 30 * off * off
  if (off <= tolerance) return 0.2 + 40 * (off - margin)
  return 6 + 60 * (off - tolerance)
}
