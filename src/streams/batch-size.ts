/** Messages in one read and one transaction, at most. */
const LARGEST = 200
const FIRST = 25
/** What a batch may weigh; more is read and stored in smaller steps. */
const ROOMY_BYTES = 8 * 1024 * 1024

/**
 * How many messages to take next. Senders decide how large a message is: a batch that cannot be read in time would be
 * given out again as it is, and keep everything behind it for ever.
 */
export class BatchSize {
  #current = FIRST

  get current(): number {
    return this.#current
  }

  took(count: number, bytes: number): void {
    if (bytes > ROOMY_BYTES) this.#current = Math.max(1, Math.floor(this.#current / 2))
    else if (count >= this.#current) this.#current = Math.min(LARGEST, this.#current * 2)
  }

  timedOut(): void {
    this.#current = Math.max(1, Math.floor(this.#current / 4))
  }
}
