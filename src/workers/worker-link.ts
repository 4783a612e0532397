import cluster from 'node:cluster'
import { type BirpcReturn, createBirpc } from 'birpc'
import type { HealthReport, Phase } from '../http/health.ts'
import type { Readiness } from '../http/readiness.ts'
import type { Count } from '../redis/point-counter.ts'
import { abortable } from '../shared/abort.ts'
import {
  BEAT_MS,
  CALL_MS,
  type Instance,
  type MetricsSnapshot,
  type PrimaryCalls,
  type Started,
  type WorkerCalls,
} from './calls.ts'

/**
 * A worker's line to its primary. Where that one is gone, the instance is draining: nobody takes connections for it any more, and
 * nobody would end it.
 */
export class WorkerLink {
  readonly #primary: BirpcReturn<PrimaryCalls, WorkerCalls>
  readonly #stopping = new AbortController()
  /** Of this process alone. */
  readonly #reports = new Map<string, () => Promise<HealthReport>>()
  #instance: Instance = { phase: 'starting', awaited: false, databaseUrl: undefined }
  #replaces = false
  #foundDatabase = Promise.withResolvers<string>()

  private constructor(readMetrics: () => Promise<MetricsSnapshot>) {
    const functions: WorkerCalls = {
      enter: instance => this.#enter(instance),
      readMetrics,
      readReport: async path => this.#reports.get(path)?.(),
    }
    this.#primary = createBirpc<PrimaryCalls, WorkerCalls>(functions, {
      // With a callback, a primary that is gone is no error of the process; the end of the channel tells.
      post: message => void process.send?.(message, undefined, undefined, () => {}),
      on: receive => void process.on('message', receive),
      timeout: CALL_MS,
    })
    cluster.worker?.once('disconnect', () => {
      // Otherwise the process ends at once, in the middle of everything.
      if (cluster.worker) cluster.worker.exitedAfterDisconnect = true
      this.#primary.$close()
      this.#enter({ ...this.#instance, phase: 'draining', awaited: false })
    })
  }

  /** @throws where the process that has started this one is no primary, or says nothing. */
  static async join(readMetrics: () => Promise<MetricsSnapshot>): Promise<WorkerLink> {
    const link = new WorkerLink(readMetrics)
    const { replaces, ...instance } = await link.#primary.join()
    link.#replaces = replaces
    link.#enter(instance)
    setInterval(() => link.#tell(() => link.#primary.beat.asEvent()), BEAT_MS).unref()
    return link
  }

  /** The instance serves already, so that whoever is not ready must not take a connection. */
  get replaces(): boolean {
    return this.#replaces
  }

  /** Of the whole instance. */
  get phase(): Phase {
    return this.#instance.phase
  }

  /** Aborts when the instance drains. */
  get stopping(): AbortSignal {
    return this.#stopping.signal
  }

  /** Whoever spreads requests asks now this worker and now that one, and is told by any of them. */
  get readiness(): Pick<Readiness, 'answered' | 'awaited'> {
    const awaited = () => this.#instance.awaited
    return {
      answered: (address, ready) => this.#tell(() => this.#primary.answeredReadiness.asEvent(address, ready)),
      get awaited() {
        return awaited()
      },
    }
  }

  /** Migrated. Waits as long as the signal lets it, which the primary aborts when it is of no use. */
  database(signal: AbortSignal | undefined): Promise<string> {
    return abortable(this.#foundDatabase.promise, signal)
  }

  async ready({ url, developmentToken }: Started): Promise<void> {
    await this.#primary.ready({ url, developmentToken }).catch(error => {
      if (process.connected) throw error
    })
  }

  /** @returns when the primary has heard it, or is not there. */
  async fail(sentence: string): Promise<void> {
    await this.#primary.fail(sentence).catch(() => {})
  }

  /** Of all workers. */
  metrics(): Promise<string> {
    return this.#primary.readMetrics()
  }

  /** From now on these tell of all workers; what they tell of this process goes to the primary. */
  gather(reports: Record<string, () => Promise<HealthReport>>): void {
    for (const [path, report] of Object.entries(reports)) {
      this.#reports.set(path, report)
      reports[path] = () => this.#primary.readReport(path)
    }
  }

  addPoints(counter: string, windowMs: number, key: string, points: number): Promise<Count> {
    return this.#primary.addPoints(counter, windowMs, key, points)
  }

  #enter(instance: Instance): void {
    // A drain is never taken back, whatever comes in which order.
    const phase = this.#instance.phase === 'draining' ? 'draining' : instance.phase
    this.#instance = { ...instance, phase }
    if (instance.databaseUrl !== undefined) this.#foundDatabase.resolve(instance.databaseUrl)
    if (phase === 'draining') this.#stopping.abort()
  }

  #tell(say: () => unknown): void {
    if (process.connected) void Promise.resolve(say()).catch(() => {})
  }
}
