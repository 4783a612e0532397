/**
 * What is in which food, written down by hand and by name, so that the catalogue's own tags can be held against it. Only
 * foods of the catalogue; those in no list are plants and minerals that nobody restricts here.
 */
const meat = {
  poultry: [
    'chicken breast',
    'chicken thigh',
    'cooked chicken',
    'turkey mince',
    'turkey slices',
    'chicken stock',
  ],
  beef: ['lean beef mince', 'sirloin steak', 'stewing beef'],
  lamb: ['lamb leg', 'lamb mince'],
  pork: [
    'pork tenderloin',
    'pork shoulder',
    'pork mince',
    'smoked bacon',
    'cooked ham',
    'chorizo',
    'pork sausage',
  ],
}
const fish = [
  ...['salmon fillet', 'smoked salmon', 'cod fillet', 'tinned tuna', 'trout fillet', 'sea bass fillet'],
  ...['tinned sardines', 'smoked mackerel', 'fish sauce'],
]
const shellfish = ['prawns', 'cooked prawns', 'mussels']
const eggs = ['egg', 'mayonnaise', 'egg noodles']
const dairy = [
  ...[
    'milk',
    'kefir',
    'plain yogurt',
    'Greek yogurt',
    'skyr',
    'cottage cheese',
    'cream cheese',
    'ricotta',
    'feta',
  ],
  ...[
    'mozzarella',
    'halloumi',
    'cheddar',
    'parmesan',
    'goat cheese',
    'paneer',
    'cream',
    'sour cream',
    'butter',
  ],
  ...['whey protein powder', 'basil pesto', 'naan', 'dark chocolate'],
]
const treeNuts = [
  ...[
    'almonds',
    'ground almonds',
    'almond butter',
    'almond milk',
    'walnuts',
    'cashews',
    'hazelnuts',
    'pistachios',
  ],
  ...['pecans', 'pine nuts', 'granola', 'muesli', 'basil pesto'],
]
const peanuts = ['peanuts', 'peanut butter']
const soy = [
  ...[
    'firm tofu',
    'silken tofu',
    'smoked tofu',
    'tempeh',
    'seitan',
    'edamame',
    'soy yogurt',
    'soy milk',
    'soy sauce',
  ],
  ...['tamari', 'white miso', 'gochujang', 'dark chocolate'],
]
const gluten = [
  ...[
    'seitan',
    'rolled oats',
    'bulgur',
    'couscous',
    'pearl barley',
    'spaghetti',
    'wholewheat pasta',
    'soba noodles',
  ],
  ...[
    'potato gnocchi',
    'wholegrain bread',
    'sourdough bread',
    'rye bread',
    'wholewheat wrap',
    'wholewheat pita',
  ],
  ...[
    'wholegrain bun',
    'pizza dough',
    'rye crispbread',
    'oatcake',
    'muesli',
    'granola',
    'breadcrumbs',
    'oat milk',
  ],
  ...['egg noodles', 'naan', 'soy sauce', 'white miso', 'gochujang'],
]
const sesame = ['hummus', 'tahini', 'sesame seeds', 'sesame oil', 'wholegrain bun']
const otherGrains = [
  ...[
    'brown rice',
    'basmati rice',
    'quinoa',
    'polenta',
    'rice noodles',
    'corn tortilla',
    'rice cake',
    'rice milk',
  ],
  ...['buckwheat flour', 'popcorn kernels', 'sweetcorn'],
]
const pulses = [
  ...[
    'tinned chickpeas',
    'tinned black beans',
    'tinned kidney beans',
    'tinned cannellini beans',
    'tinned lentils',
  ],
  ...[
    'tinned butter beans',
    'red lentils',
    'green lentils',
    'chickpea flour',
    'hummus',
    'frozen peas',
    'green beans',
  ],
  ...['pea protein powder', 'bean sprouts', 'edamame', 'firm tofu', 'smoked tofu', 'silken tofu', 'tempeh'],
]
const allMeat = Object.values(meat).flat()
const flesh = [...allMeat, ...fish, ...shellfish]

/** By diet or restriction as a user names it: foods that must never be served. */
export const forbiddenFoods: Record<string, readonly string[]> = {
  vegan: [...flesh, ...eggs, ...dairy, 'honey', 'granola'],
  vegetarian: [...flesh, 'parmesan', 'basil pesto'],
  pescatarian: allMeat,
  flexitarian: [...meat.beef, ...meat.lamb, ...meat.pork],
  mediterranean: [...meat.beef, ...meat.pork],
  paleo: [...gluten, ...otherGrains, ...pulses, ...dairy, ...peanuts, ...soy, 'maple syrup'],
  keto: [...gluten, ...otherGrains, 'honey', 'maple syrup'],
  low_carb: [],
  omnivore: [],
  gluten,
  dairy,
  eggs,
  nuts: [...treeNuts, ...peanuts],
  peanuts,
  soy,
  fish,
  shellfish,
  sesame,
  pork: meat.pork,
  beef: meat.beef,
  lamb: meat.lamb,
  poultry: meat.poultry,
  seafood: [...fish, ...shellfish],
  red_meat: [...meat.beef, ...meat.lamb, ...meat.pork],
  halal: meat.pork,
  sugar: ['honey', 'maple syrup', 'dark chocolate', 'granola', 'gochujang', 'ketchup'],
  legumes: [...pulses, ...peanuts, ...soy.filter(food => food !== 'dark chocolate')],
  grains: [...gluten, ...otherGrains],
}

/** "2½ slices of rye bread" is of 'rye bread', "3 eggs" of 'egg'. */
export function foodOf(shown: string): string {
  const name = shown.replace(/^[\d¼½¾.]+ (?:(?:g|ml|tbsp|tsp|slices? of|cloves? of) )?/, '')
  return plurals[name] ?? name
}

const plurals: Record<string, string> = {
  eggs: 'egg',
  naans: 'naan',
  avocados: 'avocado',
  bananas: 'banana',
  apples: 'apple',
  pears: 'pear',
  oranges: 'orange',
  kiwis: 'kiwi',
  oatcakes: 'oatcake',
  'wholewheat wraps': 'wholewheat wrap',
  'wholewheat pitas': 'wholewheat pita',
  'wholegrain buns': 'wholegrain bun',
  'corn tortillas': 'corn tortilla',
  'rye crispbreads': 'rye crispbread',
  'rice cakes': 'rice cake',
  'nori sheets': 'nori',
}
