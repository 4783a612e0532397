import type { JsonValue } from '../shared/json.ts'
import type { Queryable } from './client.ts'
import type { MessageRole } from './generated/enums.ts'
import type { KeysetPage } from './keyset.ts'

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

const COLUMNS = `
  id, user_id AS "userId", session_id AS "sessionId", metadata, message_count AS "messageCount", version,
  created_at AS "createdAt", updated_at AS "updatedAt"`

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

const FIND_BY_IDS = {
  name: 'conversations-find-by-ids',
  text: `SELECT ${COLUMNS} FROM conversations WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))`,
}
export function findConversationsByIds(db: Queryable, ids: readonly string[]): Promise<ConversationRow[]> {
  return db.query<ConversationRow>(FIND_BY_IDS, [JSON.stringify(ids)])
}

const FIND_BY_SESSION = {
  name: 'conversations-find-by-session',
  text: `SELECT ${COLUMNS} FROM conversations WHERE user_id = $1::uuid AND session_id = $2::text`,
}
export async function findConversationBySession(
  db: Queryable,
  userId: string,
  sessionId: string,
): Promise<ConversationRow | undefined> {
  return (await db.query<ConversationRow>(FIND_BY_SESSION, [userId, sessionId]))[0]
}

const PAGE = {
  name: 'conversations-page',
  text: `
    SELECT ${COLUMNS} FROM conversations
    WHERE user_id = $1::uuid
      AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY created_at DESC, id DESC LIMIT $4::int`,
}
/** Newest first. */
export function findConversationPage(
  db: Queryable,
  userId: string,
  { after, limit }: KeysetPage,
): Promise<ConversationRow[]> {
  return db.query<ConversationRow>(PAGE, [userId, after?.at ?? null, after?.id ?? null, limit])
}

const COUNT = {
  name: 'conversations-count',
  text: 'SELECT count(*)::int AS count FROM conversations WHERE user_id = $1::uuid',
}
export async function countConversations(db: Queryable, userId: string): Promise<number> {
  return (await db.query<{ count: number }>(COUNT, [userId]))[0]?.count ?? 0
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
