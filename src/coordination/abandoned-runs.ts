import { isDatabaseAway } from '../database/postgres-errors.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { AbandonedRun, Leases } from './lease.ts'
import { type ResumableRun, type RunOnce, UnresumableError } from './run-once.ts'

export interface AbandonedRunsOptions {
  leases: Pick<Leases, 'findAbandoned' | 'endOrphaned'>
  runOnce: Pick<RunOnce, 'flies' | 'resume' | 'giveUp'>
  clock: Clock
  logger: Logger
  metrics: Metrics
  random?: () => number
}

/** How often every instance looks. One statement, which an index over the runs in flight answers. */
const LOOK_MS = { min: 500, max: 1000 }
/**
 * Who waits for a run has it first, for one of them is told FRESH: twice the longest pause between two of their looks. It is
 * also when a run that was seen abandoned is looked at again.
 */
const FOLLOWERS_FIRST_MS = 400
/**
 * An owner that is gone before its lease has expired may have lost but its session, and be back within the 2 s of the longest pause of
 * PinnedConnection, as after a restart of the database: what it has paid for is not paid for again where nobody waits.
 */
const OWNER_FIRST_MS = 2500
/** For so long a run that this version cannot continue is left to those who might. */
const OTHERS_FIRST_MS = 30_000
/** Runs that an instance continues at once; each holds a call of the provider, beside those that its own callers wait for. */
const MAX_AT_ONCE = 8
/** Of one look. With more than that abandoned, the next looks find the others. */
const PAGE = 100

/** A run that is abandoned in an epoch. */
interface Seen {
  /** By this process' clock. */
  sinceMs: number
  /** It cannot be continued here. */
  leftToOthers: boolean
}

/**
 * Finishes what nobody waits for: runs whose owner was lost, or has handed them over, when their callers had been told to
 * wait or had left. Every instance looks for them; each is continued by one, through run-once, whose lease and fence decide
 * as always. What cannot be continued by anybody ends FAILED.
 */
export class AbandonedRuns {
  readonly #options: AbandonedRunsOptions
  readonly #seenByRun = new Map<string, Seen>()
  readonly #underWay = new Set<string>()
  #started = false
  #stopped = false
  #looking: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined
  #lookAtMs = 0
  #blind = false

  constructor(options: AbandonedRunsOptions) {
    this.#options = options
  }

  /** When every kind of run can be described here. */
  start(): void {
    this.#started = true
    this.#lookIn(0)
  }

  /** Continues no more runs; those that it has are in flight as any others. */
  stop(): void {
    this.#stopped = true
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** Runs may have been abandoned just now, says a message. */
  wake(): void {
    this.#lookIn(0)
  }

  /** One look, and what follows from it but its runs' ends. Of several at once there is one. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(): Promise<void> {
    const { leases, runOnce, clock, logger } = this.#options
    if (this.#underWay.size >= MAX_AT_ONCE) return
    let found: AbandonedRun[]
    try {
      found = await leases.findAbandoned(PAGE)
      this.#blind = false
    } catch (error) {
      // Looked for again by the timer, and told once.
      if (!this.#blind) logger.warn({ err: error }, 'abandoned runs cannot be looked for')
      this.#blind = true
      return
    }
    if (this.#stopped) return
    const nowMs = clock.nowMs()
    if (found.length < PAGE) this.#forgetAllBut(found)
    for (const run of found) {
      if (runOnce.flies(run.key) || this.#underWay.has(run.runId)) continue
      const seen = this.#seenByRun.get(nameOf(run)) ?? { sinceMs: nowMs, leftToOthers: false }
      this.#seenByRun.set(nameOf(run), seen)
      const waitsMs = seen.sinceMs + patienceMs(run, seen) - nowMs
      if (waitsMs > 0) this.#lookIn(waitsMs)
      else if (this.#underWay.size < MAX_AT_ONCE) this.#continue(run, seen)
    }
  }

  #continue(run: AbandonedRun, seen: Seen): void {
    this.#underWay.add(run.runId)
    void this.#finish(run, seen)
      .catch(error => {
        if (!isDatabaseAway(error))
          this.#options.logger.error(
            { err: error, run: run.runId },
            'an abandoned run could not be continued',
          )
      })
      .finally(() => {
        const others = this.#underWay.size >= MAX_AT_ONCE
        this.#underWay.delete(run.runId)
        if (others) this.wake()
      })
  }

  async #finish(run: AbandonedRun, seen: Seen): Promise<void> {
    const { leases, runOnce, metrics, logger } = this.#options
    if (!isResumable(run)) return leases.endOrphaned(run)
    const kind = run.kind ?? ''
    try {
      const end = await runOnce.resume(run)
      if (end) metrics.coordinationResumed.inc({ kind, outcome: end.type })
    } catch (error) {
      if (isDatabaseAway(error)) throw error
      const reason = error instanceof UnresumableError ? error : unexpected(error)
      if (reason.byOthers && !seen.leftToOthers) {
        seen.leftToOthers = true
        return
      }
      logger.warn({ err: reason, kind, run: run.runId }, 'an abandoned run is given up')
      if (await runOnce.giveUp(run, reason)) metrics.coordinationGivenUp.inc({ kind, cause: 'not_resumable' })
    }
  }

  #forgetAllBut(found: readonly AbandonedRun[]): void {
    const names = new Set(found.map(nameOf))
    for (const name of this.#seenByRun.keys()) if (!names.has(name)) this.#seenByRun.delete(name)
  }

  /** The earliest look that was asked for counts; a look that has been made arms the next. */
  #lookIn(delayMs: number): void {
    if (!this.#started || this.#stopped) return
    const { clock } = this.#options
    const atMs = clock.nowMs() + delayMs
    if (this.#cancelTimer && this.#lookAtMs <= atMs) return
    this.#cancelTimer?.()
    this.#lookAtMs = atMs
    this.#cancelTimer = clock.setTimer(() => {
      this.#cancelTimer = undefined
      void this.look().then(() => {
        const random = (this.#options.random ?? Math.random)()
        this.#lookIn(LOOK_MS.min + random * (LOOK_MS.max - LOOK_MS.min))
      })
    }, delayMs)
  }
}

function patienceMs(run: AbandonedRun, seen: Seen): number {
  if (seen.leftToOthers) return OTHERS_FIRST_MS
  return run.expired ? FOLLOWERS_FIRST_MS : OWNER_FIRST_MS
}

function unexpected(cause: unknown): UnresumableError {
  return new UnresumableError('The generation was interrupted and cannot be continued.', {
    byOthers: true,
    cause,
  })
}

function nameOf({ runId, epoch }: AbandonedRun): string {
  return `${runId} ${epoch}`
}

function isResumable(run: AbandonedRun): run is ResumableRun {
  return run.userId !== null
}
