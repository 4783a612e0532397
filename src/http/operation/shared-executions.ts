import { AsyncLocalStorage } from 'node:async_hooks'
import { OperationScope, untilEnd } from '../../shared/operation-scope.ts'

/** While one is with the database, the answers of the other go out; a third would only be smaller. */
const MAX_UNDER_WAY = 2
/** Whoever gathers behind slow executions waits for no longer: to share must not make anybody late. */
const GATHERING_MS = 250

/** The executions of one key. There is one as long as any is under way. */
interface Line<Result> {
  underWay: number
  gathering: Gathering<Result> | undefined
}

export interface Execution<Result> {
  /** Of whoever waits for it: it ends with their answer, their deadline, or when they leave. */
  readonly scope: OperationScope
  /** Called once, for whoever came first, in the context of that one; the scope is that of all who wait. */
  readonly begin: (scope: OperationScope) => Promise<Result>
}

/**
 * Executes what is the same for several callers once, without ever handing anybody what was read before they asked: a caller
 * joins only an execution that has not begun. Two of a key are under way at a time; whoever comes meanwhile gathers for
 * the next, which begins when one of the two ends, or in a quarter of a second. A lone caller waits for nothing. An execution
 * goes on for as long as anybody waits for it, and ends with the last one who leaves.
 */
export class SharedExecutions<Result> {
  readonly #lineByKey = new Map<string, Line<Result>>()

  /** Keys of which something is under way. */
  get size(): number {
    return this.#lineByKey.size
  }

  /** @returns what it comes to, and whether somebody who came before has set it going */
  run(key: string, execution: Execution<Result>): { result: Promise<Result>; joined: boolean } {
    let line = this.#lineByKey.get(key)
    if (!line) {
      line = { underWay: 0, gathering: undefined }
      this.#lineByKey.set(key, line)
    }
    // One that has begun takes nobody in: it is its caller's alone, and ends with it.
    if (line.underWay < MAX_UNDER_WAY) return { result: this.#begin(key, line, execution), joined: false }
    const joined = line.gathering !== undefined
    line.gathering ??= this.#gather(key, line, execution)
    return { result: line.gathering.join(execution.scope), joined }
  }

  #begin(key: string, line: Line<Result>, { scope, begin }: Execution<Result>): Promise<Result> {
    line.underWay++
    const result = untilEnd(begin(scope), scope)
    const done = () => {
      line.underWay--
      // Before the callers have theirs: the database works while their answers go out.
      if (line.gathering && line.underWay < MAX_UNDER_WAY) line.gathering.begin()
      if (line.underWay === 0) this.#lineByKey.delete(key)
    }
    result.then(done, done)
    return result
  }

  #gather(key: string, line: Line<Result>, { begin }: Execution<Result>): Gathering<Result> {
    const gathering: Gathering<Result> = new Gathering(scope => {
      line.gathering = undefined
      return this.#begin(key, line, { scope, begin })
    })
    gathering.scope.onEnd(() => {
      if (line.gathering !== gathering) return
      gathering.forget()
      line.gathering = undefined
    })
    return gathering
  }
}

/** Callers of one execution that has not begun, and then those who wait for it. */
class Gathering<Result> {
  /** Of all of them: ends with the last one. */
  readonly scope = new OperationScope()
  readonly #answer = Promise.withResolvers<Result>()
  readonly #begin: (scope: OperationScope) => Promise<Result>
  /** Whatever frees its place must not have it done in its own name. */
  readonly #inContext = AsyncLocalStorage.snapshot()
  readonly #timer = setTimeout(() => this.begin(), GATHERING_MS)
  #callers = 0

  constructor(begin: (scope: OperationScope) => Promise<Result>) {
    this.#begin = begin
  }

  join(scope: OperationScope): Promise<Result> {
    this.#callers++
    return new Promise((resolve, reject) => {
      this.#answer.promise.then(resolve, reject)
      scope.onEnd(() => {
        const reason = scope.end?.reason
        reject(reason)
        if (--this.#callers === 0) this.scope.endWith(reason)
      })
    })
  }

  begin(): void {
    this.forget()
    this.#inContext(() => this.#begin(this.scope)).then(this.#answer.resolve, this.#answer.reject)
  }

  forget(): void {
    clearTimeout(this.#timer)
  }
}
