import {
  claimSync,
  endSync,
  readSync,
  type SyncClaim,
  type SyncEnd,
  type SyncKey,
  type SyncState,
  storeRefreshedTokens,
} from '../../database/account-syncs.ts'
import type { DatabaseClient } from '../../database/client.ts'
import { insertDataPoints } from '../../database/data-points.ts'
import { findStatsByUserIds, type StatsProvider, type StatsRow, upsertStats } from '../../database/stats.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import { lockDataRevision, setDataRevision } from '../../database/users.ts'
import {
  type AccountProvider,
  AccountProviderError,
  type FetchedAccount,
} from '../../providers/account-provider.ts'
import { delay } from '../../shared/abort.ts'
import type { Logger } from '../../shared/logger.ts'
import type { SealingKeys } from '../../shared/sealing-keys.ts'
import { type AccountTokens, openTokens, sealTokens } from './account-tokens.ts'

export type SyncAccountOutcome =
  | { type: 'synced'; stats: StatsRow[]; newDataPoints: number; tokenRefreshed: boolean }
  | { type: 'not-found' }
  | { type: 'unavailable'; message: string; retryAt: Date | null }

export interface SyncAccountOptions {
  db: DatabaseClient
  transaction: RunTransaction
  keys: SealingKeys
  providers: Record<StatsProvider, AccountProvider>
  /** Of this instance, for its life sign; 0 where it has none. */
  instance: () => number
  now: () => Date
  logger: Logger
}

/** All calls of a sync together. */
const LONGEST_SYNC_MS = 60_000
/** An owner that lives has given up long before another may take its place. */
const CLAIM_TTL_MS = 2 * LONGEST_SYNC_MS
const POLL_MS = { from: 50, to: 500 }
const DAY_MS = 86_400_000
/** The first sync fetches a season; later ones what a watch that was offline for a while still brings. */
const LOOK_BACK_MS = { first: 90 * DAY_MS, later: 14 * DAY_MS }
/** What a provider that is away, or does not say how long it wants to be left alone, is given. */
const PAUSE_MS = { away: 30_000, limited: 15 * 60_000 }
/** Whatever a provider asks for, tomorrow it is asked again. */
const LONGEST_PAUSE_MS = DAY_MS

const REVOKED = 'The provider does not take the tokens of this account any more: connect it again.'

/**
 * Fetches an account's stats and activities, once for all who ask at the same time, on whatever instance: one owner takes a claim
 * in the account's row by one statement, goes out without a transaction, and stores everything in one whose fence is the
 * claim's epoch; the others wait for its end. So a refresh token is used once as well: a provider that rotates them would
 * lock the user out at the second use. An owner that dies is taken over from at once, by its life sign; between the provider's
 * answer and its storing there is a moment in which a death loses the new tokens, and the account must be connected again.
 */
export class SyncAccount {
  readonly #options: SyncAccountOptions

  constructor(options: SyncAccountOptions) {
    this.#options = options
  }

  async execute(key: SyncKey, signal?: AbortSignal): Promise<SyncAccountOutcome> {
    const { db, instance, now } = this.#options
    const giveUpAt = now().getTime() + CLAIM_TTL_MS + LONGEST_SYNC_MS
    /** The sync that is under way, or the next: one that had ended before we came does not serve us. */
    let wanted: number | undefined
    for (
      let pauseMs = POLL_MS.from;
      now().getTime() < giveUpAt;
      pauseMs = Math.min(POLL_MS.to, pauseMs * 1.5)
    ) {
      const state = await readSync(db, key)
      if (!state) return { type: 'not-found' }
      if (wanted === undefined) {
        const refusal = this.#refusal(state)
        if (refusal) return refusal
        wanted = state.running ? state.epoch : state.epoch + 1
      }
      if (state.end && state.end.epoch >= wanted) return this.#answer(key, state.end)
      const claim = await claimSync(db, key, state, { owner: instance(), ttlMs: CLAIM_TTL_MS })
      if (claim) return this.#answer(key, await this.#sync(claim))
      // Somebody begins while we look: no reason to wait.
      if (state.running) await delay(pauseMs, signal)
    }
    return { type: 'unavailable', message: 'The sync takes too long.', retryAt: null }
  }

