import type { GenerationRow } from '../database/generations.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { Leases } from './lease.ts'

/** A run as it stands, or undefined when nothing is known of it. */
export type RunListener = (run: GenerationRow | undefined) => void

export interface RunWatchOptions {
  leases: Pick<Leases, 'find'>
  clock: Clock
  logger: Logger
  /** A run that somebody here listens to has lost its owner: others may have lost theirs with it. */
  onAbandoned?: () => void
  random?: () => number
}

/**
 * How often runs are looked at without a wake. It bounds how late a dead owner or a lost wake is noticed, and with it the
 * handover; one statement reads all watched runs, so the cost is a few statements a second for a whole instance.
 */
const POLL_MS = { min: 100, max: 200 }

/**
 * Tells listeners how runs stand: at once when they begin to listen, on a wake, and by a jittered poll that covers lost
 * wakes. Reads are shared: one statement for all runs, one at a time, and what is woken meanwhile waits for the next.
 */
export class RunWatch {
  readonly #leases: Pick<Leases, 'find'>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #onAbandoned: () => void
  readonly #random: () => number
  readonly #listenersByRun = new Map<string, Set<RunListener>>()
  /** Runs to look at in the next read. */
  #due = new Set<string>()
  #reading = false
  #cancelPoll: (() => void) | undefined
  #failingSinceMs: number | undefined
  /** When the read that is under way was sent. */
  #sentAtMs: number | undefined

  constructor(options: RunWatchOptions) {
    this.#leases = options.leases
    this.#clock = options.clock
    this.#logger = options.logger
    this.#onAbandoned = options.onAbandoned ?? (() => {})
    this.#random = options.random ?? Math.random
  }

  get size(): number {
    return this.#listenersByRun.size
  }

  /** For how long the runs could not be read, be it that reads fail or that one is not answered; 0 while they can. */
  get blindMs(): number {
    const sinceMs = this.#failingSinceMs ?? this.#sentAtMs
    return sinceMs === undefined ? 0 : this.#clock.nowMs() - sinceMs
  }

  /** @returns what ends it. The listener is called at least once, after this has returned. */
  listen(runId: string, listener: RunListener): () => void {
    // How long nobody could see is of no interest where nobody has looked.
    if (this.#listenersByRun.size === 0) {
      this.#failingSinceMs = undefined
      if (this.#sentAtMs !== undefined) this.#sentAtMs = this.#clock.nowMs()
    }
    const listeners = this.#listenersByRun.get(runId) ?? new Set()
    this.#listenersByRun.set(runId, listeners)
    listeners.add(listener)
    this.wake(runId)
    this.#schedulePoll()
    return () => {
      listeners.delete(listener)
      if (listeners.size > 0 || this.#listenersByRun.get(runId) !== listeners) return
      this.#listenersByRun.delete(runId)
      if (this.#listenersByRun.size === 0) {
        this.#failingSinceMs = undefined
        this.#cancelPoll?.()
        this.#cancelPoll = undefined
      }
    }
  }

  /** Something happened to the run, says a message. Costs nothing when nobody here listens. */
  wake(runId: string): void {
    if (!this.#listenersByRun.has(runId)) return
    this.#due.add(runId)
    void this.#read()
  }

  /** Anything may have happened, as after a reconnect. */
  wakeAll(): void {
    for (const runId of this.#listenersByRun.keys()) this.#due.add(runId)
    void this.#read()
  }

  async #read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    try {
      while (this.#due.size > 0) {
        const runIds = [...this.#due]
        this.#due = new Set()
        this.#sentAtMs = this.#clock.nowMs()
        const runs = new Map((await this.#leases.find(runIds)).map(run => [run.id, run]))
        this.#failingSinceMs = undefined
        if ([...runs.values()].some(run => run.abandoned)) this.#onAbandoned()
        for (const runId of runIds) {
          for (const listener of this.#listenersByRun.get(runId) ?? []) listener(runs.get(runId))
        }
      }
    } catch (error) {
      // The poll reads again.
      this.#failingSinceMs ??= this.#clock.nowMs()
      this.#logger.warn({ err: error }, 'runs could not be read')
    } finally {
      this.#sentAtMs = undefined
      this.#reading = false
    }
  }

  #schedulePoll(): void {
    if (this.#cancelPoll) return
    const delayMs = POLL_MS.min + this.#random() * (POLL_MS.max - POLL_MS.min)
    this.#cancelPoll = this.#clock.setTimer(() => {
      this.#cancelPoll = undefined
      if (this.#listenersByRun.size === 0) return
      this.wakeAll()
      this.#schedulePoll()
    }, delayMs)
  }
}
