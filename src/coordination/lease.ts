import type { GenerationKind, GenerationPhase, GenerationRow } from '../database/generations.ts'
import type { Transaction } from '../database/transaction.ts'
import type { Archetype } from '../shared/archetype.ts'
import type { JsonValue } from '../shared/json.ts'

/** What a run is for. The key is built by the use case from the authenticated user, never from a client's string. */
export interface RunSubject {
  key: string
  kind: GenerationKind
  userId: string
  archetype: Archetype | null
}

/** The data revision of a run that has read nothing, and the need of who takes what any run has read. Users begin at 0. */
export const NO_REVISION = -1

/** The right to generate for a key, as long as nobody else has got a higher epoch. */
export interface Lease extends RunSubject {
  readonly runId: string
  /** The fencing token. */
  readonly epoch: number
  /** Failures in a row before this run. */
  readonly attempts: number
  readonly takeoverCause: 'expired' | 'owner_gone' | null
  /** Owners that the run has lost before this one, those not counted that handed it over by order. */
  readonly lostOwners: number
  /** What `RunSpec.request` said when the run was begun, by whomever; null where that is not stored. */
  readonly request: JsonValue
}

/** A run in flight whose owner is gone or has not renewed in time, as far as it is stored. */
export interface AbandonedRun {
  runId: string
  key: string
  epoch: number
  /** Its lease has expired, or was handed over; else its owner is gone, or has lost its session and may be back soon. */
  expired: boolean
  /** What `RunSpec.request` said when the run was begun. */
  request: JsonValue
  /** Possibly one that a newer version makes. Null where the run's record is gone, with its user. */
  kind: string | null
  userId: string | null
  archetype: Archetype | null
}

export interface AcquireOptions {
  /** A UUID for this acquisition: tried again with it, after an answer that was lost, it gives the same lease. */
  claim?: string
  /** What the run can be described by again, should its owner be lost. A run that is taken over keeps its own. */
  request?: JsonValue
  /** Only this run is taken over, while it has not ended; no other is begun. */
  continues?: string
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
  acquire(subject: RunSubject, options?: AcquireOptions): Promise<Acquisition>
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
  /** Lets anybody take the run over at once. Where the owner does not leave `byOrder`, it counts as lost. */
  handOver(lease: Lease, options?: { byOrder: boolean }): Promise<void>
  /** Ends a run that turned out not to be needed, with the result that another had just made. */
  withdraw(lease: Lease, found: { resultId: string; inputRevision: number }): Promise<void>
  find(runIds: readonly string[]): Promise<GenerationRow[]>
  /** Runs of all instances that anybody may take over, `limit` of them where there are more. */
  findAbandoned(limit: number): Promise<AbandonedRun[]>
  /** Ends a lease whose run is gone with its user. */
  endOrphaned(run: AbandonedRun): Promise<void>
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
