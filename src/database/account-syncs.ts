import type { AccountRow, SealedTokens } from './accounts.ts'
import type { Queryable } from './client.ts'
import { LIVENESS_LOCK_CLASS } from './leases.ts'
import type { StatsProvider } from './stats.ts'

export interface SyncKey {
  userId: string
  provider: StatsProvider
}

/** The right to sync an account, for as long as nobody has a higher epoch. */
export interface SyncClaim extends SyncKey, SealedTokens {
  epoch: number
  athleteId: string
  /** The access token has expired, or is about to. */
  expired: boolean
  /** It was synced before. */
  before: boolean
}

/** What a sync came to; followers on other instances answer from it. */
export type SyncEnd =
  | { type: 'synced'; newDataPoints: number; tokenRefreshed: boolean }
  /** `retryAt`: until then nobody asks the provider. */
  | { type: 'unavailable'; message: string; retryAt: string | null }

/** A token that is used in the last minute of its life may arrive after it. */
const EXPIRY_MARGIN = "interval '1 minute'"

const CLAIM = {
  name: 'account-syncs-claim',
  text: `
    UPDATE connected_accounts SET sync_epoch = sync_epoch + 1, sync_owner = $3::int,
      sync_until = clock_timestamp() + $4::int * interval '1 ms'
    WHERE user_id = $1::uuid AND provider = $2::"StatsProvider" AND revoked_at IS NULL
      AND (sync_outcome->>'retryAt' IS NULL OR (sync_outcome->>'retryAt')::timestamptz <= clock_timestamp())
      -- As it was read: nobody has begun or ended a sync since.
      AND sync_epoch = $5::int AND (sync_until IS NOT NULL) = $6::boolean
      AND (sync_until IS NULL OR sync_until < clock_timestamp()
        -- The instance that syncs it is gone; 0 has no life sign.
        OR (sync_owner > 0 AND pg_try_advisory_xact_lock_shared(${LIVENESS_LOCK_CLASS}, sync_owner)))
    RETURNING user_id AS "userId", provider, sync_epoch AS epoch, athlete_id AS "athleteId",
      access_token AS "accessToken", refresh_token AS "refreshToken", key_id AS "keyId",
      expires_at <= clock_timestamp() + ${EXPIRY_MARGIN} AS expired, sync_outcome IS NOT NULL AS before`,
}
/** Takes the account where nobody syncs it, and as it was read: of any number at once, on any instance, one. */
export async function claimSync(
  db: Queryable,
  { userId, provider }: SyncKey,
  seen: Pick<SyncState, 'epoch' | 'running'>,
  { owner, ttlMs }: { owner: number; ttlMs: number },
): Promise<SyncClaim | undefined> {
  const values = [userId, provider, owner, ttlMs, seen.epoch, seen.running]
  return (await db.query<SyncClaim>(CLAIM, values))[0]
}

export interface SyncState {
  epoch: number
  /** Begun and not ended; its owner may be gone. */
  running: boolean
  revoked: boolean
  end: (SyncEnd & { epoch: number }) | null
}

const READ = {
  name: 'account-syncs-read',
  text: `
    SELECT sync_epoch AS epoch, sync_until IS NOT NULL AS running, revoked_at IS NOT NULL AS revoked,
      sync_outcome AS "end"
    FROM connected_accounts WHERE user_id = $1::uuid AND provider = $2::"StatsProvider"`,
}
export async function readSync(db: Queryable, { userId, provider }: SyncKey): Promise<SyncState | undefined> {
  return (await db.query<SyncState>(READ, [userId, provider]))[0]
}

const STORE_TOKENS = {
  name: 'account-syncs-store-tokens',
  text: `
    UPDATE connected_accounts SET access_token = $4::text, refresh_token = $5::text, key_id = $6::text, expires_at = $7::timestamptz,
      updated_at = clock_timestamp()
    WHERE user_id = $1::uuid AND provider = $2::"StatsProvider" AND athlete_id = $3::text AND expires_at <= $7::timestamptz`,
}
/**
 * Not fenced: the provider has taken the tokens before back, whoever owns the sync now. Newer ones stay.
 */
export async function storeRefreshedTokens(
  db: Queryable,
  { userId, provider, athleteId }: Pick<AccountRow, 'userId' | 'provider' | 'athleteId'>,
  { accessToken, refreshToken, keyId }: SealedTokens,
  expiresAt: Date,
): Promise<void> {
  await db.query(STORE_TOKENS, [userId, provider, athleteId, accessToken, refreshToken, keyId, expiresAt])
}

const END = {
  name: 'account-syncs-end',
  text: `
    UPDATE connected_accounts SET sync_until = NULL, sync_owner = NULL, sync_outcome = $4::jsonb || jsonb_build_object('epoch', sync_epoch),
      sync_after = greatest(sync_after, ($4::jsonb->>'retryAt')::timestamptz),
      -- Connected anew meanwhile, it has tokens that nobody has refused.
      revoked_at = CASE WHEN $5::text IS NOT NULL AND refresh_token = $5::text THEN clock_timestamp() ELSE revoked_at END
    WHERE user_id = $1::uuid AND provider = $2::"StatsProvider" AND sync_epoch = $3::int AND sync_until IS NOT NULL
    RETURNING 1`,
}
/**
 * The fence: locks out whoever was overtaken. @param refusedToken the sealed refresh token that the provider does not take any
 * more. @returns false when the sync has passed on; nothing may be stored then.
 */
export async function endSync(
  db: Queryable,
  { userId, provider, epoch }: SyncKey & { epoch: number },
  end: SyncEnd,
  refusedToken: string | null = null,
): Promise<boolean> {
  const values = [userId, provider, epoch, JSON.stringify(end), refusedToken]
  return (await db.query(END, values)).length === 1
}

const TAKE_DUE = {
  name: 'account-syncs-take-due',
  text: `
    UPDATE connected_accounts SET sync_after = clock_timestamp() + $1::float8 * interval '1 ms'
    WHERE (user_id, provider) IN (
      SELECT user_id, provider FROM connected_accounts WHERE sync_after <= clock_timestamp() AND revoked_at IS NULL
      ORDER BY sync_after LIMIT $2::int FOR UPDATE SKIP LOCKED)
    RETURNING user_id AS "userId", provider`,
}
/** Those whose sync is due, each for one instance, with the time of their next one. */
export function takeDueSyncs(db: Queryable, intervalMs: number, limit: number): Promise<SyncKey[]> {
  return db.query<SyncKey>(TAKE_DUE, [intervalMs, limit])
}
