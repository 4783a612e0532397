import cluster, { type Worker } from 'node:cluster'
import { type BirpcReturn, createBirpc } from 'birpc'
import { Registry } from 'prom-client'
import type { HealthReport, Phase } from '../http/health.ts'
import { Readiness } from '../http/readiness.ts'
import { createPointCounter, type PointCounter } from '../redis/point-counter.ts'
import { inTime } from '../shared/abort.ts'
import { backoffMs } from '../shared/backoff.ts'
import { systemClock } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import { createWorkerMetrics } from '../shared/metrics.ts'
import {
  BEAT_MS,
  CALL_MS,
  GATHER_MS,
  type Instance,
  type PrimaryCalls,
  type Started,
  type WorkerCalls,
} from './calls.ts'
import { closeUntaken } from './close-untaken.ts'
import { GatheredMetrics } from './gathered-metrics.ts'
import { mergeReports } from './merged-report.ts'

/** The workers cannot be kept going, in a sentence that says what was seen. */
export class WorkersError extends Error {
  override readonly name = 'WorkersError'
}

/** Between the end of a worker and its successor, where it did not end in order: what has killed it may not be over. */
const PAUSE = { baseMs: 200, maxMs: 15_000 }
/** A worker that has served for so long did not die of how it was started. */
const STEADY_MS = 60_000
/** Workers in a row that ended before they were ready. At the start somebody waits for an answer; later, a database may be away for minutes. */
const MOST_FAILED = { atStart: 5, later: 20 }
/** A worker that has said nothing for so many beats has an event loop that does not turn; no regular work takes half of that. */
const MOST_MISSED_BEATS = 30
/** So many times that for one that has not joined: many that start at once on few cores take turns, and it has nobody's connection. */
const PATIENCE_AT_START = 8

/** One of the workers that there have to be, whichever process it is. */
interface Place {
  /** Ends in a row that came soon. */
  ends: number
}

/** A process. */
interface Member {
  readonly place: Place
  readonly worker: Worker
  readonly calls: BirpcReturn<WorkerCalls, PrimaryCalls>
  /** It hears what it is told, and heeds signals; before that it has nothing that could be lost. */
  joined: boolean
  readyAtMs: number | undefined
  missedBeats: number
  hung: boolean
  /** Why it could not start. */
  failure: string | undefined
}

/**
 * The workers of an instance. Each that ends is replaced, after a pause that grows while ends come soon, until so many in a row
 * end before they are ready that it is of no use.
 *
 * The instance is starting until each place has had a worker that was ready, then ready, and draining from `stop` on. A worker's
 * place among those that take connections is the library's affair: whoever listens is handed them in turn, and one whose event
 * loop does not turn gets no second one.
 */
export class Workers {
  readonly #logger: Logger
  readonly #members = new Set<Member>()
  readonly #starting: Set<Place>
  readonly #readiness = new Readiness()
  readonly #counters = new Map<string, PointCounter>()
  readonly #metrics: ReturnType<typeof createWorkerMetrics>
  readonly #gathered: GatheredMetrics<Member>
  readonly #started = Promise.withResolvers<Started>()
  readonly #ended = Promise.withResolvers<void>()
  readonly #failing = new AbortController()
  readonly #pauses = new Set<NodeJS.Timeout>()
  readonly #mostMissedBeats: number
  #instance: Instance = { phase: 'starting', awaited: false, databaseUrl: undefined }
  #failedStarts = 0
  #inOrder = true

