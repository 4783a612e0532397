import type { Queryable } from '../../database/client.ts'
import { changeInterviewStatus } from '../../database/interview-changes.ts'
import { countOverdueInterviews, lockOverdueInterviews, tryDeadlineLock } from '../../database/interviews.ts'
import type { RunTransaction } from '../../database/transaction.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Metrics } from '../../shared/metrics.ts'

export interface DeadlineWatchOptions {
  db: Queryable
  transaction: RunTransaction
  deadlineMs: number
  eventsCommitted: () => void
  clock: Clock
  logger: Logger
  metrics: Metrics
}

/** In one transaction; more of them wait for the next round, which follows at once. */
const BATCH = 100
/** An interview fails a twentieth of its deadline late at most, and five seconds. */
const ROUND_MS = { min: 100, max: 5000 }

/**
 * Leaves no interview ENHANCING beyond its deadline, whatever has become of its job, its message or the listener: runs on
 * every instance, one at work at a time. The last line of defence, so it depends on the database alone.
 */
export class DeadlineWatch {
  readonly #options: DeadlineWatchOptions
  #cancelTimer: (() => void) | undefined
  #round: Promise<void> | undefined
  #closed = false

  constructor(options: DeadlineWatchOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, deadlineMs } = this.#options
    if (this.#closed) return
    const pauseMs = Math.min(ROUND_MS.max, Math.max(ROUND_MS.min, deadlineMs / 20))
    this.#cancelTimer = clock.setTimer(() => {
      this.#round = this.#watch().finally(() => this.start())
    }, pauseMs)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer?.()
    await this.#round
  }

  async #watch(): Promise<void> {
    const { db, deadlineMs, logger, metrics } = this.#options
    try {
      while (!this.#closed && (await this.#failOverdue()) === BATCH);
      metrics.interviewsStuck.set(await countOverdueInterviews(db, deadlineMs))
    } catch (error) {
      logger.warn({ err: error }, 'overdue interviews could not be looked for')
    }
  }

  /** @returns how many. */
  async #failOverdue(): Promise<number> {
    const { db, transaction, deadlineMs, eventsCommitted, logger } = this.#options
    // Nearly always there are none: not worth a transaction.
    if ((await countOverdueInterviews(db, deadlineMs)) === 0) return 0
    return transaction('interviews-fail-overdue', async transaction => {
      if (!(await tryDeadlineLock(transaction))) return 0
      const overdue = await lockOverdueInterviews(transaction, deadlineMs, BATCH)
      if (overdue.length === 0) return 0
      const reason = `No prompt arrived within ${describe(deadlineMs)}. Retry the interview.`
      await changeInterviewStatus(
        transaction,
        overdue.map(({ id }) => ({ interviewId: id, to: 'FAILED', reason })),
      )
      transaction.afterCommit(eventsCommitted)
      transaction.afterCommit(() => {
        logger.warn({ interviews: overdue.length }, 'interviews were failed: no prompt arrived in time')
      })
      return overdue.length
    })
  }
}

function describe(ms: number): string {
  return ms >= 120_000 ? `${Math.round(ms / 60_000)} minutes` : `${Math.round(ms / 100) / 10} seconds`
}
