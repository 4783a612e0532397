import { describe, expect, it } from 'vitest'
import { appliances, readAppliances } from '../../src/providers/rules/plans/appliances.ts'
import {
  diets,
  dislikeRule,
  findDiet,
  findRestriction,
  restrictions,
} from '../../src/providers/rules/plans/diets.ts'
import { foods } from '../../src/providers/rules/plans/foods.ts'
import { amountText } from '../../src/providers/rules/plans/ingredient-amount.ts'
import { appliancesByNeed, readRecipe } from '../../src/providers/rules/plans/recipe.ts'
import { recipeCatalogue } from '../../src/providers/rules/plans/recipe-catalogue.ts'
import { createTypeMatcher } from '../../src/providers/rules/plans/recipe-types.ts'
import { foodOf, forbiddenFoods } from '../support/plan-food-knowledge.ts'
import { makePlan, menuRecord, planInput } from '../support/plan-preferences.ts'

const energy = (protein: number, carbs: number, fat: number) => 4 * protein + 4 * carbs + 9 * fat
const titlesWhere = (holds: (recipe: (typeof recipeCatalogue)[number]) => boolean) =>
  recipeCatalogue.filter(holds).map(({ title }) => title)
const mainsLeft = (name: string) =>
  recipeCatalogue.filter(recipe => recipe.kinds.includes('main') && findDiet(name)?.allows(recipe)).length

