import type { RecipeData } from '../recipe.ts'

/** Main dishes with chicken and turkey. */
export const poultryMains: readonly RecipeData[] = [
  {
    title: 'Chicken and vegetable stir-fry with rice noodles',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['stir-fry', 'noodles', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients:
      '150 chicken breast, 70 rice noodles, 120 broccoli, 80 bell pepper, 60 carrot, 24 soy sauce, 8 ginger, 9 rapeseed oil, 4 sesame oil',
    method:
      'Stir-fry the sliced chicken and vegetables over high heat and toss with soaked noodles, soy sauce and ginger.',
  },
  {
    title: 'Greek lemon chicken with potatoes',
    kinds: ['main'],
    cuisine: 'greek',
    types: ['tray bake', 'mediterranean', 'comfort food'],
    needs: ['bake'],
    minutes: 50,
    complexity: 20,
    ingredients:
      '190 chicken thigh, 260 potato, 150 courgette, 80 red onion, 13 olive oil, 20 lemon juice, 8 garlic, 1 dried oregano',
    method: 'Roast everything together in oil, lemon, garlic and oregano until the potatoes are golden.',
  },
  {
    title: 'Chicken burrito bowl',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['bowl', 'burrito', 'rice'],
    needs: ['rice', 'stove'],
    minutes: 30,
    complexity: 25,
    ingredients:
      '140 chicken breast, 60 brown rice, 110 tinned black beans, 60 avocado, 64 tomato salsa, 50 sweetcorn, 5 rapeseed oil, 3 ground cumin, 15 lime juice',
    method:
      'Fry the chicken with cumin and build the bowl over rice and beans with corn, salsa, avocado and lime.',
  },
  {
    title: 'Chicken tikka with rice and cucumber yogurt',
    kinds: ['main'],
    cuisine: 'indian',
    types: ['curry', 'rice'],
    needs: ['rice', 'sear'],
    minutes: 35,
    complexity: 30,
    ingredients:
      '170 chicken breast, 70 basmati rice, 120 plain yogurt, 120 cucumber, 100 tomato, 9 rapeseed oil, 5 garam masala, 8 ginger, 5 mint',
    method:
      'Marinate the chicken in half the yogurt with the spices, sear it and serve with rice and the rest of the yogurt with cucumber and mint.',
  },
  {
    title: 'Chicken Caesar salad',
    kinds: ['main'],
    cuisine: 'american',
    types: ['salad', 'quick'],
    needs: ['sear'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '160 chicken breast, 150 romaine lettuce, 20 parmesan, 60 sourdough bread, 60 Greek yogurt, 14 mayonnaise, 5 Dijon mustard, 5 olive oil, 10 lemon juice',
    method:
      'Sear the chicken, crisp cubes of bread in the oil and toss the lettuce with yogurt, mayonnaise, mustard and parmesan.',
  },
  {
    title: 'Chicken noodle soup',
    kinds: ['main'],
    cuisine: 'american',
    types: ['soup', 'noodles', 'comfort food', 'one-pot'],
    needs: ['simmer'],
    minutes: 40,
    complexity: 20,
    ingredients:
      '150 chicken thigh, 65 egg noodles, 100 carrot, 60 celery, 80 leek, 450 chicken stock, 8 rapeseed oil, 8 parsley',
    method:
      'Simmer chicken and vegetables in the stock until tender, shred the meat and cook the noodles in the soup.',
  },
  {
    title: 'Lemon chicken with quinoa and broccoli',
    kinds: ['main'],
    cuisine: 'international',
    types: ['bowl', 'mediterranean'],
    needs: ['rice', 'stove'],
    minutes: 30,
    complexity: 20,
    ingredients:
      '160 chicken breast, 65 quinoa, 180 broccoli, 13 olive oil, 20 lemon juice, 8 garlic, 15 almonds',
    method:
      'Fry the chicken with garlic, steam the broccoli and serve over quinoa with lemon, oil and chopped almonds.',
  },
  {
    title: 'Slow-cooked chicken with beans and peppers',
    kinds: ['main'],
    cuisine: 'spanish',
    types: ['stew', 'slow cooker', 'one-pot', 'mediterranean'],
    needs: ['simmer'],
    minutes: 60,
    complexity: 15,
    ingredients:
      '180 chicken thigh, 160 tinned butter beans, 150 bell pepper, 200 tinned tomatoes, 60 onion, 12 olive oil, 4 smoked paprika, 50 wholegrain bread',
    method:
      'Put everything but the bread into the pot, cook slowly until the chicken falls apart and mop up with the bread.',
  },
  {
    title: 'Thai basil chicken with rice',
    kinds: ['main'],
    cuisine: 'thai',
    types: ['stir-fry', 'rice', 'quick'],
    needs: ['rice', 'stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '160 chicken thigh, 75 basmati rice, 100 green beans, 80 bell pepper, 17 fish sauce, 15 basil, 8 garlic, 4 chilli, 9 rapeseed oil',
    method:
      'Fry garlic and chilli, then the chopped chicken and beans, season with fish sauce and fold in the basil; serve over the rice.',
  },
  {
    title: 'Chicken fajita salad bowl',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['bowl', 'quick'],
    needs: ['sear'],
    minutes: 20,
    complexity: 20,
    ingredients:
      '190 chicken thigh, 120 bell pepper, 60 red onion, 120 avocado, 100 romaine lettuce, 30 sour cream, 10 olive oil, 3 smoked paprika, 10 lime juice',
    method:
      'Sear chicken, pepper and onion with paprika and lime and serve on lettuce with avocado and sour cream.',
  },
  {
    title: 'Creamy mushroom chicken with spinach',
    kinds: ['main'],
    cuisine: 'french',
    types: ['one-pot', 'comfort food'],
    needs: ['stove'],
    minutes: 30,
    complexity: 25,
    ingredients:
      '200 chicken thigh, 180 mushrooms, 120 spinach, 80 cream, 8 garlic, 9 olive oil, 5 Dijon mustard, 5 parsley',
    method:
      'Brown chicken and mushrooms, simmer with garlic, mustard and cream and wilt the spinach in the sauce.',
  },
  {
    title: 'Chicken pesto pasta',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['pasta', 'quick', 'mediterranean'],
    needs: ['stove'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '120 chicken breast, 75 wholewheat pasta, 30 basil pesto, 150 cherry tomatoes, 60 spinach, 4 olive oil',
    method: 'Fry the diced chicken, burst the tomatoes beside it and toss with pasta, spinach and pesto.',
  },
  {
    title: 'Turkey and bean chilli',
    kinds: ['main'],
    cuisine: 'american',
    types: ['chilli', 'stew', 'one-pot'],
    needs: ['simmer'],
    minutes: 45,
    complexity: 20,
    ingredients:
      '140 turkey mince, 140 tinned kidney beans, 200 tinned tomatoes, 100 bell pepper, 60 onion, 40 brown rice, 8 rapeseed oil, 4 smoked paprika, 3 ground cumin',
    method:
      'Brown the mince with onion and spices, add everything else with a little water and simmer until the rice is done.',
  },
  {
    title: 'Turkey lettuce wraps',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['lettuce wraps', 'quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients:
      '200 turkey mince, 150 romaine lettuce, 80 carrot, 80 mushrooms, 24 tamari, 8 ginger, 25 cashews, 8 sesame oil, 20 spring onion',
    method:
      'Fry the mince with mushrooms, carrot and ginger, season with tamari and spoon it with the cashews into lettuce leaves.',
  },
  {
    title: 'Turkey meatballs with spaghetti',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['pasta', 'comfort food'],
    needs: ['stove'],
    minutes: 40,
    complexity: 40,
    ingredients:
      '140 turkey mince, 75 spaghetti, 200 passata, 15 breadcrumbs, 50 onion, 20 parmesan, 9 olive oil, 8 garlic, 8 basil',
    method:
      'Roll small meatballs of mince and breadcrumbs, brown them, simmer in passata with garlic and serve over spaghetti with parmesan.',
  },
  {
    title: 'Turkey, hummus and avocado wrap',
    kinds: ['main'],
    cuisine: 'american',
    types: ['wrap', 'sandwich', 'quick'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '120 turkey slices, 120 wholewheat wrap, 40 hummus, 50 avocado, 80 cucumber, 40 mixed salad leaves',
    method:
      'Spread the wraps with hummus, lay turkey, avocado, cucumber and leaves on them and roll up tightly.',
  },
  {
    title: 'Chicken, apricot and couscous salad',
    kinds: ['main'],
    cuisine: 'moroccan',
    types: ['salad', 'quick', 'mediterranean'],
    needs: ['boil-water'],
    minutes: 15,
    complexity: 10,
    ingredients:
      '130 cooked chicken, 75 couscous, 25 dried apricots, 100 cucumber, 60 rocket, 12 almonds, 9 olive oil, 20 lemon juice, 10 mint',
    method:
      'Soak the couscous in boiling water and fold in chicken, apricots, cucumber, almonds and herbs with lemon and oil.',
  },
  {
    title: 'Roast chicken with sweet potato and kale',
    kinds: ['main'],
    cuisine: 'american',
    types: ['tray bake'],
    needs: ['bake'],
    minutes: 45,
    complexity: 20,
    ingredients:
      '190 chicken thigh, 250 sweet potato, 100 kale, 80 red onion, 14 olive oil, 8 garlic, 3 smoked paprika',
    method:
      'Roast chicken, sweet potato and onion with oil and paprika and add the kale for the last ten minutes.',
  },
  {
    title: 'Chicken and avocado salad with seeds',
    kinds: ['main'],
    cuisine: 'american',
    types: ['salad', 'quick'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '150 cooked chicken, 120 avocado, 100 mixed salad leaves, 120 cucumber, 80 cherry tomatoes, 15 pumpkin seeds, 10 olive oil, 15 lemon juice',
    method:
      'Toss leaves, cucumber, tomatoes and avocado with oil and lemon and lay chicken and seeds on top.',
  },
  {
    title: 'Microwave chicken, rice and peas',
    kinds: ['main'],
    cuisine: 'british',
    types: ['rice', 'quick', 'one-pot'],
    needs: ['microwave-rice'],
    minutes: 20,
    complexity: 10,
    ingredients:
      '150 cooked chicken, 75 basmati rice, 120 frozen peas, 80 carrot, 10 butter, 200 chicken stock, 8 parsley',
    method:
      'Cook the rice in the stock, stir in chicken, peas and carrot, heat through and finish with butter and parsley.',
  },
  {
    title: 'Chicken and chickpea curry',
    kinds: ['main'],
    cuisine: 'indian',
    types: ['curry', 'slow cooker', 'one-pot'],
    needs: ['simmer'],
    minutes: 45,
    complexity: 20,
    ingredients:
      '150 chicken thigh, 140 tinned chickpeas, 200 tinned tomatoes, 80 spinach, 60 onion, 60 plain yogurt, 10 rapeseed oil, 5 garam masala, 8 ginger, 45 naan',
    method:
      'Fry onion, ginger and spices, simmer chicken and chickpeas in the tomatoes, stir in spinach and yogurt and eat with naan.',
  },
  {
    title: 'Chicken skewers with tzatziki and peppers',
    kinds: ['main'],
    cuisine: 'greek',
    types: ['skewers', 'grill', 'mediterranean'],
    needs: ['bake-or-grill'],
    minutes: 30,
    complexity: 25,
    ingredients:
      '200 chicken thigh, 150 bell pepper, 80 courgette, 150 Greek yogurt, 100 cucumber, 14 olive oil, 8 garlic, 10 lemon juice, 5 mint',
    method:
      'Grill chicken, pepper and courgette on skewers and serve with yogurt stirred up with cucumber, garlic and mint.',
  },
]
