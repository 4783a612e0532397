import { AsyncLocalStorage } from 'node:async_hooks'
import { runForMany } from './operation-scope.ts'

const scope = new AsyncLocalStorage<string>()

/** Runs `work`, and whatever it awaits or starts, on behalf of a request: each line of the log says so. */
export function runInRequest<T>(requestId: string, work: () => T): T {
  return scope.run(requestId, work)
}

/** For what outlives the request that happened to set it going, as the polls that many share. */
export function runOutsideRequest<T>(work: () => T): T {
  return scope.exit(() => runForMany(work))
}

/** Undefined where nobody has asked for what is being done. */
export function currentRequestId(): string | undefined {
  return scope.getStore()
}