describe('the recipes', () => {
  it('are more than 120, with unique titles, enough of each kind', () => {
    expect(recipeCatalogue.length).toBeGreaterThanOrEqual(120)
    expect(new Set(recipeCatalogue.map(({ title }) => title.toLowerCase())).size).toBe(recipeCatalogue.length)
    expect(titlesWhere(({ kinds }) => kinds.includes('main')).length).toBeGreaterThanOrEqual(80)
    expect(titlesWhere(({ kinds }) => kinds.includes('breakfast')).length).toBeGreaterThanOrEqual(20)
    expect(titlesWhere(({ kinds }) => kinds.includes('snack')).length).toBeGreaterThanOrEqual(20)
  })

  it('have calories that their macros explain within 5 %', () => {
    const off = titlesWhere(({ nutrition: { calories, proteinGrams, carbsGrams, fatGrams } }) => {
      return Math.abs(energy(proteinGrams, carbsGrams, fatGrams) - calories) > 0.05 * calories
    })
    expect(off).toEqual([])
  })

  it('are made of foods whose calories their macros explain, too', () => {
    const off = Object.entries(foods).filter(([, { calories, protein, carbs, fat }]) => {
      return Math.abs(energy(protein, carbs, fat) - calories) > Math.max(2, 0.05 * calories)
    })
    expect(off.map(([name]) => name)).toEqual([])
    expect(Object.entries(foods).filter(([, f]) => f.protein + f.carbs + f.fat > 101)).toEqual([])
  })

  it('are portions that somebody would eat, of amounts that somebody would buy', () => {
    const bounds = { breakfast: [330, 600], main: [450, 820], snack: [130, 310] } as const
    const odd = recipeCatalogue.filter(({ kinds, nutrition, ingredients, minutes, complexity }) => {
      const [kind = 'main'] = kinds
      const [least, most] = bounds[kind]
      return (
        nutrition.calories < least ||
        nutrition.calories > most ||
        ingredients.length < 2 ||
        ingredients.some(({ grams }) => grams < 1 || grams > 450) ||
        new Set(ingredients.map(({ food }) => food)).size < ingredients.length ||
        minutes > 240 ||
        complexity < 0 ||
        complexity > 100
      )
    })
    expect(odd.map(({ title }) => title)).toEqual([])
  })

  it('have in them what their titles say', () => {
    const said: [RegExp, RegExp][] = [
      [/chicken/i, /chicken/],
      [/turkey(?!\w)/i, /turkey/],
      [/\b(beef|steak|bolognese|burger|cheeseburger)\b/i, /beef|steak|stewing|lentils|turkey/],
      [/salmon/i, /salmon/],
      [/\btuna\b/i, /tuna/],
      [/\bcod\b/i, /cod/],
      [/prawn/i, /prawns/],
      [/\btofu\b/i, /tofu/],
      [/tempeh/i, /tempeh/],
      [/\beggs?\b/i, /^egg/],
      [/feta/i, /feta/],
      [/halloumi/i, /halloumi/],
      [/lentil/i, /lentils/],
      [/chickpea/i, /chickpea/],
      [/mushroom/i, /mushrooms/],
      [/spinach/i, /spinach/],
      [/avocado/i, /avocado/],
      [/quinoa/i, /quinoa/],
      [/walnut/i, /walnuts/],
      [/almond/i, /almond/],
      [/sweet potato/i, /sweet potato/],
      [/broccoli/i, /broccoli/],
      [/\brice\b(?! (?:noodle|cake))/i, /rice|cauliflower/],
    ]
    const lies = recipeCatalogue.flatMap(({ title, ingredients }) =>
      said
        .filter(
          ([inTitle, inFood]) => inTitle.test(title) && !ingredients.some(({ food }) => inFood.test(food)),
        )
        .map(([, inFood]) => `${title}: ${inFood}`),
    )
    expect(lies).toEqual([])
  })

  it('need the appliances that their methods use', () => {
    const used: [RegExp, string][] = [
      [/\b(bake|roast)\b/i, 'oven'],
      [/\bblend\b/i, 'blender'],
      [/\b(simmer|fry|boil up|sear|brown the|stir-fry|soften|toast the)\b/i, 'stove'],
      [/\bmicrowave in\b/i, 'microwave'],
    ]
    const missing = recipeCatalogue.flatMap(({ title, method, needs }) => {
      const possible: string[] = needs.flatMap(need => appliancesByNeed[need])
      return used
        .filter(([words, appliance]) => words.test(method) && !possible.includes(appliance))
        .map(([, appliance]) => `${title}: ${appliance}`)
    })
    expect(missing).toEqual([])
  })

  it('cover every diet for two main dishes a day over a week, and most over two weeks', () => {
    expect(diets.map(({ name }) => [name, mainsLeft(name) >= 14]).filter(([, enough]) => !enough)).toEqual([])
    for (const name of [
      'omnivore',
      'vegetarian',
      'vegan',
      'pescatarian',
      'mediterranean',
      'keto',
      'low_carb',
    ])
      expect([name, mainsLeft(name) >= 28]).toEqual([name, true])
  })

  it('that are misspelt are found when they are read', () => {
    const [first] = recipeCatalogue
    if (!first) throw new Error('there is a recipe')
    expect(() => readRecipe({ ...first, ingredients: '80 rolled oats, 12 unobtainium' })).toThrow(
      /unobtainium/,
    )
    expect(() => readRecipe({ ...first, ingredients: 'rolled oats' })).toThrow(/no amount/)
  })
})

