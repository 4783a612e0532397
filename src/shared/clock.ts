import { runOutsideRequest } from './request-scope.ts'

/** setTimeout takes 32 bits; a longer time would fire at once. */
export const LONGEST_TIMER_MS = 2_147_483_647

/** Time of this process, as an argument so that tests can own it. Instants that are stored come from the database's clock. */
export interface Clock {
  /** Monotonic milliseconds; only differences mean something. */
  nowMs(): number
  /** Calls back once after `delayMs`; returns what cancels it. */
  setTimer(callback: () => void, delayMs: number): () => void
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  setTimer(callback, delayMs) {
    // A timer is mostly a poll for many, which one request happened to set going; whoever waits for it knows for whom.
    const timer = runOutsideRequest(() => setTimeout(callback, delayMs))
    return () => clearTimeout(timer)
  },
}
