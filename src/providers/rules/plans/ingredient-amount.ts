import { type FoodName, foods } from './foods.ts'

/** How well a count fits the amount: in wholes or halves if it nearly does, in quarters if it does about. */
const countTolerances = [
  { quarters: 4, off: 0.07 },
  { quarters: 2, off: 0.07 },
  { quarters: 1, off: 0.12 },
]
/** Nobody counts more spoons than this. */
const mostSpoons = 8

/** As it is bought and cooked: "150 g firm tofu", "2 eggs", "1½ tbsp olive oil", "2 slices of rye bread". */
export function amountText(name: FoodName, grams: number): string {
  const { measure } = foods[name]
  if (measure.type === 'volume') return `${weighed(grams)} ml ${name}`
  const quarters = measure.type === 'weight' ? null : countQuarters(grams, measure.grams)
  if (quarters === null || measure.type === 'weight') return `${weighed(grams)} g ${name}`
  const count = quarterText(quarters)
  const isOne = quarters <= 4
  switch (measure.type) {
    case 'spoon':
      return quarters > 4 * mostSpoons ? `${weighed(grams)} g ${name}` : `${count} ${measure.unit} ${name}`
    case 'slice':
      return `${count} ${isOne ? measure.one : measure.many} ${name}`
    case 'piece':
      return `${count} ${isOne ? name : measure.many}`
  }
}

function countQuarters(grams: number, each: number): number | null {
  for (const { quarters, off } of countTolerances) {
    const count = Math.round(((grams / each) * 4) / quarters) * quarters
    if (count > 0 && Math.abs((count / 4) * each - grams) <= off * grams) return count
  }
  return null
}

function weighed(grams: number): number {
  return grams < 50 ? Math.max(1, Math.round(grams)) : Math.round(grams / 5) * 5
}

function quarterText(quarters: number): string {
  const whole = Math.floor(quarters / 4)
  const part = ['', '¼', '½', '¾'][quarters % 4] ?? ''
  return `${whole > 0 ? whole : ''}${part}`
}
