import {
  type AcquireOptions,
  KeyedReadWriteLock,
  type LockGrant,
  type LockOptions,
} from './read-write-lock.ts'

/**
 * One holder at a time for each key, within this process: a read–write lock that nobody reads, with all of that lock's
 * promises (first come first served, handed over at release, bounded waiting, nothing kept for a key not in use).
 */
export class KeyedMutex {
  readonly #lock: KeyedReadWriteLock

  constructor(options: LockOptions) {
    this.#lock = new KeyedReadWriteLock({ ...options, maxReaders: 1 })
  }

  get name(): string {
    return this.#lock.name
  }

  /** Keys held now. */
  get size(): number {
    return this.#lock.size
  }

  /** Callers waiting now, over all keys. Linear in `size`. */
  get queueLength(): number {
    return this.#lock.queueLength
  }

  queueLengthOf(key: string): number {
    return this.#lock.queueLengthOf(key)
  }

  /**
   * Runs the task while holding the key, until what it returns settles, whatever its signal does meanwhile; a task is
   * never started after its signal aborted. Not reentrant: a task that asks for its own key waits until the timeout.
   * Settles as the task does, or as `acquire` fails.
   */
  runExclusive<T>(key: string, options: AcquireOptions, task: () => T | PromiseLike<T>): Promise<T> {
    return this.#lock.runWrite(key, options, task)
  }

  /**
   * @throws {LockTimeoutError} after `timeoutMs`
   * @throws {LockQueueFullError} at once, when `maxWaiters` wait for the key
   * @throws the signal's reason, once it aborts
   */
  acquire(key: string, options: AcquireOptions): Promise<LockGrant> {
    return this.#lock.acquireWrite(key, options)
  }
}
