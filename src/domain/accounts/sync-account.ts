import {
  claimSync,
  endSync,
  giveUpSync,
  pauseProvider,
  readSync,
  type SyncClaim,
  type SyncEnd,
  type SyncKey,
  type SyncState,
  type TokensSeen,
} from '../../database/account-syncs.ts'
import type { ReconnectReason } from '../../database/accounts.ts'
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
import { delay, inTime } from '../../shared/abort.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'
import type { SealingKeys } from '../../shared/sealing-keys.ts'
import { HeldTokens, Overtaken, RefusedTokens } from './held-tokens.ts'

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
  metrics: Metrics
}

/** All calls of a sync together. */
const LONGEST_SYNC_MS = 60_000
/** An owner that lives has given up long before another may take its place. */
const CLAIM_TTL_MS = 2 * LONGEST_SYNC_MS
const POLL_MS = { from: 50, to: 500 }
const DAY_MS = 86_400_000
/** The first sync fetches a season; later ones also what a watch that was offline for a while brings late. */
const LOOK_BACK_MS = { first: 90 * DAY_MS, late: 14 * DAY_MS }
/** What a provider that is away, or does not say how long it wants to be left alone, is given. */
const PAUSE_MS = { away: 30_000, client: 15 * 60_000, limited: 15 * 60_000, refused: 15 * 60_000 }
/** Whatever a provider asks for, tomorrow it is asked again. */
const LONGEST_PAUSE_MS = DAY_MS
/** A drain that waits for longer would be cut off: a refresh that is on its way has its answer by then, or never. */
const LONGEST_STOP_MS = 8000

const RECONNECT: Record<ReconnectReason, string> = {
  REFUSED: 'The provider does not take the tokens of this account any more: connect it again.',
  REFRESH_LOST: 'The access to this account was lost while it was being renewed: connect it again.',
}
const UNAVAILABLE: Record<AccountProviderError['kind'], string> = {
  away: 'The provider could not be reached, or not understood.',
  client: 'The provider does not let this gateway in: its operator has to mend that.',
  limited: 'The provider asks for fewer requests.',
  refused: 'The provider does not give what was asked for.',
}
const OVERTAKEN = 'The account is being synced by somebody else, or was connected anew meanwhile.'
const STOPPING = 'This instance is stopping: ask again.'

/**
 * Fetches an account's stats and activities, once for all who ask at the same time, on whatever instance: one owner takes a claim
 * in the account's row by one statement, goes out without a transaction, and stores everything in one whose fence is the
 * claim's epoch; the others wait for its end. So a refresh token is used once as well: a provider that rotates them would
 * lock the user out at the second use. An owner that dies is taken over from at once, by its life sign.
 */
