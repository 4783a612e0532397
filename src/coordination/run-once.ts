import type { GenerationRow } from '../database/generations.ts'
import { GenerationError } from '../providers/generator.ts'
import type { JsonValue } from '../shared/json.ts'
import { type Flight as AnyFlight, Flight, type FlightEnd } from './flight.ts'
import { type AbandonedRun, NO_REVISION, type RunSubject, type StoreResult } from './lease.ts'
import type { Pilot, TakenOver } from './pilot.ts'
import { Singleflight } from './singleflight.ts'
import { waitForFlight } from './wait-for-flight.ts'

/** What a request must know before it may start a run. */
export type Found<Result> =
  /** A stored result serves. */
  | { type: 'serves'; result: Result; source: 'RECENT' | 'CACHED' }
  /** A run is wanted that reads at least up to `needsRevision`; NO_REVISION where any run serves. */
  | { type: 'wanted'; needsRevision: number }

/** What another run made. */
export interface FoundAgain<Result> {
  result: Result
  resultId: string
  runId: string
}

/** One generation, as its use case describes it. */
export interface RunSpec<Inputs, Draft, Result> {
  subject: RunSubject
  /**
   * Asked before each acquire, and stored with the lease: from it the `Rebuild` of the kind describes the run again on
   * whichever instance finds it abandoned. Whatever the key does not say and the inputs do not hold belongs in here.
   */
  request(): JsonValue
  /**
   * This run was begun by somebody else, whose callers may have been told to wait: what that one's request promised them
   * is to be kept beside what is promised here. Called under the lease, before `findAgain`.
   */
  takesUp?(request: JsonValue): void
  /** Looks for a stored result that serves, and what a run would need. Read after the request has arrived, never from a cache. */
  find(): Promise<Found<Result>>
  /**
   * Asked by the holder of the lease, before `collect`, which may build on what was read here: what a run made that was in
   * flight when this request came, and ended just before.
   */
  findAgain(): Promise<FoundAgain<Result> | undefined>
  /** Reads what the generation is made from, and up to which data revision that is. */
  collect(): Promise<{ inputs: Inputs; inputRevision: number }>
  generate(
    inputs: Inputs,
    context: {
      signal: AbortSignal
      reportProgress(fraction: number): void
      /** All of a text as far as it is written; a shorter one than before is ignored. */
      reportText(text: string): void
    },
  ): Promise<Draft>
  store(draft: Draft, inputs: Inputs): StoreResult
  load(resultId: string): Promise<Result>
}

/**
 * Describes a run again of which there is no more than what is stored.
 * @throws UnresumableError where that is not possible any more.
 */
export type Rebuild = (run: ResumableRun) => Promise<RunSpec<unknown, unknown, unknown>>

/** An abandoned run whose record is still there. */
export type ResumableRun = AbandonedRun & { userId: string }

/** Why a run cannot be continued by anybody, or not by this version; the message is for the user. */
export class UnresumableError extends Error {
  override readonly name = 'UnresumableError'
  /** An instance of another version may be able to. */
  readonly byOthers: boolean
  constructor(message: string, options: { byOthers?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.byOthers = options.byOthers ?? false
  }
}

export interface Caller {
  /** Any run in flight serves this caller, whatever it has read. */
  joinsAnyRun: boolean
  /** How long to wait for a run before the answer is `pending`. Null waits to the end. */
  waitMs: number | null
  /** Aborts when the caller leaves: it is detached, the run goes on. */
  signal?: AbortSignal
}

export type Outcome<Result> =
  | { type: 'result'; result: Result; source: 'FRESH' | 'JOINED'; runId: string }
  | { type: 'result'; result: Result; source: 'RECENT' | 'CACHED'; runId: null }
  | { type: 'pending'; runId: string }
  | { type: 'failed'; runId: string; message: string; retryable: boolean; retryAt: Date | null }

/**
 * Whatever number of requests, on whatever number of instances, want the same generation at the same time: **exactly one
 * committed result for each run, always; exactly one provider call as long as its owner lives.** An owner that dies
 * between the provider's answer and the commit costs one more call and nothing else.
 *
 * Everyone gets the committed result: FRESH for exactly one caller of a run, JOINED for all others on any instance.
 * Nobody ever sees a lost lease or a fence. docs/coordination.md tells the protocol.
 */
export class RunOnce {
  readonly #flights = new Singleflight()
  readonly #rebuildByKind = new Map<string, Rebuild>()
  readonly #pilot: Pilot

  constructor(pilot: Pilot) {
    this.#pilot = pilot
  }

