import { randomUUID } from 'node:crypto'
import type { GenerationRow } from '../database/generations.ts'
import { DatabaseAwayError, isDatabaseAway } from '../database/postgres-errors.ts'
import { GenerationError } from '../providers/generator.ts'
import { abortable } from '../shared/abort.ts'
import { backoffMs } from '../shared/backoff.ts'
import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { Metrics } from '../shared/metrics.ts'
import { inSpan, type Tracing } from '../shared/tracing.ts'
import { assertOutsideTransaction } from '../shared/transaction-scope.ts'
import type { Flight, FlightEnd } from './flight.ts'
import { FencedError, type Lease, LeaseLostError, type Leases, NO_REVISION } from './lease.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import { createProgressReporter } from './progress-reporter.ts'
import type { RunSpec } from './run-once.ts'
import type { RunWatch } from './run-watch.ts'

export interface PilotOptions {
  leases: Leases
  keeper: LeaseKeeper
  watch: RunWatch
  /** Tells every instance that a run has moved on, beside what the leases tell by themselves; may be lost. */
  publish?: ((runId: string) => Promise<void>) | undefined
  clock: Clock
  logger: Logger
  metrics: Metrics
  tracing?: Tracing | undefined
  generationTimeoutMs: number
  random?: () => number
}

/** For how long a flight goes on asking a database that is away: a restart takes seconds. */
const AWAY_BUDGET_MS = 20_000
const AWAY_RETRY = { baseMs: 50, maxMs: 1000 }
/** A failing provider is left alone for half a second to a second at first, for a minute at most. */
const FAILURE_BACKOFF = { baseMs: 1000, maxMs: 60_000 }
/** Between one minute and two: the next try may cost as many owners once more. */
const DEADLY_BACKOFF = { baseMs: 120_000, maxMs: 120_000 }
/** How often a flight may change between owning and following; each leg ends with a run that ended or changed hands. */
const MAX_LEGS = 100
const LEG_PAUSE = { baseMs: 10, maxMs: 250 }
/**
 * One owner is lost by accident, and a second by bad luck, as when a machine goes down and then its neighbour; who has lost
 * three within one run is taken to kill them. So a fleet of four outlives any run. Handing over by order,
 * as deploys do, costs none. It bounds as well what a run may cost that the database never takes in.
 */
const MAX_LOST_OWNERS = 2

/** What a generator threw that is no GenerationError; whatever hides in it, it is not the database's. */
class BrokenGeneratorError extends Error {}

/** A run that is taken to do its owners harm. */
class DeadlyRunError extends GenerationError {}

class ShuttingDownError extends DatabaseAwayError {
  override readonly name = 'ShuttingDownError'
}

/** A lease that is held already, for a flight that continues its run. */
export interface TakenOver {
  lease: Lease
  /** The monotonic clock before it was asked for. */
  askedAtMs: number
}

/** Flies a flight to its end: takes the lease and generates, or follows whoever has it, until there is a result to share. */
export class Pilot {
  readonly clock: Clock
  readonly leases: Leases
  readonly #options: PilotOptions
  readonly #shutdown = new AbortController()

  constructor(options: PilotOptions) {
    this.clock = options.clock
    this.leases = options.leases
    this.#options = options
  }

  get ownedRuns(): number {
    return this.#options.keeper.size
  }

  /** Stops the work of every run that is owned here and leaves the runs to other instances. */
  handOverAll(): void {
    this.#shutdown.abort(new ShuttingDownError('the gateway is shutting down'))
  }

  /**
   * Takes over a run that is abandoned, to be flown with what is returned; begins none. @returns undefined where it has ended
   * or somebody has been faster.
   */
  async takeOver(spec: RunSpec<unknown, unknown, unknown>, runId: string): Promise<TakenOver | undefined> {
    this.#shutdown.signal.throwIfAborted()
    const { acquisition, askedAtMs } = await this.#acquire(spec, { continues: runId })
    return acquisition.type === 'acquired' ? { lease: acquisition.lease, askedAtMs } : undefined
  }