export class SyncAccount {
  readonly #options: SyncAccountOptions
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<SyncEnd>>()

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
      if (this.#stopping.signal.aborted) return { type: 'unavailable', message: STOPPING, retryAt: now() }
      const claim = await claimSync(db, key, state, { owner: instance(), ttlMs: CLAIM_TTL_MS })
      if (claim) return this.#answer(key, await this.#run(claim))
      // Somebody begins while we look: no reason to wait.
      if (state.running) await delay(pauseMs, signal)
    }
    return { type: 'unavailable', message: 'The sync takes too long.', retryAt: null }
  }

  /** Gives up what is being fetched, for others to begin anew, and waits for tokens that are being refreshed. */
  async close(): Promise<void> {
    this.#stopping.abort()
    await inTime(Promise.allSettled(this.#running), LONGEST_STOP_MS, () => {})
  }

  /** What need not be asked of the provider, and must not. */
  #refusal({ reconnectReason, pausedUntil, running, end }: SyncState): SyncAccountOutcome | undefined {
    if (reconnectReason) return { type: 'unavailable', message: RECONNECT[reconnectReason], retryAt: null }
    if (running) return undefined
    if (pausedUntil) return { type: 'unavailable', message: UNAVAILABLE.limited, retryAt: pausedUntil }
    if (end?.type !== 'unavailable' || end.retryAt === null) return undefined
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

  #run(claim: SyncClaim): Promise<SyncEnd> {
    const running = this.#sync(claim).finally(() => this.#running.delete(running))
    this.#running.add(running)
    return running
  }

  /** For whoever has the claim. */
  async #sync(claim: SyncClaim): Promise<SyncEnd> {
    const { db, keys } = this.#options
    let tokens: HeldTokens | undefined
    try {
      tokens = await HeldTokens.open(db, keys, claim)
      const fetched = await this.#fetch(claim, tokens)
      return await this.#store(claim, fetched, tokens)
    } catch (error) {
      if (error instanceof Overtaken) return this.#overtaken(claim)
      if (this.#stopping.signal.aborted && error instanceof AccountProviderError && error.kind === 'away') {
        await giveUpSync(db, claim)
        return { type: 'unavailable', message: STOPPING, retryAt: this.#options.now().toISOString() }
      }
      return this.#fail(claim, error, tokens?.seen ?? { version: undefined, inDoubt: false, refused: null })
    }
  }

  async #fetch(claim: SyncClaim, tokens: HeldTokens): Promise<FetchedAccount> {
    const provider = this.#options.providers[claim.provider]
    const lastMs = claim.syncedAt ? claim.syncedAt.getTime() - LOOK_BACK_MS.late : 0
    const since = new Date(Math.max(lastMs, this.#options.now().getTime() - LOOK_BACK_MS.first))
    const inTime = AbortSignal.timeout(LONGEST_SYNC_MS)
    // A refresh that was sent is waited for, also by an instance that stops.
    const signal = AbortSignal.any([inTime, this.#stopping.signal])
    const refresh = () => {
      if (signal.aborted) throw new AccountProviderError('away', 'the sync was broken off')
      return tokens.refresh(provider.refresh, inTime)
    }
    if (claim.expired) await refresh()
    for (;;) {
      try {
        const { accessToken } = tokens
        return await provider.fetch({ athleteId: claim.athleteId, accessToken, since }, signal)
      } catch (error) {
        if (!(error instanceof AccountProviderError) || error.kind !== 'refused') throw error
        // Taken back before its time: the refresh token tells whether the whole account is. It is tried once.
        await refresh()
      }
    }
  }

  async #store(claim: SyncClaim, fetched: FetchedAccount, tokens: HeldTokens): Promise<SyncEnd> {
    const { transaction, metrics } = this.#options
    const { userId, provider } = claim
    const stored = await transaction('sync-account', async transaction => {
      const revision = (await lockDataRevision(transaction, userId)) + 1
      const newDataPoints = await insertDataPoints(transaction, userId, revision, fetched.points)
      const end = { type: 'synced', newDataPoints, tokenRefreshed: tokens.refreshed } as const
      if (!(await endSync(transaction, claim, end, tokens.seen))) throw new Overtaken()
      if (newDataPoints > 0) await setDataRevision(transaction, userId, revision)
      await upsertStats(transaction, userId, provider, fetched.stats)
      return end
    })
    metrics.accountSyncs.inc({ provider, outcome: 'synced' })
    return stored
  }

  async #fail(claim: SyncClaim, error: unknown, seen: TokensSeen): Promise<SyncEnd> {
    const { db, logger, metrics } = this.#options
    const { provider } = claim
    if (error instanceof RefusedTokens) {
      const { reason } = error
      logger.warn({ provider, reason }, 'an account has to be connected anew')
      metrics.accountSyncs.inc({ provider, outcome: reason === 'REFUSED' ? 'refused' : 'refresh_lost' })
      const end = { type: 'unavailable', message: RECONNECT[reason], retryAt: null } as const
      await endSync(db, claim, end, seen)
      return end
    }
    const known = error instanceof AccountProviderError
    const { kind, retryAfterMs } = known ? error : { kind: 'away' as const, retryAfterMs: null }
    metrics.accountSyncs.inc({ provider, outcome: known ? kind : 'failed' })
    if (known)
      logger[kind === 'client' ? 'error' : 'info'](
        { provider, kind, reason: error.message },
        'an account could not be synced',
      )
    else logger.error({ err: error, provider }, 'a sync failed unexpectedly')
    const pauseMs = Math.min(LONGEST_PAUSE_MS, retryAfterMs ?? PAUSE_MS[kind])
    const retryAt = new Date(this.#options.now().getTime() + pauseMs)
    if (kind === 'limited') await pauseProvider(db, provider, retryAt)
    const end = { type: 'unavailable', message: UNAVAILABLE[kind], retryAt: retryAt.toISOString() } as const
    await endSync(db, claim, end, seen)
    return end
  }

  /** Whose sync it was when it could be stored: it is of no use any more. */
  async #overtaken(claim: SyncClaim): Promise<SyncEnd> {
    const { db, now } = this.#options
    const end = { type: 'unavailable', message: OVERTAKEN, retryAt: now().toISOString() } as const
    // Ends it where only the tokens were replaced.
    await endSync(db, claim, end, { version: undefined, inDoubt: false, refused: null })
    return (await readSync(db, claim))?.end ?? end
  }
}
