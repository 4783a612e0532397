import type { Queryable } from './client.ts'

export interface DataPointRow {
  metric: string
  value: number
  unit: string | null
  recordedAt: Date
}

export interface NewDataPoint extends DataPointRow {
  source: string
  externalId: string
}

const INSERT = {
  name: 'data-points-insert',
  text: `
    WITH stored AS (
      INSERT INTO data_points (user_id, metric, value, unit, recorded_at, source, external_id, revision)
      SELECT $1::uuid, metric, value, unit, "recordedAt", source, "externalId", $2::int
      FROM jsonb_to_recordset($3::jsonb)
        AS point (metric text, value float8, unit text, "recordedAt" timestamptz, source text, "externalId" text)
      -- One order for everybody, so that two calls with the same points cannot deadlock.
      ORDER BY source, "externalId"
      ON CONFLICT (user_id, source, external_id) DO NOTHING
      RETURNING 1
    )
    SELECT count(*)::int AS stored FROM stored`,
}
/** Stores those not stored before, in one statement. @returns how many that were. */
export async function insertDataPoints(
  db: Queryable,
  userId: string,
  revision: number,
  points: readonly NewDataPoint[],
): Promise<number> {
  const [row] = await db.query<{ stored: number }>(INSERT, [userId, revision, JSON.stringify(points)])
  return row?.stored ?? 0
}

const READ_WINDOW = {
  name: 'data-points-read-window',
  text: `
    SELECT metric, value, unit, recorded_at AS "recordedAt" FROM (
      SELECT id, metric, value, unit, recorded_at FROM data_points
      WHERE user_id = $1::uuid AND revision <= $2::int AND recorded_at > $3::timestamptz AND recorded_at <= $4::timestamptz
      UNION
      SELECT id, metric, value, unit, recorded_at FROM data_points
      WHERE user_id = $1::uuid AND revision > $5::int AND revision <= $2::int
        AND recorded_at > $6::timestamptz AND recorded_at <= $4::timestamptz
      ORDER BY recorded_at DESC, id DESC LIMIT $7::int
    ) AS point
    ORDER BY metric, recorded_at, id`,
}
/**
 * The points recorded in (from, to], and those that arrived after `sinceRevision` and were recorded after `lateFrom`:
 * a late sync belongs to the analysis that it makes due. All up to `revision`; of more than `limit` the newest.
 */
export function readDataPointWindow(
  db: Queryable,
  window: {
    userId: string
    revision: number
    from: Date
    to: Date
    sinceRevision: number
    lateFrom: Date
    limit: number
  },
): Promise<DataPointRow[]> {
  const { userId, revision, from, to, sinceRevision, lateFrom, limit } = window
  return db.query<DataPointRow>(READ_WINDOW, [userId, revision, from, to, sinceRevision, lateFrom, limit])
}
