import type { Queryable } from './client.ts'

export type EmailTokenPurpose = 'VERIFY_EMAIL' | 'RESET_PASSWORD'

const STORE = {
  name: 'email-tokens-store',
  text: `
    INSERT INTO email_tokens (token_hash, user_id, purpose, expires_at)
    VALUES ($1::text, $2::uuid, $3::"EmailTokenPurpose", clock_timestamp() + $4::int * interval '1 ms')`,
}
export async function storeEmailToken(
  db: Queryable,
  token: { tokenHash: string; userId: string; purpose: EmailTokenPurpose; lifeMs: number },
): Promise<void> {
  await db.query(STORE, [token.tokenHash, token.userId, token.purpose, token.lifeMs])
}

const FIND = {
  name: 'email-tokens-find',
  text: `
    SELECT 1 FROM email_tokens WHERE token_hash = $1::text AND purpose = $2::"EmailTokenPurpose" AND used_at IS NULL
      AND expires_at > clock_timestamp()`,
}
/** Whether it could be used now; only using it tells. */
export async function isEmailTokenLive(
  db: Queryable,
  tokenHash: string,
  purpose: EmailTokenPurpose,
): Promise<boolean> {
  return (await db.query(FIND, [tokenHash, purpose])).length === 1
}

const USE = {
  name: 'email-tokens-use',
  text: `
    UPDATE email_tokens SET used_at = clock_timestamp()
    WHERE token_hash = $1::text AND purpose = $2::"EmailTokenPurpose" AND used_at IS NULL AND expires_at > clock_timestamp()
    RETURNING user_id AS "userId"`,
}
/** Of several at once one gets it. @returns whose it was. */
export async function consumeEmailToken(
  db: Queryable,
  tokenHash: string,
  purpose: EmailTokenPurpose,
): Promise<string | undefined> {
  return (await db.query<{ userId: string }>(USE, [tokenHash, purpose]))[0]?.userId
}

const VOID = {
  name: 'email-tokens-void',
  text: `
    UPDATE email_tokens SET used_at = clock_timestamp()
    WHERE user_id = $1::uuid AND purpose = $2::"EmailTokenPurpose" AND used_at IS NULL`,
}
/** Makes what is left of a user's tokens useless. */
export async function voidEmailTokens(
  db: Queryable,
  userId: string,
  purpose: EmailTokenPurpose,
): Promise<void> {
  await db.query(VOID, [userId, purpose])
}

const CLEAR = {
  name: 'email-tokens-clear',
  text: `
    DELETE FROM email_tokens WHERE token_hash IN (
      SELECT token_hash FROM email_tokens WHERE expires_at < clock_timestamp() - interval '1 day'
      LIMIT $1::int FOR UPDATE SKIP LOCKED
    )
    RETURNING 1`,
}
/** @returns how many; as many as `limit` where there may be more. */
export async function clearEmailTokens(db: Queryable, limit: number): Promise<number> {
  return (await db.query(CLEAR, [limit])).length
}
