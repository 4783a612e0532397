import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { PointCounter } from '../../redis/point-counter.ts'

/** Points of a window that this instance has fetched for a key, and not spent yet. */
interface Stock {
  left: number
  endsAtMs: number
  /** Nothing more is to be had in this window. */
  empty: boolean
}

/** Whoever has spent nothing for a while is forgotten; what was fetched for it is lost to it until its window ends. */
const MAX_KEYS = 50_000
/** Fetched at once: most requests then wait for nothing, and what lies unspent on another instance is little. */
const PARTS = 50

/**
 * So many points for a key in each window, for all instances together. An instance fetches some in advance and spends them
 * without asking; since each fetch gets a stretch of the count that nobody else gets, more than the limit is never spent,
 * however many fetch at once. What is fetched and not spent is lost with the window.
 */
export class Allowance {
  readonly #limit: number
  readonly #counter: PointCounter
  readonly #nowMs: () => number
  readonly #stocks = new LRUCache<string, Stock>({ max: MAX_KEYS })
  readonly #fetching = new Map<string, Promise<void>>()

  constructor(options: { limit: number; counter: PointCounter; nowMs: () => number }) {
    this.#limit = options.limit
    this.#counter = options.counter
    this.#nowMs = options.nowMs
  }

  /** What is known here, without asking. @returns how long until there is anything again; 0 where there may be */
  exhaustedForMs(key: string): number {
    const stock = this.#stocks.get(key)
    return stock?.empty && stock.left === 0 ? Math.max(0, stock.endsAtMs - this.#nowMs()) : 0
  }

  /** Spends all of the points, or none. @returns 0, or in how many milliseconds to try again */
  spend(key: string, points: number): number | Promise<number> {
    return this.#spendStock(key, points) ?? this.#fetchAndSpend(key, points)
  }

  /** Spends all of the points, or as many as are left. */
  async spendUpTo(key: string, points: number): Promise<void> {
    if ((await this.spend(key, points)) === 0) return
    const stock = this.#stocks.get(key)
    // One that is not empty belongs to a window that has begun meanwhile.
    if (stock?.empty) stock.left = 0
  }

  #spendStock(key: string, points: number): number | undefined {
    const stock = this.#stocks.get(key)
    if (!stock) return undefined
    const endsInMs = stock.endsAtMs - this.#nowMs()
    if (endsInMs <= 0) return undefined
    if (stock.left >= points) {
      stock.left -= points
      return 0
    }
    return stock.empty ? endsInMs : undefined
  }

  async #fetchAndSpend(key: string, points: number): Promise<number> {
    for (;;) {
      const fetching = this.#fetching.get(key)
      if (fetching) await fetching
      else {
        const fetched = this.#fetch(key, points).finally(() => this.#fetching.delete(key))
        this.#fetching.set(key, fetched)
        await fetched
      }
      const spent = this.#spendStock(key, points)
      if (spent !== undefined) return spent
    }
  }

  async #fetch(key: string, points: number): Promise<void> {
    const wanted = Math.max(points, Math.ceil(this.#limit / PARTS))
    // Users are not told of to Redis.
    const { counted, endsInMs } = await this.#counter.add(
      createHash('sha256').update(key).digest('base64url'),
      wanted,
    )
    const before = counted - wanted
    const granted = Math.min(wanted, Math.max(0, this.#limit - before))
    const nowMs = this.#nowMs()
    const stock = this.#stocks.get(key)
    const left = stock && stock.endsAtMs > nowMs ? stock.left : 0
    // A window of no time at all would have whoever waits for it ask again and again.
    const endsAtMs = nowMs + Math.max(1, endsInMs)
    this.#stocks.set(key, { left: left + granted, endsAtMs, empty: counted >= this.#limit })
  }
}
