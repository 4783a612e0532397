import type { JsonValue } from '../../shared/json.ts'

/** What an analysis says of a person, whichever engine made it; what it computed with stays away. */
const TOLD = ['summary', 'overallConfidence', 'focus', 'patterns', 'nextSteps'] as const
const MOST_ENTRIES = 12
const MOST_CHARACTERS = 500
const MOST_DEPTH = 4

/** The part of a stored analysis that a model can use, of bounded size; an empty object where there is none. */
export function digestResult(result: JsonValue): { [key: string]: JsonValue } {
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return {}
  const told = TOLD.flatMap(key => {
    const value = result[key]
    return value === undefined ? [] : [[key, shorten(value, 1)] as const]
  })
  return Object.fromEntries(told)
}

function shorten(value: JsonValue, depth: number): JsonValue {
  if (typeof value === 'string') return value.slice(0, MOST_CHARACTERS)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MOST_DEPTH) return null
  if (Array.isArray(value)) return value.slice(0, MOST_ENTRIES).map(entry => shorten(entry, depth + 1))
  const entries = Object.entries(value).slice(0, MOST_ENTRIES)
  return Object.fromEntries(entries.map(([key, inner]) => [key.slice(0, 60), shorten(inner, depth + 1)]))
}
