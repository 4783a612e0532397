/** Many times what a frontend sends with a query. */
const MAX_VALUES = 1000
const MAX_CHARACTERS = 20_000

/**
 * Whether so much was sent that what does not fit in it must be told of once alone: each of fifty errors may quote all of it, and code
 * that is made for a query tells of every value.
 */
export function areLong(variables: Readonly<Record<string, unknown>>): boolean {
  let values = 0
  let characters = 0
  const exceeds = (value: unknown): boolean => {
    if (++values > MAX_VALUES) return true
    if (typeof value === 'string') {
      characters += value.length
      return characters > MAX_CHARACTERS
    }
    if (typeof value !== 'object' || value === null) return false
    if (Array.isArray(value)) return value.some(exceeds)
    for (const name in value) {
      characters += name.length
      if (exceeds((value as Record<string, unknown>)[name])) return true
    }
    return characters > MAX_CHARACTERS
  }
  return exceeds(variables)
}
