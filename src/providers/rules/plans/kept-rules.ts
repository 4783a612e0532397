import type { PlanItemDraft, PlanNote, PlanPreferences } from '../../plan.ts'
import { type EatingRule, findDiet, findRestriction } from './diets.ts'
import { createNameMatcher, foldName, phrasesOf, significantWords } from './name-match.ts'
import { otherNote } from './plan-text.ts'
import type { Nutrition, Recipe } from './recipe.ts'
import { readWrittenFood } from './written-dish.ts'

/**
 * Where dishes that somebody else has written seem to break the diet or a restriction, or bring what is disliked, and
 * which of these nobody can check. A reading of words: what it does not find may be there all the same.
 * @param items those with ingredients are dishes
 */
export function brokenRules(items: readonly PlanItemDraft[], preferences: PlanPreferences): PlanNote[] {
  const dishes = items.filter(({ ingredients }) => ingredients.length > 0).map(readDish)
  const { dietType, dietaryRestrictions, dislikedIngredients } = preferences
  return [
    ...(dietType === null ? [] : ruleNotes('DIET', dietType, findDiet(dietType), dishes)),
    ...dietaryRestrictions.flatMap(name => ruleNotes('RESTRICTION', name, findRestriction(name), dishes)),
    ...dislikedIngredients.flatMap(name => dishes.flatMap(dish => namedNotes('DISLIKE', name, dish))),
  ]
}

interface WrittenDish {
  item: PlanItemDraft
  /** The ingredients, then the title. */
  parts: { text: string; recipe: Recipe }[]
}

function readDish(item: PlanItemDraft): WrittenDish {
  const parts = [...item.ingredients, item.title].map((text, i) => {
    const { tags, foods } = readWrittenFood(text, i === item.ingredients.length)
    return { text, recipe: asRecipe(tags, foods, NOTHING) }
  })
  return { item, parts }
}

function ruleNotes(
  kind: 'DIET' | 'RESTRICTION',
  name: string,
  rule: EatingRule | null | undefined,
  dishes: readonly WrittenDish[],
): PlanNote[] {
  if (rule === null) return []
  if (rule === undefined) {
    const unchecked = `Whether the dishes are ${kind === 'DIET' ? shown(name) : `right with ${shown(name)}`} could not be checked.`
    return [...dishes.flatMap(dish => namedNotes(kind, name, dish)), { ...otherNote(unchecked), kind }]
  }
  return [
    ...dishes.flatMap(dish => dishNotes(kind, name, rule, dish)),
    ...carbNotes(kind, name, rule, dishes),
  ]
}

function dishNotes(
  kind: 'DIET' | 'RESTRICTION',
  name: string,
  rule: EatingRule,
  { item, parts }: WrittenDish,
): PlanNote[] {
  const suspects = parts.filter(({ text }) => !callsItselfFree(text, name))
  const [culprit] = suspects.filter(({ recipe }) => !rule.allows(recipe))
  if (culprit)
    return [noteOf(kind, item, `seems to contain ${shown(culprit.text)}; it should be ${rule.wording}`)]
  // What goes together in no dish, each by itself being allowed.
  const recipes = suspects.map(({ recipe }) => recipe)
  const tags = new Set(recipes.flatMap(one => [...one.tags]))
  const ingredients = recipes.flatMap(one => one.ingredients.map(({ food }) => food))
  return rule.allows(asRecipe(tags, ingredients, NOTHING))
    ? []
    : [noteOf(kind, item, `joins what does not go together; it should be ${rule.wording}`)]
}

/** Carbohydrates count over a day: berries are a fine snack of a day that has little else. */
function carbNotes(
  kind: 'DIET' | 'RESTRICTION',
  name: string,
  rule: EatingRule,
  dishes: readonly WrittenDish[],
): PlanNote[] {
  if (rule.mostCarbs === undefined) return []
  const days = Map.groupBy(dishes, ({ item }) => item.day)
  return [...days].flatMap(([day, ofDay]): PlanNote[] => {
    const sum = ofDay.reduce((total, { item }) => added(total, item.nutrition ?? NOTHING), NOTHING)
    if (rule.allows(asRecipe(new Set(), [], sum))) return []
    return [
      {
        kind,
        day,
        dish: null,
        message: `Day ${day}: ${Math.round(sum.carbsGrams)} g of carbohydrates are more than ${shown(name)} allows.`,
      },
    ]
  })
}

function namedNotes(kind: PlanNote['kind'], name: string, { item, parts }: WrittenDish): PlanNote[] {
  const matchers = phrasesOf(name).map(createNameMatcher)
  const culprit = parts.find(
    ({ text }) =>
      !callsItselfFree(text, name) &&
      matchers.some(matches => matches(new Set([...significantWords(text), ...foldName(text).split(' ')]))),
  )
  return culprit ? [noteOf(kind, item, `seems to contain ${shown(name)}`)] : []
}

/** As in "lactose-free milk" where lactose is left out. */
function callsItselfFree(text: string, name: string): boolean {
  const folded = foldName(text)
  return significantWords(name).some(word => folded.includes(`${word} free`))
}

function noteOf(kind: PlanNote['kind'], { day, title }: PlanItemDraft, what: string): PlanNote {
  return { kind, day, dish: title, message: `Day ${day}: ${title} ${what}.` }
}

const NOTHING: Nutrition = { calories: 0, proteinGrams: 0, carbsGrams: 0, fatGrams: 0 }

function added(one: Nutrition, other: Nutrition): Nutrition {
  return {
    calories: one.calories + other.calories,
    proteinGrams: one.proteinGrams + other.proteinGrams,
    carbsGrams: one.carbsGrams + other.carbsGrams,
    fatGrams: one.fatGrams + other.fatGrams,
  }
}

/** What a rule looks at. Whether a dish is one of a region nobody can tell from its ingredients, so it passes for one. */
function asRecipe(
  tags: Recipe['tags'],
  foods: readonly Recipe['ingredients'][number]['food'][],
  nutrition: Nutrition,
): Recipe {
  return {
    title: '',
    kinds: [],
    cuisine: '',
    types: ['mediterranean'],
    needs: [],
    minutes: 0,
    complexity: 0,
    method: '',
    ingredients: foods.map(food => ({ food, grams: 0 })),
    nutrition,
    tags,
  }
}

const MOST_SHOWN_CHARACTERS = 60
const shown = (text: string) => `'${text.trim().slice(0, MOST_SHOWN_CHARACTERS)}'`
