import { toIsoText } from '../shared/instant.ts'

type Element = string | number | boolean | Date | null

/** A parameter that the statement casts to an array of its type: PostgreSQL's own text form, whichever driver carries it. */
export function toArray(values: readonly Element[]): string {
  return `{${values.map(toElement).join(',')}}`
}

/** An id has none, and replacing nothing takes longer than looking. */
const SPECIAL = /["\\]/

function toElement(value: Element): string {
  if (value === null) return 'NULL'
  if (typeof value === 'string')
    return SPECIAL.test(value) ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : `"${value}"`
  return value instanceof Date ? `"${toIsoText(value)}"` : String(value)
}

/** The place of the key that a row is for, from 1, as `WITH ORDINALITY` counts. */
export interface Placed {
  place: number
}

/** For each of `count` keys its rows, in their order. */
export function listsByPlace<Row>(rows: readonly (Row & Placed)[], count: number): Row[][] {
  const lists = Array.from({ length: count }, (): Row[] => [])
  for (const row of rows) lists[row.place - 1]?.push(row)
  return lists
}

/** For each of `count` keys its row, or null. */
export function rowsByPlace<Row>(rows: readonly (Row & Placed)[], count: number): (Row | null)[] {
  const found: (Row | null)[] = Array.from({ length: count }, () => null)
  for (const row of rows) found[row.place - 1] = row
  return found
}
