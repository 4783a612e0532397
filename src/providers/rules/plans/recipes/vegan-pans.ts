import type { RecipeData } from '../recipe.ts'

/** Vegan main dishes from the pan and the oven. */
export const veganPans: readonly RecipeData[] = [
  {
    title: 'Tofu and broccoli stir-fry with brown rice',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['stir-fry', 'rice'],
    needs: ['rice', 'stove'],
    minutes: 30,
    complexity: 30,
    ingredients:
      '170 firm tofu, 180 broccoli, 80 bell pepper, 65 brown rice, 24 soy sauce, 8 ginger, 8 garlic, 9 rapeseed oil, 4 sesame oil',
    method:
      'Brown the tofu, stir-fry the vegetables over high heat, toss with soy sauce and sesame oil and serve over the rice.',
  },
  {
    title: 'Peppers stuffed with quinoa and black beans',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['tray bake'],
    needs: ['rice', 'bake'],
    minutes: 50,
    complexity: 40,
    ingredients:
      '240 bell pepper, 60 quinoa, 140 tinned black beans, 70 sweetcorn, 64 tomato salsa, 60 avocado, 8 olive oil, 3 ground cumin, 8 coriander',
    method:
      'Fill halved peppers with cooked quinoa, beans, corn and salsa, bake for 25 minutes and top with the avocado.',
  },
  {
    title: 'Teriyaki tempeh bowl with edamame',
    kinds: ['main'],
    cuisine: 'japanese',
    types: ['bowl', 'rice'],
    needs: ['rice', 'stove'],
    minutes: 30,
    complexity: 30,
    ingredients:
      '120 tempeh, 60 brown rice, 60 edamame, 100 carrot, 80 cucumber, 32 tamari, 10 maple syrup, 8 ginger, 5 rapeseed oil, 4 sesame seeds',
    method:
      'Glaze the fried tempeh with tamari, maple syrup and ginger and serve over rice with edamame and raw vegetables.',
  },
  {
    title: 'Aubergine and chickpea tray bake with bulgur',
    kinds: ['main'],
    cuisine: 'turkish',
    types: ['tray bake', 'mediterranean'],
    needs: ['bake', 'boil-water'],
    minutes: 45,
    complexity: 25,
    ingredients:
      '250 aubergine, 140 tinned chickpeas, 60 bulgur, 150 cherry tomatoes, 60 red onion, 18 olive oil, 15 tahini, 15 lemon juice, 3 ground cumin',
    method:
      'Roast aubergine, chickpeas, tomatoes and onion with oil and cumin; soak the bulgur and spoon tahini and lemon over everything.',
  },
  {
    title: 'Sweet potato with black beans and avocado',
    kinds: ['main'],
    cuisine: 'american',
    types: ['jacket potato', 'quick'],
    needs: ['microwave-or-bake'],
    minutes: 15,
    complexity: 10,
    ingredients:
      '300 sweet potato, 150 tinned black beans, 80 avocado, 64 tomato salsa, 15 lime juice, 10 pumpkin seeds, 8 coriander',
    method:
      'Cook the pierced sweet potato until soft, split it and fill it with warm beans, salsa, avocado and seeds.',
  },
  {
    title: 'Tofu bibimbap',
    kinds: ['main'],
    cuisine: 'korean',
    types: ['bowl', 'rice'],
    needs: ['rice', 'stove'],
    minutes: 40,
    complexity: 45,
    ingredients:
      '160 firm tofu, 65 basmati rice, 100 spinach, 80 carrot, 80 bean sprouts, 60 vegan kimchi, 27 gochujang, 6 rapeseed oil, 4 sesame oil, 4 sesame seeds',
    method:
      'Crisp the tofu, blanch the vegetables one after another and arrange all on the rice with gochujang and sesame.',
  },
  {
    title: 'Jackfruit and bean burrito bowl',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['bowl', 'burrito', 'rice'],
    needs: ['rice', 'stove'],
    minutes: 30,
    complexity: 25,
    ingredients:
      '180 tinned jackfruit, 170 tinned kidney beans, 60 brown rice, 80 bell pepper, 64 tomato salsa, 70 avocado, 50 red onion, 8 rapeseed oil, 4 smoked paprika',
    method:
      'Fry jackfruit, onion and pepper with the paprika until it shreds; build the bowl over rice and beans.',
  },
  {
    title: 'Seitan and pepper fajitas',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['wrap'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients:
      '130 seitan, 150 bell pepper, 70 red onion, 120 wholewheat wrap, 60 avocado, 48 tomato salsa, 8 rapeseed oil, 3 smoked paprika, 15 lime juice',
    method:
      'Sear seitan strips with peppers, onion and paprika, squeeze over the lime and roll up in warm wraps.',
  },
  {
    title: 'Shirataki noodles with tofu and peanut sauce',
    kinds: ['main'],
    cuisine: 'thai',
    types: ['noodles', 'stir-fry', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 25,
    ingredients:
      '200 shirataki noodles, 200 firm tofu, 80 pak choi, 40 spring onion, 32 peanut butter, 16 tamari, 15 lime juice, 10 coconut oil',
    method:
      'Dry-fry the rinsed noodles, brown the tofu, wilt the pak choi and coat everything with the peanut butter thinned with tamari and lime.',
  },
  {
    title: 'Cauliflower rice with tempeh and avocado',
    kinds: ['main'],
    cuisine: 'international',
    types: ['bowl', 'quick'],
    needs: ['stove'],
    minutes: 25,
    complexity: 25,
    ingredients:
      '130 tempeh, 250 cauliflower, 80 avocado, 60 spinach, 16 tamari, 12 coconut oil, 10 sesame seeds, 15 lime juice',
    method:
      'Pulse or grate the cauliflower and fry it for five minutes; serve with crisp tempeh, wilted spinach and avocado.',
  },
  {
    title: 'Courgette noodles with tofu and walnut sauce',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['noodles', 'quick'],
    needs: ['stove', 'blender'],
    minutes: 20,
    complexity: 25,
    ingredients:
      '300 courgette, 170 smoked tofu, 35 walnuts, 80 cherry tomatoes, 13 olive oil, 15 basil, 15 lemon juice, 5 nutritional yeast',
    method:
      'Blend walnuts, basil, lemon and oil to a sauce and toss it with briefly fried courgette ribbons, tomatoes and tofu.',
  },
  {
    title: 'Edamame and mushroom fried rice',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['stir-fry', 'rice', 'quick'],
    needs: ['rice', 'stove'],
    minutes: 25,
    complexity: 25,
    ingredients:
      '110 edamame, 75 basmati rice, 150 mushrooms, 80 carrot, 40 spring onion, 24 tamari, 8 ginger, 12 rapeseed oil, 4 sesame oil',
    method:
      'Fry mushrooms and carrot over high heat, add the cooked rice, edamame and tamari and finish with spring onion.',
  },
  {
    title: 'Baked tofu with sweet potato and kale',
    kinds: ['main'],
    cuisine: 'american',
    types: ['tray bake'],
    needs: ['bake'],
    minutes: 40,
    complexity: 20,
    ingredients:
      '180 firm tofu, 220 sweet potato, 100 kale, 14 olive oil, 16 tamari, 15 tahini, 15 lemon juice, 3 smoked paprika',
    method:
      'Roast tofu and sweet potato with oil, tamari and paprika, add the kale for the last ten minutes and dress with tahini and lemon.',
  },
]
