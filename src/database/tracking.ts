import type { Archetype } from '../shared/archetype.ts'
import { toArray } from './arrays.ts'
import type { Queryable } from './client.ts'

export interface TrackingRow {
  userId: string
  archetype: Archetype
  lastAnalysisAt: Date
  analysisCount: number
  newDataPoints: number
}

const UPSERT = {
  name: 'tracking-upsert',
  text: `
    INSERT INTO archetype_tracking AS tracking (user_id, archetype, last_analysis_at, analysis_count, data_revision)
    VALUES ($1::uuid, $2::"Archetype", $3::timestamptz, 1, $4::int)
    ON CONFLICT (user_id, archetype) DO UPDATE SET
      last_analysis_at = excluded.last_analysis_at, analysis_count = tracking.analysis_count + 1, data_revision = excluded.data_revision
    RETURNING user_id AS "userId", archetype, last_analysis_at AS "lastAnalysisAt", analysis_count AS "analysisCount",
      (SELECT count(*)::int FROM data_points d WHERE d.user_id = tracking.user_id AND d.revision > tracking.data_revision) AS "newDataPoints"`,
}
/** Part of the transaction that stores the analysis. @returns it as it is stored. */
export async function upsertTracking(
  db: Queryable,
  tracking: { userId: string; archetype: Archetype; analysisAt: Date; dataRevision: number },
): Promise<TrackingRow> {
  const { userId, archetype, analysisAt, dataRevision } = tracking
  const [row] = await db.query<TrackingRow>(UPSERT, [userId, archetype, analysisAt, dataRevision])
  if (!row) throw new Error('an upsert returned no row')
  return row
}

const FIND = {
  name: 'tracking-find-by-user-ids',
  text: `
    SELECT t.user_id AS "userId", t.archetype, t.last_analysis_at AS "lastAnalysisAt", t.analysis_count AS "analysisCount",
      (SELECT count(*)::int FROM data_points d WHERE d.user_id = t.user_id AND d.revision > t.data_revision) AS "newDataPoints"
    FROM archetype_tracking t
    WHERE t.user_id = ANY ($1::uuid[])
    ORDER BY t.user_id, t.archetype`,
}
export function findTrackingByUserIds(db: Queryable, userIds: readonly string[]): Promise<TrackingRow[]> {
  return db.query<TrackingRow>(FIND, [toArray(userIds)])
}
