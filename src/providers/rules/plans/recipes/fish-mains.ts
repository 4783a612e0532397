import type { RecipeData } from '../recipe.ts'

/** Main dishes with fish and shellfish. */
export const fishMains: readonly RecipeData[] = [
  {
    title: 'Salmon tray bake with potatoes and green beans',
    kinds: ['main'],
    cuisine: 'nordic',
    types: ['tray bake', 'mediterranean'],
    needs: ['bake'],
    minutes: 40,
    complexity: 20,
    ingredients: '140 salmon fillet, 250 potato, 130 green beans, 10 olive oil, 15 lemon juice, 10 dill',
    method:
      'Roast the halved potatoes for 20 minutes, add beans and salmon for 12 more and finish with lemon and dill.',
  },
  {
    title: 'Teriyaki salmon with rice and pak choi',
    kinds: ['main'],
    cuisine: 'japanese',
    types: ['rice'],
    needs: ['rice', 'stove'],
    minutes: 25,
    complexity: 30,
    ingredients:
      '130 salmon fillet, 65 basmati rice, 180 pak choi, 24 soy sauce, 14 honey, 8 ginger, 4 sesame oil, 4 sesame seeds',
    method:
      'Sear the salmon, glaze it with soy sauce, honey and ginger and serve with rice and steamed pak choi.',
  },
  {
    title: 'Tuna and white bean salad',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['salad', 'quick', 'mediterranean'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '130 tinned tuna, 180 tinned cannellini beans, 150 tomato, 40 red onion, 40 rocket, 16 olive oil, 20 lemon juice, 40 wholegrain bread',
    method:
      'Flake the tuna into beans, tomatoes and onion, dress with oil and lemon, fold in the rocket and eat with the bread.',
  },
  {
    title: 'Cod with tomatoes, olives and potatoes',
    kinds: ['main'],
    cuisine: 'spanish',
    types: ['tray bake', 'mediterranean'],
    needs: ['bake'],
    minutes: 40,
    complexity: 20,
    ingredients:
      '180 cod fillet, 260 potato, 200 cherry tomatoes, 40 black olives, 50 red onion, 16 olive oil, 8 garlic, 8 parsley',
    method:
      'Roast potatoes, tomatoes, onion and olives in the oil, lay the cod on top for the last 12 minutes and finish with parsley.',
  },
  {
    title: 'Prawn pad thai',
    kinds: ['main'],
    cuisine: 'thai',
    types: ['noodles', 'stir-fry'],
    needs: ['stove'],
    minutes: 25,
    complexity: 35,
    ingredients:
      '140 prawns, 70 rice noodles, 55 egg, 100 bean sprouts, 40 spring onion, 17 fish sauce, 15 lime juice, 18 peanuts, 7 honey, 9 rapeseed oil',
    method:
      'Fry prawns and egg, add soaked noodles, fish sauce, lime and honey, toss with sprouts and spring onion and top with peanuts.',
  },
  {
    title: 'Prawn and courgette spaghetti',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['pasta', 'quick', 'mediterranean'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients:
      '150 prawns, 80 spaghetti, 200 courgette, 100 cherry tomatoes, 8 garlic, 14 olive oil, 15 lemon juice, 8 parsley, 1 chilli flakes',
    method:
      'Fry courgette, garlic and chilli in the oil, add tomatoes and prawns for three minutes and toss with the pasta and lemon.',
  },
  {
    title: 'Sardines on toast with tomato salad',
    kinds: ['main'],
    cuisine: 'spanish',
    types: ['toast', 'quick', 'mediterranean'],
    needs: ['toast'],
    minutes: 10,
    complexity: 5,
    ingredients:
      '120 tinned sardines, 100 sourdough bread, 180 tomato, 30 red onion, 5 olive oil, 10 lemon juice, 8 parsley',
    method: 'Heap the sardines on toasted bread and serve with tomatoes and onion in oil and lemon.',
  },
  {
    title: 'Baked trout with fennel and almonds',
    kinds: ['main'],
    cuisine: 'french',
    types: ['tray bake', 'mediterranean'],
    needs: ['bake'],
    minutes: 35,
    complexity: 25,
    ingredients:
      '190 trout fillet, 220 fennel, 25 almonds, 80 cherry tomatoes, 12 olive oil, 15 lemon juice, 8 dill',
    method:
      'Roast the sliced fennel for 15 minutes, lay trout and tomatoes on it for 12 more and scatter lemon, dill and toasted almonds over it.',
  },
  {
    title: 'Salmon with asparagus and lemon butter',
    kinds: ['main'],
    cuisine: 'french',
    types: ['quick'],
    needs: ['stove'],
    minutes: 20,
    complexity: 20,
    ingredients: '160 salmon fillet, 220 asparagus, 12 butter, 60 spinach, 15 lemon juice, 8 parsley',
    method:
      'Sear the salmon skin side down, steam the asparagus over the spinach and melt butter, lemon and parsley over both.',
  },
  {
    title: 'Salade niçoise',
    kinds: ['main'],
    cuisine: 'french',
    types: ['salad', 'mediterranean'],
    needs: ['stove'],
    minutes: 30,
    complexity: 20,
    ingredients:
      '110 tinned tuna, 110 egg, 180 potato, 100 green beans, 100 cherry tomatoes, 30 black olives, 50 romaine lettuce, 14 olive oil, 5 Dijon mustard',
    method:
      'Boil potatoes, eggs and beans, arrange them on lettuce with tuna, tomatoes and olives and dress with oil and mustard.',
  },
  {
    title: 'Fish tacos with lime slaw',
    kinds: ['main'],
    cuisine: 'mexican',
    types: ['tacos'],
    needs: ['stove'],
    minutes: 25,
    complexity: 25,
    ingredients:
      '180 cod fillet, 100 corn tortilla, 120 white cabbage, 60 avocado, 40 Greek yogurt, 20 lime juice, 8 rapeseed oil, 3 smoked paprika, 8 coriander',
    method:
      'Sear the fish with paprika, dress the cabbage with yogurt and lime and fill the warm tortillas with both and the avocado.',
  },
  {
    title: 'Mussels in tomato broth with sourdough',
    kinds: ['main'],
    cuisine: 'french',
    types: ['one-pot', 'soup', 'mediterranean'],
    needs: ['stove'],
    minutes: 30,
    complexity: 35,
    ingredients:
      '320 mussels, 250 tinned tomatoes, 80 fennel, 50 onion, 8 garlic, 12 olive oil, 75 sourdough bread, 10 parsley',
    method:
      'Sweat fennel, onion and garlic, boil up the tomatoes, steam the mussels in it under a lid and mop up with the bread.',
  },
  {
    title: 'Smoked mackerel, beetroot and potato salad',
    kinds: ['main'],
    cuisine: 'nordic',
    types: ['salad'],
    needs: ['heat'],
    minutes: 25,
    complexity: 10,
    ingredients:
      '100 smoked mackerel, 200 potato, 120 cooked beetroot, 80 plain yogurt, 50 mixed salad leaves, 10 dill, 10 lemon juice',
    method: 'Toss warm potatoes and beetroot with yogurt, dill and lemon and flake the mackerel over it.',
  },
  {
    title: 'Sea bass with courgette and peppers',
    kinds: ['main'],
    cuisine: 'italian',
    types: ['quick', 'mediterranean'],
    needs: ['stove'],
    minutes: 25,
    complexity: 25,
    ingredients:
      '200 sea bass fillet, 200 courgette, 150 bell pepper, 100 cherry tomatoes, 40 black olives, 16 olive oil, 8 basil',
    method: 'Cook the vegetables soft in the oil with olives and tomatoes and crisp the bass skin side down.',
  },
  {
    title: 'Prawn, avocado and cucumber salad',
    kinds: ['main'],
    cuisine: 'american',
    types: ['salad', 'quick'],
    needs: [],
    minutes: 10,
    complexity: 0,
    ingredients:
      '180 cooked prawns, 130 avocado, 100 romaine lettuce, 100 cucumber, 20 mayonnaise, 10 olive oil, 15 lemon juice, 5 dill',
    method:
      'Arrange prawns, avocado and cucumber on the lettuce and dress with mayonnaise loosened with lemon and dill.',
  },
  {
    title: 'Coconut fish curry with rice',
    kinds: ['main'],
    cuisine: 'indian',
    types: ['curry', 'rice'],
    needs: ['rice', 'stove'],
    minutes: 30,
    complexity: 30,
    ingredients:
      '180 cod fillet, 60 basmati rice, 100 coconut milk, 150 tinned tomatoes, 70 spinach, 60 onion, 8 ginger, 5 curry powder, 5 rapeseed oil',
    method:
      'Fry onion, ginger and curry powder, simmer with tomatoes and coconut milk, poach the fish in it and wilt the spinach.',
  },
  {
    title: 'Tuna and sweetcorn jacket potato',
    kinds: ['main'],
    cuisine: 'british',
    types: ['jacket potato', 'quick'],
    needs: ['microwave-or-bake'],
    minutes: 20,
    complexity: 5,
    ingredients:
      '320 potato, 120 tinned tuna, 60 sweetcorn, 40 Greek yogurt, 14 mayonnaise, 60 mixed salad leaves, 15 spring onion',
    method:
      'Cook the pierced potato until soft and fill it with tuna, sweetcorn and spring onion in yogurt and mayonnaise.',
  },
  {
    title: 'Ginger cod with pak choi and rice',
    kinds: ['main'],
    cuisine: 'chinese',
    types: ['rice', 'quick', 'steamed'],
    needs: ['microwave-rice', 'heat'],
    minutes: 20,
    complexity: 15,
    ingredients:
      '200 cod fillet, 70 basmati rice, 180 pak choi, 16 soy sauce, 12 ginger, 9 sesame oil, 30 spring onion',
    method:
      'Steam cod and pak choi under a lid with ginger and soy sauce, pour hot sesame oil over it and serve with rice.',
  },
  {
    title: 'Crisp salmon with broccoli and sesame',
    kinds: ['main'],
    cuisine: 'japanese',
    types: ['quick'],
    needs: ['bake'],
    minutes: 20,
    complexity: 15,
    ingredients: '170 salmon fillet, 250 broccoli, 16 tamari, 9 sesame oil, 8 ginger, 9 sesame seeds',
    method:
      'Toss the broccoli with oil and ginger, bake it with the salmon for 12 minutes and finish with tamari and sesame.',
  },
  {
    title: 'Smoked salmon and avocado plate',
    kinds: ['main'],
    cuisine: 'nordic',
    types: ['salad', 'quick'],
    needs: [],
    minutes: 5,
    complexity: 0,
    ingredients:
      '150 smoked salmon, 120 avocado, 60 cream cheese, 120 cucumber, 50 mixed salad leaves, 10 lemon juice, 5 dill',
    method: 'Lay out salmon, avocado and cucumber on leaves with dill cream cheese and lemon.',
  },
  {
    title: 'Tuna poke bowl',
    kinds: ['main'],
    cuisine: 'hawaiian',
    types: ['bowl', 'rice', 'sushi'],
    needs: ['rice'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '140 tinned tuna, 70 basmati rice, 60 edamame, 80 avocado, 100 cucumber, 60 carrot, 16 soy sauce, 4 sesame oil, 4 sesame seeds',
    method:
      'Season the tuna with soy sauce and sesame oil and set it on the rice with edamame, avocado and vegetables.',
  },
  {
    title: 'Prawn and cauliflower coconut curry',
    kinds: ['main'],
    cuisine: 'thai',
    types: ['curry', 'one-pot', 'quick'],
    needs: ['stove'],
    minutes: 25,
    complexity: 20,
    ingredients:
      '180 prawns, 220 cauliflower, 120 coconut milk, 80 green beans, 24 vegan red curry paste, 8 coconut oil, 10 lime juice, 8 coriander',
    method:
      'Fry the paste, simmer cauliflower and beans in the coconut milk, add the prawns for three minutes and finish with lime.',
  },
  {
    title: 'Salmon and quinoa bowl with kale',
    kinds: ['main'],
    cuisine: 'international',
    types: ['bowl', 'mediterranean'],
    needs: ['rice', 'stove'],
    minutes: 30,
    complexity: 20,
    ingredients: '120 salmon fillet, 55 quinoa, 100 kale, 80 tomato, 50 avocado, 6 olive oil, 15 lemon juice',
    method:
      'Flake pan-fried salmon over quinoa and kale rubbed with oil and lemon, with tomato and avocado beside it.',
  },
]
