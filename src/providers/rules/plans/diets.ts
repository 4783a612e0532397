import type { FoodTag } from './food.ts'
import { wordsOfFood } from './food-words.ts'
import { type FoodName, foods } from './foods.ts'
import { createNameMatcher, foldName, phrasesOf, significantWords } from './name-match.ts'
import { energyShares, type Recipe } from './recipe.ts'
import { recipeCatalogue } from './recipe-catalogue.ts'

/** Percent of the calories; add up to 100. */
export interface MacroShares {
  protein: number
  carbs: number
  fat: number
}

export interface EatingRule {
  name: string
  /** As in "no main dish is …", "without …". */
  wording: string
  allows(recipe: Recipe): boolean
  /** What the diet itself says of the macros: the default, and the most carbohydrates that still are this diet, in percent. */
  macros?: MacroShares
  mostCarbs?: number
  /** What the rule cannot see in a recipe. */
  note?: string
}

const meat = ['poultry', 'beef', 'lamb', 'pork', 'meat'] as const satisfies FoodTag[]
const redMeat = ['beef', 'lamb', 'pork', 'meat'] as const satisfies FoodTag[]
const flesh = [...meat, 'fish', 'shellfish'] as const satisfies FoodTag[]

const without =
  (...tags: readonly FoodTag[]) =>
  (recipe: Recipe) =>
    tags.every(tag => !recipe.tags.has(tag))

/** Shares of the energy, with some room above the diets' targets: a day is mixed from several dishes. */
const ketoCarbs = 0.16
const lowCarbCarbs = 0.3

export const diets: readonly EatingRule[] = [
  { name: 'omnivore', wording: 'for omnivores', allows: () => true },
  { name: 'flexitarian', wording: 'without red meat', allows: without(...redMeat) },
  { name: 'pescatarian', wording: 'pescatarian', allows: without(...meat) },
  { name: 'vegetarian', wording: 'vegetarian', allows: without(...flesh, 'rennet') },
  { name: 'vegan', wording: 'vegan', allows: without(...flesh, 'eggs', 'dairy', 'rennet', 'honey') },
  {
    name: 'mediterranean',
    wording: 'Mediterranean',
    allows: recipe => recipe.types.includes('mediterranean') && without('beef', 'pork')(recipe),
    macros: { protein: 20, carbs: 43, fat: 37 },
  },
  {
    name: 'keto',
    wording: 'ketogenic',
    allows: recipe => energyShares(recipe.nutrition).carbs <= ketoCarbs && without('grain', 'sugar')(recipe),
    macros: { protein: 25, carbs: 9, fat: 66 },
    mostCarbs: 15,
  },
  {
    name: 'low_carb',
    wording: 'low in carbohydrates',
    allows: recipe => energyShares(recipe.nutrition).carbs <= lowCarbCarbs,
    macros: { protein: 27, carbs: 20, fat: 53 },
    mostCarbs: 30,
  },
  {
    name: 'paleo',
    wording: 'paleo',
    allows: without('grain', 'legume', 'dairy', 'sugar', 'soy', 'peanuts'),
    macros: { protein: 27, carbs: 25, fat: 48 },
    mostCarbs: 45,
  },
]

export const restrictions: readonly EatingRule[] = [
  ...freeOf('gluten', 'gluten'),
  ...freeOf('dairy', 'dairy'),
  ...freeOf('eggs', 'eggs'),
  { name: 'nuts', wording: 'without nuts and peanuts', allows: without('nuts', 'peanuts') },
  { name: 'tree_nuts', wording: 'without tree nuts', allows: without('nuts') },
  ...freeOf('peanuts', 'peanuts'),
  ...freeOf('soy', 'soy'),
  ...freeOf('fish', 'fish'),
  ...freeOf('shellfish', 'shellfish'),
  { name: 'seafood', wording: 'without fish and shellfish', allows: without('fish', 'shellfish') },
  ...freeOf('sesame', 'sesame'),
  ...freeOf('celery', 'celery'),
  ...freeOf('mustard', 'mustard'),
  ...freeOf('sulphites', 'sulphites'),
  ...freeOf('coconut', 'coconut'),
  { name: 'meat', wording: 'without meat', allows: without(...meat) },
  { name: 'red_meat', wording: 'without red meat', allows: without(...redMeat) },
  ...freeOf('pork', 'pork'),
  ...freeOf('beef', 'beef'),
  ...freeOf('lamb', 'lamb'),
  ...freeOf('poultry', 'poultry'),
  ...freeOf('alcohol', 'alcohol'),
  ...freeOf('caffeine', 'caffeine'),
  ...freeOf('honey', 'honey'),
  { name: 'sugar', wording: 'without added sugar', allows: without('sugar', 'honey') },
  { name: 'legumes', wording: 'without legumes', allows: without('legume', 'peanuts') },
  { name: 'grains', wording: 'without grains', allows: without('grain', 'gluten') },
  {
    name: 'halal',
    wording: 'halal',
    allows: without('pork', 'alcohol'),
    note: 'Halal: no dish has pork or alcohol; buy meat that was slaughtered accordingly.',
  },
  {
    name: 'kosher',
    wording: 'kosher',
    allows: recipe =>
      without('pork', 'shellfish')(recipe) &&
      !(recipe.tags.has('dairy') && meat.some(tag => recipe.tags.has(tag))),
    note: 'Kosher: no dish has pork or shellfish or joins meat with dairy; buy what is certified, and mind the hours between dishes.',
  },
]

