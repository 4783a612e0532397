import type { RecipeData } from '../recipe.ts'

/** Vegan main dishes without gluten, soy, nuts and sesame. */
export const veganAllergyMains: readonly RecipeData[] = [
  {
    title: 'Chickpea and aubergine stew with quinoa',
    kinds: ['main'],
    cuisine: 'middle eastern',
    types: ['stew', 'one-pot', 'mediterranean'],
    needs: ['stove'],
    minutes: 40,
    complexity: 20,
    ingredients:
      '160 tinned chickpeas, 220 aubergine, 150 tinned tomatoes, 60 quinoa, 16 olive oil, 8 garlic, 3 ground cumin, 8 parsley',
    method:
      'Fry the diced aubergine until soft, simmer it with chickpeas, tomatoes and cumin and serve on quinoa.',
  },
  {
    title: 'Black bean and sweet potato tacos with avocado',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['tacos', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients:
      '150 tinned black beans, 160 sweet potato, 75 corn tortilla, 70 avocado, 60 tomato, 10 lime juice, 8 coriander',
    method:
      'Fry the diced sweet potato until soft, warm the beans with it and fill the tortillas with both, avocado, tomato and lime.',
  },
  {
    title: 'Lentil and coconut soup with kale',
    kinds: ['main'],
    cuisine: 'indian',
    types: ['soup', 'one-pot'],
    needs: ['simmer'],
    minutes: 35,
    complexity: 20,
    ingredients:
      '90 red lentils, 100 coconut milk, 100 kale, 80 carrot, 60 onion, 8 rapeseed oil, 8 ginger, 3 ground turmeric',
    method:
      'Simmer the lentils with the fried vegetables and turmeric in coconut milk and water until soft, and stir the kale in.',
  },
  {
    title: 'Polenta with white beans and spinach',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['comfort food', 'mediterranean', 'quick'],
    needs: ['stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '70 polenta, 170 tinned cannellini beans, 130 spinach, 80 cherry tomatoes, 18 olive oil, 8 garlic, 5 basil',
    method:
      'Stir the polenta into boiling water; fry garlic and tomatoes, warm the beans and wilt the spinach in it, and serve on top.',
  },
  {
    title: 'Potato and green bean salad with chickpeas',
    kinds: ['main'],
    cuisine: 'spanish',
    types: ['salad', 'mediterranean'],
    needs: ['stove'],
    minutes: 30,
    complexity: 20,
    ingredients:
      '230 potato, 150 green beans, 140 tinned chickpeas, 40 black olives, 18 olive oil, 15 lemon juice, 6 parsley',
    method:
      'Boil potatoes and beans, and dress them with the chickpeas, olives, oil, lemon and parsley while they are warm.',
  },
  {
    title: 'Rice bowl with kidney beans, mango and avocado',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['bowl', 'rice'],
    needs: ['rice'],
    minutes: 30,
    complexity: 10,
    ingredients:
      '70 brown rice, 150 tinned kidney beans, 100 mango, 80 avocado, 60 bell pepper, 8 olive oil, 15 lime juice, 8 coriander',
    method:
      'Cook the rice and top it with beans, mango, pepper and avocado, dressed with oil, lime and coriander.',
  },
]
