import type { ChangeListener } from '../../coordination/change-wakes.ts'
import type { Queryable } from '../../database/client.ts'
import { findLiveSessions } from '../../database/sessions.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'

/** Sessions in one statement. */
const MAX_BATCH = 1000
/** Over a database that is away; what is followed ends with its access token in any case, minutes later. */
const RETRY_MS = 2000

/**
 * Tells whoever acts for a session for longer than a request that it has ended, on whichever instance. A wake carries nothing: whether a session lives
 * is read, by one statement at a time for all that are due.
 */
export class SessionWatch implements ChangeListener {
  readonly #db: Queryable
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #watchersById = new Map<string, Set<() => void>>()
  readonly #due = new Set<string>()
  #reading = false
  #closed = false
  #cancelRetry = () => {}

  constructor(options: { db: Queryable; clock: Clock; logger: Logger }) {
    this.#db = options.db
    this.#clock = options.clock
    this.#logger = options.logger
  }

  /** Calls once, also for a session that has ended since its token was looked at. @returns what ends the watching */
  watch(sessionId: string, onEnd: () => void): () => void {
    const watchers = this.#watchersById.get(sessionId) ?? new Set()
    watchers.add(onEnd)
    this.#watchersById.set(sessionId, watchers)
    this.wake(sessionId)
    return () => {
      watchers.delete(onEnd)
      if (watchers.size === 0 && this.#watchersById.get(sessionId) === watchers)
        this.#watchersById.delete(sessionId)
    }
  }

  wake(sessionId: string): void {
    if (!this.#watchersById.has(sessionId)) return
    this.#due.add(sessionId)
    void this.#read()
  }

  wakeAll(): void {
    for (const id of this.#watchersById.keys()) this.#due.add(id)
    void this.#read()
  }

  close(): void {
    this.#closed = true
    this.#cancelRetry()
  }

  async #read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    let reading: string[] = []
    try {
      while (this.#due.size > 0 && !this.#closed) {
        reading = [...this.#due].slice(0, MAX_BATCH)
        // Before they are read: one that is woken meanwhile is read again.
        for (const id of reading) this.#due.delete(id)
        const live = new Set(await findLiveSessions(this.#db, reading))
        for (const id of reading) if (!live.has(id)) this.#end(id)
      }
    } catch (error) {
      for (const id of reading) this.#due.add(id)
      this.#logger.warn({ err: error }, 'sessions could not be looked at')
      if (!this.#closed) this.#cancelRetry = this.#clock.setTimer(() => void this.#read(), RETRY_MS)
    } finally {
      this.#reading = false
    }
  }

  #end(sessionId: string): void {
    const watchers = this.#watchersById.get(sessionId)
    this.#watchersById.delete(sessionId)
    for (const onEnd of watchers ?? []) onEnd()
  }
}
