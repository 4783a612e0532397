import type { Clock } from './clock.ts'

/**
 * Lets the first steps of work begin a few at a time, in the order of their arrival, so that under a burst what has begun
 * gets on before more begins: everything is done just as soon, and most of it much sooner. A courtesy and no lock: once no
 * step has ended for `stalledMs`, all who wait go on, so that nobody waits behind steps that hang; and nobody waits for
 * longer than `patienceMs`.
 */
export class FewAtOnce {
  readonly #options: { most: number; stalledMs: number; patienceMs: number; clock: Clock }
  #running = 0
  readonly #waiting = new Set<() => void>()
  #cancelStall: (() => void) | undefined

  constructor(options: { most: number; stalledMs: number; patienceMs: number; clock: Clock }) {
    this.#options = options
  }

  get waiting(): number {
    return this.#waiting.size
  }

  async run<Value>(step: () => Promise<Value>): Promise<Value> {
    if (this.#running < this.#options.most) this.#running++
    else await this.#turn()
    try {
      return await step()
    } finally {
      this.#running--
      if (this.#running < this.#options.most) this.#waiting.values().next().value?.()
      this.#watch()
    }
  }

  #turn(): Promise<void> {
    return new Promise(resolve => {
      const go = () => {
        cancelTimer()
        this.#waiting.delete(go)
        // Here and not when the step begins: whoever comes in between finds the place taken.
        this.#running++
        resolve()
      }
      const cancelTimer = this.#options.clock.setTimer(go, this.#options.patienceMs)
      this.#waiting.add(go)
      if (this.#waiting.size === 1) this.#watch()
    })
  }

  /** Begins anew to wait for the end of a step, as long as somebody waits behind it. */
  #watch(): void {
    this.#cancelStall?.()
    this.#cancelStall =
      this.#waiting.size === 0
        ? undefined
        : this.#options.clock.setTimer(() => {
            for (const go of [...this.#waiting]) go()
          }, this.#options.stalledMs)
  }
}
