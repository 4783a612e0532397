import { AsyncLocalStorage } from 'node:async_hooks'

export interface BatcherOptions<Key, Value> {
  /** What each key comes to, in the order of the keys. Called in the context of whoever made the batcher, never of a caller. */
  load: (keys: readonly Key[]) => Promise<readonly Value[]>
  /** The same text for keys that ask for the same: of those that wait together one is sent. */
  identify: (key: Key) => string
  /** Keys of one batch at most. */
  maxKeys: number
  /** Where spans are collected: asked for by each key, so that a batch is a span of whoever has asked first. */
  carry?: () => <T>(work: () => T) => T
  /** Told of each batch as it is sent. */
  onBatch?: (keys: number) => void
}

/** While two are under way, one is with the database and the other on its way there or back; a third would only be smaller. */
const MAX_UNDER_WAY = 2
/** Callers behind a database that hangs. Many times what a full house of clients asks for; some 50 MB. */
const MAX_WAITING = 100_000

/** So much is asked for already that one more would wait for too long. Nothing was read. */
export class BatcherFullError extends Error {
  override readonly name = 'BatcherFullError'
}

/** A caller's keys, which may go out with several batches. */
interface Group<Value> {
  readonly values: Value[]
  missing: number
  readonly resolve: (values: Value[]) => void
  readonly reject: (error: unknown) => void
}

/** A key, and the places in the groups of those who want it. */
interface Waiting<Key, Value> {
  readonly key: Key
  readonly groups: Group<Value>[]
  readonly places: number[]
  readonly carried: (<T>(work: () => T) => T) | undefined
}

/**
 * Reads for all callers of the process with few statements: a batch goes out while others gather behind it. Who asks when none is
 * under way goes out at once, with what is asked by the same piece of work; when one is, at the end of the event loop's turn, with
 * whoever asks in the same turn. Neither waits for anything. Nobody is handed what was read before they asked: a key joins only a batch that has not been
 * sent. A batch belongs to nobody: a caller that leaves takes nothing from the others; all of a batch share its failure.
 */
export class Batcher<Key, Value> {
  readonly #options: BatcherOptions<Key, Value>
  readonly #gathering = new Map<string, Waiting<Key, Value>>()
  /** Nothing of a caller goes on in a batch that it happened to send, neither its transaction nor its name in the log. */
  readonly #outside = AsyncLocalStorage.snapshot()
  #underWay = 0
  #leaving = false

  constructor(options: BatcherOptions<Key, Value>) {
    this.#options = options
  }

  identify(key: Key): string {
    return this.#options.identify(key)
  }

  async load(key: Key): Promise<Value> {
    const [value] = await this.loadMany([key])
    return value as Value
  }

  /** One promise for all of them: a page asks for twenty, and so do a hundred others at the same time. */
  loadMany(keys: readonly Key[]): Promise<Value[]> {
    if (keys.length === 0) return Promise.resolve([])
    if (this.#isFullFor(keys))
      return Promise.reject(new BatcherFullError('too many reads wait for the database'))
    const { promise, resolve, reject } = Promise.withResolvers<Value[]>()
    const group: Group<Value> = { values: new Array(keys.length), missing: keys.length, resolve, reject }
    const carried = this.#options.carry?.()
    for (let place = 0; place < keys.length; place++) {
      const key = keys[place] as Key
      const id = this.#options.identify(key)
      const known = this.#gathering.get(id)
      if (known) {
        known.groups.push(group)
        known.places.push(place)
      } else this.#gathering.set(id, { key, groups: [group], places: [place], carried })
    }
    this.#leave()
    return promise
  }

  /** Who asks for what is waited for anyway costs nothing. */
  #isFullFor(keys: readonly Key[]): boolean {
    if (this.#gathering.size + keys.length <= MAX_WAITING) return false
    const others = keys.filter(key => !this.#gathering.has(this.#options.identify(key)))
    return this.#gathering.size + others.length > MAX_WAITING
  }

  #leave(): void {
    if (this.#leaving || this.#underWay >= MAX_UNDER_WAY) return
    this.#leaving = true
    const leave = () => {
      this.#leaving = false
      this.#send()
    }
    if (this.#underWay === 0) process.nextTick(leave)
    else setImmediate(leave)
  }

  #send(): void {
    while (this.#gathering.size > 0 && this.#underWay < MAX_UNDER_WAY) {
      const batch: Waiting<Key, Value>[] = []
      for (const [id, waiting] of this.#gathering) {
        if (batch.length === this.#options.maxKeys) break
        this.#gathering.delete(id)
        batch.push(waiting)
      }
      this.#underWay++
      this.#options.onBatch?.(batch.length)
      const carried = batch[0]?.carried
      void this.#outside(() => (carried ? carried(() => this.#answer(batch)) : this.#answer(batch)))
    }
  }

  async #answer(batch: readonly Waiting<Key, Value>[]): Promise<void> {
    try {
      const values = await this.#options.load(batch.map(({ key }) => key))
      if (values.length !== batch.length)
        throw new Error('a batch has another number of answers than of keys')
      // Theirs before the next batch's: what has been read is not held up by what has not.
      for (const [index, { groups, places }] of batch.entries()) give(values[index] as Value, groups, places)
    } catch (error) {
      for (const { groups } of batch) for (const { reject } of groups) reject(error)
    }
    this.#underWay--
    this.#send()
  }
}

function give<Value>(value: Value, groups: readonly Group<Value>[], places: readonly number[]): void {
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i] as Group<Value>
    group.values[places[i] as number] = value
    if (--group.missing === 0) group.resolve(group.values)
  }
}
