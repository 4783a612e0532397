import type { Clock } from './clock.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'

/** Leave to make one call. Exactly one of the three ends it; a second one does nothing. */
export interface BreakerPass {
  succeed(): void
  fail(): void
  /** The call was given up by us and says nothing about the provider. */
  abandon(): void
}

type State =
  | { type: 'closed'; failures: number }
  | { type: 'open'; untilMs: number }
  /** One call is out to see whether the provider works again; the others are refused until it is back. */
  | { type: 'half-open' }

/**
 * Keeps calls away from a provider that fails. Closed: calls pass; `openAfter` failures in a row open it. Open: nothing
 * passes for `openForMs`. Then half-open: a single call passes, and its end closes or opens the breaker again.
 *
 * A pass belongs to the state it was given in: what a call of an earlier state brings back late moves nothing.
 * From Nygard, "Release It!", 2007. cockatiel's was looked at: it takes the time from Date.now, counts a call that was
 * aborted while half-open as a success, and queues calls behind the one that is out without seeing their aborts.
 */
export class CircuitBreaker {
  readonly #clock: Clock
  readonly #openAfter: number
  readonly #openForMs: number
  readonly #onChange: (state: BreakerState) => void
  #state: State = { type: 'closed', failures: 0 }

  constructor(options: {
    clock: Clock
    openAfter: number
    openForMs: number
    onChange?: (state: BreakerState) => void
  }) {
    this.#clock = options.clock
    this.#openAfter = options.openAfter
    this.#openForMs = options.openForMs
    this.#onChange = options.onChange ?? (() => {})
  }

  get state(): BreakerState {
    return this.#state.type
  }

  /** @returns null when no call may be made now */
  enter(): BreakerPass | null {
    if (this.#state.type === 'half-open') return null
    if (this.#state.type === 'open') {
      if (this.#clock.nowMs() < this.#state.untilMs) return null
      this.#move({ type: 'half-open' })
    }
    return this.#passOf(this.#state)
  }

  #passOf(given: State): BreakerPass {
    let ended = false
    const end = (how: () => void) => () => {
      if (!ended && this.#state === given) how()
      ended = true
    }
    return {
      succeed: end(() => {
        if (given.type === 'closed') given.failures = 0
        else this.#move({ type: 'closed', failures: 0 })
      }),
      fail: end(() => {
        if (given.type === 'closed' && ++given.failures < this.#openAfter) return
        this.#move({ type: 'open', untilMs: this.#clock.nowMs() + this.#openForMs })
      }),
      // The next caller is the one to see; nobody has learned anything yet.
      abandon: end(() => {
        if (given.type === 'half-open') this.#move({ type: 'open', untilMs: this.#clock.nowMs() })
      }),
    }
  }

  #move(state: State): void {
    this.#state = state
    this.#onChange(state.type)
  }
}
