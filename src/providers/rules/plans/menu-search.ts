import { setImmediate } from 'node:timers/promises'
import { chooseDay, costOfDay, type DayChoice, type DayQuestion, shelve } from './day-search.ts'
import { isMainSlot, type MealSlot } from './meal-slots.ts'
import { dishesFor, portions } from './menu-reach.ts'
import { foldName } from './name-match.ts'
import type { MacroName, NutritionTargets } from './nutrition-targets.ts'
import type { Nutrition, Recipe } from './recipe.ts'
import { chanceOf, createChance } from './seeded-chance.ts'
import { missedTargets, type Serving, serve, sumNutrition } from './serving.ts'

export interface MenuQuestion {
  slots: readonly MealSlot[]
  /** At least one for each slot. */
  dishes: readonly Recipe[]
  targets: NutritionTargets
  days: number
  /** Titles of main dishes to do without as long as there are others. */
  previousDishes: readonly string[]
  /** What the user would rather eat; null where nothing was said. */
  isLiked: ((recipe: Recipe) => boolean) | null
  seed: number
}

export interface DayMenu {
  /** In the order of the slots. */
  servings: Serving[]
  total: Nutrition
  missed: ('calories' | MacroName)[]
}

/**
 * What a dish costs beside the numbers. Missing a target costs from 2 to 9 and more the farther off, so: a main dish is
 * repeated only where there is no other, the targets come next, then what the user likes, then variety.
 */
const costs = {
  mainOfThisDay: 1_000_000,
  mainOfThisMenu: 20_000,
  mainOfNextDay: 5_000,
  mainOfLastMenu: 1_000,
  unlikedMain: 2.5,
  unlikedSmallDish: 1,
  /** Breakfasts and snacks come again, though not every day. */
  smallDishOfThisMenu: 0.8,
  smallDishOfNextDay: 1.5,
  smallDishOfThisDay: 6,
  sameLeadOfThisDay: 1.5,
  chance: 1.2,
}

/** How often a day is begun anew. More finds little better. */
const starts = { first: 4, exchange: 5 }

/** The menu, day after day, then the days that miss a target once more, exchanging dishes with other days. */
export async function searchMenu(
  question: MenuQuestion,
  context: { signal: AbortSignal; reportProgress(fraction: number): void },
): Promise<DayMenu[]> {
  const { days, seed } = question
  const search = createSearch(question)
  const choices: DayChoice[] = []
  for (let day = 0; day < days; day++) {
    await pause(context.signal)
    choices.push(chooseDay(search.ask(choices, day), starts.first, createChance(seed + day)))
    context.reportProgress((0.7 * choices.length) / days)
  }
  const pairs = search.exchanges(choices)
  const chance = createChance(seed ^ 0x5bd1e995)
  for (const [done, [i, j]] of pairs.entries()) {
    await pause(context.signal)
    context.reportProgress(0.7 + (0.25 * done) / pairs.length)
    search.exchange(choices, i, j, chance)
  }
  return choices.map(search.read)
}

