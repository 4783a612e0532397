import { randomUUID } from 'node:crypto'
import type { DatabaseClient } from '../database/client.ts'
import { findGenerationsByIds, type GenerationRow } from '../database/generations.ts'
import {
  acquireLease,
  advanceLease,
  endOrphanedLease,
  failLease,
  fenceLease,
  findAbandonedLeases,
  handOverLease,
  type NewLease,
  readLeaseHolder,
  recordSuccess,
  renewLeases,
  withdrawLease,
} from '../database/leases.ts'
import { SQLSTATE, sqlState } from '../database/postgres-errors.ts'
import type { RunTransaction } from '../database/transaction.ts'
import {
  type AbandonedRun,
  type AcquireOptions,
  type Acquisition,
  FencedError,
  type Lease,
  type Leases,
  type RunFailure,
  type RunSubject,
  type StoreResult,
} from './lease.ts'

/** Between the try and the look at the holder a run may end; that it does so again and again is not contention. */
const MAX_ACQUIRE_TRIES = 3

export interface PostgresLeasesOptions {
  client: DatabaseClient
  transaction: RunTransaction
  /** The number under which this instance shows that it lives; may change when it has to start over. */
  owner: () => number
  ttlMs: number
  /** Whether the steps of a run are told by NOTIFY; their ends always are. False where Redis carries them. */
  notifiesProgress: boolean
}

export class PostgresLeases implements Leases {
  readonly #client: DatabaseClient
  readonly #transaction: RunTransaction
  readonly #owner: () => number
  readonly #ttlMs: number
  readonly #notifiesProgress: boolean

  constructor(options: PostgresLeasesOptions) {
    this.#client = options.client
    this.#transaction = options.transaction
    this.#owner = options.owner
    this.#ttlMs = options.ttlMs
    this.#notifiesProgress = options.notifiesProgress
  }

  async acquire(subject: RunSubject, options: AcquireOptions = {}): Promise<Acquisition> {
    const { claim = randomUUID(), request = null, continues } = options
    for (let attempt = 1; attempt <= MAX_ACQUIRE_TRIES; attempt++) {
      const acquired = await this.#tryAcquire({ ...subject, claim, request, continues: continues ?? null })
      if (acquired) return { type: 'acquired', lease: { ...subject, ...acquired } }
      if (continues !== undefined) return { type: 'running', runId: continues }
      const holder = await readLeaseHolder(this.#client, subject.key)
      if (holder?.state === 'RUNNING') return { type: 'running', runId: holder.runId }
      if (holder?.retryAt) return { type: 'backing-off', runId: holder.runId, retryAt: holder.retryAt }
    }
    // Refused although nobody runs: this claim has had its run, whose end is there to be read.
    return { type: 'running', runId: claim }
  }

  async #tryAcquire(wanted: Omit<NewLease, 'owner' | 'ttlMs'>) {
    try {
      return await acquireLease(this.#client, { ...wanted, owner: this.#owner(), ttlMs: this.#ttlMs })
    } catch (error) {
      // Somebody holds the row for longer than a statement may wait: a commit that hangs. Its server ends it; follow it until then.
      if (sqlState(error) === SQLSTATE.lockNotAvailable) return undefined
      throw error
    }
  }

  async renew(leases: readonly Lease[]): Promise<readonly Lease[]> {
    const held = leases.map(({ key, epoch }) => ({ key, epoch }))
    const renewed = await renewLeases(this.#client, this.#ttlMs, held)
    const epochByKey = Map.groupBy(renewed, ({ key }) => key)
    return leases.filter(lease => epochByKey.get(lease.key)?.some(({ epoch }) => epoch === lease.epoch))
  }

  advance(lease: Lease, to: Parameters<Leases['advance']>[1]): Promise<boolean> {
    return advanceLease(this.#client, lease, to, this.#notifiesProgress)
  }

  commit(lease: Lease, store: StoreResult): Promise<string> {
    return this.#transaction(`commit-${lease.kind.toLowerCase().replaceAll('_', '-')}`, async transaction => {
      const committedAt = await fenceLease(transaction, lease, this.#ttlMs)
      if (!committedAt) throw new FencedError('the lease has passed on')
      const { runId, epoch } = lease
      const resultId = await store(transaction, { runId, epoch, committedAt })
      await recordSuccess(transaction, runId, committedAt, resultId)
      return resultId
    })
  }

  fail(lease: Lease, failure: RunFailure): Promise<{ retryAt: Date | null } | undefined> {
    return failLease(this.#client, lease, failure)
  }

  handOver(lease: Lease, { byOrder } = { byOrder: true }): Promise<void> {
    return handOverLease(this.#client, lease, byOrder)
  }

  withdraw(lease: Lease, found: { resultId: string; inputRevision: number }): Promise<void> {
    return withdrawLease(this.#client, lease, found)
  }

  find(runIds: readonly string[]): Promise<GenerationRow[]> {
    return findGenerationsByIds(this.#client, runIds)
  }

  findAbandoned(limit: number): Promise<AbandonedRun[]> {
    return findAbandonedLeases(this.#client, limit)
  }

  endOrphaned(run: AbandonedRun): Promise<void> {
    return endOrphanedLease(this.#client, run)
  }
}
