import { AbandonedRuns } from '../../src/coordination/abandoned-runs.ts'
import type { Flight, FlightEnd } from '../../src/coordination/flight.ts'
import { FencedError, NO_REVISION } from '../../src/coordination/lease.ts'
import { LeaseKeeper } from '../../src/coordination/lease-keeper.ts'
import { Pilot, type TakenOver } from '../../src/coordination/pilot.ts'
import { RunOnce, type RunSpec } from '../../src/coordination/run-once.ts'
import { RunWatch } from '../../src/coordination/run-watch.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics, type Metrics } from '../../src/shared/metrics.ts'
import { SimulatedClock } from './simulated-clock.ts'
import type {
  CallerEnd,
  FlightRecord,
  Inputs,
  SimulatedCaller,
  SimulatedCluster,
} from './simulated-cluster.ts'
import { SimulatedLeases, STORE_RESULT, type StoredResult, type Wire } from './simulated-leases.ts'

export interface Host {
  offsetMs: number
  /** Of its clock against the world's. */
  rate: number
}

export const ANY = 'any statement'

/** What befalls the next statements of a name, or of ANY. */
export interface Disturbance {
  statement: string
  times: number
  fault:
    | { type: 'statement is lost' }
    /** It does its work, and nobody learns. */
    | { type: 'answer is lost' }
    /** The connection is lost, and the statement does its work so much later all the same. */
    | { type: 'statement is in doubt'; ms: number }
    | { type: 'statement is late' | 'answer is late'; ms: number }
}

/** What was stored, and of which data, when somebody asked. */
interface Asked {
  results: number
  revision: number
}

export const LEASE_TTL_MS = 3000
export const RENEWAL_MS = LEASE_TTL_MS / 3
export const GENERATION_TIMEOUT_MS = 10_000
/** Between two tries of what nobody waits for any more, as a progress that could not be written. */
const LONGEST_PAUSE_MS = 1000
/** The database says so when it is away; both are what `pg` says. */
const AWAY = [
  () => Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' }),
  () => Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' }),
]

/** Sees the flights of an instance; flies them as the real one does. */
class ObservedPilot extends Pilot {
  readonly #observe: (flight: Flight<unknown>, spec: object) => (end: FlightEnd<unknown> | 'broken') => void
  /** A lease may have been granted, and nobody knows. */
  readonly #onLost: () => void

  constructor(
    options: ConstructorParameters<typeof Pilot>[0],
    observe: (flight: Flight<unknown>, spec: object) => (end: FlightEnd<unknown> | 'broken') => void,
    onLost: () => void,
  ) {
    super(options)
    this.#observe = observe
    this.#onLost = onLost
  }

  override async takeOver(...how: Parameters<Pilot['takeOver']>): Promise<TakenOver | undefined> {
    try {
      return await super.takeOver(...how)
    } catch (error) {
      this.#onLost()
      throw error
    }
  }

  override async fly<I, D, R>(
    flight: Flight<R>,
    spec: RunSpec<I, D, R>,
    takenOver?: TakenOver,
  ): Promise<FlightEnd<R>> {
    const ended = this.#observe(flight as Flight<unknown>, spec)
    try {
      const end = await super.fly(flight, spec, takenOver)
      ended(end)
      return end
    } catch (error) {
      ended('broken')
      throw error
    }
  }
}

/** The real RunOnce, Pilot, LeaseKeeper and RunWatch of one process. */
export class SimulatedInstance {
  readonly name: string
  readonly number: number
  readonly clock: SimulatedClock
  /** By which the provider answers this process: it stands still and ends with it, and its timers are none of ours. */
  readonly providerClock: SimulatedClock
  readonly rate: number
  readonly metrics: Metrics
  readonly runOnce: RunOnce
  readonly #abandonedRuns: AbandonedRuns
  readonly keeper: LeaseKeeper
  readonly watch: RunWatch
  readonly #cluster: SimulatedCluster
  readonly #pilot: Pilot
  readonly #callerBySpec = new Map<object, SimulatedCaller>()
  #state: 'runs' | 'is stopped' | 'is dead' = 'runs'
  #continued = Promise.withResolvers<void>()
  #continuedAtMs = 0
  #sentStatements: 'arrive' | 'are lost' = 'arrive'
  #isShutDown = false
  #hasGivenUp = false
  #hasUnknownLeases = false
  #sessionsCut = 0
  readonly #disturbances: Disturbance[] = []
  /** When an acquire or a renewal went wrong; a slow one counts twice. */
  readonly #troublesAtMs: number[] = []
  readonly #underWay = new Set<{ name: string; sentAtMs: number }>()
  #awayAnswers = 0
  refusedCommits = 0
  #idleAtHostMs = 0

