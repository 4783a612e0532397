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
/** Ingestions of all collections at once on an instance: each keeps a connection of the pool, and searches need the others. */
const MAX_INGESTIONS = 2

/** The locks of an instance, each named once, with their metrics. Between instances the database's own locks decide. */
export interface Locks {
  /** A user's memory: one writer at a time. */
  readonly memory: KeyedMutex
  /** The same for those who only read, who never wait for a writer: up to 10 at once. */
  readonly memoryReads: KeyedReadWriteLock
  /** A collection: one ingestion at a time. It never stands in the way of a search, so searches have seats of their own. */
  readonly collections: KeyedMutex
  /** Seats of the searches of a collection: readers alone. */
  readonly searches: KeyedReadWriteLock
  /** Seats of ingestions, whatever their collections, under one key: readers alone. */
  readonly ingestions: KeyedReadWriteLock
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
    searches: new KeyedReadWriteLock({
      name: 'searches',
      maxWaiters: MAX_WAITERS,
      maxReaders: MAX_SEARCHES,
      clock,
    }),
    ingestions: new KeyedReadWriteLock({
      name: 'ingestions',
      maxWaiters: MAX_WAITERS,
      maxReaders: MAX_INGESTIONS,
      clock,
    }),
    collections: new KeyedMutex({
      name: 'collections',
      maxWaiters: MAX_WAITERS,
      clock,
    }),
  }
}

/** For the health page: callers in each lock's queues, and keys held. */
export function lockFigures({ memory, memoryReads, collections, searches, ingestions }: Locks) {
  const of = (lock: { queueLength: number; size: number }) => ({ waiting: lock.queueLength, held: lock.size })
  return {
    memory: of(memory),
    memoryReads: of(memoryReads),
    collections: of(collections),
    searches: of(searches),
    ingestions: of(ingestions),
  }
}
