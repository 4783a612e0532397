import type { RecipeData } from '../recipe.ts'

/** Vegan main dishes from one pot: curries, stews, soups and sauces. */
export const veganPots: readonly RecipeData[] = [
  {
    title: 'Red lentil dal with spinach and brown rice',
    kinds: ['main'],
    cuisine: 'indian',
    types: ['curry', 'rice', 'comfort food'],
    needs: ['rice', 'stove'],
    minutes: 40,
    complexity: 30,
    ingredients:
      '75 red lentils, 65 brown rice, 90 spinach, 80 onion, 100 tinned tomatoes, 8 garlic, 8 ginger, 10 rapeseed oil, 3 ground cumin, 3 ground turmeric',
    method:
      'Simmer the lentils with the fried onion, spices and tomatoes for 20 minutes, stir in the spinach and serve over the rice.',
  },
  {
    title: 'Chickpea and sweet potato coconut curry',
    kinds: ['main'],
    cuisine: 'indian',
    types: ['curry', 'one-pot'],
    needs: ['stove'],
    minutes: 35,
    complexity: 25,
    ingredients:
      '170 tinned chickpeas, 180 sweet potato, 80 coconut milk, 100 tinned tomatoes, 70 spinach, 60 onion, 8 ginger, 6 curry powder, 7 rapeseed oil',
    method:
      'Fry the onion with ginger and curry powder, add everything but the spinach and simmer until the sweet potato is soft; wilt the spinach in it.',
  },
  {
    title: 'Smoky black bean chilli with rice',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['chilli', 'stew', 'rice'],
    needs: ['simmer', 'rice'],
    minutes: 45,
    complexity: 25,
    ingredients:
      '190 tinned black beans, 60 brown rice, 150 tinned tomatoes, 80 bell pepper, 70 onion, 50 sweetcorn, 8 rapeseed oil, 4 smoked paprika, 3 ground cumin, 10 coriander',
    method:
      'Soften onion and pepper with the spices, add beans, corn and tomatoes and let it simmer for half an hour; serve over the rice.',
  },
  {
    title: 'Lentil bolognese with spaghetti',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['pasta', 'comfort food', 'mediterranean'],
    needs: ['stove'],
    minutes: 40,
    complexity: 25,
    ingredients:
      '130 tinned lentils, 85 spaghetti, 180 tinned tomatoes, 60 carrot, 60 onion, 30 celery, 16 tomato paste, 8 garlic, 12 olive oil, 1 dried oregano',
    method:
      'Cook down the chopped vegetables in the oil, add lentils and tomatoes, simmer for 20 minutes and toss with the pasta.',
  },
  {
    title: 'Mushroom and white bean ragout on polenta',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['stew', 'mediterranean', 'comfort food'],
    needs: ['stove'],
    minutes: 35,
    complexity: 35,
    ingredients:
      '180 mushrooms, 160 tinned cannellini beans, 65 polenta, 50 spinach, 50 onion, 8 garlic, 14 olive oil, 100 vegetable stock, 5 parsley',
    method:
      'Brown the mushrooms hard, add onion, beans and stock and let it thicken; stir the polenta into boiling water and serve underneath.',
  },
  {
    title: 'Red curry with tofu and green beans',
    kinds: ['main'],
    cuisine: 'thai',
    types: ['curry', 'rice'],
    needs: ['rice', 'stove'],
    minutes: 30,
    complexity: 30,
    ingredients:
      '160 firm tofu, 100 green beans, 80 bell pepper, 60 basmati rice, 100 coconut milk, 24 vegan red curry paste, 15 lime juice, 8 basil, 4 rapeseed oil',
    method:
      'Fry the paste in the oil, pour in the coconut milk, simmer tofu and vegetables in it and finish with lime and basil over the rice.',
  },
  {
    title: 'Moroccan chickpea stew with couscous',
    kinds: ['main'],
    cuisine: 'moroccan',
    types: ['stew', 'mediterranean'],
    needs: ['simmer', 'boil-water'],
    minutes: 40,
    complexity: 25,
    ingredients:
      '160 tinned chickpeas, 65 couscous, 120 courgette, 80 carrot, 150 tinned tomatoes, 25 dried apricots, 60 onion, 15 harissa, 9 olive oil, 3 cinnamon',
    method:
      'Let chickpeas, vegetables, apricots and spices stew until soft; pour boiling water over the couscous and fluff it after five minutes.',
  },
  {
    title: 'Minestrone with cannellini beans',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['soup', 'one-pot', 'mediterranean'],
    needs: ['stove'],
    minutes: 35,
    complexity: 20,
    ingredients:
      '150 tinned cannellini beans, 45 wholewheat pasta, 100 courgette, 70 carrot, 40 celery, 60 leek, 150 tinned tomatoes, 300 vegetable stock, 14 olive oil, 40 wholegrain bread',
    method:
      'Sweat the vegetables in the oil, add tomatoes and stock, then beans and pasta until just done; eat with the bread.',
  },
  {
    title: 'Butternut squash and lentil soup',
    kinds: ['main'],
    cuisine: 'british',
    types: ['soup'],
    needs: ['stove', 'blender'],
    minutes: 40,
    complexity: 20,
    ingredients:
      '320 butternut squash, 65 red lentils, 70 onion, 60 coconut milk, 350 vegetable stock, 8 ginger, 6 olive oil, 4 curry powder, 80 wholegrain bread',
    method:
      'Boil squash, lentils and onion in the stock until soft, blend with the coconut milk and eat with the bread.',
  },
  {
    title: 'Potato, pea and chickpea curry',
    kinds: ['main'],
    cuisine: 'indian',
    types: ['curry', 'one-pot'],
    needs: ['stove'],
    minutes: 35,
    complexity: 20,
    ingredients:
      '220 potato, 110 frozen peas, 130 tinned chickpeas, 150 tinned tomatoes, 60 onion, 8 ginger, 8 garlic, 13 rapeseed oil, 5 garam masala, 8 coriander',
    method:
      'Fry onion, ginger and garlic with the spices, add potato and tomatoes and simmer until tender; peas and chickpeas go in at the end.',
  },
  {
    title: 'Ratatouille with butter beans',
    kinds: ['main'],
    cuisine: 'french',
    types: ['stew', 'one-pot', 'mediterranean'],
    needs: ['simmer'],
    minutes: 45,
    complexity: 25,
    ingredients:
      '200 tinned butter beans, 150 aubergine, 150 courgette, 120 bell pepper, 200 tinned tomatoes, 60 onion, 8 garlic, 18 olive oil, 50 sourdough bread, 8 basil',
    method:
      'Brown the vegetables in turn, stew them with tomatoes and garlic, warm the beans in it and serve with bread.',
  },
  {
    title: 'Coconut spinach tofu',
    kinds: ['main'],
    cuisine: 'indian',
    types: ['curry', 'one-pot', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients:
      '220 firm tofu, 200 spinach, 110 coconut milk, 40 onion, 8 ginger, 8 garlic, 8 coconut oil, 4 garam masala, 20 pumpkin seeds',
    method:
      'Fry onion, ginger and garlic with the spices, wilt the spinach, simmer with coconut milk and tofu and top with the seeds.',
  },
  {
    title: 'Slow three-bean stew',
    kinds: ['main'],
    cuisine: 'american',
    types: ['stew', 'slow cooker', 'one-pot'],
    needs: ['simmer'],
    minutes: 60,
    complexity: 15,
    ingredients:
      '100 tinned kidney beans, 100 tinned black beans, 100 tinned cannellini beans, 200 tinned tomatoes, 80 carrot, 70 onion, 150 potato, 13 olive oil, 4 smoked paprika',
    method:
      'Put everything into the pot, let it cook slowly until the potato is soft and mash a few beans to thicken it.',
  },
  {
    title: 'Barley and lentil pilaf with mushrooms',
    kinds: ['main'],
    cuisine: 'turkish',
    types: ['one-pot', 'mediterranean'],
    needs: ['simmer'],
    minutes: 45,
    complexity: 20,
    ingredients:
      '55 pearl barley, 150 tinned lentils, 150 mushrooms, 70 carrot, 60 onion, 300 vegetable stock, 15 olive oil, 8 parsley, 15 lemon juice',
    method:
      'Toast the barley with onion and mushrooms, simmer it in the stock until tender and fold in lentils, lemon and parsley.',
  },
  {
    title: 'Cauliflower and almond tagine',
    kinds: ['main'],
    cuisine: 'moroccan',
    types: ['stew', 'one-pot', 'mediterranean'],
    needs: ['simmer'],
    minutes: 40,
    complexity: 25,
    ingredients:
      '280 cauliflower, 100 tinned chickpeas, 30 almonds, 30 raisins, 150 tinned tomatoes, 60 onion, 16 olive oil, 3 ground cumin, 3 cinnamon, 8 coriander',
    method:
      'Stew cauliflower and chickpeas with tomatoes, raisins and spices and scatter the toasted almonds over it.',
  },
]