  /** What need not be asked of the provider, and must not. */
  #refusal({ revoked, running, end }: SyncState): SyncAccountOutcome | undefined {
    if (revoked) return { type: 'unavailable', message: REVOKED, retryAt: null }
    if (running || end?.type !== 'unavailable' || end.retryAt === null) return undefined
    const retryAt = new Date(end.retryAt)
    return retryAt > this.#options.now() ? { type: 'unavailable', message: end.message, retryAt } : undefined
  }

  async #answer({ userId, provider }: SyncKey, end: SyncEnd): Promise<SyncAccountOutcome> {
    if (end.type === 'unavailable') {
      const { type, message, retryAt } = end
      return { type, message, retryAt: retryAt === null ? null : new Date(retryAt) }
    }
    const { type, newDataPoints, tokenRefreshed } = end
    const stats = await findStatsByUserIds(this.#options.db, [userId])
    return { type, newDataPoints, tokenRefreshed, stats: stats.filter(row => row.provider === provider) }
  }

  /** For whoever has the claim. */
  async #sync(claim: SyncClaim): Promise<SyncEnd> {
    const { db, keys, logger } = this.#options
    const signal = AbortSignal.timeout(LONGEST_SYNC_MS)
    try {
      const held = {
        tokens: await openTokens(keys, claim, claim),
        sealedRefresh: claim.refreshToken,
        refreshed: false,
      }
      const fetched = await this.#fetch(claim, held, signal)
      return await this.#store(claim, fetched, held.refreshed)
    } catch (error) {
      const end = this.#failure(error)
      if (error instanceof AccountProviderError)
        logger.info(
          { provider: claim.provider, kind: error.kind, reason: error.message },
          'an account could not be synced',
        )
      else logger.error({ err: error, provider: claim.provider }, 'a sync failed unexpectedly')
      const refused = error instanceof RefusedTokens ? error.sealedRefresh : null
      await endSync(db, claim, end, refused)
      return end
    }
  }

  async #fetch(
    claim: SyncClaim,
    held: { tokens: AccountTokens; sealedRefresh: string; refreshed: boolean },
    signal: AbortSignal,
  ): Promise<FetchedAccount> {
    const { providers, now } = this.#options
    const provider = providers[claim.provider]
    const since = new Date(now().getTime() - (claim.before ? LOOK_BACK_MS.later : LOOK_BACK_MS.first))
    const fetch = () =>
      provider.fetch({ athleteId: claim.athleteId, accessToken: held.tokens.accessToken, since }, signal)
    if (claim.expired) await this.#refresh(claim, held, signal)
    try {
      return await fetch()
    } catch (error) {
      if (!(error instanceof AccountProviderError) || error.kind !== 'refused') throw error
      // Taken back before its time: the refresh token tells whether the whole account is.
      if (held.refreshed) throw new RefusedTokens(held.sealedRefresh)
      await this.#refresh(claim, held, signal)
      return fetch()
    }
  }

  async #refresh(
    claim: SyncClaim,
    held: { tokens: AccountTokens; sealedRefresh: string; refreshed: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const { db, keys, providers } = this.#options
    const { refresh } = providers[claim.provider]
    if (!refresh) {
      if (claim.expired)
        throw new AccountProviderError(
          'away',
          'The token has expired, and no client is set up that could refresh it.',
        )
      throw new RefusedTokens(held.sealedRefresh)
    }
    const fresh = await refresh(held.tokens.refreshToken, signal).catch(error => {
      if (error instanceof AccountProviderError && error.kind === 'refused')
        throw new RefusedTokens(held.sealedRefresh)
      throw error
    })
    const sealed = sealTokens(keys, claim, fresh)
    // At once: the ones before do not work any more.
    await storeRefreshedTokens(db, claim, sealed, fresh.expiresAt)
    held.tokens = fresh
    held.sealedRefresh = sealed.refreshToken
    held.refreshed = true
  }

  async #store(claim: SyncClaim, fetched: FetchedAccount, tokenRefreshed: boolean): Promise<SyncEnd> {
    const { transaction, db } = this.#options
    const { userId, provider } = claim
    const stored = await transaction('sync-account', async transaction => {
      const revision = (await lockDataRevision(transaction, userId)) + 1
      const newDataPoints = await insertDataPoints(transaction, userId, revision, fetched.points)
      const end = { type: 'synced', newDataPoints, tokenRefreshed } as const
      if (!(await endSync(transaction, claim, end))) throw new Overtaken()
      if (newDataPoints > 0) await setDataRevision(transaction, userId, revision)
      await upsertStats(transaction, userId, provider, fetched.stats)
      return end
    }).catch(error => {
      if (error instanceof Overtaken) return undefined
      throw error
    })
    if (stored) return stored
    const state = await readSync(db, claim)
    return (
      state?.end ?? {
        type: 'unavailable',
        message: 'The account is being synced by somebody else.',
        retryAt: null,
      }
    )
  }

  #failure(error: unknown): SyncEnd {
    if (error instanceof RefusedTokens) return { type: 'unavailable', message: REVOKED, retryAt: null }
    const { kind, retryAfterMs } =
      error instanceof AccountProviderError ? error : { kind: 'away' as const, retryAfterMs: null }
    const pauseMs = Math.min(
      LONGEST_PAUSE_MS,
      retryAfterMs ?? PAUSE_MS[kind === 'limited' ? 'limited' : 'away'],
    )
    const retryAt = new Date(this.#options.now().getTime() + pauseMs).toISOString()
    const message =
      kind === 'limited'
        ? 'The provider asks for fewer requests.'
        : 'The provider could not be reached, or not understood.'
    return { type: 'unavailable', message, retryAt }
  }
}

class RefusedTokens extends Error {
  readonly sealedRefresh: string
  constructor(sealedRefresh: string) {
    super('the provider refuses the tokens')
    this.sealedRefresh = sealedRefresh
  }
}

class Overtaken extends Error {}