function createSearch(question: MenuQuestion) {
  const { slots, dishes, targets, seed } = question
  const numberOf = new Map(dishes.map((recipe, number) => [recipe, number]))
  const shelves = slots.map(slot =>
    shelve(
      dishesFor(slot, dishes).flatMap(recipe => portions.map(portion => serve(recipe, portion))),
      ({ recipe }) => numberOf.get(recipe) ?? 0,
    ),
  )
  const previous = new Set(question.previousDishes.map(foldName))
  const known = dishes.map(recipe => ({
    isMain: recipe.kinds.includes('main'),
    lead: leadOf(recipe),
    wasInLastMenu: previous.has(foldName(recipe.title)),
    isUnliked: question.isLiked !== null && !question.isLiked(recipe),
  }))

  const dishesOf = (choice: DayChoice | undefined) =>
    (choice ?? []).map((place, slot) => shelves[slot]?.dish[place] ?? 0)

  function clash(one: number, other: number): number {
    const bothMains = known[one]?.isMain && known[other]?.isMain
    if (one === other) return bothMains ? costs.mainOfThisDay : costs.smallDishOfThisDay
    return bothMains && known[one]?.lead === known[other]?.lead ? costs.sameLeadOfThisDay : 0
  }

  /** @param choices the other days; one that is empty counts for nothing */
  function ask(choices: readonly DayChoice[], day: number): DayQuestion {
    const others = choices.filter((_, i) => i !== day)
    const uses = new Float64Array(dishes.length)
    for (const dish of others.flatMap(dishesOf)) uses[dish] = (uses[dish] ?? 0) + 1
    const nextDays = new Set([choices[day - 1], choices[day + 1]].flatMap(dishesOf))
    const taste = dishes.map(({ title }) => costs.chance * chanceOf(seed + 7_919 * (day + 1), title))
    const costAsMain = known.map(
      ({ wasInLastMenu, isUnliked }, dish) =>
        (taste[dish] ?? 0) +
        (uses[dish] ?? 0) * costs.mainOfThisMenu +
        (nextDays.has(dish) ? costs.mainOfNextDay : 0) +
        (wasInLastMenu ? costs.mainOfLastMenu : 0) +
        (isUnliked ? costs.unlikedMain : 0),
    )
    const costAsSmall = known.map(
      ({ isUnliked }, dish) =>
        (taste[dish] ?? 0) +
        (uses[dish] ?? 0) * costs.smallDishOfThisMenu +
        (nextDays.has(dish) ? costs.smallDishOfNextDay : 0) +
        (isUnliked ? costs.unlikedSmallDish : 0),
    )
    const dishCosts = slots.map(slot => Float64Array.from(isMainSlot(slot) ? costAsMain : costAsSmall))
    return { slots, shelves, targets, dishCosts, clash }
  }

  function read(choice: DayChoice): DayMenu {
    const servings = choice.flatMap((place, slot) => shelves[slot]?.servings[place] ?? [])
    const total = sumNutrition(servings.map(({ nutrition }) => nutrition))
    return { servings, total, missed: missedTargets(total, targets) }
  }

  /** The days that miss a target, each with other days in turn: at most twice as many exchanges as days. */
  function exchanges(choices: readonly DayChoice[]): [number, number][] {
    const days = [...choices.keys()]
    const missing = days.filter(day => read(choices[day] ?? []).missed.length > 0)
    return days
      .slice(1)
      .flatMap(distance => missing.map((day): [number, number] => [day, (day + distance) % days.length]))
      .slice(0, 2 * days.length)
  }

  /** Plans two days anew, as if neither had been planned, and keeps them where they are better together. */
  function exchange(choices: DayChoice[], i: number, j: number, chance: () => number): void {
    const [one, other] = [choices[i], choices[j]]
    if (!one || !other || read(one).missed.length === 0) return
    const rest = choices.with(i, []).with(j, [])
    const asked = ask(rest, i)
    const first = chooseDay(asked, starts.exchange, chance)
    const askedThen = ask(rest.with(i, first), j)
    const second = chooseDay(askedThen, starts.exchange, chance)
    const cost = costOfDay(asked, first) + costOfDay(askedThen, second)
    const costBefore = costOfDay(asked, one) + costOfDay(ask(rest.with(i, one), j), other)
    if (cost >= costBefore) return
    choices[i] = first
    choices[j] = second
  }

  return { ask, read, exchanges, exchange }
}

/** What makes the dish: its meat or fish, else the food that stands first. */
function leadOf({ tags, ingredients }: Recipe): string | undefined {
  const flesh = ['poultry', 'beef', 'lamb', 'pork', 'fish', 'shellfish'] as const
  return flesh.find(tag => tags.has(tag)) ?? ingredients[0]?.food
}

async function pause(signal: AbortSignal): Promise<void> {
  await setImmediate()
  signal.throwIfAborted()
}
