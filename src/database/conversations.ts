import type { JsonValue } from '../shared/json.ts'
import { listsByPlace, type Placed, rowsByPlace, toArray } from './arrays.ts'
import type { Queryable } from './client.ts'
import type { MessageRole } from './generated/enums.ts'
import { type KeysetPage, pageOf, pageParameters } from './keyset.ts'

export type { MessageRole }

export interface ConversationRow {
  id: string
  userId: string
  sessionId: string
  metadata: JsonValue
  messageCount: number
  /** One more with each append that stored something. */
  version: number
  createdAt: Date
  updatedAt: Date
}

/** What lists and most readers show of a conversation; its metadata may be large. */
export type ConversationHead = Omit<ConversationRow, 'metadata'>
/** With the metadata, or without. */
export type ConversationColumns = 'heads' | 'whole'
export type FoundConversation = ConversationHead & { metadata?: JsonValue }

const HEAD = `
  id, user_id AS "userId", session_id AS "sessionId", message_count AS "messageCount", version,
  created_at AS "createdAt", updated_at AS "updatedAt"`
const COLUMNS = `${HEAD}, metadata`

/** A conversation whose row the transaction holds. */
export interface LockedConversation {
  id: string
  userId: string
  sessionId: string
  messageCount: number
  version: number
}

const LOCKED =
  'c.id, c.user_id AS "userId", c.session_id AS "sessionId", c.message_count AS "messageCount", c.version'

const LOCK_FREE = {
  name: 'conversations-lock-free',
  text: `
    WITH wanted AS MATERIALIZED (
      SELECT user_id, session_id FROM jsonb_to_recordset($1::jsonb) AS (user_id uuid, session_id text)
    ), made AS (
      INSERT INTO conversations AS c (user_id, session_id)
      SELECT user_id, session_id FROM wanted ORDER BY user_id, session_id
      ON CONFLICT (user_id, session_id) DO NOTHING
      RETURNING ${LOCKED}
    ), free AS (
      SELECT ${LOCKED} FROM conversations c JOIN wanted w ON c.user_id = w.user_id AND c.session_id = w.session_id
      FOR UPDATE OF c SKIP LOCKED
    )
    SELECT * FROM made UNION ALL SELECT * FROM free`,
}
/**
 * Locks the conversations, made where they are new, without waiting for anybody's lock. Those that somebody else holds
 * are not among what is returned: who wants them asks for each on its own.
 */
export function lockFreeConversations(
  db: Queryable,
  sessions: readonly { userId: string; sessionId: string }[],
): Promise<LockedConversation[]> {
  const wanted = sessions.map(({ userId, sessionId }) => ({ user_id: userId, session_id: sessionId }))
  return db.query<LockedConversation>(LOCK_FREE, [JSON.stringify(wanted)])
}

const LOCK = {
  name: 'conversations-lock',
  text: `
    INSERT INTO conversations AS c (user_id, session_id) VALUES ($1::uuid, $2::text)
    ON CONFLICT (user_id, session_id) DO UPDATE SET session_id = excluded.session_id
    RETURNING ${LOCKED}`,
}
/** Locks the conversation, made where it is new; waits for whoever holds it. */
export async function lockConversation(
  db: Queryable,
  userId: string,
  sessionId: string,
): Promise<LockedConversation> {
  const [row] = await db.query<LockedConversation>(LOCK, [userId, sessionId])
  if (!row) throw new Error('an upsert returned no row')
  return row
}

const byIds = (name: string, columns: string) => ({
  name,
  text: `SELECT ${columns} FROM conversations WHERE id = ANY ($1::uuid[])`,
})
const FIND_BY_IDS = {
  heads: byIds('conversations-find-heads-by-ids', HEAD),
  whole: byIds('conversations-find-by-ids', COLUMNS),
}
export function findConversationsByIds(
  db: Queryable,
  ids: readonly string[],
  columns: ConversationColumns,
): Promise<FoundConversation[]> {
  return db.query<FoundConversation>(FIND_BY_IDS[columns], [toArray(ids)])
}

export interface SessionKey {
  userId: string
  sessionId: string
}
const bySession = (name: string, columns: string) => ({
  name,
  text: `
    SELECT k.place::int AS place, c.*
    FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS k (user_id, session_id, place)
    CROSS JOIN LATERAL (
      SELECT ${columns} FROM conversations WHERE user_id = k.user_id AND session_id = k.session_id
    ) c`,
})
const FIND_BY_SESSION = {
  heads: bySession('conversations-find-heads-by-session', HEAD),
  whole: bySession('conversations-find-by-session', COLUMNS),
}
export async function findConversationsBySession(
  db: Queryable,
  sessions: readonly SessionKey[],
  columns: ConversationColumns,
): Promise<(FoundConversation | null)[]> {
  const values = [
    toArray(sessions.map(({ userId }) => userId)),
    toArray(sessions.map(({ sessionId }) => sessionId)),
  ]
  return rowsByPlace(
    await db.query<FoundConversation & Placed>(FIND_BY_SESSION[columns], values),
    sessions.length,
  )
}

export interface ConversationPageKey {
  userId: string
  page: KeysetPage
}
const PAGES = {
  heads: { name: 'conversations-head-pages', text: pageOf('conversations', HEAD) },
  whole: { name: 'conversations-pages', text: pageOf('conversations', COLUMNS) },
}
/** A page for each key, newest first. */
export async function findConversationPages(
  db: Queryable,
  keys: readonly ConversationPageKey[],
  columns: ConversationColumns,
): Promise<FoundConversation[][]> {
  const values = [toArray(keys.map(({ userId }) => userId)), ...pageParameters(keys.map(({ page }) => page))]
  return listsByPlace(await db.query<FoundConversation & Placed>(PAGES[columns], values), keys.length)
}

const COUNT = {
  name: 'conversations-count',
  text: `
    SELECT (SELECT count(*)::int FROM conversations c WHERE c.user_id = k.user_id) AS count
    FROM unnest($1::uuid[]) WITH ORDINALITY AS k (user_id, place) ORDER BY k.place`,
}
/** Of each user. */
export async function countConversations(db: Queryable, userIds: readonly string[]): Promise<number[]> {
  return (await db.query<{ count: number }>(COUNT, [toArray(userIds)])).map(row => row.count)
}

const FIND_IDENTITY = {
  name: 'database-find-identity',
  text: `
    SELECT current_database() || ':' || id AS identity FROM _prisma_migrations ORDER BY started_at, id LIMIT 1`,
}
/** Tells this database from every other: what is kept for it elsewhere is not for another one. */
export async function findDatabaseIdentity(db: Queryable): Promise<string> {
  const [row] = await db.query<{ identity: string }>(FIND_IDENTITY)
  if (!row) throw new Error('the database has no migrations')
  return row.identity
}
