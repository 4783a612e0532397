import type { Flight } from './flight.ts'

/**
 * The flights of this process by key. More than one for a key only while one waits for the next run: a forced request
 * whose data the run in flight has not read.
 */
export class Singleflight {
  readonly #flightsByKey = new Map<string, Set<Flight<unknown>>>()

  get size(): number {
    let size = 0
    for (const flights of this.#flightsByKey.values()) size += flights.size
    return size
  }

  get keys(): number {
    return this.#flightsByKey.size
  }

  get waiters(): number {
    let waiters = 0
    for (const flight of this) waiters += flight.waiters
    return waiters
  }

  *[Symbol.iterator](): Generator<Flight<unknown>> {
    for (const flights of this.#flightsByKey.values()) yield* flights
  }

  /** The first flight of the key that covers the revision. A key belongs to one kind, and so to one type of result. */
  find<Result>(key: string, revision: number): Flight<Result> | undefined {
    for (const flight of this.#flightsByKey.get(key) ?? []) {
      if (flight.covers(revision)) return flight as Flight<Result>
    }
    return undefined
  }

  add(flight: Flight<unknown>): void {
    const key = flight.subject.key
    const flights = this.#flightsByKey.get(key)
    if (flights) flights.add(flight)
    else this.#flightsByKey.set(key, new Set([flight]))
  }

  /** Removes this flight and no other. */
  remove(flight: Flight<unknown>): void {
    const key = flight.subject.key
    const flights = this.#flightsByKey.get(key)
    if (flights?.delete(flight) && flights.size === 0) this.#flightsByKey.delete(key)
  }
}
