import { abortable } from '../shared/abort.ts'
import { backoffMs } from '../shared/backoff.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { ChangeListener } from './change-wakes.ts'

export interface FeedRequest {
  key: string
  after: number
}

export interface ChangeFeedOptions<Row> {
  name: string
  /**
   * For each request the rows of its key whose counter is above `after`, in their order, `PAGE_SIZE` at most. One statement
   * for all. The counter is the key's own, raised under its row's lock, so that a row can never appear below a cursor.
   */
  read(requests: readonly FeedRequest[]): Promise<Row[][]>
  /** The counter of a row, by the key that it is read for. */
  cursorOf(row: Row, key: string): number
  clock: Clock
  logger: Logger
  random?: () => number
}

/** What a follower holds of what it has not sent yet, at most. */
export const PAGE_SIZE = 100
/** Followers in one statement. */
const MAX_BATCH = 500
/** A wake that was lost is made good after that. */
const POLL_MS = { min: 3000, max: 6000 }
const RETRY = { baseMs: 100, maxMs: 2000 }

interface Follower<Row> {
  readonly key: string
  after: number
  page: Row[]
  /** Something may be there that has not been read. */
  dirty: boolean
  ended: boolean
  /** Wakes `next()`, which waits for something to happen. */
  wake: () => void
}

/**
 * Rows of an ordered log, to everyone who follows one of its keys: each row once and in order, whoever wrote it. A follower
 * subscribes first, then reads from its cursor, then reads again whenever it is woken. It reads only when its consumer
 * asks for more: a consumer that stops reading holds one page, and is brought to the newest row when it goes on.
 *
 * Reads are shared by all followers of the process: one statement at a time, and who becomes due meanwhile waits for the next.
 */
export class ChangeFeed<Row> implements ChangeListener {
  readonly #options: ChangeFeedOptions<Row>
  readonly #followersByKey = new Map<string, Set<Follower<Row>>>()
  #due = new Map<Follower<Row>, (rows: Row[]) => void>()
  #reading = false
  #closed = new AbortController()
  #cancelPoll: (() => void) | undefined

  constructor(options: ChangeFeedOptions<Row>) {
    this.#options = options
  }

  get size(): number {
    let size = 0
    for (const followers of this.#followersByKey.values()) size += followers.size
    return size
  }

  wake(key: string): void {
    for (const follower of this.#followersByKey.get(key) ?? []) {
      follower.dirty = true
      follower.wake()
    }
  }

  wakeAll(): void {
    for (const key of this.#followersByKey.keys()) this.wake(key)
  }

  /** Ends every follower. */
  close(): void {
    this.#closed.abort()
    this.#cancelPoll?.()
    for (const followers of this.#followersByKey.values())
      for (const follower of followers) this.#end(follower)
  }

  /** The rows of a key after a cursor, then each new one, until the signal aborts or the consumer returns. */
  follow(key: string, after: number, signal?: AbortSignal): AsyncIterableIterator<Row> {
    const follower: Follower<Row> = { key, after, page: [], dirty: true, ended: false, wake: () => {} }
    const followers = this.#followersByKey.get(key) ?? new Set()
    this.#followersByKey.set(key, followers)
    followers.add(follower)
    this.#schedulePoll()
    const end = () => {
      this.#end(follower)
      signal?.removeEventListener('abort', end)
    }
    if (signal?.aborted || this.#closed.signal.aborted) end()
    signal?.addEventListener('abort', end, { once: true })
    return {
      next: () => this.#next(follower),
      async return() {
        end()
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  async #next(follower: Follower<Row>): Promise<IteratorResult<Row>> {
    while (!follower.ended) {
      const row = follower.page.shift()
      if (row !== undefined) {
        follower.after = this.#options.cursorOf(row, follower.key)
        return { done: false, value: row }
      }
      if (follower.dirty) {
        follower.dirty = false
        follower.page = await this.#readOf(follower)
        if (follower.page.length >= PAGE_SIZE) follower.dirty = true
        continue
      }
      await new Promise<void>(resolve => {
        follower.wake = resolve
      })
      follower.wake = () => {}
    }
    return { done: true, value: undefined }
  }

  #end(follower: Follower<Row>): void {
    follower.ended = true
    follower.page = []
    const followers = this.#followersByKey.get(follower.key)
    followers?.delete(follower)
    if (followers?.size === 0) this.#followersByKey.delete(follower.key)
    if (this.#followersByKey.size === 0) {
      this.#cancelPoll?.()
      this.#cancelPoll = undefined
    }
    this.#due.get(follower)?.([])
    this.#due.delete(follower)
    follower.wake()
  }

  #readOf(follower: Follower<Row>): Promise<Row[]> {
    return new Promise(resolve => {
      this.#due.set(follower, resolve)
      void this.#read()
    })
  }

  async #read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    // Those who become due in the same turn, as by one wake, go together.
    await Promise.resolve()
    for (let failures = 0; this.#due.size > 0; ) {
      const batch = [...this.#due].slice(0, MAX_BATCH)
      try {
        await this.#readBatch(batch)
        failures = 0
      } catch (error) {
        failures++
        this.#options.logger.warn(
          { err: error, failures },
          `changes of ${this.#options.name} could not be read`,
        )
        await this.#pause(backoffMs(failures, RETRY))
      }
    }
    this.#reading = false
  }

  async #readBatch(batch: readonly [Follower<Row>, (rows: Row[]) => void][]): Promise<void> {
    const requests = new Map<string, FeedRequest & { index: number }>()
    const nameOf = ({ key, after }: FeedRequest) => `${after} ${key}`
    for (const [{ key, after }] of batch) {
      const name = nameOf({ key, after })
      if (!requests.has(name)) requests.set(name, { key, after, index: requests.size })
    }
    const pages = await this.#options.read([...requests.values()].map(({ key, after }) => ({ key, after })))
    for (const [follower, resolve] of batch) {
      // A follower that has ended meanwhile was answered then.
      if (!this.#due.delete(follower)) continue
      const request = requests.get(nameOf(follower))
      resolve([...((request && pages[request.index]) ?? [])])
    }
  }

  async #pause(ms: number): Promise<void> {
    let cancel = () => {}
    const pause = new Promise<void>(resolve => {
      cancel = this.#options.clock.setTimer(resolve, ms)
    })
    await abortable(pause, this.#closed.signal).catch(() => {})
    cancel()
  }

  #schedulePoll(): void {
    if (this.#cancelPoll || this.#closed.signal.aborted) return
    const { clock, random = Math.random } = this.#options
    this.#cancelPoll = clock.setTimer(
      () => {
        this.#cancelPoll = undefined
        this.wakeAll()
        if (this.#followersByKey.size > 0) this.#schedulePoll()
      },
      POLL_MS.min + random() * (POLL_MS.max - POLL_MS.min),
    )
  }
}