  constructor(cluster: SimulatedCluster, index: number, host: Host) {
    this.#cluster = cluster
    this.name = String.fromCharCode(65 + index)
    this.number = index + 1
    this.rate = host.rate
    this.clock = new SimulatedClock(cluster.time, host)
    this.providerClock = new SimulatedClock(cluster.time, host)
    this.#idleAtHostMs = this.clock.nowMs()
    cluster.store.living.add(this.number)
    const metrics = metricsOf(index)
    this.metrics = metrics
    const { clock } = this
    const logger = createLogger({
      ...{ level: 'error', format: 'json' },
      destination: { write: (line: string) => this.#heardOfError(line) } as unknown as NodeJS.WritableStream,
    })
    const random = createRandom(this.number)
    const wire: Wire = (statement, run, describe) => this.send(statement, run, describe)
    const leases = new SimulatedLeases({
      store: cluster.store,
      wire,
      owner: this.number,
      ttlMs: LEASE_TTL_MS,
    })
    this.watch = new RunWatch({ leases, clock, logger, random })
    this.keeper = new LeaseKeeper({ leases, clock, ttlMs: LEASE_TTL_MS, logger })
    this.#pilot = new ObservedPilot(
      {
        leases,
        keeper: this.keeper,
        watch: this.watch,
        clock,
        logger,
        metrics,
        generationTimeoutMs: GENERATION_TIMEOUT_MS,
        random,
      },
      (flight, spec) => this.#observeFlight(flight, spec),
      () => {
        this.#hasUnknownLeases = true
      },
    )
    this.runOnce = new RunOnce(this.#pilot)
    this.runOnce.resumes('BEHAVIOR_ANALYSIS', async ({ key, request }) => {
      await this.send({ name: 'describe-again', of: key }, () => undefined)
      const { forced, asked } = request as unknown as { forced: boolean; asked: Asked | null }
      const nobody = cluster.nobody(this, { key, forced })
      const spec = this.#spec(nobody, asked ?? undefined)
      this.#callerBySpec.set(spec, nobody)
      return spec
    })
    const { runOnce } = this
    this.#abandonedRuns = new AbandonedRuns({ leases, runOnce, clock, logger, metrics, random })
  }

  get alive(): boolean {
    return this.#state !== 'is dead'
  }

  /** What it holds may be left to whoever comes next: a flight has ended here without an answer, as it may, or never knew. */
  get leavesLeases(): boolean {
    return this.#hasGivenUp || this.#hasUnknownLeases
  }

  /** Finishes what others have left behind. */
  get works(): boolean {
    return this.#state === 'runs' && !this.#isShutDown
  }

  get listens(): boolean {
    return this.alive && this.#sessionsCut === 0
  }

  get continuedAtMs(): number {
    return this.#continuedAtMs
  }

  /** Whether a flight may end without an answer: some flight may have been without the database for longer than anybody waits. */
  get mayGiveUp(): boolean {
    if (this.#isShutDown) return true
    return this.#awayAnswers > 0 && this.clock.nowMs() - this.#idleAtHostMs > 20_000
  }

  /** Whether the renewals since then could be too late: this host was stopped, or so many of them, or a slow one, went wrong. */
  lateSince(atMs: number, troubles = 2): boolean {
    const nowMs = this.#cluster.time.nowMs
    if (this.#state !== 'runs' || this.#continuedAtMs >= atMs) return true
    for (const { name, sentAtMs } of this.#underWay) {
      if (isVital(name) && nowMs - sentAtMs > RENEWAL_MS / 2) return true
    }
    return this.#troublesAtMs.filter(at => at >= atMs - LEASE_TTL_MS).length >= troubles
  }

  /** Promises that hold whenever nothing is on its way. */
  check(): void {
    if (!this.alive) return
    const { flights, waiters } = this.runOnce.figures
    if (flights === 0) this.#idleAtHostMs = this.clock.nowMs()
    const seated = this.#cluster.callers.filter(
      caller => caller.instance === this && caller.seated && !caller.end,
    )
    if (this.#state === 'runs' && seated.some(({ controller }) => controller.signal.aborted))
      this.#cluster.violate('who leaves is let go at once')
    if (waiters !== seated.length)
      this.#cluster.violate('every caller that waits has a seat in a known flight')
    if (flights === 0 && this.#state === 'runs' && this.clock.timersBeyond(LONGEST_PAUSE_MS) > 0)
      this.#cluster.violate('no timer is left of what has ended')
  }

  async request(caller: SimulatedCaller): Promise<void> {
    const spec = this.#spec(caller)
    this.#callerBySpec.set(spec, caller)
    let asksForFacts = false
    const observed = {
      ...spec,
      find: () => {
        asksForFacts = true
        return spec.find()
      },
    }
    this.#callerBySpec.set(observed, caller)
    const { controller, forced, waitMs } = caller
    const request = this.runOnce.request(observed, {
      joinsAnyRun: !forced,
      waitMs,
      signal: controller.signal,
    })
    // Who joins a flight at once asks for nothing.
    caller.seated = !asksForFacts && !controller.signal.aborted
    const end = await request.catch(
      (error: unknown): CallerEnd =>
        error === 'left' && controller.signal.aborted ? { type: 'left' } : { type: 'threw', error },
    )
    caller.end = end
    caller.endedAtMs = this.#cluster.time.nowMs
    this.#cluster.seen.add(end.type === 'result' ? end.source : end.type)
    this.#cluster.note(`caller ${caller.number} on ${this.name}: ${describeEnd(end)}`)
    if (end.type === 'threw' && !this.#mayThrow(caller, end.error))
      this.#cluster.violate(`nobody is given an error that is none of theirs: ${end.error}`)
    if (end.type === 'pending' && !this.#cluster.store.find([end.runId]).length)
      this.#cluster.violate('a run that a caller is told to wait for is known')
  }

  /** Hears of a run, when its turn comes. */
  async wake(runId: string): Promise<void> {
    await this.#cluster.step(`${this.name} hears of ${runId}`)
    await this.whenAwake()
    this.watch.wake(runId)
  }

  /** Carries a statement there and its answer back: a step each. */
  async send<T>(
    statement: { name: string; of: string },
    run: () => T | Promise<T>,
    describe: (answer: T) => string = () => 'done',
  ): Promise<T> {
    const cluster = this.#cluster
    const label = `${this.name} ${statement.name} ${statement.of}`
    const fault = this.#takeFault(statement.name)
    const { outagesBegun } = cluster
    const sent = { name: statement.name, sentAtMs: cluster.time.nowMs }
    this.#underWay.add(sent)
    await cluster.step(`${label} →`)
    if (fault?.type === 'statement is late') await cluster.time.wait(fault.ms)
    let answer: { value: T } | { error: unknown }
    if (!this.alive && this.#sentStatements === 'are lost') {
      cluster.note(`${label}: lost with its sender`)
      return never()
    }
    if (fault?.type === 'statement is in doubt') {
      answer = { error: this.#away(statement.name) }
      cluster.note(`${label}: is in doubt`)
      void this.#arriveLate(statement.name, label, fault.ms, run)
    } else if (cluster.away || fault?.type === 'statement is lost') {
      answer = { error: this.#away(statement.name) }
      cluster.note(`${label}: does not arrive`)
    } else {
      try {
        answer = { value: await run() }
        cluster.note(`${label}: ${describe(answer.value)}`)
      } catch (error) {
        answer = { error }
        if (error instanceof FencedError) {
          cluster.seen.add('fenced')
          this.refusedCommits++
        }
        cluster.note(`${label}: ${error}`)
      }
    }
    if (fault?.type === 'answer is late') await cluster.time.wait(fault.ms)
    await cluster.step(`${label} ←`)
    await this.whenAwake()
    this.#underWay.delete(sent)
    if (isVital(statement.name) && cluster.time.nowMs - sent.sentAtMs > RENEWAL_MS / 2)
      this.#troublesAtMs.push(cluster.time.nowMs, cluster.time.nowMs)
    const cutOff = cluster.outagesBegun > outagesBegun && !cluster.away
    if ('value' in answer && (fault?.type === 'answer is lost' || cutOff || cluster.away)) {
      answer = { error: this.#away(statement.name) }
      cluster.note(`${label}: its answer is lost`)
    }
    if ('error' in answer) throw answer.error
    return answer.value
  }

  async #arriveLate(name: string, label: string, ms: number, run: () => unknown): Promise<void> {
    const cluster = this.#cluster
    await cluster.time.wait(ms)
    await cluster.step(`${label} ↛`)
    cluster.note(`${label}: arrives after all`)
    // A lease that is granted now is known to nobody.
    if (name === 'acquire') this.#hasUnknownLeases = true
    if (isVital(name)) this.#troublesAtMs.push(cluster.time.nowMs, cluster.time.nowMs)
    try {
      await run()
    } catch (error) {
      cluster.note(`${label}: ${error}`)
    }
  }

  /** At once, or when the host goes on; never when it is dead. */
  async whenAwake(): Promise<void> {
    while (this.#state !== 'runs') {
      if (this.#state === 'is dead') return never()
      await this.#continued.promise
      await this.#cluster.step(`${this.name} goes on`)
    }
  }

  crash(sentStatements: 'arrive' | 'are lost'): void {
    if (!this.alive) return
    this.#state = 'is dead'
    this.#sentStatements = sentStatements
    this.clock.kill()
    this.providerClock.kill()
    this.#cluster.store.living.delete(this.number)
    this.#continued.resolve()
  }

  stop(ms: number): void {
    if (this.#state !== 'runs') return
    this.#state = 'is stopped'
    this.clock.stop()
    this.providerClock.stop()
    this.#cluster.time.setTimer(() => {
      if (this.#state !== 'is stopped') return
      this.#cluster.note(`--- ${this.name} goes on`)
      this.#state = 'runs'
      this.#continuedAtMs = this.#cluster.time.nowMs
      this.clock.continue()
      this.providerClock.continue()
      this.#continued.resolve()
      this.#continued = Promise.withResolvers()
    }, ms)
  }

  /** The lock is free until a new session has taken it; what may have been missed is looked at then, as coordination.ts does. */
  cutSession(ms: number): void {
    if (!this.alive) return
    const { store, time } = this.#cluster
    this.#sessionsCut++
    store.living.delete(this.number)
    const reconnect = async () => {
      await this.#cluster.step(`${this.name} reconnects`)
      await this.whenAwake()
      this.#sessionsCut--
      if (this.#sessionsCut > 0) return
      store.living.add(this.number)
      this.watch.wakeAll()
      void this.keeper.renew()
    }
    time.setTimer(() => void reconnect(), ms)
  }

  /** As the timer of the real one does: what is abandoned at one look is taken at the next, or the one after that. */
  async look(): Promise<void> {
    for (const afterMs of [0, 500, 2100]) {
      if (afterMs > 0) await this.#cluster.time.wait(afterMs / Math.min(1, this.rate))
      await this.whenAwake()
      if (this.#isShutDown) return
      await this.#abandonedRuns.look()
    }
  }

  shutDown(): void {
    void this.whenAwake().then(() => {
      this.#isShutDown = true
      this.#pilot.handOverAll()
    })
  }

  disturb({ statement, times, fault }: Disturbance): void {
    this.#disturbances.push({ statement, times, fault })
  }

  #heardOfError(line: string): void {
    if (this.#cluster.brokenKeys.size === 0)
      this.#cluster.violate(`nothing breaks but a provider, yet it is told: ${line}`)
  }

  #takeFault(name: string): Disturbance['fault'] | undefined {
    const disturbance = this.#disturbances.find(
      ({ statement, times }) => times > 0 && (statement === name || statement === ANY),
    )
    if (disturbance) disturbance.times--
    return disturbance?.fault
  }

  #away(name: string): Error {
    if (isVital(name)) this.#troublesAtMs.push(this.#cluster.time.nowMs)
    // A lease that was granted and never heard of cannot be renewed.
    if (name === 'acquire') this.#troublesAtMs.push(this.#cluster.time.nowMs)
    const error = AWAY[this.#awayAnswers++ % AWAY.length]?.()
    return error ?? new Error('unreachable')
  }

  #mayThrow(caller: SimulatedCaller, error: unknown): boolean {
    if (error !== undefined && error === caller.findError) return true
    return this.mayGiveUp
  }

  #observeFlight(flight: Flight<unknown>, spec: object): (end: FlightEnd<unknown> | 'broken') => void {
    const caller = this.#callerBySpec.get(spec)
    if (!caller) throw new Error('a flight of nobody')
    if (caller.controller.signal.aborted)
      this.#cluster.violate('nothing is launched for somebody who has left')
    const record: FlightRecord = { flight, caller, instance: this, end: undefined, waitersAtEnd: 0 }
    this.#cluster.flights.push(record)
    return end => {
      if (end === 'broken' && this.mayGiveUp) this.#hasGivenUp = true
      record.end = end
      record.waitersAtEnd = flight.waiters
    }
  }

  /** As src/domain/analyses/request-analysis.ts has it: what is stored serves as long as there is no new data. */
  #spec(caller: SimulatedCaller, askedBefore?: Asked): RunSpec<Inputs, { call: number }, StoredResult> {
    const cluster = this.#cluster
    const { key, forced } = caller
    const readFacts = (why: string) =>
      this.send(
        { name: why, of: key },
        () => cluster.facts(key),
        ({ revision, latest }) => `revision ${revision}, ${latest?.id ?? 'nothing'} stored`,
      )
    let asked = askedBefore
    return {
      subject: { key, kind: 'BEHAVIOR_ANALYSIS', userId: `user of ${key}`, archetype: null },
      request: () => ({ forced, asked: asked ? { ...asked } : null }),
      find: async () => {
        try {
          const { revision, results, serving } = await readFacts('find-stored')
          if (!forced && serving) return { type: 'serves', result: serving, source: 'RECENT' }
          asked = { results, revision }
          caller.seated = true
          return { type: 'wanted', needsRevision: forced ? revision : NO_REVISION }
        } catch (error) {
          caller.findError = error
          throw error
        }
      },
      findAgain: async () => {
        const { latest, results, serving } = await readFacts('find-again')
        const made = asked && results > asked.results && latest && latest.revision >= asked.revision
        const result = !forced ? serving : made ? latest : undefined
        if (!result) return undefined
        return { result, runId: result.runId, resultId: result.id }
      },
      collect: async () => {
        const { revision } = await readFacts('collect')
        return { inputs: { caller, revision }, inputRevision: revision }
      },
      generate: (inputs, context) => cluster.generate(this, inputs, context),
      store:
        ({ call }, { revision }) =>
        async (transaction, { runId, epoch }) => {
          const id = `result of call ${call}`
          await transaction.query(STORE_RESULT, [id, runId, epoch, revision])
          return id
        },
      load: id =>
        this.send({ name: 'load', of: id }, () => {
          const result = cluster.store.results.find(stored => stored.id === id)
          if (!result) throw new Error(`${id} is not stored`)
          return result
        }),
    }
  }
}

/** Without whose answers a lease is not kept. */
function isVital(statement: string): boolean {
  return statement === 'acquire' || statement === 'renew'
}

function describeEnd(end: CallerEnd): string {
  switch (end.type) {
    case 'result':
      return `${end.source} ${end.result.id} of ${end.runId}`
    case 'pending':
      return `pending ${end.runId}`
    case 'failed':
      return `failed ${end.runId}: ${end.message}`
    case 'left':
      return 'left'
    case 'threw':
      return `threw ${end.error}`
  }
}

/** Sets of metrics are dear to make, and thousands of instances one after the other need no more than a few. */
const METRICS: Metrics[] = []

function metricsOf(index: number): Metrics {
  METRICS[index] ??= createMetrics()
  METRICS[index].registry.resetMetrics()
  return METRICS[index]
}

/** Small, fast, and the same on every replay: mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => {})
}
