import { AsyncLocalStorage } from 'node:async_hooks'
import type { Flight, FlightEnd } from '../../src/coordination/flight.ts'
import type { Lease } from '../../src/coordination/lease.ts'
import { LeaseKeeper } from '../../src/coordination/lease-keeper.ts'
import { Pilot } from '../../src/coordination/pilot.ts'
import { type Outcome, RunOnce, type RunSpec } from '../../src/coordination/run-once.ts'
import { RunWatch } from '../../src/coordination/run-watch.ts'
import { GenerationError } from '../../src/providers/generator.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics, type Metrics } from '../../src/shared/metrics.ts'
import { SimulatedClock, SimulatedTime, settled } from './simulated-clock.ts'
import {
  SimulatedLeases,
  SimulatedStore,
  STORE_RESULT,
  type StoredResult,
  type StoreEvent,
  type Wire,
} from './simulated-leases.ts'

export const LEASE_TTL_MS = 3000
export const GENERATION_TIMEOUT_MS = 10_000
/** A stored result younger than this serves whoever forces nothing, whatever data has come since. */
const RECENT_MS = 500
const RENEWAL_MS = LEASE_TTL_MS / 3

/** Chooses what happens next of what could: fast-check's scheduler, or first come, first served. */
export interface Steps {
  schedule(task: Promise<void>, label: string): Promise<void>
  count(): number
  waitNext(count: number): Promise<void>
}

/**
 * What comes of one event, all the way down: the request, the flight that it launches, the wakes that it sends. Without
 * lanes everybody is as fast as everybody else by and large; with them, a whole request passes another between two of its
 * steps. From "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", Burckhardt et al., 2010.
 */
export interface Lane {
  /** Who is of a higher level goes first. */
  level: number
  /** After so many of its steps it falls by a level. */
  drops: readonly number[]
}

/** What a call of the provider does. */
export interface Behavior {
  durationMs: number
  end: 'answers' | 'fails for now' | 'fails for good' | 'is out of reach' | 'breaks'
  obeysSignal: boolean
  /** So many times it tells its progress on the way. */
  reports: number
}

export type SimulatedEvent =
  | { do: 'ask'; instance: number; key: string; forced: boolean; waitMs: number | null }
  | { do: 'leave'; caller: number }
  | { do: 'add data'; key: string }
  /** While everything that is under way stays under way. */
  | { do: 'pass time'; ms: number }
  | { do: 'crash'; instance: number; sentStatements: 'arrive' | 'are lost' }
  | { do: 'stop'; instance: number; ms: number }
  /** The session that shows that the instance lives. */
  | { do: 'cut session'; instance: number; ms: number }
  | { do: 'shut down'; instance: number }
  | ({ do: 'disturb'; instance: number } & Disturbance)
  | { do: 'outage'; ms: number }

export const ANY = 'any statement'

/** What befalls the next statements of a name, or of ANY. */
export interface Disturbance {
  statement: string
  times: number
  fault:
    | { type: 'statement is lost' }
    /** It does its work, and nobody learns. */
    | { type: 'answer is lost' }
    | { type: 'statement is late' | 'answer is late'; ms: number }
}

export type CallerEnd = Outcome<StoredResult> | { type: 'left' } | { type: 'threw'; error: unknown }

export interface SimulatedCaller {
  readonly number: number
  readonly instance: SimulatedInstance
  readonly key: string
  readonly forced: boolean
  readonly waitMs: number | null
  readonly controller: AbortController
  /** The data revision when it asked. */
  revision: number
  /** Waits for a flight. */
  seated: boolean
  findError: unknown
  end: CallerEnd | undefined
  endedAtMs: number
}

export interface ProviderCall {
  readonly number: number
  readonly instance: SimulatedInstance
  readonly key: string
  /** Whose flight made it. */
  readonly caller: SimulatedCaller
  /** Of the lease under which it was made; undefined where that had passed on already. */
  readonly epoch: number | undefined
  readonly startedAtMs: number
}

export interface FlightRecord {
  readonly flight: Flight<unknown>
  readonly caller: SimulatedCaller
  readonly instance: SimulatedInstance
  end: FlightEnd<unknown> | 'broken' | undefined
  waitersAtEnd: number
}

interface Inputs {
  caller: SimulatedCaller
  revision: number
}

