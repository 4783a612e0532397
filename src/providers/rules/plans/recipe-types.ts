import { createNameMatcher, significantWords } from './name-match.ts'
import { energyShares, type Recipe } from './recipe.ts'
import { recipeCatalogue } from './recipe-catalogue.ts'

/** What is said of a whole region's kitchens. */
const regions: Record<string, string> = {
  chinese: 'asian',
  japanese: 'asian',
  korean: 'asian',
  thai: 'asian',
  vietnamese: 'asian',
  indian: 'asian',
  italian: 'european',
  greek: 'european',
  spanish: 'european',
  french: 'european',
  german: 'european',
  british: 'european',
  nordic: 'european scandinavian',
  mexican: 'latin tex mex',
  moroccan: 'african arabic arab',
  'middle eastern': 'arabic arab lebanese',
  turkish: 'middle eastern',
}

const quickMinutes = 20
const easyComplexity = 20
const highProtein = 0.3

/** Tells whether a recipe is what somebody calls 'italian', 'soups', 'salmon', 'quick' or 'high protein'. */
export function createTypeMatcher(type: string): (recipe: Recipe) => boolean {
  const matches = createNameMatcher(type)
  return recipe => matches(wordsByRecipe.get(recipe) ?? new Set())
}

/** What may be asked for, for the user. */
export function knownTypes(): string[] {
  const types = recipeCatalogue.flatMap(({ cuisine, types }) => [cuisine, ...types])
  return [...new Set([...types, 'easy', 'high protein'])].sort()
}

const wordsByRecipe = new Map(recipeCatalogue.map(recipe => [recipe, wordsOf(recipe)]))

function wordsOf(recipe: Recipe): ReadonlySet<string> {
  const { title, cuisine, types, kinds, ingredients, minutes, complexity, nutrition } = recipe
  const said = [
    title,
    cuisine,
    regions[cuisine] ?? '',
    ...types,
    ...kinds,
    ...ingredients.map(({ food }) => food),
    minutes <= quickMinutes ? 'quick fast' : '',
    complexity <= easyComplexity ? 'easy simple' : '',
    energyShares(nutrition).protein >= highProtein ? 'high protein' : '',
  ]
  return new Set(said.flatMap(significantWords))
}
