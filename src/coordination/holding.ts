import { isDatabaseAway } from '../database/postgres-errors.ts'
import type { HeldBounds, HeldEntry, HeldStream } from '../redis/held-stream.ts'
import { inTime } from '../shared/abort.ts'
import { backoffMs } from '../shared/backoff.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { HeldJournal, JournalEntry } from './held-journal.ts'

export interface HoldingOptions {
  journal: HeldJournal
  /** Undefined without Redis: then this instance alone can save what it holds. */
  stream: HeldStream | undefined
  bounds: HeldBounds
  /**
   * Saves entries of one key, in their order. It may be asked to save an entry that is saved, here or elsewhere and even at
   * the same moment, and must then do nothing. @throws what isDatabaseAway knows, or what no later try can mend where
   * `isHopeless` says so.
   */
  save: (key: string, payloads: readonly string[]) => Promise<void>
  isHopeless: (error: unknown) => boolean
  clock: Clock
  logger: Logger
}

/** Of one round; what comes after it is read again. */
const CHUNK = 200
/** How often is looked whether there is something to save, here or on the stream. */
const POLL_MS = 1000
const RETRY = { baseMs: 250, maxMs: 2000 }
/** How long somebody who has more to save waits for what is held before it. */
const SETTLE_MS = 2000
/** Files that nobody has written to for so long belong to a process that is gone, or they may as well be saved from here. */
const ADOPT_AFTER_MS = 60_000

/**
 * Holds what was accepted while the database is away, and saves it when it is back, key by key in the order of holding.
 *
 * Every entry goes to the disk of this instance, and to the stream on Redis where there is one. The stream makes that any
 * instance can save it, in one order for all; the disk, that a crash of Redis, or of everything, costs nothing. Whoever
 * saves an entry that another has saved does nothing. An entry is held when one of the two has taken it.
 */
export class Holding {
  readonly #options: HoldingOptions
  /** Held by this instance and not known to be saved, by their ids, in their order. */
  readonly #local = new Map<string, JournalEntry>()
  readonly #localByKey = new Map<string, { entries: number; localOnly: number }>()
  #localBytes = 0
  #localMessages = { shared: 0, localOnly: 0 }
  /** On their way to the stream; they count, so that many at once do not go beyond the bounds together. */
  #coming = { messages: 0, bytes: 0 }
  #streamedMessages = 0
  #streamChunk = CHUNK
  /** Writes to the journal, one at a time. */
  #writing: Promise<unknown> = Promise.resolve()
  #draining: Promise<void> | undefined
  #failures = 0
  #adoptedAtMs: number
  #cancelTimer: (() => void) | undefined
  #closed = false

  constructor(options: HoldingOptions) {
    this.#options = options
    this.#adoptedAtMs = options.clock.nowMs()
  }

