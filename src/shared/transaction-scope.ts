import { AsyncLocalStorage } from 'node:async_hooks'

const scope = new AsyncLocalStorage<string>()

/** Runs `work` marked as inside the transaction `name`, as is everything that it awaits. */
export function runInTransactionScope<T>(name: string, work: () => Promise<T>): Promise<T> {
  return scope.run(name, work)
}

/** Leaves the mark behind: for work that a transaction starts and does not wait for. */
export function runOutsideTransactionScope<T>(work: () => T): T {
  return scope.exit(work)
}

/**
 * Keeps network calls out of transactions: a provider that takes a minute would hold a connection and its locks as long.
 * @throws Error when called inside a transaction.
 */
export function assertOutsideTransaction(what: string): void {
  const name = scope.getStore()
  if (name !== undefined)
    throw new Error(`${what} inside the transaction ${name}: make the call before or after it`)
}
