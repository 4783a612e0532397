import type { RecipeData } from '../recipe.ts'

/** Main dishes with beef, lamb and pork. */
export const meatMains: readonly RecipeData[] = [
  {
    title: 'Beef and broccoli with rice',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['stir-fry', 'rice', 'quick'],
    needs: ['rice', 'stove'],
    minutes: 25,
    complexity: 25,
    ingredients:
      '140 sirloin steak, 70 basmati rice, 200 broccoli, 24 soy sauce, 8 ginger, 8 garlic, 4 sesame oil, 5 rapeseed oil',
    method:
      'Sear strips of beef quickly, fry the broccoli, bring together with soy sauce, ginger and garlic and serve over the rice.',
  },
  {
    title: 'Beef stew with potatoes and carrots',
    kinds: ['main'],
    cuisine: 'british',
    types: ['stew', 'slow cooker', 'one-pot', 'comfort food'],
    needs: ['simmer'],
    minutes: 120,
    complexity: 25,
    ingredients:
      '170 stewing beef, 250 potato, 120 carrot, 80 onion, 40 celery, 200 vegetable stock, 16 tomato paste, 12 rapeseed oil',
    method:
      'Brown the beef, add vegetables, tomato paste and stock and let it cook slowly until the meat is tender.',
  },
  {
    title: 'Spaghetti bolognese',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['pasta', 'comfort food'],
    needs: ['stove'],
    minutes: 45,
    complexity: 25,
    ingredients:
      '120 lean beef mince, 80 spaghetti, 200 tinned tomatoes, 60 carrot, 60 onion, 30 celery, 10 parmesan, 6 olive oil',
    method:
      'Brown the mince, soften the vegetables, simmer with the tomatoes for half an hour and serve over spaghetti with parmesan.',
  },
  {
    title: 'Beef burger with potato wedges',
    kinds: ['main'],
    cuisine: 'american',
    types: ['burger', 'comfort food'],
    needs: ['bake', 'sear'],
    minutes: 45,
    complexity: 35,
    ingredients:
      '140 lean beef mince, 65 wholegrain bun, 200 potato, 60 tomato, 30 romaine lettuce, 17 ketchup, 5 Dijon mustard, 9 rapeseed oil',
    method:
      'Bake the wedges in the oil, shape and sear the burger and stack it in the bun with lettuce, tomato, mustard and ketchup.',
  },
  {
    title: 'Steak with asparagus and mushrooms',
    kinds: ['main'],
    cuisine: 'french',
    types: ['quick', 'grill'],
    needs: ['sear', 'stove'],
    minutes: 20,
    complexity: 20,
    ingredients:
      '200 sirloin steak, 180 asparagus, 150 mushrooms, 10 butter, 8 garlic, 60 mixed salad leaves, 5 olive oil',
    method:
      'Sear the steak and let it rest, fry mushrooms, asparagus and garlic in the butter and serve with the leaves.',
  },
  {
    title: 'Cheeseburger salad bowl',
    kinds: ['main'],
    cuisine: 'american',
    types: ['burger', 'bowl', 'quick'],
    needs: ['sear'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '180 lean beef mince, 35 cheddar, 120 romaine lettuce, 100 tomato, 60 cucumber, 14 mayonnaise, 5 Dijon mustard, 30 red onion',
    method:
      'Sear the burger with cheddar on top and set it on lettuce, tomato, cucumber and onion with mustard mayonnaise.',
  },
  {
    title: 'Beef tacos with salsa',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['tacos', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients:
      '140 lean beef mince, 100 corn tortilla, 80 tomato salsa, 80 romaine lettuce, 60 avocado, 40 onion, 3 ground cumin, 15 lime juice',
    method: 'Fry the mince with onion and cumin and fill warm tortillas with it, lettuce, avocado and salsa.',
  },
  {
    title: 'Beef and courgette skillet',
    kinds: ['main'],
    cuisine: 'international',
    types: ['one-pot', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '190 lean beef mince, 220 courgette, 120 cherry tomatoes, 60 spinach, 13 olive oil, 8 garlic, 8 basil, 15 pine nuts',
    method:
      'Brown the mince, fry courgette and garlic beside it, burst the tomatoes and fold in spinach, basil and pine nuts.',
  },
  {
    title: 'Lamb kofta with bulgur salad',
    kinds: ['main'],
    cuisine: 'turkish',
    types: ['grill', 'skewers', 'mediterranean'],
    needs: ['sear', 'boil-water'],
    minutes: 35,
    complexity: 30,
    ingredients:
      '120 lamb mince, 60 bulgur, 100 cucumber, 120 tomato, 60 plain yogurt, 15 parsley, 10 mint, 4 olive oil, 3 ground cumin, 15 lemon juice',
    method:
      'Shape mince and cumin into koftas and sear them; soak the bulgur, toss it with the salad and herbs and serve with yogurt.',
  },
  {
    title: 'Lamb and chickpea tagine',
    kinds: ['main'],
    cuisine: 'moroccan',
    types: ['stew', 'slow cooker', 'mediterranean'],
    needs: ['simmer', 'boil-water'],
    minutes: 90,
    complexity: 30,
    ingredients:
      '140 lamb leg, 110 tinned chickpeas, 50 couscous, 150 tinned tomatoes, 80 carrot, 20 dried apricots, 60 onion, 7 olive oil, 3 cinnamon, 3 ground cumin',
    method:
      'Brown the lamb, stew it with the spices, tomatoes, carrot and apricots until tender, add the chickpeas and serve over couscous.',
  },
  {
    title: 'Lamb and feta salad with mint',
    kinds: ['main'],
    cuisine: 'greek',
    types: ['salad', 'mediterranean', 'quick'],
    needs: ['sear'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '150 lamb leg, 60 feta, 80 mixed salad leaves, 120 cucumber, 100 cherry tomatoes, 30 black olives, 9 olive oil, 10 mint, 10 lemon juice',
    method: 'Sear slices of lamb and lay them over leaves, cucumber, tomatoes and olives with feta and mint.',
  },
  {
    title: 'Pork tenderloin with apple and sweet potato',
    kinds: ['main'],
    cuisine: 'german',
    types: ['tray bake'],
    needs: ['bake'],
    minutes: 40,
    complexity: 25,
    ingredients:
      '190 pork tenderloin, 250 sweet potato, 120 apple, 80 red onion, 14 olive oil, 5 Dijon mustard, 100 kale',
    method:
      'Roast sweet potato, apple and onion with the pork, brushed with mustard, for 25 minutes and add the kale at the end.',
  },
  {
    title: 'Pork and egg cauliflower fried rice',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['stir-fry', 'quick'],
    needs: ['stove'],
    minutes: 25,
    complexity: 25,
    ingredients:
      '140 pork mince, 110 egg, 250 cauliflower, 40 spring onion, 24 tamari, 8 ginger, 6 sesame oil',
    method:
      'Fry the mince with ginger, add grated cauliflower, scramble in the eggs and season with tamari and spring onion.',
  },
  {
    title: 'Sausage and lentil stew',
    kinds: ['main'],
    cuisine: 'french',
    types: ['stew', 'slow cooker', 'one-pot', 'comfort food'],
    needs: ['simmer'],
    minutes: 45,
    complexity: 20,
    ingredients:
      '120 pork sausage, 60 green lentils, 100 carrot, 60 leek, 50 celery, 300 vegetable stock, 5 Dijon mustard, 8 parsley',
    method:
      'Brown the sausages, cook the lentils with the vegetables in the stock and finish with mustard and parsley.',
  },
  {
    title: 'Bacon, egg and avocado salad',
    kinds: ['main'],
    cuisine: 'american',
    types: ['salad', 'quick'],
    needs: ['stove'],
    minutes: 15,
    complexity: 15,
    ingredients:
      '60 smoked bacon, 110 egg, 120 avocado, 100 romaine lettuce, 100 cherry tomatoes, 8 olive oil, 15 lemon juice',
    method: 'Crisp the bacon, boil the eggs and toss lettuce, tomatoes and avocado with oil and lemon.',
  },
  {
    title: 'Ham and pea pasta',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['pasta', 'quick', 'comfort food'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '100 cooked ham, 85 wholewheat pasta, 120 frozen peas, 60 cream cheese, 60 spinach, 10 lemon juice',
    method:
      'Boil pasta and peas together and toss with ham, spinach and cream cheese loosened with the cooking water and lemon.',
  },
  {
    title: 'Korean beef bowl with kimchi',
    kinds: ['main'],
    cuisine: 'korean',
    types: ['bowl', 'rice', 'quick'],
    needs: ['rice', 'stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '140 lean beef mince, 75 basmati rice, 80 vegan kimchi, 100 cucumber, 60 carrot, 18 gochujang, 16 soy sauce, 4 sesame oil, 4 sesame seeds',
    method:
      'Fry the mince until crisp, glaze it with gochujang and soy sauce and serve over rice with kimchi and raw vegetables.',
  },
  {
    title: 'Vietnamese pork noodle bowl',
    kinds: ['main'],
    cuisine: 'vietnamese',
    types: ['bowl', 'noodles'],
    needs: ['sear', 'boil-water'],
    minutes: 30,
    complexity: 30,
    ingredients:
      '170 pork tenderloin, 75 rice noodles, 80 carrot, 100 cucumber, 60 bean sprouts, 15 mint, 17 fish sauce, 20 lime juice, 7 honey, 20 peanuts, 5 rapeseed oil',
    method:
      'Sear thin slices of pork, lay them on soaked noodles with vegetables and herbs and dress with fish sauce, lime and honey.',
  },
  {
    title: 'Pulled pork bun with slaw',
    kinds: ['main'],
    cuisine: 'american',
    types: ['burger', 'slow cooker', 'sandwich', 'comfort food'],
    needs: ['slow'],
    minutes: 240,
    complexity: 30,
    ingredients:
      '130 pork shoulder, 65 wholegrain bun, 120 white cabbage, 60 carrot, 17 ketchup, 40 plain yogurt, 3 smoked paprika, 5 Dijon mustard, 130 sweet potato',
    method:
      'Cook the pork slowly with paprika and the sweet potato beside it, pull it apart with ketchup and pile it into the bun with the slaw.',
  },
  {
    title: 'Pork with peppers and olives',
    kinds: ['main'],
    cuisine: 'spanish',
    types: ['one-pot', 'quick'],
    needs: ['stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '200 pork tenderloin, 180 bell pepper, 60 red onion, 50 black olives, 150 cherry tomatoes, 18 olive oil, 8 garlic, 3 smoked paprika',
    method:
      'Sear slices of pork, soften peppers, onion and garlic with paprika and bring together with tomatoes and olives.',
  },
  {
    title: 'Chorizo, chickpea and spinach pan',
    kinds: ['main'],
    cuisine: 'spanish',
    types: ['one-pot', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '45 chorizo, 200 tinned chickpeas, 150 spinach, 200 tinned tomatoes, 60 onion, 5 olive oil, 40 wholegrain bread',
    method:
      'Fry the chorizo with the onion, add chickpeas and tomatoes, wilt the spinach in it and eat with the bread.',
  },
  {
    title: 'Ham, cheddar and apple plate',
    kinds: ['main'],
    cuisine: 'british',
    types: ['sandwich', 'quick'],
    needs: [],
    minutes: 5,
    complexity: 0,
    ingredients:
      '90 cooked ham, 40 cheddar, 100 rye bread, 120 apple, 60 celery, 40 mixed salad leaves, 5 Dijon mustard',
    method: 'Lay out ham, cheddar, apple and celery with the leaves, mustard and rye bread.',
  },
]
