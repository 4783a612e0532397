import type { Queryable } from './client.ts'

const IS_BUSY = {
  name: 'activity-is-busy',
  text: `
    -- Within a transaction it would else be told what it was told before.
    SELECT pg_stat_clear_snapshot()::text, EXISTS (
      SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
        -- Who waits for a lock takes nothing from anybody; it may be one of the asker's.
        AND wait_event_type IS DISTINCT FROM 'Lock'
    ) AS busy`,
}
/** Whether another session of this user is at work in the database, on whatever instance. */
export async function isBusy(db: Queryable): Promise<boolean> {
  return (await db.query<{ busy: boolean }>(IS_BUSY))[0]?.busy ?? false
}
