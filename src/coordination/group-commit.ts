export interface GroupCommitOptions<Key, Item, Result> {
  /** In errors; never anything personal. */
  name: string
  /** Items that one commit takes at most. */
  maxBatch: number
  /** Items that may wait, over all keys; the next gets GroupCommitFullError. 0: whatever cannot start at once is turned away. */
  maxQueued: number
  /** Commits under way at once, over all keys: what they take of the pool. Unbounded where nothing is said. */
  maxAtWork?: number | undefined
  /**
   * A commit begins at the end of the event loop's turn, with all who have come in it, and not with the first of them alone:
   * for callers who come in crowds, as those do whom the commit before has just answered.
   */
  gathersTurn?: boolean | undefined
  /**
   * Does the work of all items, in one transaction, or none of it. @returns a result for each item, in their order.
   * It must end by itself: a commit that hangs holds its key.
   */
  commit: (key: Key, items: readonly Item[]) => Promise<readonly Result[]>
  /**
   * Whether what a commit of several items threw may be the fault of one of them, and none of it was done. Such a batch is
   * tried again in halves, down to single items, until the fault stands alone. Anything else fails the whole batch: a
   * database that is away is not asked fifty times, and a commit whose answer was lost is not made again.
   */
  isOfOneItem: (error: unknown) => boolean
}

/** As many items wait as may; the caller was turned away at once, and nothing was done for it. */
export class GroupCommitFullError extends Error {
  override readonly name = 'GroupCommitFullError'
  readonly code = 'GROUP_COMMIT_FULL'
  readonly groupName: string
  readonly maxQueued: number

  constructor(groupName: string, maxQueued: number) {
    super(`"${groupName}" turned a caller away: ${maxQueued} wait already`)
    this.groupName = groupName
    this.maxQueued = maxQueued
  }
}

/** Somebody who waits for a result. Settled once; whoever has left is no longer heard of. */
interface Member<Item, Result> {
  readonly item: Item
  left: boolean
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

/** In the map exactly as long as it is at work or somebody waits in it. */
interface Line<Key, Item, Result> {
  readonly key: Key
  /** In the order of their coming. */
  readonly waiting: Set<Member<Item, Result>>
  atWork: boolean
}

/**
 * Group commit: one commit of a key is under way at a time, and whoever comes meanwhile gathers for the next, which takes
 * them all together. N callers at once cost about two transactions instead of N that wait for each other's row lock, and
 * a lone caller waits for nothing. Items of a key are committed in the order in which they came.
 *
 * Each caller is told the result of its own item, or why it failed; an item at fault does not fail its companions.
 * Who leaves while waiting is taken out, and nothing is done for it. Who leaves during its commit is answered at once,
 * while the commit goes on: it may or may not have happened, as with any transaction.
 * After "Implementation Techniques for Main Memory Database Systems", DeWitt et al., 1984.
 */
export class GroupCommit<Key, Item, Result> {
  readonly name: string
  readonly #options: GroupCommitOptions<Key, Item, Result>
  readonly #maxAtWork: number
  readonly #lineByKey = new Map<Key, Line<Key, Item, Result>>()
  /** Lines with somebody in them that could start but for `maxAtWork`, the first to go first. */
  readonly #ready = new Set<Line<Key, Item, Result>>()
  #gathering = false
  #atWork = 0
  #waiting = 0

  constructor(options: GroupCommitOptions<Key, Item, Result>) {
    const { maxBatch, maxQueued, maxAtWork = Number.MAX_SAFE_INTEGER } = options
    assertInteger('maxBatch', maxBatch, 1)
    assertInteger('maxQueued', maxQueued, 0)
    assertInteger('maxAtWork', maxAtWork, 1)
    this.name = options.name
    this.#options = options
    this.#maxAtWork = maxAtWork
  }

  /** Items that wait, over all keys. */
  get queueLength(): number {
    return this.#waiting
  }

  /** Keys with a commit under way or somebody waiting. */
  get size(): number {
    return this.#lineByKey.size
  }