describe('diets and restrictions, held against what is known of each food by hand', () => {
  it.each(Object.keys(forbiddenFoods))('%s: nothing forbidden is allowed', name => {
    const rule = findDiet(name)
    expect(findRestriction(name)).toBe(rule)
    const forbidden = new Set(forbiddenFoods[name])
    const wrong = recipeCatalogue.filter(
      recipe => rule?.allows(recipe) && recipe.ingredients.some(({ food }) => forbidden.has(food)),
    )
    expect(wrong.map(({ title }) => title)).toEqual([])
  })

  const byFoodAlone = Object.keys(forbiddenFoods).filter(
    name => !['mediterranean', 'keto', 'low_carb', 'omnivore'].includes(name),
  )
  it.each(byFoodAlone)('%s: nothing else is forbidden', name => {
    const forbidden = new Set(forbiddenFoods[name])
    const wrong = recipeCatalogue.filter(
      recipe =>
        !findDiet(name)?.allows(recipe) && !recipe.ingredients.some(({ food }) => forbidden.has(food)),
    )
    expect(wrong.map(({ title }) => title)).toEqual([])
  })

  it('keto and low_carb go by the share of the energy', () => {
    const carbShare = (name: string) => {
      const allowed = recipeCatalogue.filter(recipe => findDiet(name)?.allows(recipe))
      return Math.max(...allowed.map(({ nutrition: n }) => (4 * n.carbsGrams) / n.calories))
    }
    expect(carbShare('keto')).toBeLessThan(0.18)
    expect(carbShare('low_carb')).toBeLessThan(0.33)
    expect(carbShare('omnivore')).toBeGreaterThan(0.6)
  })

  it('kosher keeps meat and dairy apart', () => {
    const meatAndDairy = recipeCatalogue.filter(
      recipe =>
        recipe.ingredients.some(({ food }) => forbiddenFoods.pescatarian?.includes(food)) &&
        recipe.ingredients.some(({ food }) => forbiddenFoods.dairy?.includes(food)),
    )
    expect(meatAndDairy.length).toBeGreaterThan(5)
    expect(meatAndDairy.filter(recipe => findDiet('kosher')?.allows(recipe))).toEqual([])
  })

  it.each([
    ['Gluten-Free', 'gluten'],
    ['no pork', 'pork'],
    ['nut allergy', 'nuts'],
    ['tree-nuts', 'tree_nuts'],
    ['lactose intolerant', 'dairy'],
    ['DAIRY FREE diet', 'dairy'],
    ['Coeliac disease', 'gluten'],
    ['plant-based', 'vegan'],
    ['Low Carb', 'low_carb'],
    ['pescetarian', 'pescatarian'],
    ['ketogenic', 'keto'],
  ])('%s is %s', (said, name) => {
    expect(findDiet(said)?.name).toBe(name)
    expect(findRestriction(said)?.name).toBe(name)
  })

  it('say nothing for "none", and know when they do not know', () => {
    for (const said of ['none', 'No preference', '', 'balanced']) expect(findDiet(said)).toBeNull()
    for (const said of ['breatharian', 'constructor', 'toString', '__proto__', 'low fodmap'])
      expect([said, findDiet(said), findRestriction(said)]).toEqual([said, undefined, undefined])
  })

  it.each([
    ['milk and eggs', ['dairy', 'eggs']],
    ['milk, eggs', ['dairy', 'eggs']],
    ['wheat, milk', ['gluten', 'dairy']],
    ['wheat and nuts', ['gluten', 'nuts', 'peanuts']],
    ['nuts/sesame', ['nuts', 'peanuts', 'sesame']],
    ['chicken and pork', ['poultry', 'pork']],
    ['milk products', ['dairy']],
    ['dairy milk', ['dairy']],
    ['whole milk', ['dairy']],
    ['milk protein allergy', ['dairy']],
    ['cow’s milk', ['dairy']],
    ['whey', ['dairy']],
    ['casein', ['dairy']],
    ['wheat flour', ['gluten']],
    ['whole wheat bread', ['gluten']],
    ['sesame seeds', ['sesame']],
    ['sesame seed allergy', ['sesame']],
    ['mustard seeds', ['mustard']],
    ['soy beans', ['soy']],
    ['soybean allergy', ['soy']],
    ['soy milk', ['soy']],
    ['shrimp', ['shellfish']],
    ['prawns and fish', ['shellfish', 'fish']],
    ['crustaceans and molluscs', ['shellfish']],
    ['peanuts and tree nuts', ['peanuts', 'nuts']],
    ['egg whites', ['eggs']],
    ['allergic to peanut butter', ['peanuts']],
  ] as const)('%s leaves out all of %j', (said, tags) => {
    const rule = findRestriction(said)
    expect(rule).toBeTruthy()
    const left = recipeCatalogue.filter(recipe => rule?.allows(recipe))
    expect(left.filter(recipe => tags.some(tag => recipe.tags.has(tag))).map(({ title }) => title)).toEqual(
      [],
    )
    expect(left.length).toBeGreaterThan(0)
  })

  it('take milk of plants for no dairy', () => {
    for (const said of ['coconut milk', 'soy milk', 'almond milk', 'oat milk']) {
      const rule = findRestriction(said)
      expect([
        said,
        recipeCatalogue.some(recipe => rule?.allows(recipe) && recipe.tags.has('dairy')),
      ]).toEqual([said, true])
    }
  })

  it('take a restriction to a food of the catalogue as one', () => {
    const rule = findRestriction('strawberry allergy')
    const left = recipeCatalogue.filter(recipe => rule?.allows(recipe))
    expect(left.length).toBeLessThan(recipeCatalogue.length)
    expect(
      left.filter(({ ingredients }) => ingredients.some(({ food }) => /strawberr|frozen berries/.test(food))),
    ).toEqual([])
    // All of it has to be known: half a restriction kept is one broken.
    expect(findRestriction('strawberries and kryptonite')).toBeUndefined()
  })

  it('have names that are unique and find themselves', () => {
    const all = [...diets, ...restrictions]
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
    for (const rule of all)
      expect([rule.name, findDiet(rule.name), findRestriction(rule.name)]).toEqual([rule.name, rule, rule])
  })
})

