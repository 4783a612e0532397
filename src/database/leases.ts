import type { Archetype } from '../shared/archetype.ts'
import type { JsonValue } from '../shared/json.ts'
import type { Queryable } from './client.ts'
import type { GenerationKind, GenerationPhase, GenerationState } from './generations.ts'

/**
 * The statements of run-once; docs/coordination.md tells the protocol. Time is the server's clock_timestamp(): the
 * clocks of the hosts decide nothing. An owner lives as long as its session holds the advisory lock of its number.
 */

/** The first half of the advisory lock of an instance; the second half is its number. */
export const LIVENESS_LOCK_CLASS = 7_421_053
/** One channel for everything that happens to runs; the payload is the run's id. */
export const RUN_CHANNEL = 'tributary_runs'
/** Runs that their owners leave to others, which nobody may be following; the payload is the run's id. */
export const HAND_OVER_CHANNEL = 'tributary_handed_over'

export interface NewLease {
  key: string
  owner: number
  ttlMs: number
  /** Of this acquisition, and the id of the run, should it be a new one. */
  claim: string
  kind: GenerationKind
  userId: string
  archetype: Archetype | null
  /** What the run is described by again, beside its key. */
  request: JsonValue
  /** This run is to be taken over, and no other begun. */
  continues: string | null
}

export interface AcquiredLease {
  epoch: number
  runId: string
  /** Failures in a row before this run. */
  attempts: number
  takeoverCause: 'expired' | 'owner_gone' | null
  /** Owners that the run has lost, those not counted that handed it over. */
  lostOwners: number
  /** What the run was begun with. */
  request: JsonValue
}

const ACQUIRE = {
  name: 'leases-acquire',
  text: `
    WITH acquired AS (
      INSERT INTO leases AS l (key, state, epoch, owner, lease_until, run_id, phase, progress, claim, request)
      SELECT $1::text, 'RUNNING', 1, $2::int, clock_timestamp() + $3::int * interval '1 ms', $4::uuid, 'COLLECTING', 0, $4::uuid, $8::jsonb
      -- A run that is gone with its lease cannot be continued.
      WHERE $9::uuid IS NULL OR EXISTS (SELECT 1 FROM leases WHERE key = $1::text)
      ON CONFLICT (key) DO UPDATE SET
        state = 'RUNNING', owner = excluded.owner, lease_until = excluded.lease_until, claim = excluded.claim,
        -- Of whoever began the run: a takeover owes what that one owed.
        request = CASE WHEN l.state = 'RUNNING' THEN coalesce(l.request, excluded.request) ELSE excluded.request END,
        -- Asked for again, because the answer was lost: the lease is ours already.
        epoch = CASE WHEN l.claim = excluded.claim THEN l.epoch ELSE l.epoch + 1 END,
        -- A takeover continues the run; callers everywhere wait for its id.
        run_id = CASE WHEN l.state = 'RUNNING' THEN l.run_id ELSE excluded.run_id END,
        takeover_cause = CASE WHEN l.claim = excluded.claim THEN l.takeover_cause WHEN l.state <> 'RUNNING' THEN NULL
          WHEN l.lease_until < clock_timestamp() THEN 'expired' ELSE 'owner_gone' END,
        phase = CASE WHEN l.claim = excluded.claim THEN l.phase ELSE 'COLLECTING' END,
        progress = CASE WHEN l.claim = excluded.claim THEN l.progress ELSE 0 END, retry_after = NULL,
        text = CASE WHEN l.claim = excluded.claim THEN l.text END,
        lost_owners = CASE WHEN l.claim = excluded.claim THEN l.lost_owners WHEN l.state <> 'RUNNING' THEN 0
          WHEN l.lease_until = '-infinity' THEN l.lost_owners ELSE l.lost_owners + 1 END
      WHERE ($9::uuid IS NULL OR (l.run_id = $9::uuid AND l.state = 'RUNNING')) AND ((l.state <> 'RUNNING' AND (l.retry_after IS NULL OR l.retry_after <= clock_timestamp())
          -- A claim that has had its run comes late, when nobody waits for it: it begins nothing.
          AND l.claim IS DISTINCT FROM excluded.claim AND NOT EXISTS (SELECT 1 FROM generations had WHERE had.id = excluded.claim))
        OR (l.state = 'RUNNING' AND l.claim = excluded.claim)
        OR (l.state = 'RUNNING' AND l.lease_until < clock_timestamp())
        -- Who holds no lock of their own cannot tell by locks who is gone: a server that restarts has taken them from everybody.
        OR (l.state = 'RUNNING' AND NOT pg_try_advisory_xact_lock_shared(${LIVENESS_LOCK_CLASS}, $2::int)
          AND pg_try_advisory_xact_lock_shared(${LIVENESS_LOCK_CLASS}, l.owner)))
      RETURNING l.epoch, l.run_id, l.attempts, l.takeover_cause, l.lost_owners, l.request
    ), recorded AS (
      INSERT INTO generations AS g (id, key, kind, user_id, archetype, state, epoch, started_at)
      SELECT run_id, $1::text, $5::"GenerationKind", $6::uuid, $7::"Archetype", 'RUNNING', epoch, clock_timestamp() FROM acquired
      ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch,
        input_revision = CASE WHEN g.epoch = excluded.epoch THEN g.input_revision END
      RETURNING 1
    )
    SELECT epoch, run_id AS "runId", attempts, takeover_cause AS "takeoverCause", lost_owners AS "lostOwners", request FROM acquired`,
}
/**
 * Takes the lease where its run has ended and may be followed by another, has expired, or its owner is gone; where it
 * `continues` a run, only that one, and only while it has not ended.
 */
