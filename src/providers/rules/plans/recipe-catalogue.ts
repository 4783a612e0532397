import { type Recipe, readRecipe } from './recipe.ts'
import { fishMains } from './recipes/fish-mains.ts'
import { grainFreeMains } from './recipes/grain-free-mains.ts'
import { leanMeals } from './recipes/lean-meals.ts'
import { lowCarbMains } from './recipes/low-carb-mains.ts'
import { meatMains } from './recipes/meat-mains.ts'
import { poultryMains } from './recipes/poultry-mains.ts'
import { savouryBreakfasts } from './recipes/savoury-breakfasts.ts'
import { savourySnacks } from './recipes/savoury-snacks.ts'
import { sweetBreakfasts } from './recipes/sweet-breakfasts.ts'
import { sweetSnacks } from './recipes/sweet-snacks.ts'
import { veganAllergyMains } from './recipes/vegan-allergy-mains.ts'
import { veganColdMains } from './recipes/vegan-cold-mains.ts'
import { veganPans } from './recipes/vegan-pans.ts'
import { veganPots } from './recipes/vegan-pots.ts'
import { vegetarianMains } from './recipes/vegetarian-mains.ts'

/** The built-in recipes; titles are unique and stand for the dish between two menus. */
export const recipeCatalogue: readonly Recipe[] = [
  ...sweetBreakfasts,
  ...savouryBreakfasts,
  ...veganPots,
  ...veganPans,
  ...veganColdMains,
  ...vegetarianMains,
  ...fishMains,
  ...poultryMains,
  ...meatMains,
  ...grainFreeMains,
  ...leanMeals,
  ...lowCarbMains,
  ...veganAllergyMains,
  ...sweetSnacks,
  ...savourySnacks,
].map(readRecipe)
