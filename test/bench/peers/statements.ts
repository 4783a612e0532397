/**
 * The one mutation that is measured, as one statement: the user's row is locked, what is new is stored under the next data
 * revision, and the revision is raised when something was. $1 user, $2 points as JSON. @returns `stored`.
 */
export const RECORD_DATA_POINTS = `
  WITH locked AS (
    SELECT id, data_revision + 1 AS revision FROM users WHERE id = $1::uuid FOR NO KEY UPDATE
  ), stored AS (
    INSERT INTO data_points (user_id, metric, value, unit, recorded_at, source, external_id, revision)
    SELECT locked.id, p.metric, p.value, p.unit, p."recordedAt", p.source, p."externalId", locked.revision
    FROM locked, jsonb_to_recordset($2::jsonb)
      AS p (metric text, value float8, unit text, "recordedAt" timestamptz, source text, "externalId" text)
    ON CONFLICT (user_id, source, external_id) DO NOTHING
    RETURNING 1
  ), raised AS (
    UPDATE users SET data_revision = locked.revision FROM locked
    WHERE users.id = locked.id AND EXISTS (SELECT FROM stored)
  )
  SELECT count(*)::int AS stored FROM stored`
