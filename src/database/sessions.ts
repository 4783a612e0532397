import { type Placed, rowsByPlace, toArray } from './arrays.ts'
import { CHANGE_CHANNEL } from './changes.ts'
import type { Queryable } from './client.ts'
import { OWN_ISSUER, USER_COLUMNS, type UserRow } from './users.ts'

/** A session lives so long after its last refresh. */
const LIFE = "interval '30 days'"

/** Of CHANGE_CHANNEL: a session has ended. */
export const SESSION_TOPIC = 'session'
const TELL = `pg_notify('${CHANGE_CHANNEL}', '${SESSION_TOPIC}:' || id)::text`

const START = {
  name: 'sessions-start',
  text: `
    WITH session AS (
      INSERT INTO sessions (user_id, expires_at) VALUES ($1::uuid, clock_timestamp() + ${LIFE}) RETURNING id
    )
    INSERT INTO refresh_tokens (token_hash, session_id) SELECT $2::text, id FROM session RETURNING session_id AS "sessionId"`,
}
/** @returns the session's id. */
export async function startSession(db: Queryable, userId: string, tokenHash: string): Promise<string> {
  const [row] = await db.query<{ sessionId: string }>(START, [userId, tokenHash])
  if (!row) throw new Error('an insert returned no row')
  return row.sessionId
}

const FIND_TOKEN = {
  name: 'sessions-find-token',
  text: 'SELECT session_id AS "sessionId", used_at IS NOT NULL AS used FROM refresh_tokens WHERE token_hash = $1::text',
}
export async function findRefreshToken(
  db: Queryable,
  tokenHash: string,
): Promise<{ sessionId: string; used: boolean } | undefined> {
  return (await db.query<{ sessionId: string; used: boolean }>(FIND_TOKEN, [tokenHash]))[0]
}

const EXTEND = {
  name: 'sessions-extend',
  text: `
    UPDATE sessions SET expires_at = clock_timestamp() + ${LIFE}
    WHERE id = $1::uuid AND ended_at IS NULL AND expires_at > clock_timestamp()
    RETURNING user_id AS "userId"`,
}
/** Locks a session that lives, until the transaction ends. @returns whose it is. */
export async function extendSession(db: Queryable, sessionId: string): Promise<string | undefined> {
  return (await db.query<{ userId: string }>(EXTEND, [sessionId]))[0]?.userId
}

const USE_TOKEN = {
  name: 'sessions-use-token',
  text: `
    WITH used AS (
      UPDATE refresh_tokens SET used_at = clock_timestamp() WHERE token_hash = $1::text AND used_at IS NULL RETURNING session_id
    )
    INSERT INTO refresh_tokens (token_hash, session_id) SELECT $2::text, session_id FROM used RETURNING 1`,
}
/** Puts the successor in its place. @returns false when it had one already. */
export async function replaceRefreshToken(
  db: Queryable,
  tokenHash: string,
  successorHash: string,
): Promise<boolean> {
  return (await db.query(USE_TOKEN, [tokenHash, successorHash])).length === 1
}

export type SessionEnd = 'logout' | 'reuse' | 'password_reset'

const END = {
  name: 'sessions-end',
  text: `
    UPDATE sessions SET ended_at = clock_timestamp(), end_reason = $2::text
    WHERE id = $1::uuid AND ended_at IS NULL AND ($3::uuid IS NULL OR user_id = $3::uuid)
    RETURNING ${TELL}`,
}
/** @param ofUser where given, nobody else's. @returns whether it lived. */
export async function endSession(
  db: Queryable,
  sessionId: string,
  reason: SessionEnd,
  ofUser: string | null,
): Promise<boolean> {
  return (await db.query(END, [sessionId, reason, ofUser])).length === 1
}

const END_ALL = {
  name: 'sessions-end-all',
  text: `
    UPDATE sessions SET ended_at = clock_timestamp(), end_reason = $2::text
    WHERE id IN (SELECT id FROM sessions WHERE user_id = $1::uuid AND ended_at IS NULL ORDER BY id FOR UPDATE)
    RETURNING ${TELL}`,
}
export async function endAllSessions(db: Queryable, userId: string, reason: SessionEnd): Promise<void> {
  await db.query(END_ALL, [userId, reason])
}

export interface SessionUserKey {
  sessionId: string
  subject: string
}
const FIND_USERS = {
  name: 'sessions-find-users',
  text: `
    SELECT k.place::int AS place, u.*
    FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS k (session_id, subject, place)
    CROSS JOIN LATERAL (
      SELECT ${USER_COLUMNS} FROM users
      WHERE issuer = '${OWN_ISSUER}' AND subject = k.subject AND EXISTS (
        SELECT 1 FROM sessions WHERE sessions.id = k.session_id AND user_id = users.id AND ended_at IS NULL
          AND expires_at > clock_timestamp())
    ) u`,
}
/** The users of access tokens of ours, null where the session has ended. */
export async function findSessionUsers(
  db: Queryable,
  sessions: readonly SessionUserKey[],
): Promise<(UserRow | null)[]> {
  const values = [
    toArray(sessions.map(({ sessionId }) => sessionId)),
    toArray(sessions.map(({ subject }) => subject)),
  ]
  return rowsByPlace(await db.query<UserRow & Placed>(FIND_USERS, values), sessions.length)
}

const FIND_LIVE = {
  name: 'sessions-find-live',
  text: `
    SELECT id FROM sessions WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb))
      AND ended_at IS NULL AND expires_at > clock_timestamp()`,
}
/** @returns those of them that live. */
export async function findLiveSessions(db: Queryable, sessionIds: readonly string[]): Promise<string[]> {
  const rows = await db.query<{ id: string }>(FIND_LIVE, [JSON.stringify(sessionIds)])
  return rows.map(({ id }) => id)
}

const CLEAR = {
  name: 'sessions-clear',
  text: `
    DELETE FROM sessions WHERE id IN (
      SELECT id FROM sessions WHERE expires_at < clock_timestamp() - interval '1 day'
      LIMIT $1::int FOR UPDATE SKIP LOCKED
    )
    RETURNING 1`,
}
/** @returns how many; as many as `limit` where there may be more. */
export async function clearSessions(db: Queryable, limit: number): Promise<number> {
  return (await db.query(CLEAR, [limit])).length
}
