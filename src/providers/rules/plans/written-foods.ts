import type { FoodTag } from './food.ts'

/**
 * Words for foods that the catalogue does not cook with, by what is in them. The longest match counts, so what is no milk,
 * butter or flour in spite of its name stands here with what it is.
 */
const wordsByTags: readonly [readonly FoodTag[], string][] = [
  [
    ['poultry'],
    'chicken, turkey, duck, goose, quail, poultry, hen, chicken broth, chicken stock, chicken liver',
  ],
  [
    ['beef'],
    'beef, veal, brisket, ribeye, sirloin, rump, oxtail, bresaola, pastrami, ossobuco, beef stock, beef broth, bone broth',
  ],
  [['lamb'], 'lamb, mutton'],
  [
    ['pork'],
    'pork, bacon, ham, prosciutto, pancetta, guanciale, chorizo, salami, pepperoni, lardon, lard, gammon, mortadella, ' +
      'speck, nduja, bratwurst, frankfurter, hot dog, gelatin, gelatine, pork rind',
  ],
  [['poultry'], 'turkey bacon, turkey ham, chicken sausage, turkey sausage'],
  [['beef'], 'beef bacon, beef sausage'],
  [
    ['meat'],
    'venison, rabbit, boar, bison, goat meat, kangaroo, game, foie gras, pate, liver, suet, deli meat, cold cuts',
  ],
  [
    ['fish'],
    'fish, salmon, tuna, cod, haddock, trout, mackerel, sardine, anchovy, halibut, sea bass, seabass, bass, bream, tilapia, ' +
      'herring, kipper, pollock, pollack, hake, snapper, sole, plaice, turbot, monkfish, swordfish, pangasius, carp, perch, ' +
      'catfish, eel, caviar, roe, surimi, worcestershire sauce, worcester sauce, bonito, dashi, mahi mahi',
  ],
  [
    ['shellfish'],
    'shrimp, prawn, crab, lobster, mussel, oyster, clam, scallop, squid, calamari, octopus, crayfish, langoustine, cockle, ' +
      'shellfish, oyster sauce, cuttlefish, seafood',
  ],
  [
    ['eggs'],
    'egg, egg white, egg yolk, mayonnaise, mayo, aioli, omelette, omelet, frittata, meringue, hollandaise, quiche',
  ],
  [
    ['dairy'],
    'milk, butter, buttermilk, cheese, cream, yogurt, yoghurt, ghee, kefir, whey, casein, quark, skyr, curd, ricotta, ' +
      'mozzarella, feta, cheddar, gouda, edam, brie, camembert, halloumi, paneer, mascarpone, burrata, custard, labneh, ' +
      'tzatziki, raita, creme fraiche, sour cream, half and half, ice cream, gelato, bechamel, alfredo, provolone, emmental, ' +
      'roquefort, gorgonzola, stilton, cotija, queso, lassi, whey protein, protein yogurt',
  ],
  [['dairy', 'rennet'], 'parmesan, parmigiano, pecorino, grana padano, gruyere, manchego, asiago'],
  [['honey', 'sugar'], 'honey'],
  [
    ['gluten', 'grain'],
    'wheat, flour, bread, pasta, spaghetti, penne, fusilli, rigatoni, linguine, tagliatelle, fettuccine, macaroni, lasagne, ' +
      'lasagna, ravioli, tortellini, farfalle, orzo, noodle, ramen, udon, soba, gnocchi, couscous, bulgur, barley, rye, spelt, ' +
      'farro, freekeh, semolina, seitan, tortilla, wrap, pita, pitta, flatbread, bagel, bun, roll, ciabatta, baguette, ' +
      'focaccia, sourdough, toast, crouton, cracker, crispbread, breadcrumb, panko, pizza, pie crust, pastry, phyllo, filo, ' +
      'biscuit, cookie, muffin, waffle, pancake, crumpet, cereal, oat, oatmeal, porridge, granola, muesli, malt, ' +
      'wheat germ, bran, dumpling, pierogi, pretzel, roux',
  ],
  [['gluten', 'grain', 'eggs', 'dairy'], 'brioche, croissant'],
  [['gluten', 'grain', 'alcohol'], 'beer, stout, ale'],
  [
    ['gluten', 'grain', 'soy', 'legume'],
    'soy sauce, soya sauce, teriyaki, teriyaki sauce, hoisin, hoisin sauce, ponzu',
  ],
  [
    ['grain'],
    'rice, corn, maize, sweetcorn, polenta, grits, hominy, millet, quinoa, amaranth, buckwheat, sorghum, teff, popcorn, ' +
      'rice flour, corn flour, cornflour, cornstarch, corn starch, cornmeal, masa, buckwheat flour, millet flour, ' +
      'rice noodle, rice vermicelli, rice paper, corn tortilla, buckwheat noodle, buckwheat pancake, rice pasta, corn pasta, ' +
      'rice cracker, rice paper roll, summer roll, corn bread, taco shell, nacho, tortilla chip, rice bran',
  ],
  [
    ['legume'],
    'bean, chickpea, lentil, pea, hummus, dal, daal, dhal, split pea, green pea, sugar snap pea, sugar snap, mangetout, ' +
      'falafel, lupin, carob, chickpea flour, gram flour, lentil pasta, chickpea pasta, bean pasta, refried bean, pea protein, ' +
      'pea milk, butter bean, bean sprout, glass noodle',
  ],
  [['legume', 'sesame'], 'hummus, houmous'],
  [
    ['soy', 'legume'],
    'soy, soya, soybean, tofu, tempeh, edamame, miso, tamari, natto, textured vegetable protein, tvp, soy milk, soya milk, ' +
      'soy yogurt, soy cream, soy protein, soy chunk, soy mince',
  ],
  [
    ['nuts'],
    'nut, almond, walnut, cashew, hazelnut, pistachio, pecan, pine nut, macadamia, brazil nut, praline, marzipan, frangipane, ' +
      'nut butter, almond butter, cashew butter, hazelnut butter, almond milk, cashew milk, hazelnut milk, nut milk, ' +
      'almond flour, almond meal, almond cream, cashew cream, cashew cheese, almond yogurt, cashew yogurt, dukkah',
  ],
  [['nuts', 'dairy', 'sugar'], 'nutella, hazelnut spread, baklava'],
  [['nuts', 'dairy', 'rennet'], 'pesto'],
  [['peanuts', 'legume'], 'peanut, groundnut, satay, satay sauce, peanut butter, peanut oil, peanut flour'],
  [['sesame'], 'sesame, tahini, tahina, halva, zaatar, za atar, gomasio, furikake'],
  [['celery'], 'celery, celeriac, celery salt'],
  [['mustard'], 'mustard, dijon'],
  [
    ['alcohol', 'sulphites'],
    'wine, prosecco, champagne, sherry, port, marsala, vermouth, cider, cooking wine',
  ],
  [
    ['alcohol'],
    'rum, vodka, whisky, whiskey, bourbon, brandy, cognac, gin, sake, mirin, liqueur, tequila, amaretto, kirsch',
  ],
  [
    ['sulphites'],
    'wine vinegar, red wine vinegar, white wine vinegar, sherry vinegar, balsamic vinegar, balsamic, raisin, sultana, dried apricot',
  ],
  [
    ['coconut'],
    'coconut, coconut milk, coconut cream, coconut yogurt, coconut oil, coconut butter, coconut flour, coconut water, coconut sugar, coconut amino',
  ],
  [['gluten', 'grain'], 'oat milk, oat cream, oat yogurt, oat flour, oat bran'],
  [['grain'], 'rice milk'],
  [['caffeine'], 'coffee, espresso, black tea, green tea, matcha, cola, energy drink'],
  [['caffeine', 'sugar'], 'chocolate, chocolate chip'],
  [['dairy', 'sugar', 'caffeine'], 'milk chocolate, white chocolate'],
  [
    ['sugar'],
    'sugar, maple syrup, syrup, agave, molasses, treacle, jam, marmalade, candy, caramel, sweet chilli sauce, jelly',
  ],
  [
    [],
    'butternut, butternut squash, butter lettuce, butterhead, cream of tartar, cocoa butter, ' +
      'shea butter, apple butter, hemp milk, coconut aminos, eggplant, egg plant, oyster mushroom, king oyster mushroom, ' +
      'crab apple, almond extract, cauliflower rice, cauliflower steak, courgette noodle, zucchini noodle, ' +
      'vegetable noodle, shirataki noodle, konjac noodle, kelp noodle, sweet potato noodle, potato flour, tapioca flour, ' +
      'cassava flour, arrowroot flour, coffee bean, cocoa bean, vanilla bean, vanilla pod, water chestnut, tiger nut, chestnut, ' +
      'rice vinegar, cider vinegar, apple cider vinegar, apple cider, ginger ale, ginger beer, root beer, beefsteak tomato, ' +
      'beef tomato, lamb lettuce, lambs lettuce, chicken of the wood, sea vegetable, corn salad, ' +
      'nutmeg, hen of the wood, ' +
      'lobster mushroom, chicken mushroom',
  ],
]

/** One entry for each word or phrase. Later ones replace earlier ones. */
export const tagsByWords: readonly [string, readonly FoodTag[]][] = wordsByTags.flatMap(([tags, words]) =>
  words.split(', ').map((word): [string, readonly FoodTag[]] => [word, tags]),
)
