import type { RecipeData } from '../recipe.ts'

/** Dishes with much protein for their calories. */
export const leanMeals: readonly RecipeData[] = [
  {
    title: 'Chicken breast with lentils and spinach',
    kinds: ['main'],
    cuisine: 'international',
    types: ['bowl', 'quick', 'mediterranean'],
    needs: ['sear'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '210 chicken breast, 160 tinned lentils, 150 spinach, 100 cherry tomatoes, 13 olive oil, 15 lemon juice, 8 garlic',
    method:
      'Sear the chicken, warm the lentils with garlic and tomatoes in the same pan, wilt the spinach and finish with lemon.',
  },
  {
    title: 'Cod with white beans and tomatoes',
    kinds: ['main'],
    cuisine: 'spanish',
    types: ['one-pot', 'quick', 'mediterranean'],
    needs: ['stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '240 cod fillet, 180 tinned cannellini beans, 200 cherry tomatoes, 60 rocket, 50 onion, 14 olive oil, 8 parsley',
    method:
      'Soften onion and tomatoes in the oil, warm the beans in it, let the cod steam on top and finish with rocket and parsley.',
  },
  {
    title: 'Prawn and egg fried rice with peas',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['stir-fry', 'rice', 'quick'],
    needs: ['rice', 'stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '200 prawns, 110 egg, 45 basmati rice, 100 frozen peas, 40 spring onion, 16 tamari, 8 ginger, 6 sesame oil',
    method:
      'Scramble the eggs, fry prawns, peas and ginger over high heat, add the cooked rice and tamari and fold the eggs back in.',
  },
  {
    title: 'Tuna, egg and potato bowl with herbed skyr',
    kinds: ['main'],
    cuisine: 'nordic',
    types: ['bowl', 'salad'],
    needs: ['heat', 'stove'],
    minutes: 25,
    complexity: 10,
    ingredients: '140 tinned tuna, 55 egg, 200 potato, 120 green beans, 120 skyr, 10 dill, 9 rapeseed oil',
    method: 'Boil potatoes, egg and beans and serve with the tuna and the skyr stirred up with oil and dill.',
  },
  {
    title: 'Pork tenderloin with green lentils and mustard',
    kinds: ['main'],
    cuisine: 'french',
    types: ['stew', 'one-pot'],
    needs: ['simmer'],
    minutes: 40,
    complexity: 20,
    ingredients:
      '200 pork tenderloin, 50 green lentils, 120 carrot, 80 leek, 200 vegetable stock, 10 olive oil, 5 Dijon mustard, 8 parsley',
    method:
      'Cook the lentils with the vegetables in the stock, lay slices of pork on top until done and stir in oil, mustard and parsley.',
  },
  {
    title: 'Chicken with mashed potato and peas',
    kinds: ['main'],
    cuisine: 'british',
    types: ['comfort food'],
    needs: ['stove'],
    minutes: 35,
    complexity: 20,
    ingredients: '220 chicken breast, 200 potato, 100 frozen peas, 60 skyr, 10 butter, 60 leek',
    method:
      'Boil the potatoes and mash them with skyr and butter, fry the sliced chicken and leek and serve with the peas.',
  },
  {
    title: 'Sea bass with quinoa and asparagus',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['mediterranean'],
    needs: ['rice', 'stove'],
    minutes: 30,
    complexity: 25,
    ingredients: '230 sea bass fillet, 50 quinoa, 200 asparagus, 11 olive oil, 15 lemon juice, 8 basil',
    method:
      'Cook the quinoa, steam the asparagus, crisp the sea bass skin side down and dress all with oil, lemon and basil.',
  },
  {
    title: 'Seared beef and bean salad',
    kinds: ['main'],
    cuisine: 'american',
    types: ['salad', 'quick'],
    needs: ['sear'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '170 sirloin steak, 140 tinned kidney beans, 120 romaine lettuce, 120 tomato, 40 red onion, 15 lime juice, 8 coriander',
    method:
      'Sear the steak, let it rest and slice it over beans, lettuce, tomato and onion dressed with lime and its juices.',
  },
  {
    title: 'Seitan and black bean skillet',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['one-pot', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '180 seitan, 150 tinned black beans, 150 bell pepper, 96 tomato salsa, 13 rapeseed oil, 3 smoked paprika, 8 coriander',
    method:
      'Brown the seitan with the pepper and paprika, add beans and salsa and heat through; scatter the coriander.',
  },
  {
    title: 'Tofu and edamame bowl with pak choi',
    kinds: ['main'],
    cuisine: 'japanese',
    types: ['bowl', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients: '200 firm tofu, 130 edamame, 180 pak choi, 80 carrot, 24 tamari, 8 ginger, 4 sesame oil',
    method:
      'Brown the tofu, add edamame, carrot and pak choi with ginger and a splash of water and season with tamari and sesame oil.',
  },
  {
    title: 'Cottage cheese and egg bake with potatoes',
    kinds: ['main'],
    cuisine: 'german',
    types: ['casserole', 'comfort food'],
    needs: ['oven'],
    minutes: 45,
    complexity: 20,
    ingredients: '165 egg, 220 cottage cheese, 150 potato, 150 spinach, 100 cherry tomatoes, 5 parsley',
    method:
      'Lay sliced cooked potatoes, spinach and tomatoes into a dish, pour over eggs and cottage cheese and bake until set.',
  },
  {
    title: 'Smoked mackerel and egg salad',
    kinds: ['main'],
    cuisine: 'british',
    types: ['salad', 'quick'],
    needs: ['stove'],
    minutes: 15,
    complexity: 10,
    ingredients:
      '80 smoked mackerel, 110 egg, 100 romaine lettuce, 70 avocado, 100 cucumber, 10 lemon juice, 5 dill',
    method:
      'Boil the eggs and lay them with flaked mackerel, avocado and cucumber on lettuce with lemon and dill.',
  },
  {
    title: 'Chicken with olives, courgette and feta',
    kinds: ['main'],
    cuisine: 'greek',
    types: ['one-pot', 'quick', 'mediterranean'],
    needs: ['stove'],
    minutes: 25,
    complexity: 15,
    ingredients:
      '190 chicken thigh, 220 courgette, 40 black olives, 45 feta, 80 cherry tomatoes, 9 olive oil, 1 dried oregano',
    method:
      'Brown the chicken, soften courgette and tomatoes beside it and stir in olives, oregano and feta.',
  },
  {
    title: 'Pork and cabbage stir-fry with sesame',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['stir-fry', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '180 pork mince, 230 white cabbage, 40 spring onion, 16 tamari, 8 ginger, 4 sesame oil, 9 sesame seeds',
    method:
      'Fry the mince crisp, add shredded cabbage and ginger over high heat and season with tamari, sesame and spring onion.',
  },
  {
    title: 'Halloumi, egg and courgette skillet',
    kinds: ['main'],
    cuisine: 'turkish',
    types: ['one-pot', 'quick', 'mediterranean'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients: '85 halloumi, 110 egg, 220 courgette, 80 cherry tomatoes, 7 olive oil, 8 mint',
    method:
      'Fry halloumi and courgette golden, add the tomatoes, set the eggs between them and scatter the mint.',
  },
  {
    title: 'Cottage cheese pancakes with berries',
    kinds: ['breakfast'],
    cuisine: 'american',
    types: ['pancakes'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients: '180 cottage cheese, 110 egg, 35 rolled oats, 100 blueberries, 3 butter',
    method: 'Mash cottage cheese, eggs and oats, fry small pancakes in the butter and top with the berries.',
  },
  {
    title: 'Skyr with oats, strawberries and whey',
    kinds: ['breakfast'],
    cuisine: 'nordic',
    types: ['yogurt', 'bowl', 'quick'],
    needs: [],
    minutes: 5,
    complexity: 0,
    ingredients: '250 skyr, 40 rolled oats, 15 whey protein powder, 120 strawberries, 8 almonds',
    method: 'Stir the whey into the skyr and top with oats, strawberries and almonds.',
  },
]