export async function acquireLease(db: Queryable, lease: NewLease): Promise<AcquiredLease | undefined> {
  const { key, owner, ttlMs, claim, kind, userId, archetype, request, continues } = lease
  const values = [key, owner, ttlMs, claim, kind, userId, archetype, JSON.stringify(request), continues]
  return (await db.query<AcquiredLease>(ACQUIRE, values))[0]
}

export interface LeaseHolder {
  state: GenerationState
  runId: string
  /** Set while a failed run keeps the next one waiting. */
  retryAt: Date | null
}

const READ_HOLDER = {
  name: 'leases-read-holder',
  text: `
    SELECT state, run_id AS "runId", CASE WHEN retry_after > clock_timestamp() THEN retry_after END AS "retryAt"
    FROM leases WHERE key = $1::text`,
}
export async function readLeaseHolder(db: Queryable, key: string): Promise<LeaseHolder | undefined> {
  return (await db.query<LeaseHolder>(READ_HOLDER, [key]))[0]
}

const RENEW = {
  name: 'leases-renew',
  text: `
    UPDATE leases l SET lease_until = clock_timestamp() + $1::int * interval '1 ms'
    FROM jsonb_to_recordset($2::jsonb) AS held (key text, epoch int)
    WHERE l.key = held.key AND l.epoch = held.epoch AND l.state = 'RUNNING'
    RETURNING l.key, l.epoch`,
}
/** Renews all the runs of an instance in one statement. @returns those that it still owns. */
export async function renewLeases(
  db: Queryable,
  ttlMs: number,
  held: readonly { key: string; epoch: number }[],
): Promise<{ key: string; epoch: number }[]> {
  return db.query(RENEW, [ttlMs, JSON.stringify(held)])
}

