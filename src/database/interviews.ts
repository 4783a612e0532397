import { listsByPlace, type Placed, toArray } from './arrays.ts'
import type { Queryable } from './client.ts'
import type { InterviewEnhancer, InterviewStatus } from './generated/enums.ts'
import { type KeysetPage, pageOf, pageParameters } from './keyset.ts'

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
  text: `SELECT ${COLUMNS} FROM interviews WHERE id = ANY ($1::uuid[])`,
}
export function findInterviewsByIds(db: Queryable, ids: readonly string[]): Promise<InterviewRow[]> {
  return db.query<InterviewRow>(FIND_BY_IDS, [toArray(ids)])
}

const LOCK = {
  name: 'interviews-lock',
  // In the order of their ids, so that two transactions with the same interviews cannot deadlock.
  text: `${FIND_BY_IDS.text} ORDER BY id FOR UPDATE`,
}
/** The interviews as they stand, held until the end of the transaction: what is decided about them stays true. */
export function lockInterviews(db: Queryable, ids: readonly string[]): Promise<InterviewRow[]> {
  return db.query<InterviewRow>(LOCK, [toArray(ids)])
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

export interface InterviewPageKey {
  userId: string
  page: KeysetPage
}
const PAGES = { name: 'interviews-pages', text: pageOf('interviews', COLUMNS) }
const PAGES_OF_STATUS = {
  name: 'interviews-pages-of-status',
  text: pageOf('interviews', COLUMNS, { types: ['"InterviewStatus"'], condition: 'AND status = k.f5' }),
}
const pageValues = (keys: readonly InterviewPageKey[]) => [
  toArray(keys.map(({ userId }) => userId)),
  ...pageParameters(keys.map(({ page }) => page)),
]
/** A page for each key, newest first. */
export async function findInterviewPages(
  db: Queryable,
  keys: readonly InterviewPageKey[],
): Promise<InterviewRow[][]> {
  return listsByPlace(await db.query<InterviewRow & Placed>(PAGES, pageValues(keys)), keys.length)
}
/** The same, of one status each, which has an index of its own. */
export async function findInterviewPagesOfStatus(
  db: Queryable,
  keys: readonly (InterviewPageKey & { status: InterviewStatus })[],
): Promise<InterviewRow[][]> {
  const values = [...pageValues(keys), toArray(keys.map(({ status }) => status))]
  return listsByPlace(await db.query<InterviewRow & Placed>(PAGES_OF_STATUS, values), keys.length)
}

const COUNT = {
  name: 'interviews-count',
  text: `
    SELECT (SELECT count(*)::int FROM interviews i
      WHERE i.user_id = k.user_id AND (k.status IS NULL OR i.status = k.status)) AS count
    FROM unnest($1::uuid[], $2::"InterviewStatus"[]) WITH ORDINALITY AS k (user_id, status, place) ORDER BY k.place`,
}
/** For each key, of one status or of all. */
export async function countInterviews(
  db: Queryable,
  of: readonly { userId: string; status: InterviewStatus | null }[],
): Promise<number[]> {
  const values = [toArray(of.map(({ userId }) => userId)), toArray(of.map(({ status }) => status))]
  return (await db.query<{ count: number }>(COUNT, values)).map(row => row.count)
}
