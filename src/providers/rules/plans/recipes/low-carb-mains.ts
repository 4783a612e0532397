import type { RecipeData } from '../recipe.ts'

/** Main dishes of few carbohydrates without grains, pulses, dairy and nuts. */
export const lowCarbMains: readonly RecipeData[] = [
  {
    title: 'Chicken thighs with olives, lemon and fennel',
    kinds: ['main'],
    cuisine: 'french',
    types: ['tray bake', 'mediterranean'],
    needs: ['bake'],
    minutes: 45,
    complexity: 20,
    ingredients:
      '210 chicken thigh, 140 fennel, 40 black olives, 26 olive oil, 15 lemon juice, 8 garlic, 6 parsley',
    method:
      'Roast the chicken on the sliced fennel with olives, garlic and oil until its skin is crisp, and finish with lemon and parsley.',
  },
  {
    title: 'Turkey and courgette skillet with avocado',
    kinds: ['main'],
    cuisine: 'american',
    types: ['skillet', 'one-pot', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '180 turkey mince, 200 courgette, 100 avocado, 16 olive oil, 3 smoked paprika, 10 lime juice, 6 coriander',
    method:
      'Brown the mince with paprika, add the diced courgette until just soft and serve with sliced avocado, lime and coriander.',
  },
  {
    title: 'Coconut chicken soup with mushrooms and pak choi',
    kinds: ['main'],
    cuisine: 'thai',
    types: ['soup', 'one-pot'],
    needs: ['stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '180 chicken breast, 120 coconut milk, 100 mushrooms, 120 pak choi, 10 coconut oil, 8 ginger, 15 lime juice, 6 coriander',
    method:
      'Simmer the sliced chicken with ginger and mushrooms in coconut milk and water, wilt the pak choi and season with lime.',
  },
  {
    title: 'Chicken salad with avocado and rocket',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['salad', 'no cook', 'quick'],
    needs: [],
    minutes: 10,
    complexity: 5,
    ingredients: '150 cooked chicken, 120 avocado, 60 rocket, 80 cucumber, 16 olive oil, 15 lemon juice',
    method: 'Toss rocket, cucumber and avocado with oil and lemon and put the sliced chicken on top.',
  },
  {
    title: 'Sirloin steak with asparagus and mushrooms',
    kinds: ['main'],
    cuisine: 'american',
    types: ['grill', 'quick'],
    needs: ['sear'],
    minutes: 20,
    complexity: 20,
    ingredients: '200 sirloin steak, 180 asparagus, 120 mushrooms, 18 olive oil, 6 garlic, 6 parsley',
    method: 'Sear the steak and let it rest; fry mushrooms and asparagus in the same pan with garlic.',
  },
  {
    title: 'Beef and cabbage stir-fry with ginger',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['stir-fry', 'one-pot', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '180 lean beef mince, 200 white cabbage, 80 spring onion, 18 coconut oil, 10 ginger, 8 garlic, 10 lime juice',
    method:
      'Brown the mince hard with ginger and garlic, add the shredded cabbage and spring onion and finish with lime.',
  },
  {
    title: 'Beef stew with courgette and rosemary tomatoes',
    kinds: ['main'],
    cuisine: 'french',
    types: ['stew', 'slow cooker', 'one-pot'],
    needs: ['simmer'],
    minutes: 140,
    complexity: 20,
    ingredients:
      '200 stewing beef, 160 courgette, 120 tinned tomatoes, 26 olive oil, 8 garlic, 1 dried oregano',
    method:
      'Brown the beef, add tomatoes, garlic and oregano and simmer until tender; the courgette goes in for the last ten minutes.',
  },
  {
    title: 'Lamb kebabs with cucumber and mint salad',
    kinds: ['main'],
    cuisine: 'greek',
    types: ['grill', 'salad'],
    needs: ['bake-or-grill'],
    minutes: 30,
    complexity: 25,
    ingredients:
      '190 lamb mince, 150 cucumber, 80 rocket, 14 olive oil, 3 ground cumin, 6 mint, 10 lemon juice',
    method:
      'Shape the mince with cumin around skewers and grill them; dress cucumber, rocket and mint with oil and lemon.',
  },
  {
    title: 'Pork tenderloin with fennel and spinach',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['quick', 'skillet'],
    needs: ['stove'],
    minutes: 25,
    complexity: 20,
    ingredients: '210 pork tenderloin, 120 fennel, 120 spinach, 28 olive oil, 8 garlic, 10 lemon juice',
    method: 'Fry slices of pork and fennel until golden, wilt the spinach with garlic and finish with lemon.',
  },
  {
    title: 'Pork mince lettuce cups with radishes',
    kinds: ['main'],
    cuisine: 'vietnamese',
    types: ['quick', 'finger food'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '190 pork mince, 100 romaine lettuce, 60 radishes, 8 coconut oil, 8 ginger, 15 lime juice, 8 mint, 4 chilli',
    method:
      'Fry the mince with ginger and chilli, season with lime and serve in lettuce leaves with radishes and mint.',
  },
  {
    title: 'Salmon with asparagus and lemon dill oil',
    kinds: ['main'],
    cuisine: 'scandinavian',
    types: ['tray bake', 'quick'],
    needs: ['bake'],
    minutes: 25,
    complexity: 15,
    ingredients: '190 salmon fillet, 200 asparagus, 16 olive oil, 15 lemon juice, 6 dill',
    method: 'Bake salmon and asparagus on one tray and spoon oil with lemon and dill over them.',
  },
  {
    title: 'Cod in coconut and tomato broth',
    kinds: ['main'],
    cuisine: 'brazilian',
    types: ['stew', 'one-pot', 'fish'],
    needs: ['stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '230 cod fillet, 120 coconut milk, 120 tinned tomatoes, 60 bell pepper, 14 olive oil, 8 coriander, 10 lime juice',
    method:
      'Simmer pepper and tomatoes in coconut milk, poach the cod in it for eight minutes and finish with lime and coriander.',
  },
  {
    title: 'Trout with fennel salad',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['salad', 'quick', 'mediterranean'],
    needs: ['sear'],
    minutes: 20,
    complexity: 20,
    ingredients: '210 trout fillet, 150 fennel, 60 rocket, 24 olive oil, 15 lemon juice, 6 dill',
    method:
      'Sear the trout on its skin and serve it on thinly sliced fennel and rocket with oil, lemon and dill.',
  },
  {
    title: 'Mackerel and avocado salad with cucumber',
    kinds: ['main'],
    cuisine: 'british',
    types: ['salad', 'no cook', 'quick'],
    needs: [],
    minutes: 10,
    complexity: 5,
    ingredients:
      '110 smoked mackerel, 90 avocado, 120 cucumber, 60 mixed salad leaves, 8 olive oil, 15 lemon juice, 5 dill',
    method: 'Flake the mackerel over leaves, cucumber and avocado and dress with oil, lemon and dill.',
  },
  {
    title: 'Tuna-stuffed avocado with celery and herbs',
    kinds: ['main'],
    cuisine: 'american',
    types: ['salad', 'no cook', 'quick'],
    needs: [],
    minutes: 10,
    complexity: 5,
    ingredients: '130 tinned tuna, 200 avocado, 40 celery, 14 olive oil, 10 lemon juice, 6 parsley',
    method: 'Mix tuna, celery, herbs, oil and lemon and fill the halved avocado with it.',
  },
  {
    title: 'Prawn and courgette ribbons with garlic',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['quick', 'skillet', 'mediterranean'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients: '230 prawns, 250 courgette, 30 olive oil, 10 garlic, 4 chilli, 10 lemon juice, 8 parsley',
    method:
      'Fry the prawns with garlic and chilli in plenty of oil, toss ribbons of courgette in it for a minute and add lemon and parsley.',
  },
  {
    title: 'Frittata with spinach, mushrooms and tomato',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['frittata', 'quick', 'one-pot'],
    needs: ['stove'],
    minutes: 25,
    complexity: 15,
    ingredients: '220 egg, 120 spinach, 100 mushrooms, 80 tomato, 16 olive oil, 5 basil',
    method:
      'Fry mushrooms and spinach, pour the beaten eggs over them with the tomato and let it set under a lid.',
  },
  {
    title: 'Egg and avocado salad with asparagus',
    kinds: ['main'],
    cuisine: 'french',
    types: ['salad', 'quick'],
    needs: ['boil-water'],
    minutes: 20,
    complexity: 10,
    ingredients: '165 egg, 100 avocado, 150 asparagus, 60 romaine lettuce, 12 olive oil, 10 lemon juice',
    method:
      'Boil the eggs, blanch the asparagus in the same water and serve both on lettuce with avocado, oil and lemon.',
  },
]
