import type { RecipeData } from '../recipe.ts'

/** Main dishes without grains, pulses and dairy. */
export const grainFreeMains: readonly RecipeData[] = [
  {
    title: 'Beef and sweet potato hash',
    kinds: ['main'],
    cuisine: 'american',
    types: ['hash', 'one-pot', 'quick'],
    needs: ['stove'],
    minutes: 25,
    complexity: 15,
    ingredients: '150 lean beef mince, 230 sweet potato, 100 kale, 60 onion, 10 olive oil, 3 smoked paprika',
    method:
      'Fry the diced sweet potato until soft, brown the mince and onion with paprika and wilt the kale in it.',
  },
  {
    title: 'Turkey burgers with roast squash and slaw',
    kinds: ['main'],
    cuisine: 'american',
    types: ['burger', 'tray bake'],
    needs: ['bake', 'sear'],
    minutes: 40,
    complexity: 25,
    ingredients:
      '180 turkey mince, 260 butternut squash, 120 red cabbage, 60 carrot, 18 olive oil, 15 lemon juice, 8 parsley',
    method:
      'Roast the squash, shape and sear the burgers and dress the shredded cabbage and carrot with oil and lemon.',
  },
  {
    title: 'Slow beef ragout with mushrooms and carrots',
    kinds: ['main'],
    cuisine: 'french',
    types: ['stew', 'slow cooker', 'one-pot', 'comfort food'],
    needs: ['simmer'],
    minutes: 150,
    complexity: 25,
    ingredients:
      '190 stewing beef, 150 mushrooms, 140 carrot, 150 leek, 150 tinned tomatoes, 16 olive oil, 8 garlic, 8 parsley',
    method:
      'Brown the beef, add the vegetables and tomatoes and let it cook slowly until the meat falls apart.',
  },
  {
    title: 'Chicken and mango salad with cashews',
    kinds: ['main'],
    cuisine: 'thai',
    types: ['salad', 'quick'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '150 cooked chicken, 150 mango, 100 white cabbage, 60 carrot, 30 cashews, 20 lime juice, 8 olive oil, 10 mint, 10 coriander',
    method:
      'Shred cabbage and carrot, toss with mango, herbs, lime and oil and lay chicken and cashews on top.',
  },
  {
    title: 'Coconut chicken curry with cauliflower',
    kinds: ['main'],
    cuisine: 'thai',
    types: ['curry', 'one-pot', 'quick'],
    needs: ['stove'],
    minutes: 30,
    complexity: 20,
    ingredients:
      '180 chicken thigh, 220 cauliflower, 110 coconut milk, 80 spinach, 24 vegan red curry paste, 60 carrot, 10 lime juice',
    method:
      'Fry the paste, simmer chicken, cauliflower and carrot in the coconut milk, wilt the spinach and finish with lime.',
  },
  {
    title: 'Lamb with roast vegetables and mint',
    kinds: ['main'],
    cuisine: 'british',
    types: ['tray bake', 'mediterranean'],
    needs: ['bake'],
    minutes: 45,
    complexity: 25,
    ingredients:
      '160 lamb leg, 220 potato, 120 carrot, 100 courgette, 60 red onion, 13 olive oil, 10 mint, 10 lemon juice',
    method:
      'Roast the vegetables in the oil, lay slices of lamb on top for the last 15 minutes and finish with mint and lemon.',
  },
  {
    title: 'Pork and apple skillet with cabbage',
    kinds: ['main'],
    cuisine: 'german',
    types: ['one-pot', 'quick'],
    needs: ['stove'],
    minutes: 25,
    complexity: 15,
    ingredients:
      '170 pork tenderloin, 220 white cabbage, 140 apple, 60 onion, 20 walnuts, 14 olive oil, 5 Dijon mustard',
    method:
      'Sear slices of pork, soften cabbage, onion and apple in the pan and bring together with mustard and walnuts.',
  },
  {
    title: 'Salmon and potato salad with dill',
    kinds: ['main'],
    cuisine: 'nordic',
    types: ['salad', 'mediterranean'],
    needs: ['heat'],
    minutes: 25,
    complexity: 10,
    ingredients:
      '150 smoked salmon, 280 potato, 80 radishes, 80 cucumber, 16 olive oil, 10 dill, 15 lemon juice',
    method:
      'Boil the potatoes, dress them warm with oil, lemon and dill and toss with radishes, cucumber and salmon.',
  },
  {
    title: 'Sardine, potato and fennel salad',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['salad', 'mediterranean', 'quick'],
    needs: ['heat'],
    minutes: 20,
    complexity: 10,
    ingredients:
      '110 tinned sardines, 250 potato, 150 fennel, 120 cherry tomatoes, 9 olive oil, 20 lemon juice, 10 parsley',
    method:
      'Boil or microwave the potatoes and toss them with shaved fennel, tomatoes, lemon and oil under the sardines.',
  },
  {
    title: 'Eggs in peppers and tomatoes with potatoes',
    kinds: ['main'],
    cuisine: 'spanish',
    types: ['one-pot', 'mediterranean'],
    needs: ['stove'],
    minutes: 35,
    complexity: 20,
    ingredients:
      '165 egg, 220 potato, 150 bell pepper, 200 tinned tomatoes, 60 onion, 14 olive oil, 3 smoked paprika',
    method:
      'Fry the diced potatoes, add peppers, onion and tomatoes with paprika and set the eggs in the sauce.',
  },
  {
    title: 'Fruit and nut breakfast bowl',
    kinds: ['breakfast'],
    cuisine: 'international',
    types: ['bowl', 'fruit', 'quick'],
    needs: [],
    minutes: 5,
    complexity: 0,
    ingredients:
      '120 apple, 100 banana, 25 almonds, 15 desiccated coconut, 12 chia seeds, 100 coconut yogurt',
    method: 'Cut up the fruit and top it with yogurt, nuts, coconut and seeds.',
  },
  {
    title: 'Eggs with mushrooms, spinach and sweet potato',
    kinds: ['breakfast'],
    cuisine: 'american',
    types: ['hash', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients: '110 egg, 150 sweet potato, 100 mushrooms, 80 spinach, 10 olive oil',
    method:
      'Fry slices of sweet potato and mushrooms in the oil, wilt the spinach and fry the eggs beside it.',
  },
  {
    title: 'Smoked salmon with avocado and orange',
    kinds: ['breakfast'],
    cuisine: 'nordic',
    types: ['plate', 'quick', 'mediterranean'],
    needs: [],
    minutes: 5,
    complexity: 0,
    ingredients: '90 smoked salmon, 90 avocado, 150 orange, 50 mixed salad leaves, 8 olive oil, 15 almonds',
    method: 'Lay out salmon, avocado and orange on the leaves with oil and almonds.',
  },
]