  constructor(options: { count: number; logger: Logger; mostMissedBeats?: number }) {
    this.#logger = options.logger
    this.#mostMissedBeats = options.mostMissedBeats ?? MOST_MISSED_BEATS
    this.#starting = new Set(Array.from({ length: options.count }, () => ({ ends: 0 })))
    const registry = new Registry()
    this.#metrics = createWorkerMetrics(
      registry,
      () => [...this.#members].filter(({ readyAtMs }) => readyAtMs !== undefined).length,
    )
    this.#gathered = new GatheredMetrics({
      own: registry,
      read: member => answerOf(member.calls.readMetrics()),
    })
  }

  /** The first of them, once all serve. Never rejects: `failure` tells. */
  get started(): Promise<Started> {
    return this.#started.promise
  }

  /** Aborts, with a WorkersError, when there is no use in going on. */
  get failure(): AbortSignal {
    return this.#failing.signal
  }

  start(): void {
    // What structured cloning takes, as numbers that are none, goes over the channel as it is.
    cluster.setupPrimary({ serialization: 'advanced' })
    for (const place of this.#starting) this.#fork(place)
    setInterval(() => this.#watch(), BEAT_MS).unref()
  }

  /** It is there, and migrated: workers wait for it. */
  useDatabase(databaseUrl: string): void {
    this.#enter({ ...this.#instance, databaseUrl })
  }

  /** @returns once all have drained and ended: whether each did so in order. Whoever cannot wait any longer kills them. */
  async stop(): Promise<boolean> {
    for (const pause of this.#pauses) clearTimeout(pause)
    this.#enter({ ...this.#instance, phase: 'draining', awaited: this.#readiness.awaited })
    if (this.#members.size > 0) await this.#ended.promise
    return this.#inOrder
  }

  /** At once, and synchronously: for the last moment of this process. */
  kill(): void {
    for (const { worker } of this.#members) worker.process.kill('SIGKILL')
  }

  #enter(instance: Instance): void {
    this.#instance = instance
    for (const member of this.#members) this.#tell(member)
  }

  /** One that has not joined yet asks when it does. */
  #tell(member: Member): void {
    void member.calls.enter.asEvent(this.#instance)?.catch(() => {})
  }

  get #phase(): Phase {
    return this.#instance.phase
  }

  #fork(place: Place): void {
    const worker = cluster.fork()
    const member: Member = {
      place,
      worker,
      calls: createBirpc<WorkerCalls, PrimaryCalls>(
        this.#callsOf(() => member),
        {
          // With a callback, a worker that is gone is no error of this process; its end tells.
          post: message => void worker.send(message, () => {}),
          on: receive => void worker.on('message', receive),
          timeout: CALL_MS,
        },
      ),
      joined: false,
      readyAtMs: undefined,
      missedBeats: 0,
      hung: false,
      failure: undefined,
    }
    this.#members.add(member)
    closeUntaken(worker)
    worker.once('exit', (code, signal) => this.#end(member, { code, signal }))
    worker.on('error', error => {
      this.#logger.error({ err: error }, 'a worker could not be started, or not be told something')
      // No process came of it, and so none ends.
      if (worker.process.pid === undefined) this.#end(member, { code: null, signal: null })
    })
  }

  #callsOf(member: () => Member): PrimaryCalls {
    return {
      join: () => {
        member().joined = true
        member().missedBeats = 0
        return { ...this.#instance, replaces: this.#phase === 'ready' }
      },
      ready: started => this.#ready(member(), started),
      fail: sentence => {
        member().failure = sentence
      },
      beat: () => {
        member().missedBeats = 0
      },
      answeredReadiness: (address, ready) => {
        this.#readiness.answered(address, ready)
        if (this.#instance.awaited && !this.#readiness.awaited)
          this.#enter({ ...this.#instance, awaited: false })
      },
      readMetrics: () => this.#gathered.text([...this.#members].filter(({ joined }) => joined)),
      readReport: path => this.#report(path),
      addPoints: (name, windowMs, key, points) => {
        let counter = this.#counters.get(name)
        counter ??= createPointCounter({ name, windowMs, redis: undefined, clock: systemClock })
        this.#counters.set(name, counter)
        return counter.add(key, points)
      },
    }
  }

  async #report(path: string): Promise<HealthReport> {
    const asked = [...this.#members].filter(({ readyAtMs }) => readyAtMs !== undefined)
    const answers = await Promise.all(asked.map(({ calls }) => answerOf(calls.readReport(path))))
    const reports = answers.filter(report => report !== undefined)
    return mergeReports(path, reports, asked.length - reports.length)
  }

  #ready(member: Member, started: Started): void {
    member.readyAtMs = performance.now()
    this.#failedStarts = 0
    this.#starting.delete(member.place)
    if (this.#phase !== 'starting' || this.#starting.size > 0) return
    this.#enter({ ...this.#instance, phase: 'ready' })
    this.#started.resolve(started)
  }

  #end(member: Member, { code, signal }: { code: number | null; signal: string | null }): void {
    if (!this.#members.delete(member)) return
    member.calls.$close()
    this.#gathered.forget(member)
    const { place, joined, readyAtMs, failure, hung } = member
    const { id, process: ended } = member.worker
    if (this.#phase === 'draining') {
      if (code !== 0 && joined) this.#inOrder = false
      if (this.#members.size === 0) this.#ended.resolve()
      return
    }
    const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`
    const served = readyAtMs !== undefined
    if (!served) this.#failedStarts++
    const serving = this.#phase === 'ready'
    if (!serving) this.#starting.add(place)
    if (!serving && failure !== undefined) {
      this.#fail(failure)
      return
    }
    if (this.#failedStarts >= (serving ? MOST_FAILED.later : MOST_FAILED.atStart)) {
      const why = failure ?? 'Its last lines in the log may say why.'
      this.#fail(
        `${this.#failedStarts} workers in a row ended before they were ready; the last one ${how}. ${why}`,
      )
      return
    }
    if (served) this.#metrics.replaced.inc({ cause: hung ? 'hung' : code === 0 ? 'stopped' : 'died' })
    const steady = served && performance.now() - readyAtMs >= STEADY_MS
    place.ends = served && code === 0 ? 0 : steady ? 1 : place.ends + 1
    const pauseMs = place.ends === 0 ? 0 : backoffMs(place.ends, PAUSE)
    const level = code === 0 ? 'info' : 'error'
    this.#logger[level](
      { worker: id, workerPid: ended.pid, pauseMs, ...(failure !== undefined && { failure }) },
      `worker ${id} ${how}; another takes its place`,
    )
    const pause = setTimeout(() => {
      this.#pauses.delete(pause)
      if (this.#phase !== 'draining') this.#fork(place)
    }, pauseMs)
    this.#pauses.add(pause)
  }

  #fail(sentence: string): void {
    this.#failing.abort(new WorkersError(sentence))
  }

  /** A process that was paused with all the others counts one beat as missed, and not all that time. */
  #watch(): void {
    for (const member of this.#members) {
      const most = this.#mostMissedBeats * (member.joined ? 1 : PATIENCE_AT_START)
      if (member.hung || ++member.missedBeats < most) continue
      member.hung = true
      this.#logger.error(
        { worker: member.worker.id, workerPid: member.worker.process.pid },
        `worker ${member.worker.id} has not answered for ${(most * BEAT_MS) / 1000} s; it is killed`,
      )
      member.worker.process.kill('SIGKILL')
    }
  }
}

/** Undefined where the worker does not answer in time, or is gone. */
async function answerOf<T>(answer: Promise<T>): Promise<T | undefined> {
  return inTime(
    answer.catch(() => undefined),
    GATHER_MS,
    () => undefined,
  )
}
