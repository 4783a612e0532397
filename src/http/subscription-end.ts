import type { ExecutionResult } from 'graphql'
import { LONGEST_TIMER_MS } from '../shared/clock.ts'

/** The results of a subscription, up to and with the first one that must be the last. */
export function endAfter(
  source: AsyncIterable<ExecutionResult>,
  isLast: (result: ExecutionResult) => boolean,
): AsyncIterableIterator<ExecutionResult> {
  const results = source[Symbol.asyncIterator]()
  let ended = false
  return {
    async next() {
      if (ended) return { done: true, value: undefined }
      const result = await results.next()
      if (!result.done && isLast(result.value)) {
        ended = true
        void Promise.resolve(results.return?.()).catch(() => {})
      }
      return result
    },
    async return() {
      ended = true
      await results.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/**
 * The results of a subscription until an instant, or until `endsEarly` calls, then a last one that says why nothing follows. The source is told to
 * end then, whatever it waits for.
 * @param endsEarly may call once, at any time; what it returns is called when it need not any more
 */
export function endAt(
  source: AsyncIterable<ExecutionResult>,
  endsAt: Date,
  expired: () => ExecutionResult,
  endsEarly: (end: (lastResult: () => ExecutionResult) => void) => () => void = () => () => {},
): AsyncIterableIterator<ExecutionResult> {
  const results = source[Symbol.asyncIterator]()
  let lastResult = expired
  const done = { done: true, value: undefined } as const
  let state: 'open' | 'ending' | 'ended' = 'open'
  /** The consumer's `next()`, while it waits for the source. */
  let answer: ((result: IteratorResult<ExecutionResult>) => void) | undefined
  let timer: NodeJS.Timeout
  let leave = () => {}

  const arm = () => {
    const leftMs = endsAt.getTime() - Date.now()
    timer = setTimeout(
      () => (endsAt.getTime() > Date.now() ? arm() : end()),
      Math.min(leftMs, LONGEST_TIMER_MS),
    )
  }
  const end = () => {
    if (state !== 'open') return
    state = 'ending'
    clearTimeout(timer)
    leave()
    // It may wait for something that never comes; its answer is of no interest any more.
    void Promise.resolve(results.return?.()).catch(() => {})
    if (!answer) return
    state = 'ended'
    answer({ done: false, value: lastResult() })
  }
  const close = () => {
    state = 'ended'
    clearTimeout(timer)
    leave()
  }
  arm()
  leave = endsEarly(why => {
    if (state === 'open') lastResult = why
    end()
  })

  return {
    next() {
      if (state === 'ended') return Promise.resolve(done)
      if (state === 'ending') {
        state = 'ended'
        return Promise.resolve({ done: false, value: lastResult() })
      }
      return new Promise((resolve, reject) => {
        answer = resolve
        results.next().then(
          result => {
            if (answer !== resolve) return
            answer = undefined
            if (result.done) close()
            resolve(result)
          },
          error => {
            close()
            reject(error)
          },
        )
      })
    },
    async return() {
      close()
      await results.return?.()
      answer?.(done)
      return done
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