/** By folded name; null where nothing is restricted. */
const otherNames: Record<string, string | null> = {
  none: null,
  nothing: null,
  no: null,
  'no preference': null,
  'no restrictions': null,
  standard: null,
  normal: null,
  regular: null,
  balanced: null,
  everything: null,
  anything: null,
  omnivorous: 'omnivore',
  'plant based': 'vegan',
  veggie: 'vegetarian',
  'ovo lacto vegetarian': 'vegetarian',
  'lacto ovo vegetarian': 'vegetarian',
  pescetarian: 'pescatarian',
  ketogenic: 'keto',
  lowcarb: 'low_carb',
  'low carbs': 'low_carb',
  'low carbohydrate': 'low_carb',
  paleolithic: 'paleo',
  wheat: 'gluten',
  coeliac: 'gluten',
  celiac: 'gluten',
  lactose: 'dairy',
  milk: 'dairy',
  egg: 'eggs',
  nut: 'nuts',
  'tree nut': 'tree_nuts',
  treenuts: 'tree_nuts',
  peanut: 'peanuts',
  groundnuts: 'peanuts',
  soya: 'soy',
  crustaceans: 'shellfish',
  crustacean: 'shellfish',
  molluscs: 'shellfish',
  mollusks: 'shellfish',
  prawns: 'shellfish',
  sulfites: 'sulphites',
  chicken: 'poultry',
  'added sugar': 'sugar',
  'refined sugar': 'sugar',
  legume: 'legumes',
  pulses: 'legumes',
  grain: 'grains',
}

/** Null: nothing said. Undefined: unknown. Diets may be named with what they leave out, as in "gluten-free". */
export function findDiet(name: string): EatingRule | null | undefined {
  return findRule(name, [...diets, ...restrictions])
}

/**
 * As findDiet; beside the known ones, a restriction may name foods of the catalogue, and several things at once, as in
 * "milk and eggs": all of them are left out. A phrase with an allergen's word in it leaves out the allergen as a whole,
 * whatever else it says: "wheat flour" is no wheat at all.
 */
export function findRestriction(name: string): EatingRule | null | undefined {
  const whole = findRule(name, [...restrictions, ...diets])
  if (whole !== undefined) return whole
  const rules = phrasesOf(name).map(findPhraseRule)
  // Half a restriction kept is one broken.
  if (rules.length === 0 || rules.some(rule => rule === undefined)) return undefined
  return bothRules(
    name,
    rules.filter(rule => rule !== undefined && rule !== null),
  )
}

function findPhraseRule(phrase: string): EatingRule | null | undefined {
  const known = findRule(phrase, [...restrictions, ...diets])
  if (known !== undefined) return known
  const ofFoods = withoutFoods(phrase)
  const ofAllergens = allergensIn(phrase)
  const rules = [...ofAllergens, ...(ofFoods ? [ofFoods] : [])]
  return rules.length > 0 ? bothRules(phrase, rules) : undefined
}

function bothRules(name: string, rules: readonly EatingRule[]): EatingRule {
  const notes = rules.flatMap(rule => rule.note ?? [])
  return {
    name,
    wording: `without ${name.trim()}`,
    allows: recipe => rules.every(rule => rule.allows(recipe)),
    ...(notes.length > 0 && { note: notes.join(' ') }),
  }
}

