import type { PlanInput, PlanNote } from '../../plan.ts'
import { listText } from '../wording.ts'
import { findAppliances } from './appliances.ts'
import type { EatingRule } from './diets.ts'
import { isMainSlot, type MealSlot } from './meal-slots.ts'
import { dishesFor } from './menu-reach.ts'
import type { DayMenu } from './menu-search.ts'
import { foldName } from './name-match.ts'
import { type MacroName, macroNames, type NutritionTargets } from './nutrition-targets.ts'
import { caloriesText, otherNote, targetText } from './plan-text.ts'
import type { Recipe } from './recipe.ts'
import { gramsOfMacro } from './serving.ts'

export interface PlannedMenu {
  slots: readonly MealSlot[]
  dishes: readonly Recipe[]
  targets: NutritionTargets
  menus: readonly DayMenu[]
}

/** What the menu kept of what was asked for, and what it could not. */
export interface MenuNotes {
  /** One sentence on the targets. */
  accuracy: string
  /** One sentence on the main dishes. */
  repetition: string
  /** Titles of what comes more than once. */
  repeatedMains: string[]
  dishesOfLastMenu: string[]
  notes: string[]
  /** All of it once more, one shortfall each, for programs. */
  told: PlanNote[]
}

export function noteMenu(about: {
  menu: PlannedMenu
  input: PlanInput
  rules: readonly EatingRule[]
  isLiked: ((recipe: Recipe) => boolean) | null
  /** Before they gave way to what the meals can hold. */
  wantedCalories: number
}): MenuNotes {
  const { menu, input, rules, isLiked, wantedCalories } = about
  const mains = mainsOf(menu)
  const titles = mains.map(({ title }) => title)
  const previous = new Set(input.previousDishes.map(foldName))
  const repeatedMains = [...new Set(titles.filter((title, i) => titles.indexOf(title) !== i))]
  const dishesOfLastMenu = [...new Set(titles.filter(title => previous.has(foldName(title))))]
  const unknown = input.preferences.appliances.filter(name => findAppliances(name).length === 0)
  const likedCount = isLiked ? mains.filter(isLiked).length : 0
  const notes = [
    wantedCalories === menu.targets.calories
      ? null
      : `So many meals cannot hold ${caloriesText(wantedCalories)}, so ${caloriesText(menu.targets.calories)} are planned.`,
    isLiked && likedCount < mains.length
      ? `${likedCount} of ${mains.length} main dishes are of the kinds you like; the others fit your goals.`
      : null,
    unknown.length > 0 ? `No recipe knows what to do with ${listText(unknown)}.` : null,
    ...new Set(rules.map(({ note }) => note ?? null)),
  ].filter(note => note !== null)
  return {
    accuracy: accuracyText(menu),
    repetition: repetitionText(menu, titles, repeatedMains, dishesOfLastMenu, previous.size > 0),
    repeatedMains,
    dishesOfLastMenu,
    notes,
    told: [...missedNotes(menu), ...dishNotes(menu, previous), ...notes.map(otherNote)],
  }
}

function missedNotes({ menus, targets }: PlannedMenu): PlanNote[] {
  return menus.flatMap(({ missed, total }, i) =>
    missed.map((target): PlanNote => {
      const figures =
        target === 'calories'
          ? `${caloriesText(total.calories)} instead of ${caloriesText(targets.calories)}`
          : `${Math.round(total[gramsOfMacro[target]])} g of ${targetText(target)} instead of ${Math.round(targets.grams[gramsOfMacro[target]])} g`
      return {
        kind: target === 'calories' ? 'CALORIES' : 'MACROS',
        day: i + 1,
        dish: null,
        message: `Day ${i + 1}: ${figures}; the dishes that fit come no nearer.`,
      }
    }),
  )
}

/** A main dish that was there before, in this menu or the last one. */
function dishNotes({ slots, menus }: PlannedMenu, previous: ReadonlySet<string>): PlanNote[] {
  const served = new Set<string>()
  return menus.flatMap(({ servings }, i) =>
    servings.flatMap(({ recipe: { title } }, slot): PlanNote[] => {
      if (!isMainSlot(slots[slot] as MealSlot)) return []
      const about = { day: i + 1, dish: title }
      if (served.has(title))
        return [
          {
            kind: 'REPEATED_DISH',
            ...about,
            message: `Day ${i + 1}: ${title} comes again, as too few main dishes fit.`,
          },
        ]
      served.add(title)
      if (!previous.has(foldName(title))) return []
      return [
        {
          kind: 'DISH_OF_LAST_MENU',
          ...about,
          message: `Day ${i + 1}: ${title} was in your last menu, as too few others fit.`,
        },
      ]
    }),
  )
}

function mainsOf({ slots, menus }: PlannedMenu): Recipe[] {
  return menus.flatMap(({ servings }) =>
    servings.filter((_, i) => isMainSlot(slots[i] as MealSlot)).map(({ recipe }) => recipe),
  )
}

function accuracyText({ menus }: PlannedMenu): string {
  const missing = (['calories', ...macroNames] as const).flatMap(target => {
    const days = menus.flatMap(({ missed }, i) => (missed.includes(target) ? [i + 1] : []))
    return days.length > 0 ? [missingText(target, days, menus.length)] : []
  })
  const each = menus.length === 1 ? 'The day' : 'Every day'
  if (missing.length === 0) return `${each} is within 10 % of these goals.`
  return `The dishes that fit did not come within 10 % of ${listText(missing)}; all else is within.`
}

function missingText(target: 'calories' | MacroName, days: readonly number[], all: number): string {
  if (days.length === all) return `the ${targetText(target)}${all === 1 ? '' : ' on any day'}`
  const on = days.length === 1 ? 'day' : 'days'
  return `the ${targetText(target)} on ${on} ${listText(days.map(String))}`
}

function repetitionText(
  { slots, dishes, menus }: PlannedMenu,
  titles: readonly string[],
  repeated: readonly string[],
  ofLastMenu: readonly string[],
  hasLastMenu: boolean,
): string {
  const again = ofLastMenu.length
  if (repeated.length > 0) {
    const fitting = dishesFor({ kinds: ['main'] }, dishes).length
    const needed = slots.filter(isMainSlot).length * menus.length
    const fromLast = again > 0 ? `, and ${again} ${again === 1 ? 'was' : 'were'} in your last menu` : ''
    const more = repeated.length === 1 ? 'one of them comes' : `${repeated.length} of them come`
    return `Only ${fitting} main ${fitting === 1 ? 'dish fits' : 'dishes fit'} for ${needed} meals, so ${more} more than once${fromLast}.`
  }
  const [title] = titles
  if (titles.length === 1) {
    return again > 0
      ? 'Its main dish was in your last menu, as no other fits.'
      : `Its main dish is ${title}${hasLastMenu ? ', which was not in your last menu' : ''}.`
  }
  const different = `Its ${titles.length} main dishes are all different`
  if (again > 0) {
    return `${different}; ${again} ${again === 1 ? 'was' : 'were'} in your last menu, as only ${titles.length - again} others fit.`
  }
  return hasLastMenu ? `${different}, and none was in your last menu.` : `${different}.`
}
