/** Rejects with the signal's reason once it aborts, else settles as the promise does. The promise itself goes on. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  if (signal.aborted) {
    promise.catch(() => {})
    return Promise.reject(signal.reason)
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/**
 * Settles as the promise does, or with what `late` gives or throws where that takes longer than `timeoutMs`. The promise itself goes on,
 * and nobody is told what becomes of it then.
 */
export function inTime<T, Late = never>(
  promise: Promise<T>,
  timeoutMs: number,
  late: () => Late,
): Promise<T | Late> {
  return new Promise((resolve, reject) => {
    let over: NodeJS.Immediate | undefined
    const settle = () => {
      try {
        resolve(late())
      } catch (error) {
        reject(error)
      }
    }
    const timer = setTimeout(() => {
      // An answer that lies there unread, because this process was busy, is read before.
      over = setImmediate(settle)
    }, timeoutMs)
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer)
      clearImmediate(over)
    })
  })
}

/** Waits, or rejects with the signal's reason. */
export function delay(delayMs: number, signal?: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const elapsed = new Promise<void>(resolve => {
    timer = setTimeout(resolve, delayMs)
  })
  return abortable(elapsed, signal).finally(() => clearTimeout(timer))
}