/** The database says so when it is away; both are what `pg` says. */
const AWAY = [
  () => Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' }),
  () => Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' }),
]
const OUT_OF_REACH = 'The provider is out of reach.'
const QUIET = createLogger({ level: 'silent', format: 'json' })
const ANSWERS: Behavior = { durationMs: 300, end: 'answers', obeysSignal: true, reports: 1 }
/** By far more than any schedule needs to come to rest. */
const MAX_STEPS = 20_000
const MAX_MS = 600_000

/**
 * Instances of the real run-once over one simulated store, in one simulated time. Whatever one of them waits for that is
 * not itself, it waits for as a step of `steps`; between two steps everything runs that can.
 *
 * It judges while it runs, and whatever it finds wrong is in `violations`; the promises of the moment are judged here, the
 * promises about the whole in simulated-verdict.ts.
 */
export class SimulatedCluster {
  readonly time = new SimulatedTime()
  readonly store: SimulatedStore
  readonly instances: SimulatedInstance[] = []
  readonly callers: SimulatedCaller[] = []
  readonly calls: ProviderCall[] = []
  readonly flights: FlightRecord[] = []
  readonly grants: { lease: Lease; instance: SimulatedInstance; atMs: number; reachedProvider: boolean }[] =
    []
  readonly withdrawn = new Set<string>()
  readonly violations: string[] = []
  readonly trace: string[] = []
  readonly #steps: Steps
  #behaviors: readonly Behavior[]
  readonly #lostWakes: readonly boolean[]
  readonly #revisionByKey = new Map<string, number>()
  readonly #failedUntilMsByKey = new Map<string, number>()
  readonly #lanes: readonly Lane[]
  readonly #lane = new AsyncLocalStorage<number>()
  readonly #stepsByLane = new Map<number, number>()
  /** Steps that are not offered yet, because others go first. */
  #held: { lane: number; label: string; go: () => void }[] = []
  /** The level of those that are offered. */
  #offeredLevel = 0
  #wakes = 0
  #toPassMs = 0
  #outages = 0
  /** Of outages so far, so that who was on its way when one began can tell. */
  #outagesBegun = 0

  constructor(options: {
    steps: Steps
    hosts: readonly { offsetMs: number; rate: number }[]
    behaviors?: readonly Behavior[]
    /** Which wakes are lost, over and over. */
    lostWakes?: readonly boolean[]
    lanes?: readonly Lane[]
  }) {
    this.#steps = options.steps
    this.#behaviors = options.behaviors ?? []
    this.#lostWakes = options.lostWakes ?? []
    this.#lanes = options.lanes ?? []
    this.store = new SimulatedStore({
      nowMs: () => this.time.nowMs,
      notify: runId => this.#notify(runId),
      observe: event => this.#observe(event),
    })
    for (const host of options.hosts) this.start(host)
  }

  get away(): boolean {
    return this.#outages > 0
  }

  healProvider(): void {
    this.#behaviors = []
  }

  get outagesBegun(): number {
    return this.#outagesBegun
  }

  start(host: { offsetMs: number; rate: number }): SimulatedInstance {
    const instance = new SimulatedInstance(this, this.instances.length, host)
    this.instances.push(instance)
    return instance
  }

  note(text: string): void {
    this.trace.push(`${String(Math.round(this.time.nowMs)).padStart(7)} ms  ${text}`)
  }

  violate(promise: string): void {
    this.violations.push(promise)
    this.note(`VIOLATION: ${promise}`)
  }

