import type { GenerationKind, GenerationPhase, GenerationRow } from '../database/generations.ts'
import type { Transaction } from '../database/transaction.ts'
import type { Archetype } from '../shared/archetype.ts'

/** What a run is for. The key is built by the use case from the authenticated user, never from a client's string. */
export interface RunSubject {
  key: string
  kind: GenerationKind
  userId: string
  archetype: Archetype | null
}

/** The right to generate for a key, as long as nobody else has got a higher epoch. */
export interface Lease extends RunSubject {
  readonly runId: string
  /** The fencing token. */
  readonly epoch: number
  /** Failures in a row before this run. */
  readonly attempts: number
  readonly takeoverCause: 'expired' | 'owner_gone' | null
}

export type Acquisition =
  | { type: 'acquired'; lease: Lease }
  | { type: 'running'; runId: string }
  /** The newest run failed, and until `retryAt` nobody may start the next one. */
  | { type: 'backing-off'; runId: string; retryAt: Date }

export interface RunFailure {
  message: string
  retryable: boolean
  /** Null lets the next request start a new run at once. */
  retryAfterMs: number | null
}

/**
 * Who may generate, across all instances. `PostgresLeases` is the real one; `LocalLeases` serves COORDINATION=local and
 * simulation. Both promise: of all leases ever granted for a key, only the one with the highest epoch can commit, once.
 */
export interface Leases {
  /** @param claim a UUID for this acquisition: tried again with it, after an answer that was lost, it gives the same lease. */
  acquire(subject: RunSubject, claim?: string): Promise<Acquisition>
  /** @returns those of the leases that are still held, renewed for the TTL from now. */
  renew(leases: readonly Lease[]): Promise<readonly Lease[]>
  /** Tells whoever follows the run, where it can. @returns false when the lease has passed on. */
  advance(
    lease: Lease,
    to: { phase: GenerationPhase; progress: number; inputRevision?: number; text?: string },
  ): Promise<boolean>
  /**
   * Ends the run with what `store` stores, in one transaction whose first statement is the fence.
   * @returns the id of what was stored.
   * @throws FencedError when the lease has passed on or the run has ended; nothing is stored then.
   */
  commit(lease: Lease, store: StoreResult): Promise<string>
  /** @returns undefined when the lease has passed on. */
  fail(lease: Lease, failure: RunFailure): Promise<{ retryAt: Date | null } | undefined>
  /** Lets anybody take the run over at once. */
  handOver(lease: Lease): Promise<void>
  /** Ends a run that turned out not to be needed, with the result that another had just made. */
  withdraw(lease: Lease, found: { resultId: string; inputRevision: number }): Promise<void>
  find(runIds: readonly string[]): Promise<GenerationRow[]>
}

/** Stores the result inside the commit's transaction. @returns the id of what it stored. */
export type StoreResult = (
  transaction: Transaction,
  run: { runId: string; epoch: number; committedAt: Date },
) => Promise<string>

export class FencedError extends Error {
  override readonly name = 'FencedError'
}

/** Why the signal of a run aborts when its owner may no longer act for it. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError'
}
