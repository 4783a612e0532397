import type { FoodTag } from './food.ts'
import { type FoodName, foods } from './foods.ts'
import { significantWords } from './name-match.ts'

/** What a food is called by beside its name, so that somebody who dislikes cheese is not served feta. */
const wordsByTag: Record<FoodTag, string> = {
  poultry: 'poultry meat',
  beef: 'beef meat red',
  lamb: 'lamb meat red mutton',
  pork: 'pork meat red',
  meat: 'meat',
  fish: 'fish seafood',
  shellfish: 'shellfish seafood',
  eggs: 'egg',
  dairy: 'dairy lactose',
  rennet: 'rennet',
  honey: 'honey',
  gluten: 'gluten',
  grain: 'grain',
  legume: 'legume pulse',
  soy: 'soy',
  nuts: 'nut',
  peanuts: 'peanut nut',
  sesame: 'sesame',
  celery: 'celery',
  mustard: 'mustard',
  sulphites: 'sulphite',
  coconut: 'coconut',
  caffeine: 'caffeine',
  alcohol: 'alcohol',
  sugar: 'sugar',
}

const wordsByFood: Partial<Record<FoodName, string>> = {
  feta: 'cheese',
  mozzarella: 'cheese',
  halloumi: 'cheese',
  cheddar: 'cheese',
  parmesan: 'cheese',
  ricotta: 'cheese',
  paneer: 'cheese',
  'basil pesto': 'cheese garlic',
  mayonnaise: 'mayo',
  skyr: 'yogurt',
  'smoked bacon': 'ham',
  'cooked ham': 'bacon',
  chorizo: 'sausage garlic',
  'firm tofu': 'bean',
  'silken tofu': 'bean',
  'smoked tofu': 'bean',
  edamame: 'bean',
  hummus: 'chickpea garlic tahini',
  tahini: 'sesame',
  'chickpea flour': 'chickpea',
  spaghetti: 'pasta wheat',
  'wholewheat pasta': 'wheat',
  'potato gnocchi': 'pasta wheat',
  bulgur: 'wheat',
  couscous: 'wheat',
  seitan: 'wheat',
  naan: 'bread wheat',
  'wholegrain bread': 'wheat',
  'sourdough bread': 'wheat',
  'wholewheat pita': 'bread',
  'wholewheat wrap': 'bread tortilla',
  'wholegrain bun': 'bread wheat',
  'pizza dough': 'bread wheat',
  breadcrumbs: 'bread wheat',
  oatcake: 'oat',
  granola: 'oat',
  muesli: 'oat raisin',
  'corn tortilla': 'sweetcorn maize',
  polenta: 'corn sweetcorn maize',
  'popcorn kernels': 'sweetcorn maize',
  passata: 'tomato',
  ketchup: 'tomato',
  'tomato salsa': 'onion coriander chilli',
  harissa: 'chilli spicy pepper',
  gochujang: 'chilli spicy pepper',
  'vegan red curry paste': 'chilli spicy garlic',
  'chilli flakes': 'spicy',
  chilli: 'spicy',
  'vegan kimchi': 'cabbage chilli spicy garlic',
  'pak choi': 'cabbage',
  'cocoa powder': 'chocolate',
  'dark chocolate': 'cocoa',
  raisins: 'grape',
  leek: 'onion',
  'frozen berries': 'blueberry raspberry strawberry',
}

const wordsOfFoods = new Map(
  (Object.keys(foods) as FoodName[]).map(name => {
    const tagWords = foods[name].tags.map(tag => wordsByTag[tag])
    return [
      name,
      new Set([name, ...tagWords, wordsByFood[name] ?? ''].flatMap(significantWords)) as ReadonlySet<string>,
    ]
  }),
)

/** Every word by which somebody may say that they do not want this food. */
export function wordsOfFood(name: FoodName): ReadonlySet<string> {
  return wordsOfFoods.get(name) ?? new Set()
}
