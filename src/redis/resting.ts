import { inTime } from '../shared/abort.ts'

/** Long enough that a Redis that hangs costs little, short enough that one that is back is soon used. */
const REST_MS = 2000

/**
 * Leaves a Redis that did not answer alone for a moment: whoever asks meanwhile fails at once instead of waiting for its
 * own timeout. For questions that can be answered without Redis.
 */
export class Resting {
  readonly #answerWithinMs: number
  #untilMs = Number.NEGATIVE_INFINITY

  constructor(answerWithinMs: number) {
    this.#answerWithinMs = answerWithinMs
  }

  /** @throws what the question throws, and where there is no answer in time or none is asked for. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    if (performance.now() < this.#untilMs)
      throw new Error('Redis did not answer and is left alone for a moment')
    try {
      return await inTime(question(), this.#answerWithinMs, () => {
        throw new Error('Redis did not answer in time')
      })
    } catch (error) {
      this.#untilMs = performance.now() + REST_MS
      throw error
    }
  }
}
