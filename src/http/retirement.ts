import { setTimeout as sleep } from 'node:timers/promises'

/** Whoever is sent away comes again at once, somewhere else: at this rate, that instance takes them in beside its work. */
const MS_PER_END = 10
/** Of many the last one goes then, however many they are. */
const LONGEST_WINDOW_MS = 5000
/** For one that came although the instance is stopping: its client has been told so by nobody yet. */
const LATE_MS = { min: 500, max: 1500 }

/**
 * The subscriptions of an instance that stops: each is ended, with jitter, in a way that makes its client subscribe again and
 * resume elsewhere; all at once they would fall upon the instances that are left.
 */
export class Retirement {
  readonly #ends = new Set<() => Promise<void>>()
  readonly #random: () => number
  #ending: Set<Promise<void>> | undefined

  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  get size(): number {
    return this.#ends.size
  }

  get begun(): boolean {
    return this.#ending !== undefined
  }

  /** @param end ends it, once; it must bound its own time. @returns what forgets it, when it has ended by itself */
  add(end: () => Promise<void>): () => void {
    this.#ends.add(end)
    if (this.#ending) this.#retire(end, LATE_MS.min + this.#random() * (LATE_MS.max - LATE_MS.min))
    return () => void this.#ends.delete(end)
  }

  /** Begins, or goes on, and waits until all have ended, for `timeoutMs` at most. */
  async run(timeoutMs: number): Promise<void> {
    if (!this.#ending) {
      this.#ending = new Set()
      const windowMs = Math.min(LONGEST_WINDOW_MS, this.#ends.size * MS_PER_END, timeoutMs / 2)
      for (const end of this.#ends) this.#retire(end, this.#random() * windowMs)
    }
    const timer = new AbortController()
    const timeout = sleep(timeoutMs, true, { signal: timer.signal }).catch(() => true)
    const ended = async () => {
      while (this.#ending?.size) await Promise.all(this.#ending)
    }
    await Promise.race([ended(), timeout])
    timer.abort()
  }

  #retire(end: () => Promise<void>, delayMs: number): void {
    const ended = sleep(delayMs)
      .then(() => (this.#ends.delete(end) ? end() : undefined))
      .catch(() => {})
      .finally(() => this.#ending?.delete(ended))
    this.#ending?.add(ended)
  }
}
