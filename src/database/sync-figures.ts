import type { Queryable } from './client.ts'

export interface SyncFigures {
  /** Events that are committed and not published yet. */
  outboxBacklog: number
  outboxOldestMs: number
  /** What tracking says has been analysed, and what is stored: the same number. */
  trackedAnalyses: number
  storedAnalyses: number
}

const READ = {
  name: 'sync-figures-read',
  text: `
    SELECT
      (SELECT count(*)::int FROM outbox WHERE published_at IS NULL) AS "outboxBacklog",
      coalesce((SELECT extract(epoch FROM clock_timestamp() - min(created_at)) * 1000 FROM outbox WHERE published_at IS NULL), 0)::int
        AS "outboxOldestMs",
      coalesce((SELECT sum(analysis_count) FROM archetype_tracking), 0)::int AS "trackedAnalyses",
      (SELECT count(*)::int FROM analyses) AS "storedAnalyses"`,
}
/** In one snapshot, so that the numbers belong together. */
export async function readSyncFigures(db: Queryable): Promise<SyncFigures> {
  const [figures] = await db.query<SyncFigures>(READ)
  if (!figures) throw new Error('a read of one row returned none')
  return figures
}
