import { AsyncResource } from 'node:async_hooks'
import type { Clock } from '../../src/shared/clock.ts'

interface Timer {
  dueMs: number
  /** Timers that are due at the same moment fire in the order in which they were set. */
  order: number
  callback: () => void
}

/** The time of a simulated world, and of its database. It moves only when the test says so. */
export class SimulatedTime {
  #nowMs = 0
  #order = 0
  readonly #timers = new Set<Timer>()

  get nowMs(): number {
    return this.#nowMs
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer = {
      dueMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      callback: AsyncResource.bind(callback),
    }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  wait(delayMs: number): Promise<void> {
    return new Promise(resolve => this.setTimer(resolve, delayMs))
  }

  /** Goes to the next timer and fires it. @returns false when none is due by `untilMs`. */
  fireNext(untilMs = Number.POSITIVE_INFINITY): boolean {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (!next || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order))
        next = timer
    }
    if (!next || next.dueMs > untilMs) return false
    this.#timers.delete(next)
    this.#nowMs = next.dueMs
    next.callback()
    return true
  }

  /** Time passes; after each timer everything runs that it has set going and that waits for nothing else. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    while (this.fireNext(untilMs)) await settled()
    this.#nowMs = untilMs
  }
}

interface HostTimer {
  callback: () => void
  cancel: () => void
  /** In the world's time. */
  dueMs: number
}

/** The clock of one host. Its hands may stand elsewhere than the world's, and go faster or slower. */
export class SimulatedClock implements Clock {
  readonly #time: SimulatedTime
  readonly #offsetMs: number
  readonly #rate: number
  readonly #timers = new Set<HostTimer>()
  /** Came due while the host was stopped. */
  readonly #overdue: HostTimer[] = []
  #stopped = false

  constructor(time: SimulatedTime, options: { offsetMs?: number; rate?: number } = {}) {
    this.#time = time
    this.#offsetMs = options.offsetMs ?? 0
    this.#rate = options.rate ?? 1
  }

  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Timers that will not have fired when so much time has passed. */
  timersBeyond(ms: number): number {
    const byMs = this.#time.nowMs + ms / this.#rate
    return [...this.#timers].filter(timer => timer.dueMs > byMs).length
  }

  nowMs(): number {
    return this.#offsetMs + this.#time.nowMs * this.#rate
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer: HostTimer = { callback, cancel: () => {}, dueMs: 0 }
    this.#timers.add(timer)
    this.#arm(timer, delayMs / this.#rate)
    return () => {
      timer.cancel()
      this.#timers.delete(timer)
    }
  }

  /** SIGSTOP: time goes on, and no timer fires. */
  stop(): void {
    this.#stopped = true
  }

  /** SIGCONT: what came due meanwhile fires now, in order. */
  continue(): void {
    this.#stopped = false
    for (const timer of this.#overdue.splice(0)) if (this.#timers.has(timer)) this.#arm(timer, 0)
  }

  /** SIGKILL: no timer fires any more. */
  kill(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  #arm(timer: HostTimer, delayMs: number): void {
    timer.dueMs = this.#time.nowMs + delayMs
    timer.cancel = this.#time.setTimer(() => {
      if (this.#stopped) {
        this.#overdue.push(timer)
        return
      }
      this.#timers.delete(timer)
      timer.callback()
    }, delayMs)
  }
}

/** Everything has run that waits for nothing but its turn. */
export function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
