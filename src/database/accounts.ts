import { toArray } from './arrays.ts'
import type { Queryable } from './client.ts'
import type { StatsProvider } from './stats.ts'

/** What may be seen of an account. Its tokens are read by `getAccountTokens` alone. */
/** Why an account has to be connected anew: the provider took the access back, or a refresh whose answer was lost used it up. */
export type ReconnectReason = 'REFUSED' | 'REFRESH_LOST'

export interface AccountRow {
  userId: string
  provider: StatsProvider
  athleteId: string
  expiresAt: Date
  updatedAt: Date
  /** Null as long as it works. */
  reconnectReason: ReconnectReason | null
}

/** Sealed: text that nobody can read without the key that `keyId` names. */
export interface SealedTokens {
  accessToken: string
  refreshToken: string
  keyId: string
}

const COLUMNS = `user_id AS "userId", provider, athlete_id AS "athleteId", expires_at AS "expiresAt", updated_at AS "updatedAt",
  reconnect_reason AS "reconnectReason"`

const FIND_BY_USERS = {
  name: 'accounts-find-by-users',
  text: `
    SELECT ${COLUMNS} FROM connected_accounts
    WHERE user_id = ANY ($1::uuid[])
    ORDER BY user_id, provider`,
}
export function findAccountsByUserIds(db: Queryable, userIds: readonly string[]): Promise<AccountRow[]> {
  return db.query<AccountRow>(FIND_BY_USERS, [toArray(userIds)])
}

const CONNECT = {
  name: 'accounts-connect',
  text: `
    INSERT INTO connected_accounts AS known (user_id, provider, athlete_id, access_token, refresh_token, key_id, expires_at,
      updated_at, sync_after)
    VALUES ($1::uuid, $2::"StatsProvider", $3::text, $4::text, $5::text, $6::text, $7::timestamptz, clock_timestamp(), clock_timestamp())
    ON CONFLICT (user_id, provider) DO UPDATE SET
      athlete_id = excluded.athlete_id, access_token = excluded.access_token, refresh_token = excluded.refresh_token,
      key_id = excluded.key_id, expires_at = excluded.expires_at, tokens_version = known.tokens_version + 1,
      -- Not the excluded one's, which may have waited here for the row's lock.
      updated_at = clock_timestamp(), sync_after = clock_timestamp(),
      revoked_at = NULL, reconnect_reason = NULL, refresh_begun_at = NULL,
      -- A sync of another athlete that is under way has nothing to store here any more.
      sync_epoch = known.sync_epoch + (excluded.athlete_id <> known.athlete_id)::int,
      sync_until = CASE WHEN excluded.athlete_id = known.athlete_id THEN known.sync_until END,
      sync_owner = CASE WHEN excluded.athlete_id = known.athlete_id THEN known.sync_owner END,
      synced_at = CASE WHEN excluded.athlete_id = known.athlete_id THEN known.synced_at END,
      sync_outcome = CASE WHEN excluded.athlete_id = known.athlete_id THEN known.sync_outcome END
    -- Tokens that end earlier are older: the provider has taken them back by now. Another athlete's are no older ones.
    WHERE excluded.expires_at >= known.expires_at OR excluded.athlete_id <> known.athlete_id
      OR known.revoked_at IS NOT NULL
    RETURNING ${COLUMNS}`,
}
/** @returns undefined where newer tokens of the same athlete are stored: they stay. */
export async function connectAccount(
  db: Queryable,
  account: Omit<AccountRow, 'updatedAt' | 'reconnectReason'> & SealedTokens,
): Promise<AccountRow | undefined> {
  const { userId, provider, athleteId, accessToken, refreshToken, keyId, expiresAt } = account
  return (
    await db.query<AccountRow>(CONNECT, [
      userId,
      provider,
      athleteId,
      accessToken,
      refreshToken,
      keyId,
      expiresAt,
    ])
  )[0]
}

const FIND_SEALED_OTHERWISE = {
  name: 'accounts-find-sealed-otherwise',
  text: `
    SELECT user_id AS "userId", provider, access_token AS "accessToken", refresh_token AS "refreshToken", key_id AS "keyId"
    FROM connected_accounts WHERE key_id <> $1::text ORDER BY user_id, provider LIMIT $2::int FOR UPDATE SKIP LOCKED`,
}
/** Accounts whose tokens are sealed with another key than this, locked. */
export function lockAccountsSealedOtherwise(
  db: Queryable,
  keyId: string,
  limit: number,
): Promise<({ userId: string; provider: StatsProvider } & SealedTokens)[]> {
  return db.query(FIND_SEALED_OTHERWISE, [keyId, limit])
}

const RESEAL = {
  name: 'accounts-reseal',
  text: `
    UPDATE connected_accounts SET access_token = $3::text, refresh_token = $4::text, key_id = $5::text
    WHERE user_id = $1::uuid AND provider = $2::"StatsProvider"`,
}
/** For whoever holds the row's lock. */
export async function resealAccount(
  db: Queryable,
  account: { userId: string; provider: StatsProvider } & SealedTokens,
): Promise<void> {
  const { userId, provider, accessToken, refreshToken, keyId } = account
  await db.query(RESEAL, [userId, provider, accessToken, refreshToken, keyId])
}

const COUNT_SEALED_OTHERWISE = {
  name: 'accounts-count-sealed-otherwise',
  text: 'SELECT count(*)::int AS count FROM connected_accounts WHERE key_id <> $1::text',
}
export async function countAccountsSealedOtherwise(db: Queryable, keyId: string): Promise<number> {
  return (await db.query<{ count: number }>(COUNT_SEALED_OTHERWISE, [keyId]))[0]?.count ?? 0
}