describe('what somebody dislikes', () => {
  const leaves = (said: string, food: string) => {
    const rule = dislikeRule(said)
    return recipeCatalogue.some(
      recipe => (rule?.allows(recipe) ?? true) && recipe.ingredients.some(one => one.food === food),
    )
  }

  it.each([
    ['Mushroom', 'mushrooms'],
    ['MUSHROOMS', 'mushrooms'],
    ['tomatoes', 'passata'],
    ['cheese', 'feta'],
    ['berries', 'blueberries'],
    ['berry', 'raspberries'],
    ['bean', 'tinned butter beans'],
    ['eggplant', 'aubergine'],
    ['zucchini', 'courgette'],
    ['cilantro', 'coriander'],
    ['shrimps', 'prawns'],
    ['sweet corn', 'sweetcorn'],
    ['chick peas', 'tinned chickpeas'],
    ['fresh spinach leaves', 'spinach'],
    ['salmon fillets', 'smoked salmon'],
    ['sea food', 'mussels'],
    ['fish', 'tinned sardines'],
    ['meat', 'chorizo'],
    ['onions and garlic', 'garlic'],
    ['oats', 'oatcake'],
    ['Goat’s cheese', 'goat cheese'],
    ["goats' cheese", 'goat cheese'],
    ['Avócado', 'avocado'],
    ['salmon sashimi', 'smoked salmon'],
    ['peanut allergy', 'peanut butter'],
  ])('%s: never %s', (said, food) => {
    expect(leaves(said, food)).toBe(false)
    expect(leaves('kryptonite', food)).toBe(true)
  })

  it.each([
    ['cod', 'avocado'],
    ['pea', 'peanut butter'],
    ['ham', 'mushrooms'],
    ['egg', 'aubergine'],
    ['oat', 'goat cheese'],
    ['sweet potato', 'potato'],
    ['coconut milk', 'milk'],
    ['goat cheese', 'feta'],
    ['pork', 'lamb leg'],
    ['', 'egg'],
    ['the', 'egg'],
    ['???', 'egg'],
    ['sashimi', 'egg'],
  ])('%s: still %s', (said, food) => {
    expect(leaves(said, food)).toBe(true)
  })

  it('takes whole kinds of dish away, too', () => {
    expect(titlesWhere(recipe => dislikeRule('curries')?.allows(recipe) === false).length).toBeGreaterThan(6)
    expect(dislikeRule('curry')?.allows(recipeCatalogue[0] as (typeof recipeCatalogue)[number])).toBe(true)
  })
})

