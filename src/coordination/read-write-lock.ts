import type { Clock } from '../shared/clock.ts'
import { LONGEST_TIMER_MS } from '../shared/clock.ts'
import { LockQueueFullError, LockTimeoutError } from './lock-errors.ts'
import { AbortWatch, type WaitEnd, WaitQueue } from './wait-queue.ts'

export interface LockOptions {
  /** In errors and metrics; never anything personal. */
  name: string
  /** Callers that may wait for one key, readers and writers together; the next gets LockQueueFullError. 0: nobody waits. */
  maxWaiters: number
  clock: Clock
  /** Told once for each acquire, when its caller is about to learn how it ended. What it throws becomes a process warning. */
  onWait?: ((wait: LockWait) => void) | undefined
}

export interface LockWait {
  /** Personal where keys are user ids: fit for a label only where keys are few and public, as collections are. */
  key: string
  operation: string
  waitedMs: number
  outcome: 'acquired' | 'timeout' | 'aborted' | 'full'
}

export interface AcquireOptions {
  /** From 0 (only if free at once) to 2 147 483 647, the longest that a timer takes. */
  timeoutMs: number
  signal?: AbortSignal | undefined
  /** What the lock is wanted for: a label of metrics, so from a small fixed set. */
  operation: string
}

/** Held until released; releasing again does nothing, also when somebody else holds the key by then. */
export interface LockGrant extends Disposable {
  release(): void
}

type Mode = 'read' | 'write'
type Ended = Pick<LockWait, 'outcome' | 'waitedMs'>

/** In the map exactly while it is held; a key that nobody holds has no waiters either. */
interface HeldKey {
  readonly key: string
  readers: number
  writing: boolean
  readonly queue: WaitQueue<Mode>
}

/**
 * For each key either one writer or up to `maxReaders` readers, within this process. First come, first served: who does
 * not fit waits behind all who came before, so that a waiting writer stops later readers and neither side starves.
 * With readers alone it is a semaphore for each key.
 *
 * A release hands the key over in the same step, so nobody can slip in between; a grant whose caller aborted before
 * learning of it is handed on. The key's entry goes when nobody holds it, and never while somebody queues.
 * Not reentrant: who asks again for what it holds exclusively waits for itself until the timeout.
 * After golang.org/x/sync/semaphore.
 */
export class KeyedReadWriteLock {
  readonly name: string
  readonly #clock: Clock
  readonly #maxWaiters: number
  readonly #maxReaders: number
  readonly #onWait: ((wait: LockWait) => void) | undefined
  readonly #aborts = new AbortWatch()
  readonly #heldByKey = new Map<string, HeldKey>()

  constructor(options: LockOptions & { maxReaders: number }) {
    assertInteger('maxWaiters', options.maxWaiters, 0)
    assertInteger('maxReaders', options.maxReaders, 1)
    this.name = options.name
    this.#clock = options.clock
    this.#maxWaiters = options.maxWaiters
    this.#maxReaders = options.maxReaders
    this.#onWait = options.onWait
  }

  /** Keys held now. */
  get size(): number {
    return this.#heldByKey.size
  }

  /** Callers waiting now, over all keys. Linear in `size`. */
  get queueLength(): number {
    let length = 0
    for (const { queue } of this.#heldByKey.values()) length += queue.length
    return length
  }

  queueLengthOf(key: string): number {
    return this.#heldByKey.get(key)?.queue.length ?? 0
  }

  /** Runs the task while holding the key with other readers; see `runWrite`. */
  runRead<T>(key: string, options: AcquireOptions, task: () => T | PromiseLike<T>): Promise<T> {
    return this.#run('read', key, options, task)
  }

  /**
   * Runs the task while holding the key alone, until what it returns settles, whatever its signal does meanwhile; a
   * task is never started after its signal aborted. Settles as the task does, or as `acquireWrite` fails.
   */
  runWrite<T>(key: string, options: AcquireOptions, task: () => T | PromiseLike<T>): Promise<T> {
    return this.#run('write', key, options, task)
  }

  /** As `acquireWrite`, together with other readers. */
  acquireRead(key: string, options: AcquireOptions): Promise<LockGrant> {
    return this.#acquire('read', key, options)
  }

  /**
   * @throws {LockTimeoutError} after `timeoutMs`
   * @throws {LockQueueFullError} at once, when `maxWaiters` wait for the key
   * @throws the signal's reason, once it aborts
   */
  acquireWrite(key: string, options: AcquireOptions): Promise<LockGrant> {
    return this.#acquire('write', key, options)
  }

  async #run<T>(
    mode: Mode,
    key: string,
    options: AcquireOptions,
    task: () => T | PromiseLike<T>,
  ): Promise<T> {
    const grant = await this.#acquire(mode, key, options)
    try {
      // An abort can still fall between the grant and this line.
      options.signal?.throwIfAborted()
      return await task()
    } finally {
      grant.release()
    }
  }

