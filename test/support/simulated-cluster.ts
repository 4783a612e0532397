import type { Flight, FlightEnd } from '../../src/coordination/flight.ts'
import type { Lease } from '../../src/coordination/lease.ts'
import type { Outcome } from '../../src/coordination/run-once.ts'
import { GenerationError } from '../../src/providers/generator.ts'
import { SimulatedTime, settled } from './simulated-clock.ts'
import {
  type Disturbance,
  GENERATION_TIMEOUT_MS,
  type Host,
  RENEWAL_MS,
  SimulatedInstance,
} from './simulated-instance.ts'
import { SimulatedStore, type StoredResult, type StoreEvent } from './simulated-leases.ts'
import { type LaneLevel, Lanes, type Steps } from './simulated-steps.ts'

/** A stored result younger than this serves whoever forces nothing, whatever data has come since. */
const RECENT_MS = 500

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
  /** For runs that others have left behind. */
  | { do: 'look'; instance: number }
  | ({ do: 'disturb'; instance: number } & Disturbance)
  | { do: 'outage'; ms: number }

export interface Moment {
  /** After the moment before it. */
  afterMs: number
  event: SimulatedEvent
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
  askedAtMs: number
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

export interface Inputs {
  caller: SimulatedCaller
  revision: number
}

export type { SimulatedInstance }

const OUT_OF_REACH = 'The provider is out of reach.'
const ANSWERS: Behavior = { durationMs: 300, end: 'answers', obeysSignal: true, reports: 1 }
/** Of a run, before it ends as failed. */
const MAX_LOST_OWNERS = 2
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
  readonly violations: string[] = []
  readonly trace: string[] = []
  /** Keys whose provider has thrown what it should not. */
  readonly brokenKeys = new Set<string>()
  /** What kinds of things have happened, so that a test can tell that its schedules reach them. */
  readonly seen = new Set<string>()
  #behaviors: readonly Behavior[]
  readonly #lostWakes: readonly boolean[]
  /** As of a user, from 0 on: one without data has no less a right to the next run. */
  readonly #revisionByKey = new Map<string, number>()
  readonly #failedUntilMsByKey = new Map<string, number>()
  readonly #lanes: Lanes
  #wakes = 0
  #toPassMs = 0
  #outages = 0
  /** Of outages so far, so that who was on its way when one began can tell. */
  #outagesBegun = 0

