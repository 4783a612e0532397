import type { AccountRow, ReconnectReason, SealedTokens } from './accounts.ts'
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
  /** When a sync has brought everything for the last time. */
  syncedAt: Date | null
  /** Of these tokens: sealing them anew leaves it. */
  tokensVersion: number
  /** Somebody has sent the refresh token before, and what came of it is not known. */
  refreshInDoubt: boolean
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
      AND NOT EXISTS (SELECT 1 FROM provider_pauses AS pause WHERE pause.provider = $2::"StatsProvider" AND ends_at > clock_timestamp())
      -- As it was read: nobody has begun or ended a sync since.
      AND sync_epoch = $5::int AND (sync_until IS NOT NULL) = $6::boolean
      AND (sync_until IS NULL OR sync_until < clock_timestamp()
        -- The instance that syncs it is gone; 0 has no life sign.
        OR (sync_owner > 0 AND pg_try_advisory_xact_lock_shared(${LIVENESS_LOCK_CLASS}, sync_owner)))
    RETURNING user_id AS "userId", provider, sync_epoch AS epoch, athlete_id AS "athleteId",
      access_token AS "accessToken", refresh_token AS "refreshToken", key_id AS "keyId",
      expires_at <= clock_timestamp() + ${EXPIRY_MARGIN} AS expired, synced_at AS "syncedAt",
      tokens_version AS "tokensVersion", refresh_begun_at IS NOT NULL AS "refreshInDoubt"`,
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
  /** Why it has to be connected anew; null as long as it works. */
  reconnectReason: ReconnectReason | null
  /** Until when the provider wants no requests at all. */
  pausedUntil: Date | null
  end: (SyncEnd & { epoch: number }) | null
}

const READ = {
  name: 'account-syncs-read',
  text: `
    SELECT sync_epoch AS epoch, sync_until IS NOT NULL AS running,
      -- One that was marked before reasons were kept was refused.
      CASE WHEN revoked_at IS NOT NULL THEN coalesce(reconnect_reason, 'REFUSED') END AS "reconnectReason",
      (SELECT ends_at FROM provider_pauses AS pause WHERE pause.provider = $2::"StatsProvider" AND ends_at > clock_timestamp())
        AS "pausedUntil",
      sync_outcome AS "end"
    FROM connected_accounts WHERE user_id = $1::uuid AND provider = $2::"StatsProvider"`,
}
export async function readSync(db: Queryable, { userId, provider }: SyncKey): Promise<SyncState | undefined> {
  return (await db.query<SyncState>(READ, [userId, provider]))[0]
}

const BEGIN_REFRESH = {
  name: 'account-syncs-begin-refresh',
  text: `
    UPDATE connected_accounts SET refresh_begun_at = coalesce(refresh_begun_at, clock_timestamp())
    WHERE user_id = $1::uuid AND provider = $2::"StatsProvider" AND sync_epoch = $3::int AND sync_until IS NOT NULL
      AND tokens_version = $4::int
    RETURNING 1`,
}
/**
 * The last look before a refresh token is sent, under the row's lock, and the word that it was: an answer that is lost with its
 * instance leaves this. @returns false where the sync has passed on, or the account was connected anew: nothing may be sent then.
 */
export async function beginRefresh(
  db: Queryable,
  { userId, provider, epoch, tokensVersion }: SyncClaim,
): Promise<boolean> {
  return (await db.query(BEGIN_REFRESH, [userId, provider, epoch, tokensVersion])).length === 1
}

const STORE_TOKENS = {
  name: 'account-syncs-store-tokens',
  text: `
    UPDATE connected_accounts SET access_token = $4::text, refresh_token = $5::text, key_id = $6::text, expires_at = $7::timestamptz,
      updated_at = clock_timestamp(), tokens_version = tokens_version + 1, refresh_begun_at = NULL,
      revoked_at = NULL, reconnect_reason = NULL
    WHERE user_id = $1::uuid AND provider = $2::"StatsProvider" AND athlete_id = $3::text
      -- Those that were used up, whenever they would have expired; of those that came meanwhile the ones that last longer.
      AND (tokens_version = $8::int OR expires_at <= $7::timestamptz)
    RETURNING tokens_version AS "tokensVersion"`,
}
/**
 * Not fenced: the provider has taken the tokens before back, whoever owns the sync now.
 * @returns the version of these tokens, undefined where newer ones stay
 */
export async function storeRefreshedTokens(
  db: Queryable,
  {
    userId,
    provider,
    athleteId,
    tokensVersion,
  }: Pick<AccountRow & SyncClaim, 'userId' | 'provider' | 'athleteId' | 'tokensVersion'>,
  { accessToken, refreshToken, keyId }: SealedTokens,
  expiresAt: Date,
): Promise<number | undefined> {
  const values = [userId, provider, athleteId, accessToken, refreshToken, keyId, expiresAt, tokensVersion]
  return (await db.query<{ tokensVersion: number }>(STORE_TOKENS, values))[0]?.tokensVersion
}

/** What a sync has learnt of the account's tokens. */
export interface TokensSeen {
  /** Of which tokens; undefined where others have taken their place. */
  version: number | undefined
  /** The refresh token was sent, and what came of it is not known. */
  inDoubt: boolean
  /** Why the provider does not take them any more. */
  refused: ReconnectReason | null
}

const END = {
  name: 'account-syncs-end',
  text: `
    UPDATE connected_accounts SET sync_until = NULL, sync_owner = NULL, sync_outcome = $4::jsonb || jsonb_build_object('epoch', sync_epoch),
      sync_after = greatest(sync_after, ($4::jsonb->>'retryAt')::timestamptz),
      synced_at = CASE WHEN $4::jsonb->>'type' = 'synced' THEN clock_timestamp() ELSE synced_at END,
      -- Connected anew meanwhile, it has tokens that nobody has refused.
      revoked_at = CASE WHEN tokens_version = $5::int AND $7::text IS NOT NULL THEN clock_timestamp() ELSE revoked_at END,
      reconnect_reason = CASE WHEN tokens_version = $5::int AND $7::text IS NOT NULL THEN $7::text::"ReconnectReason"
        ELSE reconnect_reason END,
      refresh_begun_at = CASE WHEN tokens_version = $5::int AND NOT $6::boolean THEN NULL ELSE refresh_begun_at END
    WHERE user_id = $1::uuid AND provider = $2::"StatsProvider" AND sync_epoch = $3::int AND sync_until IS NOT NULL
    RETURNING 1`,
}
/** The fence: locks out whoever was overtaken. @returns false when the sync has passed on; nothing may be stored then. */
export async function endSync(
  db: Queryable,
  { userId, provider, epoch }: SyncKey & { epoch: number },
  end: SyncEnd,
  { version, inDoubt, refused }: TokensSeen,
): Promise<boolean> {
  const values = [userId, provider, epoch, JSON.stringify(end), version ?? null, inDoubt, refused]
  return (await db.query(END, values)).length === 1
}

const GIVE_UP = {
  name: 'account-syncs-give-up',
  text: `
    UPDATE connected_accounts SET sync_until = NULL, sync_owner = NULL, sync_after = least(sync_after, clock_timestamp())
    WHERE user_id = $1::uuid AND provider = $2::"StatsProvider" AND sync_epoch = $3::int AND sync_until IS NOT NULL`,
}
/** Leaves it to whoever waits for it, or comes next. */
export async function giveUpSync(
  db: Queryable,
  { userId, provider, epoch }: SyncKey & { epoch: number },
): Promise<void> {
  await db.query(GIVE_UP, [userId, provider, epoch])
}

const PAUSE = {
  name: 'account-syncs-pause',
  text: `
    INSERT INTO provider_pauses AS known (provider, ends_at) VALUES ($1::"StatsProvider", $2::timestamptz)
    ON CONFLICT (provider) DO UPDATE SET ends_at = greatest(known.ends_at, excluded.ends_at)`,
}
/** For all accounts: limits are those of the application that asks. */
export async function pauseProvider(db: Queryable, provider: StatsProvider, endsAt: Date): Promise<void> {
  await db.query(PAUSE, [provider, endsAt])
}

const TAKE_DUE = {
  name: 'account-syncs-take-due',
  text: `
    UPDATE connected_accounts SET sync_after = clock_timestamp() + $1::float8 * interval '1 ms'
    WHERE (user_id, provider) IN (
      SELECT user_id, provider FROM connected_accounts AS due WHERE sync_after <= clock_timestamp() AND revoked_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM provider_pauses AS pause WHERE pause.provider = due.provider AND ends_at > clock_timestamp())
      ORDER BY sync_after LIMIT $2::int FOR UPDATE SKIP LOCKED)
    RETURNING user_id AS "userId", provider`,
}
/** Those whose sync is due, each for one instance, with the time of their next one. */
export function takeDueSyncs(db: Queryable, intervalMs: number, limit: number): Promise<SyncKey[]> {
  return db.query<SyncKey>(TAKE_DUE, [intervalMs, limit])
}
