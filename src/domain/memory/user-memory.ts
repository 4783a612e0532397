import type { KeyedMutex } from '../../coordination/keyed-mutex.ts'
import { LockQueueFullError, LockTimeoutError } from '../../coordination/lock-errors.ts'
import type { KeyedReadWriteLock } from '../../coordination/read-write-lock.ts'
import type { Queryable } from '../../database/client.ts'
import {
  confirmFacts,
  findCurrentFacts,
  findCurrentFactsOf,
  insertFacts,
  lockMemory,
  type MemoryFactRow,
  supersedeFacts,
} from '../../database/memory-facts.ts'
import { SQLSTATE, sqlState } from '../../database/postgres-errors.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { FactDraft } from '../../providers/memory.ts'
import { Batcher } from '../../shared/batcher.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Metrics } from '../../shared/metrics.ts'
import { mergeFacts } from './merge-facts.ts'

export interface UserMemoryOptions {
  db: Queryable
  transaction: RunTransaction
  locks: { memory: KeyedMutex; memoryReads: KeyedReadWriteLock }
  /** For both locks together. */
  lockTimeoutMs: number
  clock: Clock
  metrics: Metrics
}

/** Whose memories are read together: of each up to some hundreds of facts. */
const MAX_USERS = 50

export type StoreFactsOutcome =
  /** The facts that were told, new or known. */
  | { type: 'stored'; facts: MemoryFactRow[]; current: MemoryFactRow[] }
  | { type: 'lock-timeout'; waitedMs: number }

/**
 * What is known of users. Writers of one user take their turn: in this process by a mutex, across instances by an advisory
 * lock of the transaction that writes. Readers wait for no writer, and ten of one user read at once.
 */
export class UserMemory {
  readonly #options: UserMemoryOptions
  readonly #facts: Batcher<string, MemoryFactRow[]>

  constructor(options: UserMemoryOptions) {
    this.#options = options
    this.#facts = new Batcher({
      load: async userIds => {
        const factsByUser = Map.groupBy(await findCurrentFactsOf(options.db, userIds), row => row.userId)
        return userIds.map(id => factsByUser.get(id) ?? [])
      },
      identify: userId => userId,
      maxKeys: MAX_USERS,
      onBatch: options.metrics.observeBatches('memoryByUser'),
    })
  }

  /** What counts now, oldest first. @throws {LockTimeoutError} where too many read it already. */
  read(userId: string, signal?: AbortSignal): Promise<MemoryFactRow[]> {
    const { locks, lockTimeoutMs } = this.#options
    return locks.memoryReads.runRead(userId, { timeoutMs: lockTimeoutMs, signal, operation: 'read' }, () =>
      this.#facts.load(userId),
    )
  }

  /** All of them or none: each once, a newer one of a slot in place of the older, which becomes history. */
  async store(
    userId: string,
    drafts: readonly FactDraft[],
    saidAt: Date | null = null,
  ): Promise<StoreFactsOutcome> {
    const { locks, lockTimeoutMs, clock } = this.#options
    const startedAtMs = clock.nowMs()
    try {
      return await locks.memory.runExclusive(
        userId,
        { timeoutMs: lockTimeoutMs, operation: 'remember' },
        () => this.#storeAcross(userId, drafts, saidAt, startedAtMs),
      )
    } catch (error) {
      if (error instanceof LockTimeoutError || error instanceof LockQueueFullError)
        return { type: 'lock-timeout', waitedMs: clock.nowMs() - startedAtMs }
      throw error
    }
  }

  /** @throws {LockTimeoutError} when what is left of the time runs out before another instance's writer is done. */
  async #storeAcross(
    userId: string,
    drafts: readonly FactDraft[],
    saidAt: Date | null,
    startedAtMs: number,
  ): Promise<StoreFactsOutcome> {
    const { transaction, lockTimeoutMs, clock, metrics } = this.#options
    return transaction('remember-facts', async db => {
      const askedAtMs = clock.nowMs()
      const timedOut = () => {
        metrics.memoryLockTimeouts.inc()
        return new LockTimeoutError('memory', 'remember', clock.nowMs() - startedAtMs)
      }
      const leftMs = lockTimeoutMs - (askedAtMs - startedAtMs)
      if (leftMs <= 0) throw timedOut()
      await lockMemory(db, userId, leftMs).catch(error => {
        throw sqlState(error) === SQLSTATE.lockNotAvailable ? timedOut() : error
      })
      metrics.memoryLockContention.observe(
        { operation: 'remember_across_instances' },
        (clock.nowMs() - askedAtMs) / 1000,
      )
      const before = await findCurrentFacts(db, userId)
      const { insert, supersede, confirm, ids } = mergeFacts(before, drafts, saidAt)
      if (supersede.length > 0) await supersedeFacts(db, supersede)
      const inserted = insert.length > 0 ? await insertFacts(db, userId, insert, saidAt) : []
      if (confirm.length > 0) await confirmFacts(db, confirm, saidAt)
      const gone = new Set(supersede.map(({ id }) => id))
      const current = [...before.filter(({ id }) => !gone.has(id)), ...inserted]
      const byId = new Map(current.map(row => [row.id, row]))
      return { type: 'stored', current, facts: ids.flatMap(id => byId.get(id) ?? []) }
    })
  }
}
