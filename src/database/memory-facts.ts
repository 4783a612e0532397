import { toArray } from './arrays.ts'
import type { Queryable } from './client.ts'

export interface MemoryFactRow {
  id: string
  userId: string
  kind: string
  /** What there is one of; null: any number. */
  slot: string | null
  content: string
  hash: string
  /** When the user said it last. */
  saidAt: Date
  createdAt: Date
}

const COLUMNS =
  'id, user_id AS "userId", kind, slot, content, hash, said_at AS "saidAt", created_at AS "createdAt"'

const BOUND_WAIT = {
  name: 'memory-bound-wait',
  text: "SELECT set_config('lock_timeout', $1::text, true)",
}
const LOCK = {
  name: 'memory-lock',
  text: "SELECT pg_advisory_xact_lock(hashtextextended('memory:' || $1::text, 0))::text AS locked",
}
/** The memory of a user for this transaction alone, across instances. @throws lock_not_available after `timeoutMs`. */
export async function lockMemory(db: Queryable, userId: string, timeoutMs: number): Promise<void> {
  // 0 would be no bound at all.
  await db.query(BOUND_WAIT, [String(Math.max(1, Math.round(timeoutMs)))])
  await db.query(LOCK, [userId])
}

const FIND_CURRENT = {
  name: 'memory-find-current',
  text: `SELECT ${COLUMNS} FROM memory_facts WHERE user_id = $1::uuid AND superseded_at IS NULL ORDER BY created_at, id`,
}
const FIND_CURRENT_OF = {
  name: 'memory-find-current-of',
  text: `SELECT ${COLUMNS} FROM memory_facts WHERE user_id = ANY ($1::uuid[]) AND superseded_at IS NULL ORDER BY created_at, id`,
}
/** Of all these users, oldest first. */
export function findCurrentFactsOf(db: Queryable, userIds: readonly string[]): Promise<MemoryFactRow[]> {
  return db.query<MemoryFactRow>(FIND_CURRENT_OF, [toArray(userIds)])
}

/** What counts now, oldest first. */
export function findCurrentFacts(db: Queryable, userId: string): Promise<MemoryFactRow[]> {
  return db.query<MemoryFactRow>(FIND_CURRENT, [userId])
}

const FIND_BY_IDS = {
  name: 'memory-find-by-ids',
  text: `SELECT ${COLUMNS} FROM memory_facts WHERE id = ANY ($1::uuid[])`,
}
/** Those that were superseded too. */
export function findFactsByIds(db: Queryable, ids: readonly string[]): Promise<MemoryFactRow[]> {
  return db.query<MemoryFactRow>(FIND_BY_IDS, [toArray(ids)])
}

const SUPERSEDE = {
  name: 'memory-supersede',
  text: `
    UPDATE memory_facts SET superseded_at = clock_timestamp(), superseded_by = s.by
    FROM jsonb_to_recordset($1::jsonb) AS s (id uuid, by uuid) WHERE memory_facts.id = s.id RETURNING 1`,
}
/** Makes facts history. Under the lock of the memory. */
export async function supersedeFacts(
  db: Queryable,
  superseded: readonly { id: string; by: string }[],
): Promise<void> {
  await db.query(SUPERSEDE, [JSON.stringify(superseded)])
}

const INSERT = {
  name: 'memory-insert',
  text: `
    INSERT INTO memory_facts (id, user_id, kind, slot, content, hash, said_at)
    SELECT id, $1::uuid, kind, slot, content, hash, coalesce($3::timestamptz, clock_timestamp())
    FROM jsonb_to_recordset($2::jsonb) AS f (id uuid, kind text, slot text, content text, hash text)
    RETURNING ${COLUMNS}`,
}
/** Under the lock of the memory, after what they supersede has been superseded. */
export function insertFacts(
  db: Queryable,
  userId: string,
  facts: readonly { id: string; kind: string; slot: string | null; content: string; hash: string }[],
  /** Null: now. */
  saidAt: Date | null,
): Promise<MemoryFactRow[]> {
  return db.query<MemoryFactRow>(INSERT, [userId, JSON.stringify(facts), saidAt])
}

const CONFIRM = {
  name: 'memory-confirm',
  text: `
    UPDATE memory_facts SET said_at = greatest(said_at, coalesce($2::timestamptz, clock_timestamp()))
    WHERE id = ANY ($1::uuid[]) RETURNING 1`,
}
/** They were said again. Under the lock of the memory. */
export async function confirmFacts(
  db: Queryable,
  ids: readonly string[],
  saidAt: Date | null,
): Promise<void> {
  await db.query(CONFIRM, [toArray(ids), saidAt])
}
