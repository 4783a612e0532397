import { AggregatorRegistry, type Registry } from 'prom-client'
import type { MetricsSnapshot } from './calls.ts'

/** What only grows while a process lives, and must not shrink when it is gone: Prometheus would take that for a new beginning. */
const LASTING = new Set<unknown>(['counter', 'histogram', 'summary'])
const lastingOf = (snapshot: MetricsSnapshot) => snapshot.filter(({ type }) => LASTING.has(type))

/** Each metric says itself how it is put together: as a sum, unless it was made with another `aggregator`. */
const together = (snapshots: readonly MetricsSnapshot[]) => AggregatorRegistry.aggregate([...snapshots])

/**
 * The metrics of several processes as those of one instance. Counts of a process that is gone, or does not answer, stay as they
 * were told last; what goes up and down is told by those that answer.
 */
export class GatheredMetrics<Source extends object> {
  readonly #own: Registry
  readonly #read: (source: Source) => Promise<MetricsSnapshot | undefined>
  /** What each source has told last. */
  readonly #told = new Map<Source, MetricsSnapshot>()
  readonly #forgotten = new WeakSet<Source>()
  #gone: MetricsSnapshot = []

  /** @param options.read what a source tells; undefined where it does not answer in time */
  constructor(options: { own: Registry; read: (source: Source) => Promise<MetricsSnapshot | undefined> }) {
    this.#own = options.own
    this.#read = options.read
  }

  async text(sources: Iterable<Source>): Promise<string> {
    const answered = new Set<Source>()
    const ask = async (source: Source) => {
      const snapshot = await this.#read(source)
      if (snapshot === undefined || this.#forgotten.has(source)) return
      this.#told.set(source, snapshot)
      answered.add(source)
    }
    const [own] = await Promise.all([this.#own.getMetricsAsJSON(), ...[...sources].map(ask)])
    // In one piece: whoever is forgotten meanwhile counts once, among those that are gone.
    const told = [...this.#told].map(([source, snapshot]) =>
      answered.has(source) ? snapshot : lastingOf(snapshot),
    )
    return together([own, this.#gone, ...told]).metrics()
  }

  /** It is gone, and will not be among the sources again. */
  forget(source: Source): void {
    const last = this.#told.get(source)
    this.#told.delete(source)
    this.#forgotten.add(source)
    if (last)
      this.#gone = together([this.#gone, lastingOf(last)]).getMetricsAsArray() as unknown as MetricsSnapshot
  }
}
