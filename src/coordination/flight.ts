import { NO_REVISION, type RunSubject } from './lease.ts'

/** How a flight ended, the same for all who wait for it. */
export type FlightEnd<Result> =
  /** `made`: by this flight, on this instance; else by a run of somebody else. */
  | { type: 'result'; result: Result; runId: string; made: boolean }
  | { type: 'failed'; runId: string; message: string; retryable: boolean; retryAt: Date | null }
  /** Something unexpected; everyone who waits throws it. */
  | { type: 'broken'; error: unknown }

/**
 * One wait of this process for a run, shared by every caller here; with the run itself, where this instance owns it.
 * Callers come and go; the flight goes on, because it is paid for and will be stored.
 */
export class Flight<Result> {
  readonly subject: RunSubject
  /** The least data revision that the run must have read; NO_REVISION where any run serves. */
  readonly needsRevision: number
  readonly end: Promise<FlightEnd<Result>>
  /** Known once a run is owned or followed. */
  readonly runKnown: Promise<string>
  #land: (end: FlightEnd<Result>) => void = () => {}
  #knowRun: (runId: string) => void = () => {}
  #runId: string | undefined
  /** Up to which data revision the run of this flight has read, as soon as that is known here. */
  #readRevision: number | undefined
  /** Callers that still wait, in the order of their arrival. */
  readonly #seats = new Set<symbol>()
  #first: symbol | undefined

  constructor(subject: RunSubject, needsRevision: number) {
    this.subject = subject
    this.needsRevision = needsRevision
    this.end = new Promise(resolve => {
      this.#land = resolve
    })
    this.runKnown = new Promise(resolve => {
      this.#knowRun = resolve
    })
  }

  /** Of the run that is owned or followed right now; a flight may go through more than one. */
  get runId(): string | undefined {
    return this.#runId
  }

  get waiters(): number {
    return this.#seats.size
  }

  /** Whether the run of this flight is sure to read what had arrived by `revision`. */
  covers(revision: number): boolean {
    return revision <= this.needsRevision || (this.#readRevision ?? NO_REVISION) >= revision
  }

  sit(): symbol {
    const seat = Symbol()
    this.#seats.add(seat)
    return seat
  }

  leave(seat: symbol): void {
    this.#seats.delete(seat)
  }

  /** Of the callers that were still there at the end, the one that came first: its own generation it was. */
  get first(): symbol | undefined {
    return this.#first
  }

  owns(runId: string): void {
    this.#know(runId)
  }

  hasRead(revision: number): void {
    this.#readRevision = revision
  }

  follows(runId: string): void {
    this.#know(runId)
    this.#readRevision = undefined
  }

  land(end: FlightEnd<Result>): void {
    // Settled here and not by whoever wakes first: callers wake in no fixed order.
    this.#first = this.#seats.values().next().value
    this.#land(end)
  }

  #know(runId: string): void {
    this.#runId = runId
    this.#knowRun(runId)
  }
}
