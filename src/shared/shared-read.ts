import { runForMany } from './operation-scope.ts'

/**
 * Shares reads of the same key among callers without ever handing anybody what was read before they asked: a caller
 * joins only a read that has not been sent. One read of a key is under way at a time; whoever comes meanwhile gathers
 * for the next. N concurrent callers cost two reads or so, and a lone one waits for nothing.
 */
export class SharedRead<Value> {
  readonly #lineByKey = new Map<string, { current: Promise<unknown>; next: Promise<Value> | undefined }>()

  get size(): number {
    return this.#lineByKey.size
  }

  read(key: string, send: () => Promise<Value>): Promise<Value> {
    const line = this.#lineByKey.get(key)
    if (!line) return this.#send(key, send)
    line.next ??= line.current.then(
      () => this.#send(key, send),
      () => this.#send(key, send),
    )
    return line.next
  }

  #send(key: string, send: () => Promise<Value>): Promise<Value> {
    // It must not end with whoever happened to come first.
    const current = runForMany(send)
    const line = { current, next: undefined as Promise<Value> | undefined }
    this.#lineByKey.set(key, line)
    const done = () => {
      // With somebody gathered behind it, the line goes on under their read.
      if (this.#lineByKey.get(key) === line && !line.next) this.#lineByKey.delete(key)
    }
    current.then(done, done)
    return current
  }
}