  step(label: string): Promise<void> {
    const lane = this.#lane.getStore() ?? 0
    return new Promise(go => this.#held.push({ lane, label, go }))
  }

  /** Lets go first who is of a higher level: only among equals do the steps choose. */
  #offer(): void {
    const levels = this.#held.map(({ lane }) => this.#levelOf(lane))
    if (this.#steps.count() === 0) this.#offeredLevel = Math.max(...levels)
    const offered = this.#held.filter((_, index) => (levels[index] ?? 0) >= this.#offeredLevel)
    this.#held = this.#held.filter(one => !offered.includes(one))
    for (const { lane, label, go } of offered) {
      void this.#steps.schedule(Promise.resolve(), label).then(() => {
        this.#stepsByLane.set(lane, (this.#stepsByLane.get(lane) ?? 0) + 1)
        go()
      })
    }
  }

  #levelOf(lane: number): number {
    const { level = 0, drops = [] } = this.#lanes[lane % this.#lanes.length] ?? {}
    const taken = this.#stepsByLane.get(lane) ?? 0
    return level - drops.filter(drop => taken >= drop).length
  }

  revisionOf(key: string): number {
    return this.#revisionByKey.get(key) ?? 1
  }

  /** What the use case reads before it decides: a stored result serves while it is new, and while there is no newer data. */
  facts(key: string) {
    const { nowMs } = this.time
    const revision = this.revisionOf(key)
    const results = this.store.results.filter(result => result.key === key)
    const latest = results.at(-1)
    const serves =
      latest !== undefined && (latest.revision >= revision || nowMs - latest.committedAtMs <= RECENT_MS)
    return { revision, results: results.length, latest, serving: serves ? latest : undefined }
  }

  /** Plays the events, each in a lane of its own, and goes on until nothing is under way and no timer is set. */
  async play(events: readonly { afterMs: number; event: SimulatedEvent }[]): Promise<void> {
    let atMs = 0
    for (const [lane, { afterMs, event }] of events.entries()) {
      atMs += afterMs
      const begin = () => void this.step(JSON.stringify(event)).then(() => this.happen(event))
      this.#lane.run(lane, () => (atMs > 0 ? this.time.setTimer(begin, atMs) : begin()))
    }
    await this.rest()
  }

  async rest(): Promise<void> {
    const untilMs = this.time.nowMs + MAX_MS
    for (let step = 0; step < MAX_STEPS; step++) {
      await settled()
      for (const instance of this.instances) instance.check()
      if (this.#toPassMs > 0) {
        const ms = this.#toPassMs
        this.#toPassMs = 0
        await this.time.pass(ms)
        continue
      }
      this.#offer()
      if (this.#steps.count() > 0) {
        await this.#steps.waitNext(1)
      } else if (!this.time.fireNext(untilMs)) return
    }
    this.violate('everything comes to rest')
  }

  happen(event: SimulatedEvent): void {
    this.note(`--- ${JSON.stringify(event)}`)
    const instance = 'instance' in event ? this.instances[event.instance % this.instances.length] : undefined
    switch (event.do) {
      case 'ask':
        if (instance) this.ask(instance, event)
        break
      case 'leave': {
        const caller = this.callers[event.caller]
        if (caller) void caller.instance.whenAwake().then(() => caller.controller.abort('left'))
        break
      }
      case 'add data':
        this.#revisionByKey.set(event.key, this.revisionOf(event.key) + 1)
        break
      case 'pass time':
        this.#toPassMs = event.ms
        break
      case 'crash':
        instance?.crash(event.sentStatements)
        break
      case 'stop':
        instance?.stop(event.ms)
        break
      case 'cut session':
        instance?.cutSession(event.ms)
        break
      case 'shut down':
        instance?.shutDown()
        break
      case 'disturb':
        instance?.disturb(event)
        break
      case 'outage':
        this.#outage(event.ms)
    }
  }

  ask(
    instance: SimulatedInstance,
    wish: { key: string; forced: boolean; waitMs: number | null },
  ): SimulatedCaller {
    const { key, forced, waitMs } = wish
    const caller: SimulatedCaller = {
      number: this.callers.length,
      instance,
      key,
      forced,
      waitMs,
      controller: new AbortController(),
      revision: this.revisionOf(key),
      seated: false,
      findError: undefined,
      end: undefined,
      endedAtMs: 0,
    }
    this.callers.push(caller)
    void instance.whenAwake().then(() => {
      caller.revision = this.revisionOf(key)
      return instance.request(caller)
    })
    return caller
  }

  /** One call of the provider, as the next of the behaviors has it. */
  generate(
    instance: SimulatedInstance,
    { caller }: Inputs,
    context: { signal: AbortSignal; reportProgress(fraction: number): void },
  ): Promise<{ call: number }> {
    const { key } = caller
    const row = this.store.findRow(key)
    const current = row?.state === 'RUNNING' && row.owner === instance.number
    const number = this.calls.length + 1
    const call: ProviderCall = {
      number,
      instance,
      key,
      caller,
      epoch: current ? row.epoch : undefined,
      startedAtMs: this.time.nowMs,
    }
    this.calls.push(call)
    this.note(`${instance.name} calls the provider for ${key}: call ${number}`)
    if (current) this.#judgeCall(call)
    const { durationMs, end, obeysSignal, reports } = this.#behaviors[number - 1] ?? ANSWERS
    const { signal, reportProgress } = context
    return new Promise((resolve, reject) => {
      const cancel: (() => void)[] = []
      const answer = () => {
        if (signal.aborted && obeysSignal) return
        this.note(`call ${number} ${end}`)
        if (!signal.aborted) this.#judgeEnd(call)
        if (end === 'answers') resolve({ call: number })
        else reject(errorOf(end))
      }
      for (let report = 1; report <= reports; report++) {
        const fraction = report / (reports + 1)
        cancel.push(instance.clock.setTimer(() => reportProgress(fraction), fraction * durationMs))
      }
      if (durationMs > 0) cancel.push(instance.clock.setTimer(answer, durationMs))
      else
        void this.step(`call ${number} ${end}`)
          .then(() => instance.whenAwake())
          .then(answer)
      signal.addEventListener('abort', () => {
        this.note(`call ${number} is aborted: ${signal.reason}`)
        if (!obeysSignal) return
        for (const end of cancel) end()
        reject(signal.reason)
      })
    })
  }

  instanceOf(owner: number): SimulatedInstance | undefined {
    return this.instances.find(instance => instance.number === owner)
  }

  #notify(runId: string): void {
    for (const instance of this.instances) {
      if (!instance.listens) continue
      const lost = this.#lostWakes[this.#wakes++ % this.#lostWakes.length] ?? false
      if (!lost) void instance.wake(runId)
    }
  }

  #outage(ms: number): void {
    this.#outages++
    this.#outagesBegun++
    for (const instance of this.instances) instance.cutSession(ms)
    this.time.setTimer(() => {
      this.#outages--
    }, ms)
  }

  #observe(event: StoreEvent): void {
    switch (event.type) {
      case 'granted': {
        const { lease, owner, before } = event
        const instance = this.instanceOf(owner)
        if (!instance) throw new Error('a lease was granted to nobody')
        this.grants.push({ lease, instance, atMs: this.time.nowMs, reachedProvider: false })
        if (before?.state === 'RUNNING') {
          const previous = this.instanceOf(before.owner)
          const reachable = previous?.alive && this.store.living.has(before.owner)
          const handedOver = before.leaseUntilMs === Number.NEGATIVE_INFINITY
          if (reachable && !handedOver && !previous.lateSince(before.renewedAtMs))
            this.violate('a run is taken only from an owner that was gone, cut off or late')
        }
        return
      }
      case 'advanced': {
        const { before, after } = event
        if (after.progress < before.progress) this.violate('progress never falls within one epoch')
        if (PHASES.indexOf(after.phase) < PHASES.indexOf(before.phase))
          this.violate('the phase never goes back within one epoch')
        const grant = this.grants.find(
          ({ lease }) =>
            lease.key === after.key && lease.epoch === after.epoch && lease.runId === after.runId,
        )
        if (grant && after.phase === 'GENERATING') grant.reachedProvider = true
        return
      }
      case 'committed': {
        const { row, results } = event
        const newest = Math.max(
          ...this.grants.flatMap(({ lease }) => (lease.key === row.key ? lease.epoch : [])),
        )
        const [result] = results
        if (results.length !== 1 || result?.runId !== row.runId || result.epoch !== row.epoch)
          this.violate('a commit stores the result of its own run')
        if (row.epoch !== newest) this.violate('only the highest epoch commits')
        if (this.store.results.filter(({ runId }) => runId === row.runId).length !== 1)
          this.violate('a run has one committed result at most')
        return
      }
      case 'failed': {
        const { row, failure } = event
        if (failure.retryAfterMs !== null)
          this.#failedUntilMsByKey.set(row.key, this.time.nowMs + failure.retryAfterMs)
        if (failure.retryable !== (failure.retryAfterMs !== null))
          this.violate('a failure that may be retried is followed by a pause, any other is not')
        return
      }
      case 'handed over': {
        const instance = this.instanceOf(event.row.owner)
        if (!instance?.isShutDown && !instance?.mayGiveUp)
          this.violate('a run is handed over by an instance only that shuts down or has lost the database')
        return
      }
      case 'withdrawn':
        this.withdrawn.add(event.row.runId)
    }
  }

  /** Of a call whose caller holds the lease. */
  #judgeCall({ instance, key, caller, startedAtMs }: ProviderCall): void {
    const { serving } = this.facts(key)
    const forcedOne = this.callers.some(
      other => other.forced && other.key === key && other.instance === instance && other.seated && !other.end,
    )
    if (!caller.forced && !forcedOne && serving) this.violate('nothing is generated that is stored already')
    if (startedAtMs < (this.#failedUntilMsByKey.get(key) ?? 0))
      this.violate('a provider that failed is left alone for a while')
  }

  /** Of a call that nobody has aborted. */
  #judgeEnd({ instance, key, epoch }: ProviderCall): void {
    if (epoch === undefined) return
    const successor = this.grants.find(({ lease }) => lease.key === key && lease.epoch > epoch)
    if (!successor) return
    const since = Math.max(successor.atMs, instance.continuedAtMs)
    const toldByMs = since + RENEWAL_MS / instance.rate + 1
    if (this.time.nowMs > toldByMs && !instance.lateSince(successor.atMs))
      this.violate('an owner that has lost its lease stops its call')
  }
}

