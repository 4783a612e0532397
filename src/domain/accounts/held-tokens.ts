import {
  beginRefresh,
  type SyncClaim,
  storeRefreshedTokens,
  type TokensSeen,
} from '../../database/account-syncs.ts'
import type { ReconnectReason } from '../../database/accounts.ts'
import type { DatabaseClient } from '../../database/client.ts'
import { mayPass } from '../../database/postgres-errors.ts'
import { type AccountProvider, AccountProviderError } from '../../providers/account-provider.ts'
import { delay } from '../../shared/abort.ts'
import { backoffMs } from '../../shared/backoff.ts'
import type { SealingKeys } from '../../shared/sealing-keys.ts'
import { type AccountTokens, openTokens, sealTokens } from './account-tokens.ts'

/** The account has to be connected anew. */
export class RefusedTokens extends Error {
  readonly reason: ReconnectReason
  constructor(reason: ReconnectReason) {
    super('the provider refuses the tokens')
    this.reason = reason
  }
}

/** Somebody else has the account's sync, or its tokens were replaced. */
export class Overtaken extends Error {}

/** A database that restarts is back by then; tokens that nobody could store are lost. */
const STORE_FOR_MS = 120_000
const STORE_PAUSE = { baseMs: 100, maxMs: 5000 }

/**
 * An account's tokens in the hands of whoever has its claim.
 *
 * A provider that rotates refresh tokens takes one back by answering to it, so an answer that is lost may lock its user out.
 * That a token is about to be sent is therefore stored before, under the account's row and the claim's epoch, and what came of it
 * at once after, for as long as the database takes. Whoever finds the word of a refresh without its end (its instance was killed, its answer
 * never came) tries the token once more: the provider may not have got it, or give it some grace. Refused then, the account is marked
 * with that as its reason.
 */
export class HeldTokens {
  readonly #db: DatabaseClient
  readonly #keys: SealingKeys
  readonly #claim: SyncClaim
  #tokens: AccountTokens
  #refreshed = false
  #version: number | undefined
  #inDoubt: boolean
  #refused: ReconnectReason | null = null

  static async open(db: DatabaseClient, keys: SealingKeys, claim: SyncClaim): Promise<HeldTokens> {
    return new HeldTokens(db, keys, claim, await openTokens(keys, claim, claim))
  }

  private constructor(db: DatabaseClient, keys: SealingKeys, claim: SyncClaim, tokens: AccountTokens) {
    this.#db = db
    this.#keys = keys
    this.#claim = claim
    this.#tokens = tokens
    this.#version = claim.tokensVersion
    this.#inDoubt = claim.refreshInDoubt
  }

  get accessToken(): string {
    return this.#tokens.accessToken
  }

  get refreshed(): boolean {
    return this.#refreshed
  }

  get seen(): TokensSeen {
    return { version: this.#version, inDoubt: this.#inDoubt, refused: this.#refused }
  }

  /** For whoever was refused with the access token. @throws RefusedTokens, Overtaken, AccountProviderError */
  async refresh(refresh: AccountProvider['refresh'], signal: AbortSignal): Promise<void> {
    const claim = this.#claim
    // With tokens that the provider has just given.
    if (this.#refreshed) throw this.#refuse('REFUSED')
    if (!refresh) {
      if (!claim.expired) throw this.#refuse('REFUSED')
      throw new AccountProviderError(
        'client',
        'a token has expired, and no client is set up that could refresh it',
      )
    }
    if (!(await beginRefresh(this.#db, claim))) throw new Overtaken()
    this.#inDoubt = true
    const fresh = await refresh(this.#tokens.refreshToken, signal).catch(error => {
      if (!(error instanceof AccountProviderError) || error.kind === 'away') throw error
      // An answer: this time it was not used up.
      this.#inDoubt = claim.refreshInDoubt
      if (error.kind === 'refused') throw this.#refuse(claim.refreshInDoubt ? 'REFRESH_LOST' : 'REFUSED')
      throw error
    })
    this.#version = await this.#store(fresh, fresh.expiresAt)
    this.#tokens = fresh
    this.#inDoubt = false
    this.#refreshed = true
  }

  async #store(tokens: AccountTokens, expiresAt: Date): Promise<number | undefined> {
    const sealed = sealTokens(this.#keys, this.#claim, tokens)
    const giveUpAt = performance.now() + STORE_FOR_MS
    for (let attempt = 1; ; attempt++) {
      try {
        return await storeRefreshedTokens(this.#db, this.#claim, sealed, expiresAt)
      } catch (error) {
        if (!mayPass(error) || performance.now() > giveUpAt) throw error
        await delay(backoffMs(attempt, STORE_PAUSE))
      }
    }
  }

  #refuse(reason: ReconnectReason): RefusedTokens {
    this.#refused = reason
    return new RefusedTokens(reason)
  }
}