describe('what else is read from words', () => {
  it('appliances, as people call them', () => {
    expect(readAppliances(['Air-Fryer', 'HOB', 'crockpot', 'waffle iron'])).toEqual(
      new Set(['air_fryer', 'stove', 'slow_cooker']),
    )
    expect(readAppliances([...appliances])).toEqual(new Set(appliances))
  })

  it('kinds of recipe: cuisines, dishes, foods, regions and what is true of them', () => {
    const of = (type: string) => recipeCatalogue.filter(createTypeMatcher(type))
    expect(of('Italian').every(({ title, cuisine }) => cuisine === 'italian' || /italian/i.test(title))).toBe(
      true,
    )
    expect(of('soups').map(({ title }) => title)).toContain('Chicken noodle soup')
    expect(of('salmon').length).toBeGreaterThan(5)
    expect(new Set(of('asian').map(({ cuisine }) => cuisine))).toEqual(
      new Set(['chinese', 'japanese', 'korean', 'thai', 'vietnamese', 'indian']),
    )
    expect(of('quick').every(({ minutes, types }) => minutes <= 20 || types.includes('quick'))).toBe(true)
    expect(of('klingon')).toEqual([])
  })

  it('amounts, as they are bought and cooked', () => {
    expect(amountText('egg', 110)).toBe('2 eggs')
    expect(amountText('egg', 55)).toBe('1 egg')
    expect(amountText('rye bread', 125)).toBe('2½ slices of rye bread')
    expect(amountText('sourdough bread', 160)).toBe('3 slices of sourdough bread')
    expect(amountText('garlic', 4)).toBe('1 clove of garlic')
    expect(amountText('olive oil', 10)).toBe('¾ tbsp olive oil')
    expect(amountText('olive oil', 200)).toBe('200 g olive oil')
    expect(amountText('spinach', 42.4)).toBe('42 g spinach')
    expect(amountText('milk', 248)).toBe('250 ml milk')
    expect(amountText('firm tofu', 162)).toBe('160 g firm tofu')
    expect(amountText('avocado', 100)).toBe('¾ avocado')
    expect(foodOf('2½ slices of rye bread')).toBe('rye bread')
    expect(foodOf('2 eggs')).toBe('egg')
    expect(foodOf('150 g chicken breast')).toBe('chicken breast')
  })
})

describe('the longest menu', () => {
  const longest = 14
  const mainsADay = 2
  const mains = recipeCatalogue.filter(({ kinds }) => kinds.includes('main'))
  /** Where it must repeat, and says so: what is left of a diet without what it lives on. */
  const tooNarrow = new Set([
    ...['vegetarian legumes', 'vegan legumes', 'vegan grains', 'keto meat', 'paleo meat', 'paleo red_meat'],
  ])

  it('has a main dish of its own for each meal, in every diet and with any one restriction beside it', () => {
    const narrow = diets.flatMap(diet => {
      const ofDiet = mains.filter(recipe => diet.allows(recipe))
      return [null, ...restrictions]
        .filter(rule => ofDiet.filter(recipe => rule?.allows(recipe) ?? true).length < longest * mainsADay)
        .map(rule => `${diet.name} ${rule?.name ?? 'alone'}`)
    })
    expect(new Set(narrow)).toEqual(tooNarrow)
  })

  it.each(diets.map(({ name }) => name))('of a %s diet repeats none', { timeout: 30_000 }, async dietType => {
    const draft = await makePlan(planInput('MENU', { dietType }, { days: longest }))
    expect(draft.notes.filter(({ kind }) => kind === 'REPEATED_DISH')).toEqual([])
    expect(new Set(menuRecord(draft).mainDishes).size).toBe(longest * mainsADay)
  })
})
