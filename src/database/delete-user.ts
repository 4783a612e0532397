import { CHANGE_CHANNEL } from './changes.ts'
import type { Queryable } from './client.ts'
import { SESSION_TOPIC } from './sessions.ts'

const DELETE_LEASES = {
  name: 'delete-user-leases',
  text: `
    DELETE FROM leases WHERE key IN (
      SELECT l.key FROM leases l JOIN generations g ON g.id = l.run_id WHERE g.user_id = $1::uuid
      ORDER BY l.key FOR UPDATE OF l
    )`,
}
/**
 * Takes the user's runs from their owners, whose commits then find no lease. Before the user's row is locked: a commit takes
 * its lease first, and the user's row by its foreign keys.
 */
export async function deleteUserLeases(db: Queryable, userId: string): Promise<void> {
  await db.query(DELETE_LEASES, [userId])
}

const END_SESSIONS = {
  name: 'delete-user-end-sessions',
  text: `
    SELECT pg_notify('${CHANGE_CHANNEL}', '${SESSION_TOPIC}:' || id)::text FROM sessions
    WHERE user_id = $1::uuid AND ended_at IS NULL`,
}
/** Whatever acts for one of the user's sessions hears that it has ended. */
export async function tellSessionsEnd(db: Queryable, userId: string): Promise<void> {
  await db.query(END_SESSIONS, [userId])
}

const LOCK_USER = {
  name: 'delete-user-lock',
  text: 'SELECT id FROM users WHERE id = $1::uuid FOR UPDATE',
}
/** Nothing more can be stored for the user from here on. @returns false where the user is gone. */
export async function lockUser(db: Queryable, userId: string): Promise<boolean> {
  return (await db.query(LOCK_USER, [userId])).length === 1
}

const LOCK_FACTS = {
  name: 'delete-user-lock-facts',
  text: `
    SELECT id FROM collective_facts WHERE id IN (SELECT fact_id FROM fact_sources WHERE user_id = $1::uuid)
    ORDER BY hash FOR UPDATE`,
}
const WITHDRAW_CONTRIBUTIONS = {
  name: 'delete-user-withdraw-contributions',
  text: `
    WITH withdrawn AS (DELETE FROM fact_sources WHERE user_id = $1::uuid RETURNING fact_id)
    UPDATE collective_facts f SET source_count = f.source_count - 1,
      last_confirmed_at = coalesce(
        (SELECT max(contributed_at) FROM fact_sources s WHERE s.fact_id = f.id AND s.user_id <> $1::uuid), f.last_confirmed_at)
    FROM withdrawn WHERE f.id = withdrawn.fact_id`,
}
const DELETE_UNHELD_FACTS = {
  name: 'delete-user-unheld-facts',
  text: `
    DELETE FROM collective_facts WHERE id = ANY ($1::uuid[]) AND source_count = 0 AND promoted_at IS NULL`,
}
/** What the user has contributed counts no more. A fact that nobody else holds goes, unless it is promoted. */
export async function withdrawContributions(db: Queryable, userId: string): Promise<void> {
  const facts = await db.query<{ id: string }>(LOCK_FACTS, [userId])
  if (facts.length === 0) return
  await db.query(WITHDRAW_CONTRIBUTIONS, [userId])
  await db.query(DELETE_UNHELD_FACTS, [`{${facts.map(({ id }) => id).join(',')}}`])
}

const FIND_CONVERSATIONS = {
  name: 'delete-user-conversations',
  text: 'SELECT id FROM conversations WHERE user_id = $1::uuid',
}
export async function findConversationIds(db: Queryable, userId: string): Promise<string[]> {
  return (await db.query<{ id: string }>(FIND_CONVERSATIONS, [userId])).map(({ id }) => id)
}

const DELETE_USER = {
  name: 'delete-user',
  text: 'DELETE FROM users WHERE id = $1::uuid',
}
/** With everything that refers to the user. */
export async function deleteUserRow(db: Queryable, userId: string): Promise<void> {
  await db.query(DELETE_USER, [userId])
}
