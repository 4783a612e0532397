import type { GenerationContext } from '../../generator.ts'
import type { PlanDraft, PlanInput, PlanItemDraft } from '../../plan.ts'
import { isoDate, parseIsoDate } from '../utc-day.ts'
import { capitalised, listText } from '../wording.ts'
import { type Appliance, applianceName, readAppliances } from './appliances.ts'
import { clockText } from './clock-time.ts'
import { readDemands } from './demands.ts'
import { amountText } from './ingredient-amount.ts'
import { isMainSlot, type MealSlot } from './meal-slots.ts'
import { type MenuNotes, noteMenu, type PlannedMenu } from './menu-notes.ts'
import { frameOf } from './menu-problem.ts'
import { calorieReach } from './menu-reach.ts'
import { searchMenu } from './menu-search.ts'
import { type NutritionTargets, nutritionTargets, withCalories } from './nutrition-targets.ts'
import { archetypeName, caloriesText, planEngine, sharesText, targetsRecord } from './plan-text.ts'
import { appliancesByNeed, type Recipe } from './recipe.ts'
import { recipeCatalogue } from './recipe-catalogue.ts'
import { seedOf } from './seeded-chance.ts'
import type { Serving } from './serving.ts'

/**
 * Meals for each day, from the catalogue's recipes that the preferences leave, as near to the targets as they can be
 * mixed. The same for the same input; another date, preference or last menu gives another one.
 * @param input without preference conflicts
 */
export async function planMenu(input: PlanInput, context: GenerationContext): Promise<PlanDraft> {
  const { archetype, preferences, points, days, date, previousDishes } = input
  const demands = readDemands(preferences)
  const { slots, dishes } = frameOf(demands)
  const rules = demands.flatMap(demand => (demand.type === 'dishes' && demand.rule ? [demand.rule] : []))
  const wanted = nutritionTargets({ archetype, preferences, points, rules })
  // A goal of the user's stands as it is; one that was filled in gives way to what so many meals can hold.
  const targets =
    preferences.calorieGoal === null ? withinReach(wanted, calorieReach(slots, dishes, days)) : wanted
  const types = demands.find(demand => demand.type === 'types')
  const liked = types ? new Set(recipeCatalogue.filter((_, i) => types.leaves[i])) : null
  const seed = seedOf(JSON.stringify([archetype, date, preferences, [...previousDishes].sort()]))
  const isLiked = liked && ((recipe: Recipe) => liked.has(recipe))
  const menus = await searchMenu({ slots, dishes, targets, days, previousDishes, isLiked, seed }, context)

  const menu = { slots, dishes, targets, menus }
  const notes = noteMenu({ menu, input, rules, isLiked, wantedCalories: wanted.calories })
  return {
    title: `${days === 1 ? 'A day' : `${days} days`} of meals at ${caloriesText(targets.calories)}`,
    summary: summarise(input, menu, notes),
    items: itemsOf(input, menu),
    notes: notes.told,
    metadata: metadataOf(input, menu, notes),
  }
}

function withinReach(targets: NutritionTargets, { least, most }: { least: number; most: number }) {
  const calories = Math.min(Math.max(targets.calories, least), most)
  return calories === targets.calories
    ? targets
    : { ...targets, ...withCalories(Math.round(calories / 10) * 10, targets.shares) }
}

function summarise({ archetype, days }: PlanInput, { targets }: PlannedMenu, notes: MenuNotes): string {
  const span = days === 1 ? 'One day' : `${days} days`
  return [
    `${span} of meals for a ${archetypeName(archetype)} at ${caloriesText(targets.calories)} a day, ` +
      `${sharesText(targets)} (${targets.reasons.calories}; ${targets.reasons.macros}).`,
    notes.accuracy,
    notes.repetition,
  ].join(' ')
}

function itemsOf({ preferences }: PlanInput, { slots, menus }: PlannedMenu): PlanItemDraft[] {
  const owned = preferences.appliances.length > 0 ? readAppliances(preferences.appliances) : null
  return menus.flatMap(({ servings }, day) =>
    servings.map((serving, i): PlanItemDraft => {
      const slot = slots[i] as MealSlot
      const amount = serving.portion * preferences.servingsPerMeal
      return {
        day: day + 1,
        time: clockText(slot.time),
        title: serving.recipe.title,
        description: describe(slot, serving, preferences.servingsPerMeal, owned),
        ingredients: serving.recipe.ingredients.map(({ food, grams }) => amountText(food, grams * amount)),
        nutrition: serving.nutrition,
      }
    }),
  )
}

function describe(
  slot: MealSlot,
  { recipe, portion }: Serving,
  people: number,
  owned: ReadonlySet<Appliance> | null,
): string {
  const used = recipe.needs.map(need => {
    const possible: readonly Appliance[] = appliancesByNeed[need]
    return possible.find(appliance => owned === null || owned.has(appliance)) ?? possible[0]
  })
  const names = [...new Set(used.filter(appliance => appliance !== undefined))].map(applianceName)
  const time = recipe.minutes === 0 ? 'no time at all' : `${recipe.minutes} minutes`
  const cuisine =
    recipe.cuisine === 'international' ? '' : ` ${recipe.cuisine.split(' ').map(capitalised).join(' ')},`
  return [
    `${slot.name}:${cuisine} ${time}, ${names.length > 0 ? `with ${listText(names)}` : 'without cooking'}.`,
    `${portion === 1 ? 'One serving' : `${portion} servings`} of the recipe a person` +
      `${people === 1 ? '' : `, ingredients for ${people}`}.`,
    recipe.method,
  ].join(' ')
}

function metadataOf(
  { date }: PlanInput,
  { slots, dishes, targets, menus }: PlannedMenu,
  notes: MenuNotes,
): PlanDraft['metadata'] {
  const firstDay = parseIsoDate(date)
  return {
    ...planEngine,
    mainDishes: menus.flatMap(({ servings }) =>
      servings.filter((_, i) => isMainSlot(slots[i] as MealSlot)).map(({ recipe }) => recipe.title),
    ),
    targets: targetsRecord(targets),
    days: menus.map(({ total, missed }, i) => ({
      day: i + 1,
      date: firstDay === null ? null : isoDate(firstDay + i),
      ...total,
      // Off by more than 10 %.
      missed,
    })),
    repeatedMainDishes: notes.repeatedMains,
    dishesOfLastMenu: notes.dishesOfLastMenu,
    recipes: { inCatalogue: recipeCatalogue.length, fitting: dishes.length },
    notes: notes.notes,
  }
}