  /** Messages held: those on the stream, which all instances hold together, and those that this instance has beside it. */
  get messages(): number {
    const { shared, localOnly } = this.#localMessages
    return localOnly + Math.max(shared, this.#streamedMessages)
  }

  /** Takes over what a process before this one has left. */
  async start(): Promise<void> {
    await this.#adopt(0)
    this.#schedule()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer?.()
    await this.#draining
    await this.#writing
    await this.#options.journal.close()
  }

  /** Whether something of the key waits to be saved, so that what comes after it must wait too. */
  async holds(key: string): Promise<boolean> {
    if (this.#localByKey.has(key)) return true
    // A Redis that does not answer holds nothing that anybody could save now.
    return (await this.#options.stream?.holds(key).catch(() => false)) ?? false
  }

  /** Saves what is held of the key, if that can be done soon. @returns whether nothing of it is held any more. */
  async settle(key: string): Promise<boolean> {
    if (this.#failures > 0 && !this.#draining) return false
    await inTime(this.drain(), SETTLE_MS, () => {})
    return !(await this.holds(key))
  }

  /**
   * Entries of one key; all of them or none. One call of a key at a time.
   * @returns `full` where the bound is reached. @throws where neither disk nor Redis has taken them.
   */
  async hold(key: string, entries: readonly Omit<HeldEntry, 'key'>[]): Promise<'held' | 'full'> {
    const { bounds } = this.#options
    const messages = entries.reduce((sum, entry) => sum + entry.messages, 0)
    const bytes = entries.reduce((sum, entry) => sum + Buffer.byteLength(entry.payload), 0)
    const { shared, localOnly } = this.#localMessages
    const coming = this.#coming
    if (
      shared + localOnly + coming.messages + messages > bounds.messages ||
      this.#localBytes + coming.bytes + bytes > bounds.bytes
    )
      return 'full'
    coming.messages += messages
    coming.bytes += bytes
    const place = await this.#share(
      entries.map(entry => ({ ...entry, key })),
      key,
    ).finally(() => {
      coming.messages -= messages
      coming.bytes -= bytes
    })
    if (place === 'full') return 'full'
    await this.#keep(entries.map(entry => ({ ...entry, key, shared: place === 'shared' })))
    this.#schedule()
    return 'held'
  }

  /** Puts entries on the stream, behind all that this instance has of their key, so that nobody saves them before it. */
  async #share(entries: readonly HeldEntry[], key: string): Promise<'shared' | 'full' | 'not shared'> {
    const { stream, logger } = this.#options
    if (!stream) return 'not shared'
    try {
      const missing = await this.#missing(key, stream)
      for (let from = 0; from < missing.length; from += CHUNK) {
        const chunk = missing.slice(from, from + CHUNK)
        if ((await stream.add(chunk)) === 'full') return 'full'
        for (const entry of chunk) this.#markShared(entry)
      }
      return (await stream.add(entries)) === 'full' ? 'full' : 'shared'
    } catch (error) {
      logger.warn({ err: error }, 'Redis does not take what is held; it is held by this instance alone')
      return 'not shared'
    }
  }

  /** Puts entries on the disk. @throws where that fails and they are nowhere else. */
  async #keep(entries: readonly JournalEntry[]): Promise<void> {
    const { journal, logger } = this.#options
    // Known before it is written: from now on nothing of this key may go past it.
    for (const entry of entries) this.#remember(entry)
    try {
      await this.#write(() => journal.append(entries))
    } catch (error) {
      if (!entries.every(entry => entry.shared)) {
        this.#forget(entries)
        throw error
      }
      logger.error({ err: error }, 'what is held could not be written to the disk; Redis alone has it')
    }
  }

  /**
   * What this instance has of a key and the stream has not: what Redis did not take, or has lost, or what another instance
   * has saved since. Which of these cannot be told while the database is away, and need not be: saved twice is saved once.
   */
  async #missing(key: string, stream: HeldStream): Promise<JournalEntry[]> {
    const here = this.#localByKey.get(key)
    if (!here || (here.localOnly === 0 && (await stream.holds(key)))) return []
    return [...this.#local.values()].filter(entry => entry.key === key)
  }

  /** Saves what can be saved now. Shared by all who ask at the same time; never rejects. */
  drain(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#draining ??= this.#drainAll()
      .then(
        () => {
          this.#failures = 0
        },
        error => {
          this.#failures++
          const { logger } = this.#options
          if (isDatabaseAway(error))
            logger.debug({ err: error }, 'the database is still away; what is held waits')
          else logger.error({ err: error }, 'something held could not be saved; it is tried again')
        },
      )
      .finally(() => {
        this.#draining = undefined
        this.#schedule()
      })
    return this.#draining
  }

  async #drainAll(): Promise<void> {
    const { clock, stream, journal } = this.#options
    if (clock.nowMs() - this.#adoptedAtMs > ADOPT_AFTER_MS) await this.#adopt(ADOPT_AFTER_MS)
    const round = new Round()
    if (stream) await this.#drainStream(stream, round)
    const local = [...this.#local.values()]
    for (let from = 0; from < local.length && !this.#closed; from += CHUNK)
      await this.#saveChunk(local.slice(from, from + CHUNK), round)
    await this.#write(async () => {
      // Somebody may be holding again.
      if (this.#local.size === 0) await journal.clear()
    })
    round.throwIfFailed()
  }

  /** Where Redis does not answer any more, the rest waits: those who put it there have it on their disks. */
  async #drainStream(stream: HeldStream, round: Round): Promise<void> {
    let last: string | undefined
    while (!this.#closed) {
      const entries = await stream.read(this.#streamChunk, last).catch(() => undefined)
      if (!entries) {
        // Maybe they are too large to be read together in the time of a command.
        this.#streamChunk = Math.max(1, Math.floor(this.#streamChunk / 4))
        return
      }
      this.#streamChunk = Math.min(CHUNK, this.#streamChunk * 2)
      if (entries.length === 0 && last === undefined) this.#streamedMessages = 0
      last = entries.at(-1)?.streamId
      if (last === undefined) return
      this.#streamedMessages = await stream.countMessages().catch(() => this.#streamedMessages)
      const saved = await this.#saveChunk(entries, round)
      const done = await stream.done(saved).then(
        () => true,
        () => false,
      )
      this.#streamedMessages = await stream.countMessages().catch(() => this.#streamedMessages)
      if (!done) return
    }
  }

  /** @returns those that need not be held any more. @throws where the database is away. */
  async #saveChunk<Entry extends HeldEntry>(entries: readonly Entry[], round: Round): Promise<Entry[]> {
    const saved: Entry[] = []
    for (const [key, ofKey] of Map.groupBy(entries, entry => entry.key)) {
      if (round.failedKeys.has(key)) continue
      try {
        await this.#save(key, ofKey)
      } catch (error) {
        if (isDatabaseAway(error)) throw error
        // The others need not wait for it; what comes after it of the same key does.
        round.fail(key, error)
        continue
      }
      saved.push(...ofKey)
      this.#forget(ofKey)
    }
    return saved
  }

  async #save(key: string, entries: readonly HeldEntry[]): Promise<void> {
    const { save, isHopeless, logger, journal, stream } = this.#options
    try {
      await save(
        key,
        entries.map(entry => entry.payload),
      )
    } catch (error) {
      if (!isHopeless(error)) throw error
      if (entries.length > 1) {
        for (const entry of entries) await this.#save(key, [entry])
        return
      }
      for (const entry of entries) {
        logger.error(
          { err: error, messages: entry.messages },
          'something held can never be saved; it is put aside',
        )
        const reason = error instanceof Error ? error.message : String(error)
        await journal.bury(entry, reason)
        await stream?.bury(entry, reason).catch(() => {})
      }
    }
  }

