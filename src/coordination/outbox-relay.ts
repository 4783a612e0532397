import type { Queryable } from '../database/client.ts'
import { claimEvents, markPublished, type StoredEvent } from '../database/outbox.ts'
import { backoffMs } from '../shared/backoff.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'

export interface OutboxRelayOptions {
  db: Queryable
  /** Publishes in order; may throw, and is then tried again. Absent: there is nobody to publish to. */
  publish: ((events: readonly StoredEvent[]) => Promise<void>) | undefined
  clock: Clock
  logger: Logger
}

const BATCH = 100
/** Longer than publishing a batch takes; an instance that dies meanwhile delays its batch by so much. */
const CLAIM_MS = 30_000
/** A wake may come from another instance's commit, which this one does not hear of. */
const POLL_MS = 2000
const RETRY = { baseMs: 200, maxMs: 10_000 }

/**
 * Carries events from the outbox to those who listen elsewhere: each at least once, a batch at a time and by one instance
 * at a time. Committed with their change, they outlive a crash right after it.
 */
export class OutboxRelay {
  readonly #options: OutboxRelayOptions
  #running: Promise<void> | undefined
  #again = false
  #closed = false
  #failures = 0
  #cancelTimer: (() => void) | undefined

  constructor(options: OutboxRelayOptions) {
    this.#options = options
  }

  /** Something was committed, or may have been. */
  wake(): void {
    if (this.#closed) return
    this.#again = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer?.()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options
    this.#cancelTimer?.()
    try {
      while (this.#again && !this.#closed) {
        this.#again = false
        if ((await this.#relayBatch()) === BATCH) this.#again = true
      }
      this.#failures = 0
    } catch (error) {
      this.#failures++
      logger.warn({ err: error, failures: this.#failures }, 'events were not published; they are kept')
    }
    if (this.#closed) return
    const delayMs = this.#failures > 0 ? backoffMs(this.#failures, RETRY) : POLL_MS
    this.#cancelTimer = clock.setTimer(() => this.wake(), delayMs)
  }

  async #relayBatch(): Promise<number> {
    const { db, publish } = this.#options
    const events = await claimEvents(db, BATCH, CLAIM_MS)
    if (events.length > 0) {
      await publish?.(events)
      await markPublished(
        db,
        events.map(event => event.id),
      )
    }
    return events.length
  }
}
