import type { Queryable } from './client.ts'

/** What is counted together, and how often within how long. */
export interface AttemptLimit {
  key: string
  limit: number
  windowMs: number
}

const TAKE = {
  name: 'attempts-take',
  text: `
    INSERT INTO attempt_windows AS known (key, count, ends_at)
    SELECT key, 1, clock_timestamp() + "windowMs" * interval '1 ms'
    FROM jsonb_to_recordset($1::jsonb) AS attempt (key text, "windowMs" int)
    -- One order for everybody, so that two attempts cannot deadlock.
    ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
      count = CASE WHEN known.ends_at > clock_timestamp() THEN known.count + 1 ELSE 1 END,
      ends_at = CASE WHEN known.ends_at > clock_timestamp() THEN known.ends_at ELSE excluded.ends_at END
    RETURNING key, count, ceil(extract(epoch FROM ends_at - clock_timestamp()) * 1000)::int AS "remainingMs"`,
}
/** Counts one more under each key, in one statement: of any number at once, `limit` pass. @returns how long to wait, or undefined. */
export async function takeAttempt(
  db: Queryable,
  limits: readonly AttemptLimit[],
): Promise<{ retryAfterMs: number; keys: string[] } | undefined> {
  const rows = await db.query<{ key: string; count: number; remainingMs: number }>(TAKE, [
    JSON.stringify(limits),
  ])
  const limitByKey = new Map(limits.map(({ key, limit }) => [key, limit]))
  const over = rows.filter(({ key, count }) => count > (limitByKey.get(key) ?? 0))
  if (over.length === 0) return undefined
  const retryAfterMs = Math.max(1, ...over.map(({ remainingMs }) => remainingMs))
  return { retryAfterMs, keys: over.map(({ key }) => key) }
}

const GIVE_BACK = {
  name: 'attempts-give-back',
  text: `
    UPDATE attempt_windows SET count = CASE WHEN key = $1::text THEN 0 ELSE greatest(0, count - 1) END
    WHERE key IN (SELECT key FROM attempt_windows WHERE key IN ($1::text, $2::text) ORDER BY key FOR UPDATE)`,
}
/** After a success: the address begins anew, and its client has not used up this attempt. */
export async function giveAttemptBack(db: Queryable, addressKey: string, clientKey: string): Promise<void> {
  await db.query(GIVE_BACK, [addressKey, clientKey])
}

const FORGET = {
  name: 'attempts-forget',
  text: 'DELETE FROM attempt_windows WHERE key = $1::text',
}
export async function forgetAttempts(db: Queryable, key: string): Promise<void> {
  await db.query(FORGET, [key])
}

const CLEAR = {
  name: 'attempts-clear',
  text: `
    DELETE FROM attempt_windows WHERE key IN (
      SELECT key FROM attempt_windows WHERE ends_at < clock_timestamp() LIMIT $1::int FOR UPDATE SKIP LOCKED
    )
    RETURNING 1`,
}
/** @returns how many; as many as `limit` where there may be more. */
export async function clearAttempts(db: Queryable, limit: number): Promise<number> {
  return (await db.query(CLEAR, [limit])).length
}