  /**
   * @returns what `commit` returned for the item.
   * @throws {GroupCommitFullError} at once, when `maxQueued` items wait
   * @throws the signal's reason, once it aborts
   * @throws what `commit` threw for the item
   */
  async submit(key: Key, item: Item, options: { signal?: AbortSignal | undefined } = {}): Promise<Result> {
    const { signal } = options
    signal?.throwIfAborted()
    const line = this.#lineByKey.get(key) ?? { key, waiting: new Set(), atWork: false }
    const startsNow =
      !this.#options.gathersTurn && !line.atWork && line.waiting.size === 0 && this.#atWork < this.#maxAtWork
    if (!startsNow && this.#waiting >= this.#options.maxQueued)
      throw new GroupCommitFullError(this.name, this.#options.maxQueued)
    let stopListening = () => {}
    const result = new Promise<Result>((resolve, reject) => {
      const member: Member<Item, Result> = { item, left: false, resolve, reject }
      if (signal) {
        const onAbort = () => this.#leave(line, member, signal.reason)
        signal.addEventListener('abort', onAbort, { once: true })
        stopListening = () => signal.removeEventListener('abort', onAbort)
      }
      line.waiting.add(member)
    })
    this.#waiting++
    this.#lineByKey.set(key, line)
    if (!line.atWork) this.#ready.add(line)
    this.#startReady()
    try {
      return await result
    } finally {
      stopListening()
    }
  }

  #leave(line: Line<Key, Item, Result>, member: Member<Item, Result>, reason: unknown): void {
    member.left = true
    member.reject(reason)
    if (!line.waiting.delete(member)) return
    this.#waiting--
    if (line.waiting.size > 0 || line.atWork) return
    this.#ready.delete(line)
    this.#lineByKey.delete(line.key)
  }

  #startReady(): void {
    if (!this.#options.gathersTurn) this.#start()
    else if (!this.#gathering && this.#ready.size > 0) {
      this.#gathering = true
      setImmediate(() => {
        this.#gathering = false
        this.#start()
      })
    }
  }

  #start(): void {
    for (const line of this.#ready) {
      if (this.#atWork >= this.#maxAtWork) return
      this.#ready.delete(line)
      void this.#work(line)
    }
  }

  async #work(line: Line<Key, Item, Result>): Promise<void> {
    const members = [...line.waiting.values().take(this.#options.maxBatch)]
    for (const member of members) line.waiting.delete(member)
    this.#waiting -= members.length
    line.atWork = true
    this.#atWork++
    // Rejects only where `isOfOneItem` throws.
    await this.#commit(line.key, members).catch(error => rejectAll(members, error))
    line.atWork = false
    this.#atWork--
    // Behind the other keys that wait for their turn.
    if (line.waiting.size > 0) this.#ready.add(line)
    else this.#lineByKey.delete(line.key)
    this.#startReady()
  }

  async #commit(key: Key, all: readonly Member<Item, Result>[]): Promise<void> {
    // Between two halves of a batch somebody may have left for whom nothing is done yet.
    const members = all.filter(member => !member.left)
    if (members.length === 0) return
    let results: readonly Result[]
    try {
      results = await this.#options.commit(
        key,
        members.map(member => member.item),
      )
    } catch (error) {
      if (members.length > 1 && this.#options.isOfOneItem(error)) {
        const half = Math.ceil(members.length / 2)
        await this.#commit(key, members.slice(0, half))
        await this.#commit(key, members.slice(half))
      } else rejectAll(members, error)
      return
    }
    if (results.length === members.length)
      for (const [index, member] of members.entries()) member.resolve(results[index] as Result)
    else
      rejectAll(
        members,
        new Error(`"${this.name}" got ${results.length} results for ${members.length} items`),
      )
  }
}

function rejectAll(members: readonly { reject(error: unknown): void }[], error: unknown): void {
  for (const member of members) member.reject(error)
}

function assertInteger(name: string, value: number, min: number): void {
  if (!(Number.isSafeInteger(value) && value >= min))
    throw new RangeError(`${name} must be a whole number from ${min}, not ${value}`)
}
