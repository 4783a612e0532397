import type { Queryable } from './client.ts'

/** A key of a user, and what it was sent with. */
export interface IdempotencyClaim {
  userId: string
  key: string
  fingerprint: string
}

export type KeptAnswer<Answer> = { type: 'none' } | { type: 'kept'; answer: Answer } | { type: 'reused' }

/** For so long a client may send again and get the same answer. */
const KEPT = "interval '24 hours'"

const FIND = {
  name: 'idempotency-find',
  text: `
    SELECT fingerprint, answer FROM idempotency_keys
    WHERE user_id = $1::uuid AND key = $2::text AND created_at > clock_timestamp() - ${KEPT}`,
}
export async function findKeptAnswer<Answer>(
  db: Queryable,
  claim: IdempotencyClaim,
): Promise<KeptAnswer<Answer>> {
  const [row] = await db.query<{ fingerprint: string; answer: Answer }>(FIND, [claim.userId, claim.key])
  if (!row) return { type: 'none' }
  return row.fingerprint === claim.fingerprint ? { type: 'kept', answer: row.answer } : { type: 'reused' }
}

const KEEP = {
  name: 'idempotency-keep',
  text: `
    INSERT INTO idempotency_keys AS kept (user_id, key, fingerprint, answer) VALUES ($1::uuid, $2::text, $3::text, $4::jsonb)
    ON CONFLICT (user_id, key) DO UPDATE SET
      -- An answer that still counts stays; one that does not makes way.
      fingerprint = CASE WHEN kept.created_at > clock_timestamp() - ${KEPT} THEN kept.fingerprint ELSE excluded.fingerprint END,
      answer = CASE WHEN kept.created_at > clock_timestamp() - ${KEPT} THEN kept.answer ELSE excluded.answer END,
      created_at = CASE WHEN kept.created_at > clock_timestamp() - ${KEPT} THEN kept.created_at ELSE clock_timestamp() END
    RETURNING fingerprint, answer`,
}
/** Keeps the answer, unless the key has one. @returns what is kept: of two at once, both get the first. */
export async function keepAnswer<Answer>(
  db: Queryable,
  claim: IdempotencyClaim,
  answer: Answer,
): Promise<Exclude<KeptAnswer<Answer>, { type: 'none' }>> {
  const [row] = await db.query<{ fingerprint: string; answer: Answer }>(KEEP, [
    claim.userId,
    claim.key,
    claim.fingerprint,
    JSON.stringify(answer),
  ])
  if (!row) throw new Error('an upsert returned no row')
  return row.fingerprint === claim.fingerprint ? { type: 'kept', answer: row.answer } : { type: 'reused' }
}

const CLEAR = {
  name: 'idempotency-clear',
  text: `
    DELETE FROM idempotency_keys WHERE (user_id, key) IN (
      SELECT user_id, key FROM idempotency_keys WHERE created_at < clock_timestamp() - ${KEPT}
      LIMIT $1::int FOR UPDATE SKIP LOCKED
    )
    RETURNING 1`,
}
/** Those that do not count any more. @returns how many; as many as `limit` where there may be more. */
export async function clearIdempotencyKeys(db: Queryable, limit: number): Promise<number> {
  return (await db.query(CLEAR, [limit])).length
}
