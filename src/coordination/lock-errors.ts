/**
 * The lock did not come free within the caller's bound; nothing is held. Carries no key: keys are user ids, and errors
 * are logged.
 */
export class LockTimeoutError extends Error {
  override readonly name = 'LockTimeoutError'
  readonly code = 'LOCK_TIMEOUT'
  readonly lockName: string
  readonly operation: string
  readonly waitedMs: number

  constructor(lockName: string, operation: string, waitedMs: number) {
    super(`${operation} gave up on the lock "${lockName}" after ${Math.round(waitedMs)} ms`)
    this.lockName = lockName
    this.operation = operation
    this.waitedMs = waitedMs
  }
}

/** As many callers as may already wait for this key; the caller was turned away at once. */
export class LockQueueFullError extends Error {
  override readonly name = 'LockQueueFullError'
  readonly code = 'LOCK_QUEUE_FULL'
  readonly lockName: string
  readonly operation: string
  readonly maxWaiters: number

  constructor(lockName: string, operation: string, maxWaiters: number) {
    super(`${operation} was turned away from the lock "${lockName}": ${maxWaiters} wait already`)
    this.lockName = lockName
    this.operation = operation
    this.maxWaiters = maxWaiters
  }
}