const ADVANCE = {
  name: 'leases-advance',
  text: `
    WITH advanced AS (
      UPDATE leases SET phase = greatest(phase, $3::"GenerationPhase"), progress = greatest(progress, $4::float8),
        text = coalesce($7::text, text)
      WHERE key = $1::text AND epoch = $2::int AND state = 'RUNNING'
      RETURNING run_id
    ), read AS (
      UPDATE generations g SET input_revision = $5::int FROM advanced WHERE g.id = advanced.run_id AND $5::int IS NOT NULL
    )
    SELECT CASE WHEN $6::boolean THEN pg_notify('${RUN_CHANNEL}', run_id::text)::text END AS told FROM advanced`,
}
/** @returns false when the lease has passed on. */
export async function advanceLease(
  db: Queryable,
  lease: { key: string; epoch: number },
  to: { phase: GenerationPhase; progress: number; inputRevision?: number; text?: string },
  notify: boolean,
): Promise<boolean> {
  const rows = await db.query(ADVANCE, [
    lease.key,
    lease.epoch,
    to.phase,
    to.progress,
    to.inputRevision ?? null,
    notify,
    to.text ?? null,
  ])
  return rows.length === 1
}

const FENCE = {
  name: 'leases-fence',
  text: `
    UPDATE leases SET state = 'SUCCEEDED', phase = 'DONE', progress = 1, attempts = 0, text = NULL, request = NULL
    WHERE key = $1::text AND epoch = $2::int AND state = 'RUNNING'
    RETURNING date_trunc('milliseconds', clock_timestamp()) AS now,
      -- An owner that is paused between here and the commit must not hold the row against its successor for longer.
      set_config('idle_in_transaction_session_timeout', $3::text, true) AS timeout`,
}
/**
 * The first statement of a commit: ends the run, and locks out whoever lost the lease. The transaction may pause for
 * `maxPauseMs` at most. @returns the server's clock, or undefined.
 */
export async function fenceLease(
  db: Queryable,
  lease: { key: string; epoch: number },
  maxPauseMs: number,
): Promise<Date | undefined> {
  return (await db.query<{ now: Date }>(FENCE, [lease.key, lease.epoch, String(maxPauseMs)]))[0]?.now
}

const RECORD_SUCCESS = {
  name: 'generations-record-success',
  text: `
    UPDATE generations SET state = 'SUCCEEDED', finished_at = $2::timestamptz, result_id = $3::uuid
    WHERE id = $1::uuid
    RETURNING pg_notify('${RUN_CHANNEL}', id::text)::text`,
}
/** The last statement of a commit: what the run made, and the wake of everyone who waits for it. */
export async function recordSuccess(
  db: Queryable,
  runId: string,
  finishedAt: Date,
  resultId: string,
): Promise<void> {
  await db.query(RECORD_SUCCESS, [runId, finishedAt, resultId])
}

const FAIL = {
  name: 'leases-fail',
  text: `
    WITH failed AS (
      UPDATE leases SET state = 'FAILED', phase = 'DONE', attempts = attempts + 1, text = NULL, request = NULL,
        retry_after = CASE WHEN $5::int IS NOT NULL THEN clock_timestamp() + $5::int * interval '1 ms' END
      WHERE key = $1::text AND epoch = $2::int AND state = 'RUNNING'
      RETURNING run_id, retry_after, progress
    )
    UPDATE generations g
    SET state = 'FAILED', finished_at = clock_timestamp(), error = $3::text, error_retryable = $4::boolean, progress = failed.progress
    FROM failed WHERE g.id = failed.run_id
    RETURNING failed.retry_after AS "retryAt", pg_notify('${RUN_CHANNEL}', g.id::text)::text`,
}
/** Ends the run without a result. @returns undefined when the lease has passed on. */
export async function failLease(
  db: Queryable,
  lease: { key: string; epoch: number },
  failure: { message: string; retryable: boolean; retryAfterMs: number | null },
): Promise<{ retryAt: Date | null } | undefined> {
  return (
    await db.query<{ retryAt: Date | null }>(FAIL, [
      lease.key,
      lease.epoch,
      failure.message,
      failure.retryable,
      failure.retryAfterMs,
    ])
  )[0]
}