  async #acquire(mode: Mode, key: string, options: AcquireOptions): Promise<LockGrant> {
    const { timeoutMs, signal, operation } = options
    if (!(timeoutMs >= 0 && timeoutMs <= LONGEST_TIMER_MS)) {
      throw new RangeError(`timeoutMs must be from 0 to ${LONGEST_TIMER_MS}, not ${timeoutMs}`)
    }
    const held = this.#heldByKey.get(key) ?? this.#openKey(key)
    const end = await this.#enter(held, mode, timeoutMs, signal)
    const { waitedMs } = end
    let { outcome } = end
    if (outcome === 'acquired' && signal?.aborted) {
      this.#release(held, mode)
      outcome = 'aborted'
    }
    this.#report({ key, operation, waitedMs, outcome })
    switch (outcome) {
      case 'acquired':
        return createGrant(() => this.#release(held, mode))
      case 'timeout':
        throw new LockTimeoutError(this.name, operation, waitedMs)
      case 'full':
        throw new LockQueueFullError(this.name, operation, this.#maxWaiters)
      case 'aborted':
        throw signal?.reason
    }
  }

  #enter(
    held: HeldKey,
    mode: Mode,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<WaitEnd> | Ended {
    if (signal?.aborted) return { outcome: 'aborted', waitedMs: 0 }
    if (held.queue.length === 0 && this.#take(held, mode)) return { outcome: 'acquired', waitedMs: 0 }
    if (timeoutMs === 0) return { outcome: 'timeout', waitedMs: 0 }
    if (held.queue.length >= this.#maxWaiters) return { outcome: 'full', waitedMs: 0 }
    return held.queue.wait(mode, timeoutMs, signal)
  }

  #openKey(key: string): HeldKey {
    const held: HeldKey = {
      key,
      readers: 0,
      writing: false,
      queue: new WaitQueue(this.#clock, this.#aborts, () => this.#admit(held)),
    }
    return held
  }

  #take(held: HeldKey, mode: Mode): boolean {
    if (held.writing) return false
    if (mode === 'read') {
      if (held.readers === this.#maxReaders) return false
      held.readers++
    } else {
      if (held.readers > 0) return false
      held.writing = true
    }
    this.#heldByKey.set(held.key, held)
    return true
  }

  #release(held: HeldKey, mode: Mode): void {
    if (mode === 'read') held.readers--
    else held.writing = false
    this.#admit(held)
    if (!held.writing && held.readers === 0) this.#heldByKey.delete(held.key)
  }

  #admit(held: HeldKey): void {
    held.queue.grantWhile(mode => this.#take(held, mode))
  }

  /** An observer at fault must neither lose a lock that was just taken nor fail its caller. */
  #report(wait: LockWait): void {
    try {
      this.#onWait?.(wait)
    } catch (error) {
      process.emitWarning(`An observer of the lock "${this.name}" threw`, { detail: String(error) })
    }
  }
}

function createGrant(release: () => void): LockGrant {
  let held = true
  const releaseOnce = () => {
    if (!held) return
    held = false
    release()
  }
  return { release: releaseOnce, [Symbol.dispose]: releaseOnce }
}

function assertInteger(name: string, value: number, min: number): void {
  if (!(Number.isSafeInteger(value) && value >= min)) {
    throw new RangeError(`${name} must be a whole number from ${min}, not ${value}`)
  }
}