  async request<Inputs, Draft, Result>(
    spec: RunSpec<Inputs, Draft, Result>,
    caller: Caller,
  ): Promise<Outcome<Result>> {
    caller.signal?.throwIfAborted()
    const { key } = spec.subject
    const startedAtMs = this.#pilot.clock.nowMs()

    // Join a run in this process …
    const joined = caller.joinsAnyRun ? this.#flights.find<Result>(key, NO_REVISION) : undefined
    if (joined) return waitForFlight(joined, caller, startedAtMs, this.#pilot.clock)

    // … or take a stored result that serves …
    const found = await spec.find()
    if (found.type === 'serves')
      return { type: 'result', result: found.result, source: found.source, runId: null }

    // … or make one, or follow whoever makes it; not for somebody who has left meanwhile.
    caller.signal?.throwIfAborted()
    let flight = this.#flights.find<Result>(key, found.needsRevision)
    if (!flight) {
      flight = new Flight<Result>(spec.subject, found.needsRevision)
      this.#launch(flight, spec)
    }
    return waitForFlight(flight, caller, startedAtMs, this.#pilot.clock)
  }

  /** Each use case that generates says once how a run of its kind is continued after its owner was lost and nobody waits. */
  resumes(kind: RunSubject['kind'], rebuild: Rebuild): void {
    this.#rebuildByKind.set(kind, rebuild)
  }

  /** Whether somebody here owns or follows a run of the key. */
  flies(key: string): boolean {
    return this.#flights.find(key, NO_REVISION) !== undefined
  }

  /**
   * Takes over an abandoned run that nobody here follows, and flies it to its end as any other: who asks meanwhile joins it.
   * @returns how it ended; undefined where somebody was faster, or it had ended. @throws UnresumableError
   */
  async resume(run: ResumableRun): Promise<FlightEnd<unknown> | undefined> {
    const spec = await this.#rebuildByKind.get(run.kind ?? '')?.(run)
    if (spec?.subject.key !== run.key)
      throw new UnresumableError('The generation was interrupted and cannot be continued.', {
        byOthers: true,
      })
    return this.#continue(run, spec)
  }

  /** Ends an abandoned run that cannot be continued: whoever follows it is told why. */
  async giveUp(run: ResumableRun, reason: UnresumableError): Promise<FlightEnd<unknown> | undefined> {
    return this.#continue(run, hopeless(run, reason))
  }

  /** Runs as they stand, those of other instances too. */
  findRuns(runIds: readonly string[]): Promise<GenerationRow[]> {
    return this.#pilot.leases.find(runIds)
  }

  get figures() {
    return { flights: this.#flights.size, waiters: this.#flights.waiters, ownedRuns: this.#pilot.ownedRuns }
  }

  /** Waits until nothing is in flight here. */
  async drained(): Promise<void> {
    while (this.#flights.size > 0)
      await Promise.all([...this.#flights].map((flight: AnyFlight<unknown>) => flight.end))
  }

  async #continue(run: AbandonedRun, spec: RunSpec<unknown, unknown, unknown>) {
    const takenOver = await this.#pilot.takeOver(spec, run.runId)
    if (!takenOver) return undefined
    const flight = new Flight<unknown>(spec.subject, NO_REVISION)
    this.#launch(flight, spec, takenOver)
    return flight.end
  }

  #launch<Inputs, Draft, Result>(
    flight: Flight<Result>,
    spec: RunSpec<Inputs, Draft, Result>,
    takenOver?: TakenOver,
  ): void {
    this.#flights.add(flight as Flight<unknown>)
    const land = (end: FlightEnd<Result>) => {
      // Gone from the map before anybody learns of the end: who comes after it looks for the stored result.
      this.#flights.remove(flight as Flight<unknown>)
      flight.land(end)
    }
    this.#pilot.fly(flight, spec, takenOver).then(land, error => land({ type: 'broken', error }))
  }
}

/** A run that fails as soon as somebody owns it, by the way of every failure. */
function hopeless(run: ResumableRun, reason: UnresumableError): RunSpec<unknown, unknown, unknown> {
  const fail = () => {
    throw new GenerationError(reason.message, { retryable: false, cause: reason })
  }
  const { key, kind, userId, archetype } = run
  return {
    // One of a newer version is one for the database, which has its record.
    subject: { key, kind: kind as RunSubject['kind'], userId, archetype },
    request: () => run.request,
    find: fail,
    findAgain: fail,
    collect: fail,
    generate: fail,
    store: fail,
    load: fail,
  }
}