  async fly<Inputs, Draft, Result>(
    flight: Flight<Result>,
    spec: RunSpec<Inputs, Draft, Result>,
    takenOver?: TakenOver,
  ): Promise<FlightEnd<Result>> {
    let owned: Lease | undefined
    for (let leg = 1; leg <= MAX_LEGS; leg++) {
      if (leg > 1 || !takenOver) this.#shutdown.signal.throwIfAborted()
      const { acquisition, askedAtMs } =
        leg === 1 && takenOver
          ? {
              acquisition: { type: 'acquired' as const, lease: takenOver.lease },
              askedAtMs: takenOver.askedAtMs,
            }
          : await this.#acquire(spec)
      if (acquisition.type === 'backing-off') return this.#failedBefore(acquisition)
      if (acquisition.type === 'acquired') {
        owned = acquisition.lease
        const { lease } = acquisition
        const attributes = { 'tributary.run': lease.runId, 'tributary.epoch': lease.epoch }
        const end = await inSpan(this.#options.tracing, `run ${lease.kind}`, { attributes }, () =>
          this.#own(flight, spec, lease, askedAtMs),
        )
        if (end) return end
      }
      const runId = acquisition.type === 'acquired' ? acquisition.lease.runId : acquisition.runId
      const end = await this.#follow(flight, spec, runId, owned)
      if (end) return end
      if (leg > 2) await this.#pause(backoffMs(leg, LEG_PAUSE))
    }
    throw new Error(`a run changed hands ${MAX_LEGS} times`)
  }