  #remember(entry: JournalEntry): void {
    if (this.#local.has(entry.id)) return
    this.#local.set(entry.id, entry)
    this.#localBytes += Buffer.byteLength(entry.payload)
    this.#localMessages[entry.shared ? 'shared' : 'localOnly'] += entry.messages
    const ofKey = this.#localByKey.get(entry.key) ?? { entries: 0, localOnly: 0 }
    ofKey.entries++
    if (!entry.shared) ofKey.localOnly++
    this.#localByKey.set(entry.key, ofKey)
  }

  #markShared(entry: JournalEntry): void {
    const ofKey = this.#localByKey.get(entry.key)
    // Or it is saved meanwhile.
    if (entry.shared || !ofKey || !this.#local.has(entry.id)) return
    entry.shared = true
    ofKey.localOnly--
    this.#localMessages.localOnly -= entry.messages
    this.#localMessages.shared += entry.messages
  }

  #forget(entries: readonly HeldEntry[]): void {
    for (const { id } of entries) {
      const entry = this.#local.get(id)
      if (!entry) continue
      this.#local.delete(id)
      this.#localBytes -= Buffer.byteLength(entry.payload)
      this.#localMessages[entry.shared ? 'shared' : 'localOnly'] -= entry.messages
      const ofKey = this.#localByKey.get(entry.key)
      if (!ofKey) continue
      if (!entry.shared) ofKey.localOnly--
      if (--ofKey.entries === 0) this.#localByKey.delete(entry.key)
    }
  }

  async #adopt(idleMs: number): Promise<void> {
    const { journal, clock, logger } = this.#options
    this.#adoptedAtMs = clock.nowMs()
    const { entries, errors } = await this.#write(() => journal.adopt(idleMs))
    for (const error of errors) logger.error({ err: error }, 'what another process has held cannot be read')
    if (entries.length === 0) return
    logger.info({ entries: entries.length }, 'found what another process has held')
    for (const entry of entries) this.#remember(entry)
  }

  #write<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#writing.then(work)
    this.#writing = turn.catch(() => {})
    return turn
  }

  #schedule(): void {
    if (this.#closed || this.#draining) return
    const delayMs = this.#failures > 0 ? backoffMs(this.#failures, RETRY) : POLL_MS
    this.#cancelTimer ??= this.#options.clock.setTimer(() => {
      this.#cancelTimer = undefined
      void this.drain()
    }, delayMs)
  }
}

/** What went wrong in one look through everything that is held. */
class Round {
  readonly failedKeys = new Set<string>()
  #error: unknown

  fail(key: string, error: unknown): void {
    this.failedKeys.add(key)
    this.#error = error
  }

  throwIfFailed(): void {
    if (this.failedKeys.size > 0) throw this.#error
  }
}
