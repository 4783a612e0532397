import fc from 'fast-check'
import type { PlanDraft, PlanInput, PlanPreferences } from '../../src/providers/plan.ts'
import { createRulesPlans } from '../../src/providers/rules/plans/rules-plans.ts'

export const nothingSaid: PlanPreferences = {
  dietType: null,
  dietaryRestrictions: [],
  dislikedIngredients: [],
  recipeType: [],
  macroProtein: null,
  macroCarbs: null,
  macroFat: null,
  calorieGoal: null,
  mealTimes: [],
  appliances: [],
  prepComplexity: null,
  servingsPerMeal: 1,
  snacksPerDay: 0,
}

/** A test names what matters to it; the rest is of a user who said nothing and recorded nothing. */
export function planInput(
  kind: PlanInput['kind'],
  preferences: Partial<PlanPreferences> = {},
  rest: Partial<Omit<PlanInput, 'kind' | 'preferences'>> = {},
): PlanInput {
  return {
    kind,
    archetype: 'FOUNDATION_BUILDER',
    date: '2026-04-02',
    days: kind === 'MENU' ? 7 : 1,
    analysis: { summary: '', result: {}, createdAt: new Date('2026-04-02T06:00:00.000Z') },
    points: [],
    previousDishes: [],
    ...rest,
    preferences: { ...nothingSaid, ...preferences },
  }
}

export function makePlan(input: PlanInput): Promise<PlanDraft> {
  const context = { signal: new AbortController().signal, reportProgress: () => {} }
  return createRulesPlans().generatePlan(input, context)
}

/** What a menu keeps about itself, as whoever reads the stored plan finds it. */
export interface MenuRecord {
  mainDishes: string[]
  repeatedMainDishes: string[]
  dishesOfLastMenu: string[]
  targets: { calories: number; proteinGrams: number; carbsGrams: number; fatGrams: number }
  days: { day: number; calories: number; missed: string[] }[]
  recipes: { inCatalogue: number; fitting: number }
  notes: string[]
}

export function menuRecord(draft: PlanDraft): MenuRecord {
  return JSON.parse(JSON.stringify(draft.metadata)) as MenuRecord
}

const diets = [
  ...[
    null,
    'omnivore',
    'flexitarian',
    'pescatarian',
    'vegetarian',
    'vegan',
    'mediterranean',
    'keto',
    'low_carb',
  ],
  ...['paleo'],
]
const restrictions = [
  ...[
    'gluten',
    'dairy',
    'eggs',
    'nuts',
    'peanuts',
    'soy',
    'fish',
    'shellfish',
    'sesame',
    'pork',
    'beef',
    'lamb',
  ],
  ...['poultry', 'seafood', 'red_meat', 'halal', 'sugar', 'legumes', 'grains'],
]
/** With a word that tells the food by itself in whatever way it is shown. */
export const dislikes: Record<string, RegExp> = {
  mushrooms: /mushroom/,
  Mushroom: /mushroom/,
  TOMATOES: /tomato|passata|ketchup/,
  'fresh coriander': /coriander/,
  cilantro: /coriander/,
  berries: /berries/,
  courgettes: /courgette/,
  zucchini: /courgette/,
  prawn: /prawn/,
  shrimp: /prawn/,
  cheese: /cheese|feta|mozzarella|halloumi|cheddar|parmesan|ricotta|paneer|pesto/,
  avocado: /avocado/,
  'chick peas': /chickpea|hummus/,
  'Tofu ': /tofu/,
  egg: /\begg|mayonnaise/,
  'onions and garlic': /onion|garlic|leek|pesto|chorizo|hummus|kimchi|curry paste|salsa/,
  'sweet potatoes': /sweet potato/,
  beetroot: /beetroot/,
}
const macroSplits = [
  ...[
    null,
    { macroProtein: 30, macroCarbs: 40, macroFat: 30 },
    { macroProtein: 20, macroCarbs: 50, macroFat: 30 },
  ],
  ...[
    { macroProtein: 25 },
    { macroCarbs: 45, macroFat: 35 },
    { macroProtein: 35, macroCarbs: 15, macroFat: 50 },
  ],
  ...[{ macroFat: 60 }, { macroProtein: 45, macroCarbs: 45, macroFat: 10 }],
]
const mealTimes = [
  ...[
    [],
    [],
    ['07:30', '12:30', '19:00'],
    ['12:00', '18:30'],
    ['18:00'],
    ['08:00', '12:00', '16:00', '20:00'],
  ],
  ...[['06:15', '09:30', '12:45', '16:00', '19:15', '22:00']],
]
const kitchens = [[], [], [], ['stove'], ['microwave'], ['Oven', 'hob'], ['air fryer', 'blender'], ['none']]

/** Preferences that a user might well have, possible together or not; none malformed. */
export const somePreferences: fc.Arbitrary<PlanPreferences> = fc
  .record({
    dietType: fc.constantFrom(...diets),
    dietaryRestrictions: fc.subarray(restrictions, { maxLength: 3 }),
    dislikedIngredients: fc.subarray(Object.keys(dislikes), { maxLength: 3 }),
    recipeType: fc.subarray(['italian', 'asian', 'salads', 'curry', 'salmon', 'quick'], { maxLength: 2 }),
    macros: fc.constantFrom(...macroSplits),
    calorieGoal: fc.option(fc.integer({ min: 1_300, max: 3_400 })),
    mealTimes: fc.constantFrom(...mealTimes),
    appliances: fc.constantFrom(...kitchens),
    prepComplexity: fc.option(fc.integer({ min: 0, max: 100 }), { freq: 2 }),
    servingsPerMeal: fc.integer({ min: 1, max: 6 }),
    snacksPerDay: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ macros, ...rest }) => ({ ...nothingSaid, ...rest, ...macros }))
