import type { Clock } from '../shared/clock.ts'

export interface WaitEnd {
  outcome: 'acquired' | 'timeout' | 'aborted'
  waitedMs: number
}

/** A waiter is in the list exactly as long as it has no end. */
interface Waiter<Mode> {
  readonly mode: Mode
  readonly askedAtMs: number
  readonly deadlineMs: number
  readonly resolve: (end: WaitEnd) => void
  previous: Waiter<Mode> | undefined
  next: Waiter<Mode> | undefined
  ended: boolean
  stopTimer: (() => void) | undefined
  stopWatching: (() => void) | undefined
}

/**
 * Who waits for one key, first come first served. Every waiter ends exactly once: by a grant from the front, by its
 * deadline, or by its signal, wherever it stands. Each of these costs the same however many wait (a linked list).
 */
export class WaitQueue<Mode> {
  readonly #clock: Clock
  readonly #aborts: AbortWatch
  readonly #onFrontLeft: () => void
  #first: Waiter<Mode> | undefined
  #last: Waiter<Mode> | undefined
  #length = 0

  /** `onFrontLeft` is told when the front gave up: whom it alone held back may fit now. */
  constructor(clock: Clock, aborts: AbortWatch, onFrontLeft: () => void) {
    this.#clock = clock
    this.#aborts = aborts
    this.#onFrontLeft = onFrontLeft
  }

  get length(): number {
    return this.#length
  }

  /** The signal must not have aborted yet. */
  wait(mode: Mode, timeoutMs: number, signal: AbortSignal | undefined): Promise<WaitEnd> {
    return new Promise(resolve => {
      const askedAtMs = this.#clock.nowMs()
      const waiter: Waiter<Mode> = {
        mode,
        askedAtMs,
        deadlineMs: askedAtMs + timeoutMs,
        resolve,
        previous: undefined,
        next: undefined,
        ended: false,
        stopTimer: undefined,
        stopWatching: undefined,
      }
      // Into the list last: something that is no signal throws here, and must not leave a waiter whom nobody hears.
      if (signal) waiter.stopWatching = this.#aborts.watch(signal, () => this.#leave(waiter, 'aborted'))
      // The timer holds the process open, for `timeoutMs` at most: a caller is still owed its answer.
      waiter.stopTimer = this.#clock.setTimer(() => this.#leave(waiter, 'timeout'), timeoutMs)
      this.#append(waiter)
    })
  }

  /**
   * Hands over from the front for as long as `take` takes. Whoever is past its deadline while its timer is late (a
   * blocked event loop) is timed out here, so that no grant ever comes after a deadline.
   */
  grantWhile(take: (mode: Mode) => boolean): void {
    if (!this.#first) return
    const nowMs = this.#clock.nowMs()
    while (this.#first) {
      const waiter = this.#first
      if (nowMs >= waiter.deadlineMs) this.#end(waiter, 'timeout', nowMs)
      else if (take(waiter.mode)) this.#end(waiter, 'acquired', nowMs)
      else return
    }
  }

  #append(waiter: Waiter<Mode>): void {
    waiter.previous = this.#last
    if (this.#last) this.#last.next = waiter
    else this.#first = waiter
    this.#last = waiter
    this.#length++
  }

  #leave(waiter: Waiter<Mode>, outcome: 'timeout' | 'aborted'): void {
    if (waiter.ended) return
    const wasFirst = waiter === this.#first
    this.#end(waiter, outcome, this.#clock.nowMs())
    if (wasFirst) this.#onFrontLeft()
  }

  #end(waiter: Waiter<Mode>, outcome: WaitEnd['outcome'], nowMs: number): void {
    waiter.ended = true
    if (waiter.previous) waiter.previous.next = waiter.next
    else this.#first = waiter.next
    if (waiter.next) waiter.next.previous = waiter.previous
    else this.#last = waiter.previous
    this.#length--
    waiter.stopTimer?.()
    waiter.stopWatching?.()
    waiter.resolve({ outcome, waitedMs: nowMs - waiter.askedAtMs })
  }
}

/**
 * One listener a signal, however many wait under it: an EventTarget looks through all its listeners at each addition
 * (10,000 on one signal took 190 ms, here 8).
 */
export class AbortWatch {
  readonly #watchedBySignal = new Map<
    AbortSignal,
    { callbacks: Set<() => void>; stopListening: () => void }
  >()

  /** Returns what stops it. */
  watch(signal: AbortSignal, callback: () => void): () => void {
    const { callbacks, stopListening } = this.#watchedBySignal.get(signal) ?? this.#listen(signal)
    callbacks.add(callback)
    return () => {
      callbacks.delete(callback)
      if (callbacks.size > 0) return
      stopListening()
      this.#watchedBySignal.delete(signal)
    }
  }

  #listen(signal: AbortSignal) {
    const callbacks = new Set<() => void>()
    const onAbort = () => {
      for (const callback of callbacks) callback()
    }
    signal.addEventListener('abort', onAbort)
    const watched = { callbacks, stopListening: () => signal.removeEventListener('abort', onAbort) }
    this.#watchedBySignal.set(signal, watched)
    return watched
  }
}