  async #acquire(
    spec: Pick<RunSpec<unknown, unknown, unknown>, 'subject' | 'request'>,
    only?: { continues: string },
  ) {
    const askedAtMs = this.clock.nowMs()
    const options = { claim: randomUUID(), request: spec.request(), ...only }
    const acquisition = await this.#insist(() => this.leases.acquire(spec.subject, options))
    return { acquisition, askedAtMs }
  }

  /** @returns undefined when the lease has passed on: somebody else's run counts now. */
  async #own<Inputs, Draft, Result>(
    flight: Flight<Result>,
    spec: RunSpec<Inputs, Draft, Result>,
    lease: Lease,
    askedAtMs: number,
  ): Promise<FlightEnd<Result> | undefined> {
    const { keeper, metrics, logger } = this.#options
    const { kind } = lease
    const leaseLost = keeper.hold(lease, askedAtMs)
    const signal = AbortSignal.any([leaseLost, this.#shutdown.signal])
    const log = logger.child({ kind, run: lease.runId, epoch: lease.epoch })
    flight.owns(lease.runId)
    metrics.runsInFlight.inc({ kind })
    if (lease.takeoverCause) {
      metrics.coordinationTakeovers.inc({ kind, cause: lease.takeoverCause })
      log.info({ cause: lease.takeoverCause }, 'took over a run')
    }
    try {
      if (lease.lostOwners > MAX_LOST_OWNERS) {
        metrics.coordinationGivenUp.inc({ kind, cause: 'lost_owners' })
        throw new DeadlyRunError(
          `The generation was given up after it had been interrupted ${lease.lostOwners} times.`,
          { retryable: true },
        )
      }
      if (lease.takeoverCause) spec.takesUp?.(lease.request)
      const stored = await this.#insist(() => spec.findAgain(), signal)
      if (stored !== undefined) {
        // A forced request that follows it looks for itself whether what was found came after it.
        const found = { resultId: stored.resultId, inputRevision: NO_REVISION }
        await this.#insist(() => this.leases.withdraw(lease, found), signal)
        return { type: 'result', result: stored.result, runId: stored.runId, made: false }
      }
      const draft = await this.#make(flight, spec, lease, signal)
      return await this.#commit(spec, lease, draft, signal, log)
    } catch (error) {
      return await this.#giveUp(lease, error, leaseLost, log)
    } finally {
      keeper.release(lease)
      metrics.runsInFlight.dec({ kind })
    }
  }

  /** Reads the inputs and calls the provider. The phases say, across instances, what the run can still include. */
  async #make<Inputs, Draft, Result>(
    flight: Flight<Result>,
    spec: RunSpec<Inputs, Draft, Result>,
    lease: Lease,
    signal: AbortSignal,
  ) {
    const advance = async (to: Parameters<Leases['advance']>[1]) => {
      if (!(await this.#insist(() => this.leases.advance(lease, to), signal)))
        throw new LeaseLostError('the lease has passed on')
      this.#publish(lease)
    }
    const { inputs, inputRevision } = await this.#insist(() => spec.collect(), signal)
    flight.hasRead(inputRevision)
    await advance({ phase: 'GENERATING', progress: 0, inputRevision })
    const reporter = createProgressReporter({
      clock: this.clock,
      write: state => advance({ phase: 'GENERATING', ...state }),
      logger: this.#options.logger,
    })
    const draft = await this.#callProvider(lease, signal, callSignal =>
      spec.generate(inputs, {
        signal: callSignal,
        reportProgress: reporter.report,
        reportText: reporter.reportText,
      }),
    ).finally(reporter.stop)
    await advance({ phase: 'STORING', progress: 1 })
    return { draft, inputs }
  }

  async #callProvider<Draft>(
    lease: Lease,
    signal: AbortSignal,
    call: (signal: AbortSignal) => Promise<Draft>,
  ): Promise<Draft> {
    assertOutsideTransaction('a call of the generator')
    signal.throwIfAborted()
    const { metrics, generationTimeoutMs } = this.#options
    const { kind } = lease
    const timeout = new AbortController()
    const cancelTimer = this.clock.setTimer(
      () =>
        timeout.abort(
          new GenerationError(`The generation took longer than ${generationTimeoutMs} ms.`, {
            retryable: true,
          }),
        ),
      generationTimeoutMs,
    )
    const callSignal = AbortSignal.any([signal, timeout.signal])
    const startedAtMs = this.clock.nowMs()
    let outcome = 'success'
    try {
      // A provider that does not obey the signal is left behind; its late answer is dropped.
      return await inSpan(this.#options.tracing, `generate ${kind}`, { kind: 'client' }, () =>
        abortable(call(callSignal), callSignal),
      )
    } catch (error) {
      outcome = timeout.signal.aborted ? 'timeout' : signal.aborted ? 'aborted' : 'error'
      if (error instanceof GenerationError || callSignal.aborted) throw error
      throw new BrokenGeneratorError('the generator broke', { cause: error })
    } finally {
      cancelTimer()
      metrics.providerCalls.inc({ kind, outcome })
      metrics.providerSeconds.observe({ kind }, (this.clock.nowMs() - startedAtMs) / 1000)
    }
  }

  async #commit<Inputs, Draft, Result>(
    spec: RunSpec<Inputs, Draft, Result>,
    lease: Lease,
    made: { draft: Draft; inputs: Inputs },
    signal: AbortSignal,
    log: Logger,
  ): Promise<FlightEnd<Result>> {
    const store = spec.store(made.draft, made.inputs)
    const resultId = await this.#insist(() => this.leases.commit(lease, store), signal).catch(async error => {
      if (!(error instanceof FencedError)) throw error
      return this.#ownResult(lease, error, log)
    })
    this.#publish(lease)
    const result = await this.#insist(() => spec.load(resultId))
    return { type: 'result', result, runId: lease.runId, made: true }
  }

  /**
   * A commit whose answer was lost is tried again: the fence lets it happen once, and the run's record tells whose it was.
   * @throws the fence's refusal, where the run is not ours any more.
   */
  async #ownResult(lease: Lease, refusal: FencedError, log: Logger): Promise<string> {
    const [run] = await this.#insist(() => this.leases.find([lease.runId]))
    if (run?.resultId && run.state === 'SUCCEEDED' && run.epoch === lease.epoch) return run.resultId
    this.#options.metrics.coordinationFenced.inc({ kind: lease.kind })
    log.warn('a commit was refused: the lease had passed on')
    throw refusal
  }

  /** @returns how the flight ends, or undefined where it goes on with somebody else's run. @throws what nobody can answer for. */
  async #giveUp<Result>(
    lease: Lease,
    error: unknown,
    leaseLost: AbortSignal,
    log: Logger,
  ): Promise<FlightEnd<Result> | undefined> {
    if (leaseLost.aborted || error instanceof LeaseLostError || error instanceof FencedError) {
      log.info('this instance lost the run and follows it')
      return undefined
    }
    const known = error instanceof GenerationError
    // A provider that cannot be reached fails with the same codes as a database that cannot.
    const ofProvider = known || error instanceof BrokenGeneratorError
    if (this.#shutdown.signal.aborted || (!ofProvider && isDatabaseAway(error))) {
      // Where the database is away, the lease expires on its own.
      await this.leases.handOver(lease, { byOrder: this.#shutdown.signal.aborted }).catch(() => {})
      throw error
    }
    if (!known) log.error({ err: error }, 'a generation broke')
    const message = known ? error.message : 'The generation broke unexpectedly.'
    const retryable = known && error.retryable
    const backoff = error instanceof DeadlyRunError ? DEADLY_BACKOFF : FAILURE_BACKOFF
    const retryAfterMs = retryable ? backoffMs(lease.attempts + 1, { ...backoff, ...this.#random }) : null
    const failed = await this.#insist(() => this.leases.fail(lease, { message, retryable, retryAfterMs }))
    if (!failed) return undefined
    if (known) log.warn({ reason: message, retryable }, 'a generation failed')
    this.#publish(lease)
    return { type: 'failed', runId: lease.runId, message, retryable, retryAt: failed.retryAt }
  }

  /** Waits until the run has ended. @returns undefined when it can be taken over, or ended without what this flight needs. */
  async #follow<Inputs, Draft, Result>(
    flight: Flight<Result>,
    spec: RunSpec<Inputs, Draft, Result>,
    runId: string,
    owned: Lease | undefined,
  ): Promise<FlightEnd<Result> | undefined> {
    flight.follows(runId)
    const run = await this.#runEnd(runId)
    if (!run || run.state === 'RUNNING') return undefined
    if ((run.inputRevision ?? Number.POSITIVE_INFINITY) < flight.needsRevision) return undefined
    if (run.state === 'FAILED') {
      return {
        type: 'failed',
        runId,
        message: run.error ?? '',
        retryable: run.errorRetryable ?? false,
        retryAt: run.retryAt,
      }
    }
    // Ours after all, where the answer to the commit was lost until the lease was.
    const made = owned?.runId === runId && owned.epoch === run.epoch
    const { resultId } = run
    if (!resultId) throw new Error('a committed run has no result')
    return { type: 'result', result: await this.#insist(() => spec.load(resultId)), runId, made }
  }

  /** @returns the run when it has ended or is abandoned; undefined when it is not known any more. */
  #runEnd(runId: string): Promise<GenerationRow | undefined> {
    const { watch } = this.#options
    return new Promise((resolve, reject) => {
      const stop = watch.listen(runId, run => {
        if (run?.state !== 'RUNNING' || run.abandoned) settle(() => resolve(run))
      })
      let cancelTimer = () => {}
      const checkSight = () => {
        if (watch.blindMs > AWAY_BUDGET_MS)
          settle(() => reject(new DatabaseAwayError('the database has been away for too long')))
        else cancelTimer = this.clock.setTimer(checkSight, AWAY_BUDGET_MS / 10)
      }
      const onShutdown = () => settle(() => reject(this.#shutdown.signal.reason))
      const settle = (how: () => void) => {
        stop()
        cancelTimer()
        this.#shutdown.signal.removeEventListener('abort', onShutdown)
        how()
      }
      this.#shutdown.signal.addEventListener('abort', onShutdown, { once: true })
      checkSight()
    })
  }

  async #failedBefore<Result>({
    runId,
    retryAt,
  }: {
    runId: string
    retryAt: Date
  }): Promise<FlightEnd<Result>> {
    const [run] = await this.#insist(() => this.leases.find([runId]))
    return {
      type: 'failed',
      runId,
      message: run?.error ?? 'The generation failed.',
      retryable: true,
      retryAt,
    }
  }

  #publish(lease: Lease): void {
    void this.#options.publish?.(lease.runId).catch(() => {})
  }

  /** Tries again while the database is away, within a budget and as long as the run is ours. */
  async #insist<T>(operation: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const startedAtMs = this.clock.nowMs()
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      try {
        return await operation()
      } catch (error) {
        if (!isDatabaseAway(error) || this.clock.nowMs() - startedAtMs > AWAY_BUDGET_MS) throw error
        await this.#pause(backoffMs(attempt, { ...AWAY_RETRY, ...this.#random }), signal)
      }
    }
  }

  #pause(delayMs: number, signal?: AbortSignal): Promise<void> {
    return abortable(new Promise(resolve => this.clock.setTimer(resolve, delayMs)), signal)
  }

  get #random() {
    return this.#options.random ? { random: this.#options.random } : {}
  }
}
