import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * One operation of a client, from its start until it has its answer, its deadline, or nobody who waits for it. What works
 * for it alone stops when it ends; what others share goes on, and is started outside of it.
 */
export class OperationScope {
  /** Made only where there is something to stop. */
  #stops: Set<() => void> | undefined
  #end: { reason: unknown } | undefined
  #controller: AbortController | undefined

  /** Why it was ended before it had its answer. */
  get end(): { readonly reason: unknown } | undefined {
    return this.#end
  }

  /** Made only where somebody asks for it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#end) this.#controller.abort(this.#end.reason)
    return this.#controller.signal
  }

  /** @param stop called once when it ends; it must not throw. @returns what forgets it */
  onEnd(stop: () => void): () => void {
    if (this.#end) {
      stop()
      return () => {}
    }
    this.#stops ??= new Set()
    const stops = this.#stops
    stops.add(stop)
    return () => void stops.delete(stop)
  }

  endWith(reason: unknown): void {
    if (this.#end) return
    this.#end = { reason }
    this.#controller?.abort(reason)
    const stops = this.#stops
    this.#stops = undefined
    for (const stop of stops ?? []) stop()
  }
}

/** Settles as the work does, or rejects with the reason why the operation has ended before. */
export function untilEnd<T>(work: Promise<T>, scope: OperationScope): Promise<T> {
  return new Promise((resolve, reject) => {
    const forget = scope.onEnd(() => reject(scope.end?.reason))
    work.then(
      value => {
        forget()
        resolve(value)
      },
      error => {
        forget()
        reject(error)
      },
    )
  })
}

const current = new AsyncLocalStorage<OperationScope>()

/** Runs `work`, and whatever it awaits or starts, for that operation alone: statements that it sends are cancelled with it. */
export function runInOperation<T>(scope: OperationScope, work: () => T): T {
  return current.run(scope, work)
}

/** For what several operations share, and one of them happened to set going: it must not end with that one. */
export function runForMany<T>(work: () => T): T {
  return current.exit(work)
}

export function currentOperation(): OperationScope | undefined {
  return current.getStore()
}