const PHASES = ['WAITING', 'COLLECTING', 'GENERATING', 'STORING', 'DONE']

function errorOf(end: Exclude<Behavior['end'], 'answers'>): Error {
  switch (end) {
    case 'fails for now':
      return new GenerationError('The provider is busy.', { retryable: true })
    case 'fails for good':
      return new GenerationError('The provider refuses.', { retryable: false })
    case 'is out of reach':
      return new GenerationError(OUT_OF_REACH, {
        retryable: true,
        cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
      })
    case 'breaks':
      return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  }
}

/** Sees the flights of an instance; flies them as the real one does. */
class ObservedPilot extends Pilot {
  readonly #observe: (flight: Flight<unknown>, spec: object) => (end: FlightEnd<unknown> | 'broken') => void

  constructor(
    options: ConstructorParameters<typeof Pilot>[0],
    observe: (flight: Flight<unknown>, spec: object) => (end: FlightEnd<unknown> | 'broken') => void,
  ) {
    super(options)
    this.#observe = observe
  }

  override async fly<I, D, R>(flight: Flight<R>, spec: RunSpec<I, D, R>): Promise<FlightEnd<R>> {
    const ended = this.#observe(flight as Flight<unknown>, spec)
    try {
      const end = await super.fly(flight, spec)
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
  readonly rate: number
  readonly metrics: Metrics = createMetrics()
  readonly runOnce: RunOnce
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
  #sessionsCut = 0
  readonly #disturbances: Disturbance[] = []
  /** When an acquire or a renewal went wrong; a slow one counts twice. */
  readonly #troublesAtMs: number[] = []
  readonly #underWay = new Set<{ name: string; sentAtMs: number }>()
  #awayAnswers = 0
  #idleAtHostMs = 0

  constructor(cluster: SimulatedCluster, index: number, host: { offsetMs: number; rate: number }) {
    this.#cluster = cluster
    this.name = String.fromCharCode(65 + index)
    this.number = index + 1
    this.rate = host.rate
    this.clock = new SimulatedClock(cluster.time, host)
    this.#idleAtHostMs = this.clock.nowMs()
    cluster.store.living.add(this.number)
    const { clock, metrics } = this
    const logger = QUIET
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
        publish: runId => this.send({ name: 'publish', of: runId }, () => cluster.store.notify(runId)),
        clock,
        logger,
        metrics,
        generationTimeoutMs: GENERATION_TIMEOUT_MS,
        random,
      },
      (flight, spec) => this.#observeFlight(flight, spec),
    )
    this.runOnce = new RunOnce(this.#pilot)
  }

  get alive(): boolean {
    return this.#state !== 'is dead'
  }

  get isShutDown(): boolean {
    return this.#isShutDown
  }

  get listens(): boolean {
    return this.alive && this.#sessionsCut === 0
  }

  get continuedAtMs(): number {
    return this.#continuedAtMs
  }

  /** Whether some flight may have been without the database for longer than anybody waits for it. */
  get mayGiveUp(): boolean {
    return this.#awayAnswers > 0 && this.clock.nowMs() - this.#idleAtHostMs > 20_000
  }

  /** Whether the renewals since then could be too late: this host was stopped, or two of them, or a slow one, went wrong. */
  lateSince(atMs: number): boolean {
    const nowMs = this.#cluster.time.nowMs
    if (this.#state !== 'runs' || this.#continuedAtMs >= atMs) return true
    for (const { name, sentAtMs } of this.#underWay) {
      if (isVital(name) && nowMs - sentAtMs > RENEWAL_MS / 2) return true
    }
    return this.#troublesAtMs.filter(at => at >= atMs - LEASE_TTL_MS).length >= 2
  }

  /** Promises that hold whenever nothing is on its way. */
  check(): void {
    if (!this.alive) return
    const { flights, waiters } = this.runOnce.figures
    if (flights === 0) this.#idleAtHostMs = this.clock.nowMs()
    const seated = this.#cluster.callers.filter(
      caller => caller.instance === this && caller.seated && !caller.end,
    )
    if (waiters !== seated.length)
      this.#cluster.violate('every caller that waits has a seat in a known flight')
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
    if (cluster.away || fault?.type === 'statement is lost') {
      answer = { error: this.#away(statement.name) }
      cluster.note(`${label}: does not arrive`)
    } else {
      try {
        answer = { value: await run() }
        cluster.note(`${label}: ${describe(answer.value)}`)
      } catch (error) {
        answer = { error }
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
    this.#cluster.store.living.delete(this.number)
    this.#continued.resolve()
  }

  stop(ms: number): void {
    if (this.#state !== 'runs') return
    this.#state = 'is stopped'
    this.clock.stop()
    this.#cluster.time.setTimer(() => {
      if (this.#state !== 'is stopped') return
      this.#cluster.note(`--- ${this.name} goes on`)
      this.#state = 'runs'
      this.#continuedAtMs = this.#cluster.time.nowMs
      this.clock.continue()
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

  shutDown(): void {
    void this.whenAwake().then(() => {
      this.#isShutDown = true
      this.#pilot.handOverAll()
    })
  }

  disturb({ statement, times, fault }: Disturbance): void {
    this.#disturbances.push({ statement, times, fault })
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
    return this.#isShutDown || this.mayGiveUp
  }

  #observeFlight(flight: Flight<unknown>, spec: object): (end: FlightEnd<unknown> | 'broken') => void {
    const caller = this.#callerBySpec.get(spec)
    if (!caller) throw new Error('a flight of nobody')
    const record: FlightRecord = { flight, caller, instance: this, end: undefined, waitersAtEnd: 0 }
    this.#cluster.flights.push(record)
    return end => {
      record.end = end
      record.waitersAtEnd = flight.waiters
    }
  }

  /** As src/domain/analyses/request-analysis.ts has it: what is stored serves as long as there is no new data. */
  #spec(caller: SimulatedCaller): RunSpec<Inputs, { call: number }, StoredResult> {
    const cluster = this.#cluster
    const { key, forced } = caller
    const readFacts = (why: string) =>
      this.send(
        { name: why, of: key },
        () => cluster.facts(key),
        ({ revision, latest }) => `revision ${revision}, ${latest?.id ?? 'nothing'} stored`,
      )
    let asked: { results: number; revision: number } | undefined
    return {
      subject: { key, kind: 'BEHAVIOR_ANALYSIS', userId: `user of ${key}`, archetype: null },
      find: async () => {
        try {
          const { revision, results, serving } = await readFacts('find-stored')
          if (!forced && serving) return { type: 'serves', result: serving, source: 'RECENT' }
          asked = { results, revision }
          caller.seated = true
          return { type: 'wanted', needsRevision: forced ? revision : 0 }
        } catch (error) {
          caller.findError = error
          throw error
        }
      },
      findAgain: async () => {
        const { latest, results, serving } = await readFacts('find-again')
        const made = asked && results > asked.results && latest && latest.revision >= asked.revision
        const result = !forced ? serving : made ? latest : undefined
        return result && { result, runId: result.runId }
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

/** First come, first served. */
export class InOrder implements Steps {
  readonly #waiting: { label: string; go: () => void }[] = []
  /** Called before each step, with its number from 1; for a fault in just that place. */
  readonly #before: (step: number, label: string) => void
  #taken = 0

  constructor(before: (step: number, label: string) => void = () => {}) {
    this.#before = before
  }

  get taken(): number {
    return this.#taken
  }

  schedule(_task: Promise<void>, label: string): Promise<void> {
    return new Promise(resolve => this.#waiting.push({ label, go: resolve }))
  }

  count(): number {
    return this.#waiting.length
  }

  async waitNext(): Promise<void> {
    const next = this.#waiting.shift()
    if (!next) return
    this.#before(++this.#taken, next.label)
    next.go()
  }
}
