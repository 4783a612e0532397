import { toArray } from './arrays.ts'

/** A page of a list ordered by an instant and an id: what comes after the row that the cursor names. */
export interface KeysetPage {
  after: { at: Date; id: string } | undefined
  limit: number
}

/** Of each key: `after` of nothing is before the first row. Parameters of pageOf, from $2 on. */
export function pageParameters(pages: readonly KeysetPage[]): [string, string, string] {
  return [
    toArray(pages.map(({ after }) => after?.at ?? null)),
    toArray(pages.map(({ after }) => after?.id ?? null)),
    toArray(pages.map(({ limit }) => limit)),
  ]
}

/**
 * A page for each key, newest first, of all of them in one statement: $1 is whose rows, $2 to $4 are the pages, and `filters`
 * are the types of what else the rows must be, as `k.f5`, from $5 on. Each page reads its own stretch of the index.
 */
export function pageOf(
  table: string,
  columns: string,
  filter: { types: readonly string[]; condition: string } = { types: [], condition: '' },
): string {
  const types = filter.types.map((type, index) => `, $${index + 5}::${type}[]`).join('')
  const names = filter.types.map((_, index) => `, f${index + 5}`).join('')
  return `
    SELECT k.place::int AS place, r.*
    FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::int[]${types}) WITH ORDINALITY AS k (owner, after_at, after_id, size${names}, place)
    CROSS JOIN LATERAL (
      SELECT ${columns} FROM ${table}
      WHERE user_id = k.owner
        AND (created_at, id) < (coalesce(k.after_at, 'infinity'), coalesce(k.after_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        ${filter.condition}
      ORDER BY created_at DESC, id DESC LIMIT k.size
    ) r
    ORDER BY k.place, r."createdAt" DESC, r.id DESC`
}
