import type { Clock } from '../shared/clock.ts'
import type { Metrics } from '../shared/metrics.ts'
import { KeyedMutex } from './keyed-mutex.ts'
import { KeyedReadWriteLock, type LockWait } from './read-write-lock.ts'

/** Callers that may wait for one key; beyond it, waiting longer helps nobody and the caller is told at once. */
const MAX_WAITERS = 1000
/** Searches of one collection at once on an instance. */
const MAX_SEARCHES = 20
/** Reads of one user's memory at once on an instance. */
const MAX_MEMORY_READS = 10

/** The locks of an instance, each named once, with their metrics. Between instances the database's own locks decide. */
export interface Locks {
  /** A user's memory: one writer at a time. */
  readonly memory: KeyedMutex
  /** The same for those who only read, who never wait for a writer: up to 10 at once. */
  readonly memoryReads: KeyedReadWriteLock
  /** A collection: one ingestion, or up to 20 searches. */
  readonly collections: KeyedReadWriteLock
}

export function createLocks(options: { clock: Clock; metrics: Metrics }): Locks {
  const { clock, metrics } = options
  return {
    memory: new KeyedMutex({
      name: 'memory',
      maxWaiters: MAX_WAITERS,
      clock,
      onWait({ operation, waitedMs, outcome }: LockWait) {
        metrics.memoryLockContention.observe({ operation }, waitedMs / 1000)
        if (outcome === 'timeout') metrics.memoryLockTimeouts.inc()
      },
    }),
    memoryReads: new KeyedReadWriteLock({
      name: 'memory-reads',
      maxWaiters: MAX_WAITERS,
      maxReaders: MAX_MEMORY_READS,
      clock,
      onWait({ operation, waitedMs, outcome }: LockWait) {
        metrics.memoryLockContention.observe({ operation }, waitedMs / 1000)
        if (outcome === 'timeout') metrics.memoryLockTimeouts.inc()
      },
    }),
    collections: new KeyedReadWriteLock({
      name: 'collections',
      maxWaiters: MAX_WAITERS,
      maxReaders: MAX_SEARCHES,
      clock,
      // A collection's name is no user's: few, and chosen by operators.
      onWait({ key, outcome }: LockWait) {
        if (outcome === 'timeout') metrics.collectionLockTimeouts.inc({ collection_name: key })
      },
    }),
  }
}

/** For the health page: callers in each lock's queues, and keys held. */
export function lockFigures({ memory, memoryReads, collections }: Locks) {
  const of = (lock: { queueLength: number; size: number }) => ({ waiting: lock.queueLength, held: lock.size })
  return { memory: of(memory), memoryReads: of(memoryReads), collections: of(collections) }
}
