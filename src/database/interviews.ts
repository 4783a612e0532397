import type { Queryable } from './client.ts'
import type { InterviewEnhancer, InterviewStatus } from './generated/enums.ts'
import type { KeysetPage } from './keyset.ts'

export type { InterviewEnhancer, InterviewStatus }

export interface InterviewRow {
  id: string
  userId: string
  topic: string
  context: string | null
  collection: string | null
  enhancer: InterviewEnhancer
  status: InterviewStatus
  statusVersion: number
  statusChangedAt: Date
  failureReason: string | null
  createdAt: Date
}

const COLUMNS = `
  id, user_id AS "userId", topic, context, collection, enhancer, status, status_version AS "statusVersion",
  status_changed_at AS "statusChangedAt", failure_reason AS "failureReason", created_at AS "createdAt"`

const FIND_BY_IDS = {
  name: 'interviews-find-by-ids',
  text: `SELECT ${COLUMNS} FROM interviews WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))`,
}
export function findInterviewsByIds(db: Queryable, ids: readonly string[]): Promise<InterviewRow[]> {
  return db.query<InterviewRow>(FIND_BY_IDS, [JSON.stringify(ids)])
}

const LOCK = {
  name: 'interviews-lock',
  // In the order of their ids, so that two transactions with the same interviews cannot deadlock.
  text: `${FIND_BY_IDS.text} ORDER BY id FOR UPDATE`,
}
/** The interviews as they stand, held until the end of the transaction: what is decided about them stays true. */
export function lockInterviews(db: Queryable, ids: readonly string[]): Promise<InterviewRow[]> {
  return db.query<InterviewRow>(LOCK, [JSON.stringify(ids)])
}

const LOCK_OVERDUE = {
  name: 'interviews-lock-overdue',
  text: `
    SELECT ${COLUMNS} FROM interviews
    WHERE status = 'ENHANCING' AND status_changed_at < clock_timestamp() - $1::int * interval '1 ms'
    ORDER BY status_changed_at LIMIT $2::int FOR UPDATE SKIP LOCKED`,
}
/** Interviews that have been ENHANCING for too long; one that somebody is working on right now is left for the next time. */
export function lockOverdueInterviews(
  db: Queryable,
  deadlineMs: number,
  limit: number,
): Promise<InterviewRow[]> {
  return db.query<InterviewRow>(LOCK_OVERDUE, [deadlineMs, limit])
}

/** Of the deadline watch, held by the one instance that is at it. */
const DEADLINE_LOCK = 7_421_054

const TRY_DEADLINE_LOCK = {
  name: 'interviews-try-deadline-lock',
  text: `SELECT pg_try_advisory_xact_lock(${DEADLINE_LOCK}) AS locked`,
}
/** Until the end of the transaction. @returns false when another instance has it. */
export async function tryDeadlineLock(db: Queryable): Promise<boolean> {
  return (await db.query<{ locked: boolean }>(TRY_DEADLINE_LOCK))[0]?.locked ?? false
}

const COUNT_OVERDUE = {
  name: 'interviews-count-overdue',
  text: `
    SELECT count(*)::int AS count FROM interviews
    WHERE status = 'ENHANCING' AND status_changed_at < clock_timestamp() - $1::int * interval '1 ms'`,
}
export async function countOverdueInterviews(db: Queryable, deadlineMs: number): Promise<number> {
  return (await db.query<{ count: number }>(COUNT_OVERDUE, [deadlineMs]))[0]?.count ?? 0
}

const PAGE = {
  name: 'interviews-page',
  text: `
    SELECT ${COLUMNS} FROM interviews
    WHERE user_id = $1::uuid
      AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
      AND ($5::"InterviewStatus" IS NULL OR status = $5::"InterviewStatus")
    ORDER BY created_at DESC, id DESC LIMIT $4::int`,
}
/** Newest first. */
export function findInterviewPage(
  db: Queryable,
  userId: string,
  status: InterviewStatus | null,
  { after, limit }: KeysetPage,
): Promise<InterviewRow[]> {
  return db.query<InterviewRow>(PAGE, [userId, after?.at ?? null, after?.id ?? null, limit, status])
}

const COUNT = {
  name: 'interviews-count',
  text: `
    SELECT count(*)::int AS count FROM interviews
    WHERE user_id = $1::uuid AND ($2::"InterviewStatus" IS NULL OR status = $2::"InterviewStatus")`,
}
export async function countInterviews(
  db: Queryable,
  userId: string,
  status: InterviewStatus | null,
): Promise<number> {
  return (await db.query<{ count: number }>(COUNT, [userId, status]))[0]?.count ?? 0
}