  constructor(options: {
    steps: Steps
    hosts: readonly Host[]
    behaviors?: readonly Behavior[]
    /** Which wakes are lost, over and over. */
    lostWakes?: readonly boolean[]
    lanes?: readonly (readonly LaneLevel[])[]
  }) {
    this.#lanes = new Lanes(options.steps, options.lanes ?? [])
    this.#behaviors = options.behaviors ?? []
    this.#lostWakes = options.lostWakes ?? []
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

  start(host: Host): SimulatedInstance {
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
    return this.#lanes.step(label)
  }

  revisionOf(key: string): number {
    return this.#revisionByKey.get(key) ?? 0
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
  async play(events: readonly Moment[]): Promise<void> {
    let atMs = 0
    for (const [lane, { afterMs, event }] of events.entries()) {
      atMs += afterMs
      const begin = () => void this.step(JSON.stringify(event)).then(() => this.happen(event))
      this.#lanes.run(lane, () => (atMs > 0 ? this.time.setTimer(begin, atMs) : begin()))
    }
    await this.rest()
  }

  async rest(): Promise<void> {
    const untilMs = this.time.nowMs + MAX_MS
    for (let step = 0; step < MAX_STEPS; step++) {
      await settled()
      for (const instance of this.instances) instance.check()
      const ms = this.#toPassMs
      this.#toPassMs = 0
      if (ms > 0) await this.time.pass(ms)
      // What is due has no reason to wait for the steps of others; what is not waits until there are none.
      else if (this.time.fireNext(this.time.nowMs)) continue
      else if (!(await this.#lanes.next()) && !this.time.fireNext(untilMs)) return
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
      case 'look':
        void instance?.look()
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
    const { key } = wish
    const caller = this.#caller(instance, wish)
    this.callers.push(caller)
    void instance.whenAwake().then(() => {
      caller.askedAtMs = this.time.nowMs
      caller.revision = this.revisionOf(key)
      return instance.request(caller)
    })
    return caller
  }

  /** In whose place a run is continued that nobody waits for. */
  nobody(instance: SimulatedInstance, wish: { key: string; forced: boolean }): SimulatedCaller {
    return this.#caller(instance, { ...wish, waitMs: 0 })
  }

  #caller(
    instance: SimulatedInstance,
    { key, forced, waitMs }: { key: string; forced: boolean; waitMs: number | null },
  ): SimulatedCaller {
    return {
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
      askedAtMs: 0,
      endedAtMs: 0,
    }
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
    if (context.signal.aborted) this.violate('a run that is aborted calls no provider')
    if (current && row.lostOwners > MAX_LOST_OWNERS)
      this.violate('a run that has lost too many owners is not tried with another')
    if (current) this.#judgeCall(call)
    const { durationMs, end, obeysSignal, reports } = this.#behaviors[number - 1] ?? ANSWERS
    const { signal, reportProgress } = context
    return new Promise((resolve, reject) => {
      const cancel: (() => void)[] = []
      const answer = () => {
        if (signal.aborted && obeysSignal) return
        this.note(`call ${number} ${end}`)
        if (end === 'breaks') this.brokenKeys.add(key)
        if (!signal.aborted) this.#judgeEnd(call)
        if (end === 'answers') resolve({ call: number })
        else reject(errorOf(end))
      }
      for (let report = 1; report <= reports; report++) {
        const fraction = report / (reports + 1)
        cancel.push(instance.providerClock.setTimer(() => reportProgress(fraction), fraction * durationMs))
      }
      if (durationMs > 0) cancel.push(instance.providerClock.setTimer(answer, durationMs))
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
        if (lease.takeoverCause) this.seen.add(`taken over, ${lease.takeoverCause}`)
        if (lease.lostOwners > MAX_LOST_OWNERS) this.seen.add('has lost too many owners')
        this.grants.push({ lease, instance, atMs: this.time.nowMs, reachedProvider: false })
        if (before?.state === 'RUNNING') {
          const previous = this.instanceOf(before.owner)
          const reachable = previous?.alive && this.store.living.has(before.owner)
          if (
            reachable &&
            !before.wasHandedOver &&
            !previous.leavesLeases &&
            !previous.lateSince(before.renewedAtMs)
          )
            this.violate('a run is taken only from an owner that was gone, cut off or late')
        }
        return
      }
      case 'advanced': {
        const { before, after } = event
        if (after.progress < before.progress) this.violate('progress never falls within one epoch')
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
        if (!instance?.mayGiveUp)
          this.violate('a run is handed over by an instance only that shuts down or has lost the database')
        return
      }
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
  #judgeEnd({ instance, key, epoch, startedAtMs }: ProviderCall): void {
    const mayEndAtMs = Math.max(startedAtMs + GENERATION_TIMEOUT_MS / instance.rate, instance.continuedAtMs)
    if (this.time.nowMs > mayEndAtMs + 1) this.violate('a call takes no longer than it may')
    if (epoch === undefined) return
    const successor = this.grants.find(({ lease }) => lease.key === key && lease.epoch > epoch)
    if (!successor) return
    const since = Math.max(successor.atMs, instance.continuedAtMs)
    const toldByMs = since + RENEWAL_MS / instance.rate + 1
    if (this.time.nowMs > toldByMs && !instance.lateSince(successor.atMs, 1))
      this.violate('an owner that has lost its lease stops its call')
  }
}

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