const HAND_OVER = {
  name: 'leases-hand-over',
  text: `
    -- That an owner leaves by order says nothing of its run; that it gives up may, and counts as a lease that expires.
    UPDATE leases SET lease_until = CASE WHEN $3::boolean THEN '-infinity' ELSE clock_timestamp() - interval '1 ms' END
    WHERE key = $1::text AND epoch = $2::int AND state = 'RUNNING'
    RETURNING pg_notify('${RUN_CHANNEL}', run_id::text)::text, pg_notify('${HAND_OVER_CHANNEL}', run_id::text)::text AS told`,
}
/** Leaves the run to whoever waits for it, at once, or to anybody where nobody does. */
export async function handOverLease(
  db: Queryable,
  lease: { key: string; epoch: number },
  byOrder: boolean,
): Promise<void> {
  await db.query(HAND_OVER, [lease.key, lease.epoch, byOrder])
}

const WITHDRAW = {
  name: 'leases-withdraw',
  text: `
    WITH withdrawn AS (
      UPDATE leases SET state = 'SUCCEEDED', phase = 'DONE', progress = 1, attempts = 0, request = NULL
      WHERE key = $1::text AND epoch = $2::int AND state = 'RUNNING'
      RETURNING run_id
    )
    UPDATE generations g
    SET state = 'SUCCEEDED', finished_at = clock_timestamp(), result_id = $3::uuid, input_revision = $4::int
    FROM withdrawn WHERE g.id = withdrawn.run_id
    RETURNING pg_notify('${RUN_CHANNEL}', g.id::text)::text`,
}
/**
 * Ends a run that turned out not to be needed, before it has called a provider, with the result that another run had
 * just made: who follows it gets that one, where what the run has read is enough.
 */
export async function withdrawLease(
  db: Queryable,
  lease: { key: string; epoch: number },
  found: { resultId: string; inputRevision: number },
): Promise<void> {
  await db.query(WITHDRAW, [lease.key, lease.epoch, found.resultId, found.inputRevision])
}

/** A run in flight that nobody works at. */
export interface AbandonedRow {
  runId: string
  key: string
  epoch: number
  /** As its use case wrote it down; null where it did not. */
  request: JsonValue
  /** Its lease has expired, or was handed over; else its owner is gone, or has lost its session and may be back soon. */
  expired: boolean
  /** Null where the run's record is gone, with its user. */
  kind: string | null
  userId: string | null
  archetype: Archetype | null
}

const FIND_ABANDONED = {
  name: 'leases-find-abandoned',
  text: `
    WITH running AS MATERIALIZED (
      SELECT key, run_id, epoch, owner, lease_until, request FROM leases WHERE state = 'RUNNING'
    ), gone AS MATERIALIZED (
      SELECT owner FROM (SELECT DISTINCT owner FROM running) owners
      WHERE pg_try_advisory_xact_lock_shared(${LIVENESS_LOCK_CLASS}, owner)
    )
    SELECT l.run_id AS "runId", l.key, l.epoch, l.request, l.lease_until < clock_timestamp() AS expired, g.kind::text AS kind, g.user_id AS "userId", g.archetype
    FROM running l LEFT JOIN generations g ON g.id = l.run_id
    WHERE l.lease_until < clock_timestamp() OR l.owner IN (SELECT owner FROM gone)
    -- Instances that look at the same moment begin with others.
    ORDER BY random() LIMIT $1::int`,
}
export function findAbandonedLeases(db: Queryable, limit: number): Promise<AbandonedRow[]> {
  return db.query<AbandonedRow>(FIND_ABANDONED, [limit])
}

const END_ORPHANED = {
  name: 'leases-end-orphaned',
  text: `
    UPDATE leases l SET state = 'FAILED', phase = 'DONE', text = NULL, request = NULL
    WHERE key = $1::text AND epoch = $2::int AND state = 'RUNNING' AND NOT EXISTS (SELECT 1 FROM generations WHERE id = l.run_id)`,
}
/** Ends a lease whose run is gone with its user: nobody is left to be told. */
export async function endOrphanedLease(db: Queryable, lease: { key: string; epoch: number }): Promise<void> {
  await db.query(END_ORPHANED, [lease.key, lease.epoch])
}
