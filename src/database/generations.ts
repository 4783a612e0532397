import type { Archetype } from '../shared/archetype.ts'
import { toArray } from './arrays.ts'
import type { Queryable } from './client.ts'
import type { GenerationKind, GenerationPhase, GenerationState } from './generated/enums.ts'
import { LIVENESS_LOCK_CLASS } from './leases.ts'

export type { GenerationKind, GenerationPhase, GenerationState }

/** A run as it stands. */
export interface GenerationRow {
  id: string
  key: string
  kind: GenerationKind
  userId: string
  archetype: Archetype | null
  state: GenerationState
  epoch: number
  phase: GenerationPhase
  progress: number
  /** What it has written so far, while it runs and writes text. */
  text: string | null
  inputRevision: number | null
  startedAt: Date
  finishedAt: Date | null
  error: string | null
  errorRetryable: boolean | null
  /** Until when a failed run keeps the next one waiting. */
  retryAt: Date | null
  resultId: string | null
  /** It runs, and its owner is gone or has not renewed in time: whoever waits may take it over. */
  abandoned: boolean
}

/** The lease holds what changes while the run is the newest of its key; the record holds how it ended. */
const COLUMNS = `
  g.id, g.key, g.kind, g.user_id AS "userId", g.archetype, g.state, g.epoch, g.started_at AS "startedAt", g.finished_at AS "finishedAt",
  g.error, g.error_retryable AS "errorRetryable", g.result_id AS "resultId",
  CASE WHEN g.state = 'RUNNING' THEN coalesce(l.phase, 'WAITING') ELSE 'DONE' END AS phase,
  CASE g.state WHEN 'SUCCEEDED' THEN 1 WHEN 'FAILED' THEN coalesce(g.progress, 0) ELSE coalesce(l.progress, 0) END AS progress,
  CASE WHEN g.state = 'RUNNING' THEN l.text END AS text,
  g.input_revision AS "inputRevision", l.retry_after AS "retryAt"`

const FIND = {
  name: 'generations-find-by-ids',
  text: `
    SELECT ${COLUMNS},
      g.state = 'RUNNING' AND (l.run_id IS NULL OR l.lease_until < clock_timestamp()
        OR pg_try_advisory_xact_lock_shared(${LIVENESS_LOCK_CLASS}, l.owner)) AS abandoned
    FROM generations g LEFT JOIN leases l ON l.key = g.key AND l.run_id = g.id
    WHERE g.id = ANY ($1::uuid[])`,
}
export function findGenerationsByIds(db: Queryable, ids: readonly string[]): Promise<GenerationRow[]> {
  return db.query<GenerationRow>(FIND, [toArray(ids)])
}

const FIND_RUNNING = {
  name: 'generations-find-running',
  text: `
    SELECT ${COLUMNS}, false AS abandoned
    FROM leases l JOIN generations g ON g.id = l.run_id
    WHERE l.state = 'RUNNING' ORDER BY g.started_at, g.id LIMIT $1::int`,
}
/** Runs in flight on every instance, the oldest first. */
export function findRunningGenerations(db: Queryable, limit: number): Promise<GenerationRow[]> {
  return db.query<GenerationRow>(FIND_RUNNING, [limit])
}