/** Singular words of a phrase, and the restriction that they stand for. */
const allergenWords: Record<string, string> = {
  gluten: 'gluten',
  wheat: 'gluten',
  wholewheat: 'gluten',
  barley: 'gluten',
  rye: 'gluten',
  spelt: 'gluten',
  dairy: 'dairy',
  milk: 'dairy',
  lactose: 'dairy',
  whey: 'dairy',
  casein: 'dairy',
  egg: 'eggs',
  nut: 'nuts',
  peanut: 'peanuts',
  groundnut: 'peanuts',
  soy: 'soy',
  soya: 'soy',
  soybean: 'soy',
  fish: 'fish',
  shellfish: 'shellfish',
  prawn: 'shellfish',
  crustacean: 'shellfish',
  mollusc: 'shellfish',
  mollusk: 'shellfish',
  sesame: 'sesame',
  celery: 'celery',
  mustard: 'mustard',
  sulphite: 'sulphites',
  sulfite: 'sulphites',
}
/** Before "milk" they make it no dairy. */
const plantsOfMilk = new Set(['coconut', 'almond', 'oat', 'rice', 'soy', 'soya', 'hazelnut', 'cashew', 'nut'])

function allergensIn(phrase: string): EatingRule[] {
  const words = significantWords(stripped(foldName(phrase)))
  const ofPlants = words.some(word => plantsOfMilk.has(word))
  const names = new Set(
    words.flatMap(word => (word === 'milk' && ofPlants ? [] : (allergenWords[word] ?? []))),
  )
  return restrictions.filter(rule => names.has(rule.name))
}

/** What somebody dislikes, also where it takes no dish away. */
export function dislikeRule(name: string): EatingRule | null {
  // "Salmon sashimi": what is known of it is left out, for what is not is served nowhere.
  const phrases = phrasesOf(name).map(phrase => significantWords(phrase).filter(isKnownWord).join(' '))
  const known = phrases.filter(phrase => phrase !== '')
  return known.length > 0 ? phrasesRule(name, known) : null
}

function phrasesRule(name: string, phrases: readonly string[]): EatingRule {
  const unwanted = foodsNamed(phrases)
  const matchers = phrases.map(createNameMatcher)
  return {
    name,
    wording: `without ${name.trim()}`,
    allows: recipe =>
      !recipe.ingredients.some(({ food }) => unwanted.has(food)) &&
      !matchers.some(matches => matches(wordsOfDishes.get(recipe) ?? new Set())),
  }
}

function withoutFoods(phrase: string): EatingRule | undefined {
  const named = stripped(foldName(phrase))
  return foodsNamed([named]).size > 0 ? phrasesRule(phrase, [named]) : undefined
}

function foodsNamed(phrases: readonly string[]): Set<FoodName> {
  const matchers = phrases.map(createNameMatcher)
  return new Set(foodNames.filter(food => matchers.some(matches => matches(wordsOfFood(food)))))
}

const foodNames = Object.keys(foods) as FoodName[]
/** Of kinds of dish: who dislikes curry dislikes all curries. */
const wordsOfDishes = new Map<Recipe, ReadonlySet<string>>(
  recipeCatalogue.map(recipe => [recipe, new Set(recipe.types.flatMap(significantWords))]),
)
const everyWord = new Set(
  [...foodNames.map(wordsOfFood), ...wordsOfDishes.values()].flatMap(words => [...words]),
)

function isKnownWord(word: string): boolean {
  return createNameMatcher(word)(everyWord)
}

function freeOf(name: string, tag: FoodTag): EatingRule[] {
  return [{ name, wording: `without ${name}`, allows: without(tag) }]
}

function findRule(name: string, rules: readonly EatingRule[]): EatingRule | null | undefined {
  const folded = foldName(name)
  for (const candidate of [folded, stripped(folded)]) {
    const known = Object.hasOwn(otherNames, candidate) ? otherNames[candidate] : candidate
    if (known === null || known === '') return null
    const rule = rules.find(one => foldName(one.name) === foldName(known ?? ''))
    if (rule) return rule
  }
  return undefined
}

/** "No pork", "nut-free", "peanut allergy", "dairy free diet" name what is to be left out. */
function stripped(folded: string): string {
  const once = folded
    .replace(/^(?:no|without|free of|free from|allergic to|intolerant to|avoid) /, '')
    .replace(/ (?:free|allergy|allergies|allergic|intolerance|intolerant|diet|disease)$/, '')
  return once === folded ? once : stripped(once)
}
