import type { FoodTag } from './food.ts'
import { type FoodName, foods } from './foods.ts'
import { foldName, singular } from './name-match.ts'
import { tagsByWords } from './written-foods.ts'

/**
 * What is in a dish that somebody else has written, as a language model does: "2 tbsp smooth peanut butter". By English
 * words, so it is a reading and no proof; rather too often than too seldom, but what calls itself free of something, or
 * vegan, is taken at its word.
 */
export interface WrittenFood {
  tags: ReadonlySet<FoodTag>
  /** The catalogue's foods that are named. */
  foods: readonly FoodName[]
}

/** @param isTitle of a dish: what sounds like meat beside a plant that stands in for it is none */
export function readWrittenFood(text: string, isTitle = false): WrittenFood {
  const { words, without } = withoutNegations(foldName(text).split(' ').map(singular))
  const found = new Set<FoodTag>()
  const named: FoodName[] = []
  let vague = false
  for (let at = 0; at < words.length; ) {
    const length = [4, 3, 2, 1].find(size => size <= words.length - at && known.has(key(words, at, size)))
    if (length === undefined) {
      vague ||= vagueMeat.has(words[at] ?? '')
      at++
      continue
    }
    const entry = known.get(key(words, at, length))
    for (const tag of entry?.tags ?? []) found.add(tag)
    if (entry?.food !== undefined) named.push(entry.food)
    at += length
  }
  const isPlant = words.some(word => plants.has(word))
  if (vague && !isPlant && !['poultry', 'fish', 'shellfish'].some(tag => found.has(tag as FoodTag)))
    found.add('meat')
  const taken = new Set<FoodTag>(isTitle && isPlant ? [...without, ...animal] : without)
  return { tags: found.difference(taken), foods: named }
}

/** What stands for meat unless something else is said to be in it. */
const vagueMeat = new Set([
  'meat',
  'steak',
  'sausage',
  'burger',
  'mince',
  'meatball',
  'patty',
  'jerky',
  'kebab',
])
/** What stands in for it. */
const plants = new Set(
  (
    'tofu tempeh seitan soy soya bean chickpea lentil pea mushroom cauliflower vegetable veg jackfruit aubergine eggplant ' +
    'beetroot beet walnut nut quinoa plant beyond impossible halloumi fruit coconut cashew almond oat'
  ).split(' '),
)

const flesh: readonly FoodTag[] = ['poultry', 'beef', 'lamb', 'pork', 'meat', 'fish', 'shellfish']
const animal: readonly FoodTag[] = [...flesh, 'eggs', 'dairy', 'rennet', 'honey']
const claims: Record<string, readonly FoodTag[]> = {
  vegan: animal,
  'plant based': animal,
  vegetarian: flesh,
  veggie: flesh,
  meatless: flesh,
  unsweetened: ['sugar'],
  alcoholfree: ['alcohol'],
  decaf: ['caffeine'],
  decaffeinated: ['caffeine'],
}
/** Lactose-free milk is milk still. */
const free: Record<string, readonly FoodTag[]> = {
  meat: flesh,
  egg: ['eggs'],
  dairy: ['dairy', 'rennet'],
  milk: ['dairy', 'rennet'],
  gluten: ['gluten'],
  wheat: ['gluten'],
  nut: ['nuts', 'peanuts'],
  peanut: ['peanuts'],
  soy: ['soy'],
  soya: ['soy'],
  sesame: ['sesame'],
  sugar: ['sugar'],
  grain: ['grain', 'gluten'],
  alcohol: ['alcohol'],
  caffeine: ['caffeine'],
  fish: ['fish'],
  shellfish: ['shellfish'],
  mustard: ['mustard'],
  celery: ['celery'],
  alcoholic: ['alcohol'],
}

/** Takes out "gluten-free", "no nuts", "vegan" and the like, and says what they exclude. */
function withoutNegations(words: readonly string[]): { words: string[]; without: FoodTag[] } {
  const left: string[] = []
  const without: FoodTag[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    const next = words[at + 1] ?? ''
    const claim = claims[`${word} ${next}`] ?? claims[word]
    if (claim) {
      without.push(...claim)
      if (claims[word] === undefined) at++
    } else if (next === 'free') {
      without.push(...(free[word] ?? []))
      at++
    } else if (['no', 'non', 'without'].includes(word) && next !== '') {
      without.push(...(free[next] ?? []))
      at++
    } else left.push(word)
  }
  return { words: left, without }
}

interface Known {
  tags: readonly FoodTag[]
  food?: FoodName
}

const key = (words: readonly string[], from: number, size: number) => words.slice(from, from + size).join(' ')
const keyOf = (name: string) => foldName(name).split(' ').map(singular).join(' ')

const known: ReadonlyMap<string, Known> = new Map<string, Known>([
  ...tagsByWords.map(([words, tags]): [string, Known] => [keyOf(words), { tags }]),
  // Last, so that the catalogue's own foods have the last word.
  ...(Object.keys(foods) as FoodName[]).map((food): [string, Known] => [
    keyOf(food),
    { tags: foods[food].tags, food },
  ]),
  // Cooks who leave out milk and soy buy one without; the catalogue counts on the usual one.
  ['dark chocolate', { tags: ['sugar', 'caffeine'], food: 'dark chocolate' }],
])
