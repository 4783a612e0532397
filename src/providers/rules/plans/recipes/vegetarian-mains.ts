import type { RecipeData } from '../recipe.ts'

/** Main dishes with eggs or cheese and without meat or fish. */
export const vegetarianMains: readonly RecipeData[] = [
  {
    title: 'Spinach and feta omelette with tomato salad',
    kinds: ['main'],
    cuisine: 'greek',
    types: ['omelette', 'quick', 'mediterranean'],
    needs: ['stove'],
    minutes: 15,
    complexity: 15,
    ingredients: '165 egg, 100 spinach, 50 feta, 150 tomato, 30 red onion, 12 olive oil',
    method:
      'Wilt the spinach, pour over the beaten eggs, crumble in the feta and fold; serve with the tomatoes and onion in oil.',
  },
  {
    title: 'Shakshuka with wholegrain bread',
    kinds: ['main'],
    cuisine: 'middle eastern',
    types: ['one-pot', 'mediterranean'],
    needs: ['stove'],
    minutes: 30,
    complexity: 20,
    ingredients:
      '165 egg, 250 tinned tomatoes, 120 bell pepper, 70 onion, 8 garlic, 10 olive oil, 3 ground cumin, 3 smoked paprika, 80 wholegrain bread',
    method:
      'Cook onion, pepper and spices down with the tomatoes, make hollows for the eggs, cover until they are set and eat with the bread.',
  },
  {
    title: 'Caprese pasta with mozzarella',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['pasta', 'quick', 'mediterranean'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '85 wholewheat pasta, 80 mozzarella, 200 cherry tomatoes, 60 rocket, 8 garlic, 10 olive oil, 10 basil',
    method:
      'Burst the tomatoes with garlic in the oil, toss with the pasta and tear mozzarella, rocket and basil over it.',
  },
  {
    title: 'Halloumi and vegetable tray bake with couscous',
    kinds: ['main'],
    cuisine: 'greek',
    types: ['tray bake', 'mediterranean'],
    needs: ['bake', 'boil-water'],
    minutes: 35,
    complexity: 20,
    ingredients:
      '80 halloumi, 60 couscous, 150 courgette, 120 bell pepper, 120 cherry tomatoes, 60 red onion, 9 olive oil, 15 lemon juice, 1 dried oregano',
    method:
      'Roast the vegetables with oil and oregano, lay the halloumi on top for the last ten minutes and serve over soaked couscous.',
  },
  {
    title: 'Palak paneer with basmati rice',
    kinds: ['main'],
    cuisine: 'indian',
    types: ['curry', 'rice'],
    needs: ['rice', 'stove'],
    minutes: 35,
    complexity: 35,
    ingredients:
      '100 paneer, 220 spinach, 60 basmati rice, 70 onion, 100 tinned tomatoes, 8 ginger, 8 garlic, 8 rapeseed oil, 4 garam masala',
    method:
      'Cook onion, ginger, garlic and spices with the tomatoes, add the spinach, chop it fine, warm the paneer in it and serve with rice.',
  },
  {
    title: 'Grilled halloumi salad with avocado',
    kinds: ['main'],
    cuisine: 'greek',
    types: ['salad', 'quick', 'mediterranean'],
    needs: ['sear'],
    minutes: 15,
    complexity: 10,
    ingredients:
      '100 halloumi, 80 avocado, 80 mixed salad leaves, 120 cucumber, 80 cherry tomatoes, 8 olive oil, 15 lemon juice, 10 pumpkin seeds',
    method:
      'Sear slices of halloumi without oil and serve them hot on a salad of leaves, cucumber, tomatoes and avocado.',
  },
  {
    title: 'Mushroom and goat cheese frittata',
    kinds: ['main'],
    cuisine: 'french',
    types: ['omelette', 'mediterranean'],
    needs: ['stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '165 egg, 150 mushrooms, 50 goat cheese, 80 spinach, 60 mixed salad leaves, 13 olive oil, 5 parsley',
    method:
      'Brown the mushrooms, wilt the spinach, set the eggs over a low heat with the goat cheese on top and serve with leaves.',
  },
  {
    title: 'Margherita pizza with rocket',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['pizza', 'comfort food'],
    needs: ['oven'],
    minutes: 30,
    complexity: 35,
    ingredients:
      '150 pizza dough, 90 mozzarella, 100 passata, 100 cherry tomatoes, 40 rocket, 5 olive oil, 8 basil',
    method:
      'Stretch the dough, spread passata, mozzarella and tomatoes on it and bake as hot as the oven goes; rocket and basil come on afterwards.',
  },
  {
    title: 'Egg fried rice with peas',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['stir-fry', 'rice', 'quick'],
    needs: ['rice', 'stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '110 egg, 75 basmati rice, 100 frozen peas, 80 carrot, 40 spring onion, 16 soy sauce, 9 rapeseed oil, 4 sesame oil',
    method:
      'Scramble the eggs, fry carrot and peas, add the cooked rice and soy sauce and fold the eggs back in.',
  },
  {
    title: 'Greek salad with chickpeas and pita',
    kinds: ['main'],
    cuisine: 'greek',
    types: ['salad', 'quick', 'mediterranean'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '70 feta, 130 tinned chickpeas, 150 tomato, 150 cucumber, 80 bell pepper, 30 black olives, 30 red onion, 10 olive oil, 60 wholewheat pita, 1 dried oregano',
    method:
      'Cut everything into chunks, dress with oil and oregano, lay the feta on top and eat with the pita.',
  },
  {
    title: 'Bean and cheddar quesadilla',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['wrap', 'quick', 'comfort food'],
    needs: ['stove'],
    minutes: 15,
    complexity: 15,
    ingredients:
      '120 wholewheat wrap, 110 tinned black beans, 45 cheddar, 80 bell pepper, 48 tomato salsa, 30 sour cream, 20 spring onion',
    method:
      'Fill the wraps with crushed beans, cheddar, pepper and spring onion, fry them until crisp and dip into salsa and sour cream.',
  },
  {
    title: 'Gnocchi with spinach and ricotta',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['pasta', 'quick', 'comfort food'],
    needs: ['stove'],
    minutes: 15,
    complexity: 15,
    ingredients:
      '220 potato gnocchi, 150 spinach, 100 ricotta, 80 cherry tomatoes, 8 garlic, 9 olive oil, 15 lemon juice',
    method:
      'Fry the gnocchi until golden, wilt the spinach with garlic and tomatoes and stir in ricotta and lemon.',
  },
  {
    title: 'Cauliflower cheese bake',
    kinds: ['main'],
    cuisine: 'british',
    types: ['casserole', 'comfort food'],
    needs: ['bake'],
    minutes: 40,
    complexity: 30,
    ingredients: '320 cauliflower, 65 cheddar, 60 cream, 60 spinach, 5 Dijon mustard, 15 walnuts',
    method:
      'Par-cook the cauliflower, fold it with spinach into cream, mustard and cheddar and bake until brown with the walnuts on top.',
  },
  {
    title: 'Paneer tikka skewers with cucumber yogurt',
    kinds: ['main'],
    cuisine: 'indian',
    types: ['skewers', 'grill'],
    needs: ['bake-or-grill'],
    minutes: 35,
    complexity: 30,
    ingredients:
      '120 paneer, 150 bell pepper, 80 red onion, 120 plain yogurt, 100 cucumber, 5 rapeseed oil, 5 garam masala, 15 lemon juice, 5 mint',
    method:
      'Marinate paneer, pepper and onion in half the yogurt with the spices, grill on skewers and serve with cucumber, mint and the rest of the yogurt.',
  },
  {
    title: 'Aubergine and mozzarella bake',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['casserole', 'comfort food', 'mediterranean'],
    needs: ['oven'],
    minutes: 55,
    complexity: 40,
    ingredients: '300 aubergine, 110 mozzarella, 200 passata, 50 ricotta, 14 olive oil, 8 garlic, 10 basil',
    method:
      'Roast slices of aubergine, layer them with garlicky passata, ricotta and mozzarella and bake until it bubbles.',
  },
  {
    title: 'Spanish potato tortilla with salad',
    kinds: ['main'],
    cuisine: 'spanish',
    types: ['omelette', 'mediterranean'],
    needs: ['stove'],
    minutes: 40,
    complexity: 30,
    ingredients:
      '165 egg, 200 potato, 80 onion, 60 mixed salad leaves, 80 tomato, 15 olive oil, 5 lemon juice',
    method:
      'Cook potato and onion slowly in the oil, mix with the eggs, set on both sides and serve with the salad.',
  },
  {
    title: 'Lentil and goat cheese salad',
    kinds: ['main'],
    cuisine: 'french',
    types: ['salad', 'quick', 'mediterranean'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '200 tinned lentils, 60 goat cheese, 120 cooked beetroot, 60 rocket, 15 walnuts, 9 olive oil, 16 balsamic vinegar',
    method:
      'Dress lentils and beetroot with vinegar and oil, lay them over the rocket and crumble goat cheese and walnuts on top.',
  },
  {
    title: 'Courgette fritters with herbed yogurt',
    kinds: ['main'],
    cuisine: 'turkish',
    types: ['fritters', 'mediterranean'],
    needs: ['stove'],
    minutes: 35,
    complexity: 35,
    ingredients:
      '250 courgette, 110 egg, 45 chickpea flour, 40 feta, 120 Greek yogurt, 10 dill, 10 olive oil, 20 spring onion',
    method:
      'Squeeze out the grated courgette, mix with eggs, flour, feta and spring onion, fry small fritters and serve with the yogurt and dill.',
  },
  {
    title: 'Jacket potato with cottage cheese and beans',
    kinds: ['main'],
    cuisine: 'british',
    types: ['jacket potato', 'comfort food', 'quick'],
    needs: ['microwave-or-bake'],
    minutes: 20,
    complexity: 5,
    ingredients:
      '320 potato, 150 cottage cheese, 120 tinned kidney beans, 64 tomato salsa, 20 spring onion, 40 mixed salad leaves, 6 olive oil',
    method:
      'Cook the pierced potato until soft, split it and fill it with warm beans, cottage cheese, salsa and spring onion.',
  },
  {
    title: 'Vegetable lasagne',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['pasta', 'casserole', 'comfort food'],
    needs: ['oven', 'stove'],
    minutes: 75,
    complexity: 60,
    ingredients:
      '70 wholewheat pasta, 90 ricotta, 55 mozzarella, 150 courgette, 120 aubergine, 200 passata, 60 spinach, 9 olive oil, 8 garlic',
    method:
      'Layer sheets of pasta with roasted vegetables, passata and ricotta with spinach, finish with mozzarella and bake for 35 minutes.',
  },
  {
    title: 'Mozzarella, avocado and tomato plate',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['salad', 'quick', 'mediterranean'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients: '110 mozzarella, 100 avocado, 120 tomato, 60 rocket, 12 olive oil, 8 basil, 15 pine nuts',
    method:
      'Lay out slices of mozzarella, avocado and tomato over the rocket and finish with oil, basil and pine nuts.',
  },
  {
    title: 'Skyr and potato herb plate',
    kinds: ['main'],
    cuisine: 'german',
    types: ['quick'],
    needs: ['heat'],
    minutes: 25,
    complexity: 10,
    ingredients:
      '320 potato, 220 skyr, 80 radishes, 80 cucumber, 15 flaxseed, 14 rapeseed oil, 15 dill, 15 spring onion',
    method:
      'Boil the potatoes in their skins and eat them with skyr stirred up with herbs, oil, flaxseed, radishes and cucumber.',
  },
]
