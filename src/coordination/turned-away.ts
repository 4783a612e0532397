import { GroupCommitFullError } from './group-commit.ts'
import { LockQueueFullError, LockTimeoutError } from './lock-errors.ts'

/** Too much was asked for at once, and nothing was done: a later try may succeed. */
export function isTurnedAway(error: unknown): boolean {
  return (
    error instanceof GroupCommitFullError ||
    error instanceof LockQueueFullError ||
    error instanceof LockTimeoutError
  )
}
