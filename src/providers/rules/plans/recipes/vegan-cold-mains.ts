import type { RecipeData } from '../recipe.ts'

/** Vegan main dishes that are assembled, rolled or tossed more than cooked. */
export const veganColdMains: readonly RecipeData[] = [
  {
    title: 'Black bean tacos with avocado and slaw',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['tacos', 'quick'],
    needs: ['heat'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '160 tinned black beans, 100 corn tortilla, 80 avocado, 100 red cabbage, 48 tomato salsa, 15 lime juice, 8 coriander, 4 olive oil',
    method: 'Warm beans and tortillas, dress the shredded cabbage with lime and oil and fill the tacos.',
  },
  {
    title: 'Falafel bowl with quinoa and tahini',
    kinds: ['main'],
    cuisine: 'middle eastern',
    types: ['bowl', 'mediterranean'],
    needs: ['bake', 'rice', 'blender'],
    minutes: 45,
    complexity: 50,
    ingredients:
      '160 tinned chickpeas, 50 quinoa, 12 chickpea flour, 120 cucumber, 100 tomato, 20 tahini, 40 red onion, 10 parsley, 7 olive oil, 4 ground cumin, 15 lemon juice',
    method:
      'Pulse chickpeas, onion, flour, cumin and parsley, shape and bake until crisp; serve over quinoa and salad with tahini and lemon.',
  },
  {
    title: 'Peanut soba noodles with edamame',
    kinds: ['main'],
    cuisine: 'japanese',
    types: ['noodles', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '75 soba noodles, 90 edamame, 100 red cabbage, 80 carrot, 24 peanut butter, 16 soy sauce, 15 lime juice, 20 spring onion',
    method:
      'Boil noodles and edamame together, rinse cold and toss with shredded vegetables and the sauce of peanut butter, soy and lime.',
  },
  {
    title: 'White bean, tomato and olive salad',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['salad', 'quick', 'mediterranean'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '220 tinned cannellini beans, 180 tomato, 40 black olives, 40 red onion, 40 rocket, 14 olive oil, 16 balsamic vinegar, 80 wholegrain bread',
    method:
      'Toss beans, tomatoes, onion and olives with oil and vinegar, fold in the rocket and eat with the bread.',
  },
  {
    title: 'Chickpea and avocado wrap',
    kinds: ['main'],
    cuisine: 'american',
    types: ['wrap', 'sandwich', 'quick'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '140 tinned chickpeas, 80 avocado, 120 wholewheat wrap, 60 cucumber, 40 mixed salad leaves, 15 lemon juice, 5 parsley',
    method:
      'Mash chickpeas and avocado with lemon and parsley, spread on the wraps and roll up with cucumber and leaves.',
  },
  {
    title: 'Hummus and pepper pita',
    kinds: ['main'],
    cuisine: 'middle eastern',
    types: ['sandwich', 'quick', 'mediterranean'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '80 hummus, 120 wholewheat pita, 100 bell pepper, 80 cucumber, 60 tinned chickpeas, 40 mixed salad leaves, 4 olive oil, 15 lemon juice',
    method:
      'Fill the pitas with hummus, chickpeas, strips of pepper and cucumber dressed with lemon and oil.',
  },
  {
    title: 'Couscous tabbouleh with chickpeas',
    kinds: ['main'],
    cuisine: 'middle eastern',
    types: ['salad', 'quick', 'mediterranean'],
    needs: ['boil-water'],
    minutes: 15,
    complexity: 10,
    ingredients:
      '75 couscous, 130 tinned chickpeas, 120 tomato, 100 cucumber, 30 parsley, 10 mint, 16 olive oil, 30 lemon juice',
    method:
      'Pour boiling water over the couscous, fluff it after five minutes and fold in plenty of herbs, vegetables, chickpeas, lemon and oil.',
  },
  {
    title: 'Rice noodle salad with crisp tofu',
    kinds: ['main'],
    cuisine: 'vietnamese',
    types: ['salad', 'noodles'],
    needs: ['stove'],
    minutes: 25,
    complexity: 25,
    ingredients:
      '150 smoked tofu, 65 rice noodles, 80 carrot, 100 cucumber, 60 bean sprouts, 15 mint, 10 coriander, 20 peanuts, 16 tamari, 30 lime juice, 7 maple syrup',
    method:
      'Soak the noodles, fry the tofu without oil and toss with vegetables, herbs and a dressing of lime, tamari and maple syrup.',
  },
  {
    title: 'Sushi bowl with edamame and avocado',
    kinds: ['main'],
    cuisine: 'japanese',
    types: ['bowl', 'sushi', 'rice'],
    needs: ['rice'],
    minutes: 25,
    complexity: 15,
    ingredients:
      '75 basmati rice, 100 edamame, 90 avocado, 100 cucumber, 60 carrot, 5 nori, 16 tamari, 15 rice vinegar, 5 sesame seeds',
    method:
      'Season the cooked rice with vinegar and top it with edamame, avocado, vegetables, shredded nori and tamari.',
  },
  {
    title: 'Tofu lettuce cups with walnuts',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['lettuce wraps', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients:
      '200 firm tofu, 120 romaine lettuce, 80 mushrooms, 30 walnuts, 60 bell pepper, 24 tamari, 8 ginger, 9 sesame oil',
    method:
      'Crumble and fry the tofu with mushrooms, ginger and tamari, add the walnuts and spoon it into lettuce leaves.',
  },
  {
    title: 'Lentil and beetroot salad with walnuts',
    kinds: ['main'],
    cuisine: 'french',
    types: ['salad', 'quick', 'mediterranean'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '220 tinned lentils, 150 cooked beetroot, 60 mixed salad leaves, 30 walnuts, 30 red onion, 10 olive oil, 16 balsamic vinegar, 10 parsley',
    method:
      'Toss lentils, beetroot and onion with vinegar and oil, lay them over the leaves and break the walnuts on top.',
  },
  {
    title: 'Avocado, tofu and seed salad',
    kinds: ['main'],
    cuisine: 'international',
    types: ['salad', 'quick'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '180 smoked tofu, 100 avocado, 80 mixed salad leaves, 100 cucumber, 60 radishes, 20 pumpkin seeds, 10 olive oil, 15 lemon juice',
    method:
      'Cube tofu and avocado, toss with leaves, cucumber and radishes in oil and lemon and scatter the seeds over it.',
  },
  {
    title: 'Microwave lentil and tomato rice',
    kinds: ['main'],
    cuisine: 'international',
    types: ['bowl', 'rice', 'quick'],
    needs: ['microwave-rice'],
    minutes: 20,
    complexity: 10,
    ingredients:
      '200 tinned lentils, 65 basmati rice, 150 cherry tomatoes, 60 spinach, 13 olive oil, 8 garlic, 3 ground cumin, 15 lemon juice',
    method:
      'Cook the rice, stir in lentils, halved tomatoes, spinach, garlic and cumin, heat until the spinach wilts and finish with oil and lemon.',
  },
]
