import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LockQueueFullError, LockTimeoutError } from '../../src/coordination/lock-errors.ts'
import { KeyedReadWriteLock, type LockWait } from '../../src/coordination/read-write-lock.ts'
import type { Clock } from '../../src/shared/clock.ts'

// Both locks share their waiting; what is tested through the mutex (bounds of options, observers, one-tick races at each
// await) is not repeated here. The model at the end covers both modes.

describe('readers and writers', () => {
  test('readers share a key up to maxReaders, the rest queue and follow one by one', async () => {
    const { lock } = setUp({ maxReaders: 10 })
    const readers = Array.from({ length: 13 }, () => track(lock.acquireRead('a', wait)))
    await drained()
    expect(readers.filter(reader => reader.state === 'acquired')).toHaveLength(10)
    expect(lock.queueLengthOf('a')).toBe(3)
    readers[4]?.release()
    await drained()
    expect(readers.slice(10).map(reader => reader.state)).toEqual(['acquired', 'waiting', 'waiting'])
  })

  test('a writer holds the key alone', async () => {
    const { lock } = setUp()
    const writer = await lock.acquireWrite('a', wait)
    const others = [
      lock.acquireRead('a', wait),
      lock.acquireWrite('a', wait),
      lock.acquireRead('b', wait),
    ].map(track)
    await drained()
    expect(others.map(other => other.state)).toEqual(['waiting', 'waiting', 'acquired'])
    writer.release()
    await drained()
    expect(others.map(other => other.state)).toEqual(['acquired', 'waiting', 'acquired'])
  })

  test('a writer waits for the last of the readers', async () => {
    const { lock } = setUp()
    const readers = [await lock.acquireRead('a', wait), await lock.acquireRead('a', wait)]
    const writer = track(lock.acquireWrite('a', wait))
    readers[0]?.release()
    await drained()
    expect(writer.state).toBe('waiting')
    readers[1]?.release()
    await drained()
    expect(writer.state).toBe('acquired')
  })

  test('all readers behind a writer enter together when it leaves, up to the next writer', async () => {
    const { lock } = setUp()
    const writer = await lock.acquireWrite('a', wait)
    const line = [
      lock.acquireRead('a', wait),
      lock.acquireRead('a', wait),
      lock.acquireWrite('a', wait),
      lock.acquireRead('a', wait),
    ].map(track)
    writer.release()
    await drained()
    expect(line.map(waiter => waiter.state)).toEqual(['acquired', 'acquired', 'waiting', 'waiting'])
  })

  test('runRead runs beside runRead, runWrite alone', async () => {
    const { lock } = setUp()
    const gate = Promise.withResolvers<void>()
    const events: string[] = []
    const run = (name: string) => async () => {
      events.push(`${name} in`)
      await gate.promise
      events.push(`${name} out`)
      return name
    }
    const runs = [
      lock.runRead('a', wait, run('read 1')),
      lock.runRead('a', wait, run('read 2')),
      lock.runWrite('a', wait, run('write')),
    ]
    await drained()
    expect(events).toEqual(['read 1 in', 'read 2 in'])
    gate.resolve()
    expect(await Promise.all(runs)).toEqual(['read 1', 'read 2', 'write'])
    expect(events).toEqual(['read 1 in', 'read 2 in', 'read 1 out', 'read 2 out', 'write in', 'write out'])
    expect(lock.size).toBe(0)
  })
})

describe('fairness', () => {
  test('a waiting writer stops later readers from overtaking it, though they would fit', async () => {
    const { lock } = setUp()
    const reader = await lock.acquireRead('a', wait)
    const writer = track(lock.acquireWrite('a', wait))
    const later = track(lock.acquireRead('a', wait))
    await drained()
    expect([writer.state, later.state]).toEqual(['waiting', 'waiting'])
    reader.release()
    await drained()
    expect([writer.state, later.state]).toEqual(['acquired', 'waiting'])
    writer.release()
    await drained()
    expect(later.state).toBe('acquired')
  })

  test('a stream of overlapping readers does not starve a writer', async () => {
    const { lock } = setUp()
    let reader = track(lock.acquireRead('a', wait))
    await drained()
    const writer = track(lock.acquireWrite('a', wait))
    for (let turn = 0; turn < 5; turn++) {
      const following = track(lock.acquireRead('a', wait))
      await drained()
      reader.release()
      await drained()
      reader = following
    }
    expect(writer.state).toBe('acquired')
  })

  test('a stream of writers does not starve a reader', async () => {
    const { lock } = setUp()
    let writer = track(lock.acquireWrite('a', wait))
    await drained()
    const reader = track(lock.acquireRead('a', wait))
    for (let turn = 0; turn < 5; turn++) {
      const following = track(lock.acquireWrite('a', wait))
      await drained()
      writer.release()
      await drained()
      writer = following
    }
    expect(reader.state).toBe('acquired')
  })
})

describe('giving up', () => {
  test('a writer that times out lets in the readers whom it alone held back', async () => {
    const { lock, clock } = setUp()
    await lock.acquireRead('a', wait)
    const writer = track(lock.acquireWrite('a', { timeoutMs: 50, operation: 'ingest' }))
    const reader = track(lock.acquireRead('a', wait))
    clock.advance(50)
    await drained()
    expect(writer.error).toBeInstanceOf(LockTimeoutError)
    expect(writer.error).toMatchObject({ lockName: 'collections', operation: 'ingest', waitedMs: 50 })
    expect(reader.state).toBe('acquired')
  })

  test('a writer that aborts lets in the readers whom it alone held back', async () => {
    const { lock } = setUp()
    const leaver = new AbortController()
    await lock.acquireRead('a', wait)
    const writer = track(lock.acquireWrite('a', { ...wait, signal: leaver.signal }))
    const reader = track(lock.acquireRead('a', wait))
    leaver.abort('gone')
    await drained()
    expect([writer.error, reader.state]).toEqual(['gone', 'acquired'])
  })

  test('one who gives up in the middle lets nobody overtake those before it', async () => {
    const { lock } = setUp()
    const leaver = new AbortController()
    await lock.acquireRead('a', wait)
    const writer = track(lock.acquireWrite('a', wait))
    track(lock.acquireWrite('a', { ...wait, signal: leaver.signal }))
    const reader = track(lock.acquireRead('a', wait))
    leaver.abort('gone')
    await drained()
    expect([writer.state, reader.state]).toEqual(['waiting', 'waiting'])
  })

  test('a release passes over a writer past its deadline whose timer is late', async () => {
    const { lock, clock } = setUp()
    const holder = await lock.acquireWrite('a', wait)
    const overdue = track(lock.acquireWrite('a', { timeoutMs: 50, operation: 'ingest' }))
    const readers = [lock.acquireRead('a', wait), lock.acquireRead('a', wait)].map(track)
    clock.block(60)
    holder.release()
    await drained()
    expect([overdue.state, ...readers.map(reader => reader.state)]).toEqual([
      'timeout',
      'acquired',
      'acquired',
    ])
  })

  test('a read granted in the tick of its abort gives its place to the next', async () => {
    const { lock } = setUp({ maxReaders: 1 })
    const leaver = new AbortController()
    const holder = await lock.acquireRead('a', wait)
    const leaving = track(lock.acquireRead('a', { ...wait, signal: leaver.signal }))
    const next = track(lock.acquireRead('a', wait))
    holder.release()
    leaver.abort('gone')
    await drained()
    expect([leaving.error, next.state]).toEqual(['gone', 'acquired'])
  })
})

describe('bounds', () => {
  test('maxWaiters counts readers and writers of a key together', async () => {
    const { lock } = setUp({ maxWaiters: 2 })
    await lock.acquireWrite('a', wait)
    const line = [lock.acquireRead('a', wait), lock.acquireWrite('a', wait), lock.acquireRead('a', wait)].map(
      track,
    )
    await drained()
    expect(line.map(waiter => waiter.state)).toEqual(['waiting', 'waiting', 'full'])
    expect(line[2]?.error).toMatchObject({ code: 'LOCK_QUEUE_FULL', lockName: 'collections', maxWaiters: 2 })
  })

  test('a reader with a timeout of 0 does not overtake a waiting writer either', async () => {
    const { lock } = setUp()
    await lock.acquireRead('a', wait)
    track(lock.acquireWrite('a', wait))
    await expect(lock.acquireRead('a', { timeoutMs: 0, operation: 'search' })).rejects.toBeInstanceOf(
      LockTimeoutError,
    )
  })

  test('a key stays known until its last reader has left', async () => {
    const { lock } = setUp()
    const readers = [await lock.acquireRead('a', wait), await lock.acquireRead('a', wait)]
    readers[0]?.release()
    expect(lock.size).toBe(1)
    await expect(lock.acquireWrite('a', { timeoutMs: 0, operation: 'ingest' })).rejects.toBeInstanceOf(
      LockTimeoutError,
    )
    readers[1]?.release()
    expect(lock.size).toBe(0)
  })
})

describe('misuse', () => {
  test('a reader that releases twice does not free the place of another', async () => {
    const { lock } = setUp()
    const [one] = [await lock.acquireRead('a', wait), await lock.acquireRead('a', wait)]
    const writer = track(lock.acquireWrite('a', wait))
    one?.release()
    one?.release()
    await drained()
    expect(writer.state).toBe('waiting')
    expect(lock.size).toBe(1)
  })

  test('a reader that asks to write gets a timeout and does not hang', async () => {
    const { lock, clock } = setUp()
    const upgrade = track(
      lock.runRead('a', wait, () => lock.acquireWrite('a', { timeoutMs: 50, operation: 'ingest' })),
    )
    await drained()
    clock.advance(50)
    await drained()
    expect(upgrade.state).toBe('timeout')
    expect(lock.size).toBe(0)
  })

  test.each([0, -1, 1.5, Number.NaN])('a bound of %s readers is refused', maxReaders => {
    expect(() => setUp({ maxReaders })).toThrow(RangeError)
  })
})

/**
 * The lock beside a plain model of it: one array, and no promise anywhere. The steps of a tick run without an await
 * between them, so that a grant can meet aborts, releases and deadlines before its caller hears of it.
 */
describe('beside its model', () => {
  const pick = fc.nat(9)
  const ms = fc.integer({ min: 1, max: 5 })
  const askArb = fc.record({
    step: fc.constant('ask' as const),
    mode: fc.constantFrom('read' as const, 'read' as const, 'write' as const),
    key: fc.constantFrom('a', 'a', 'a', 'b'),
    timeoutMs: fc.constantFrom(0, 3, 7, 100, 100, 100),
  })
  const stepArb = fc.oneof(
    { weight: 4, arbitrary: askArb },
    { weight: 4, arbitrary: fc.record({ step: fc.constant('release' as const), pick }) },
    { weight: 1, arbitrary: fc.record({ step: fc.constant('release again' as const), pick }) },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('abort' as const), pick }) },
    { weight: 1, arbitrary: fc.record({ step: fc.constant('advance' as const), ms }) },
    { weight: 1, arbitrary: fc.record({ step: fc.constant('block' as const), ms }) },
  )
  const ticksArb = fc.array(fc.array(stepArb, { minLength: 1, maxLength: 6 }), { maxLength: 15 })

  test('every history of asks, releases, aborts and late timers ends as the model says', async () => {
    const ends = new Set<string>()
    const property = fc.asyncProperty(ticksArb, fc.integer({ min: 1, max: 3 }), async (ticks, maxReaders) => {
      const bounds = { maxReaders, maxWaiters: 3 }
      const model = new LockModel(bounds)
      const real: Real = { ...setUp(bounds), asks: [] }
      for (const tick of ticks) {
        for (const step of tick) {
          apply(step, model, real)
          expectSameLines(model, real)
        }
        await letMicrotasksRun(model, real)
      }
      // Nobody waits forever: holders that leave, one after another, are enough for everyone to be answered.
      while (model.inState('holds').length > 0) {
        apply({ step: 'release', pick: 0 }, model, real)
        await letMicrotasksRun(model, real)
      }
      expect(real.asks.map(({ tracked }) => tracked.state)).not.toContain('waiting')
      expect([real.lock.size, real.lock.queueLength, real.clock.pendingTimers]).toEqual([0, 0, 0])
      for (const ask of model.asks) ends.add(ask.grantMetAbort ? `granted, ${ask.state}` : ask.state)
    })
    await fc.assert(property, { numRuns: 2_000 })
    // The histories reached every end.
    expect([...ends].sort()).toEqual(['aborted', 'full', 'granted, aborted', 'released', 'timeout'])
  }, 60_000)

  type Step = typeof stepArb extends fc.Arbitrary<infer Value> ? Value : never

  interface Real extends ReturnType<typeof setUp> {
    asks: { tracked: ReturnType<typeof track>; controller: AbortController }[]
  }

  function apply(step: Step, model: LockModel, real: Real) {
    switch (step.step) {
      case 'ask': {
        const controller = new AbortController()
        const options = {
          timeoutMs: step.timeoutMs,
          signal: controller.signal,
          operation: `${model.asks.length}`,
        }
        const acquire = step.mode === 'read' ? real.lock.acquireRead : real.lock.acquireWrite
        model.ask(step.mode, step.key, step.timeoutMs)
        real.asks.push({ tracked: track(acquire.call(real.lock, step.key, options)), controller })
        return
      }
      case 'release':
      case 'release again': {
        const ask = choose(model.inState(step.step === 'release' ? 'holds' : 'released'), step.pick)
        if (!ask) return
        model.release(ask)
        real.asks[ask.id]?.tracked.release()
        return
      }
      case 'abort': {
        const ask = choose(model.inState('queued', 'granted', 'holds'), step.pick)
        if (!ask) return
        model.abort(ask)
        real.asks[ask.id]?.controller.abort()
        return
      }
      case 'advance':
        model.advance(step.ms)
        real.clock.advance(step.ms)
        return
      case 'block':
        model.nowMs += step.ms
        real.clock.block(step.ms)
    }
  }

  async function letMicrotasksRun(model: LockModel, real: Real) {
    model.deliver()
    await drained()
    expectSameLines(model, real)
    const known = { queued: 'waiting', granted: 'waiting', holds: 'acquired', released: 'acquired' } as const
    const states = model.asks.map(({ state }) =>
      state in known ? known[state as keyof typeof known] : state,
    )
    expect(real.asks.map(({ tracked }) => tracked.state)).toEqual(states)
    const answered = model.asks.filter(ask => ask.state !== 'queued')
    expect(real.waits.toSorted((one, other) => Number(one.operation) - Number(other.operation))).toEqual(
      answered.map(({ id, key, waitedMs }) => ({ key, operation: `${id}`, waitedMs, outcome: states[id] })),
    )
  }

  function expectSameLines(model: LockModel, { lock }: Real) {
    const actual = `${lock.size} held, waiting ${lock.queueLengthOf('a')} and ${lock.queueLengthOf('b')}`
    const held = ['a', 'b'].filter(key => model.holders(key).length > 0)
    const expected = `${held.length} held, waiting ${model.line('a').length} and ${model.line('b').length}`
    if (actual !== expected) expect(actual).toBe(expected)
  }

  function choose<T>(among: T[], pick: number): T | undefined {
    return among[pick % among.length]
  }
})

interface ModelAsk {
  id: number
  mode: 'read' | 'write'
  key: string
  askedAtMs: number
  deadlineMs: number
  /** Granted: it has the key and its caller has not heard of it. */
  state: 'queued' | 'granted' | 'holds' | 'released' | 'timeout' | 'aborted' | 'full'
  waitedMs: number
  grantMetAbort: boolean
}

class LockModel {
  nowMs = 0
  readonly asks: ModelAsk[] = []
  readonly #bounds: { maxReaders: number; maxWaiters: number }

  constructor(bounds: { maxReaders: number; maxWaiters: number }) {
    this.#bounds = bounds
  }

  inState(...states: ModelAsk['state'][]) {
    return this.asks.filter(ask => states.includes(ask.state))
  }

  holders(key: string) {
    return this.inState('granted', 'holds').filter(ask => ask.key === key)
  }

  line(key: string) {
    return this.inState('queued').filter(ask => ask.key === key)
  }

  ask(mode: ModelAsk['mode'], key: string, timeoutMs: number) {
    const ask: ModelAsk = {
      id: this.asks.length,
      mode,
      key,
      askedAtMs: this.nowMs,
      deadlineMs: this.nowMs + timeoutMs,
      state: 'queued',
      waitedMs: 0,
      grantMetAbort: false,
    }
    if (this.line(key).length === 0 && this.#fits(ask)) ask.state = 'granted'
    else if (timeoutMs === 0) ask.state = 'timeout'
    else if (this.line(key).length >= this.#bounds.maxWaiters) ask.state = 'full'
    this.asks.push(ask)
  }

  release(ask: ModelAsk) {
    if (ask.state !== 'holds') return
    ask.state = 'released'
    this.#admit(ask.key)
  }

  abort(ask: ModelAsk) {
    if (ask.state === 'queued') this.#giveUp(ask, 'aborted')
    if (ask.state === 'granted') ask.grantMetAbort = true
  }

  advance(ms: number) {
    const untilMs = this.nowMs + ms
    for (;;) {
      const due = this.inState('queued').filter(ask => ask.deadlineMs <= untilMs)
      const next = due.toSorted((one, other) => one.deadlineMs - other.deadlineMs)[0]
      if (!next) break
      this.nowMs = Math.max(this.nowMs, next.deadlineMs)
      this.#giveUp(next, 'timeout')
    }
    this.nowMs = untilMs
  }

  /** The callers hear of their grants; those that aborted meanwhile give theirs back. */
  deliver() {
    for (const ask of this.inState('granted').filter(ask => ask.grantMetAbort)) {
      ask.state = 'aborted'
      this.#admit(ask.key)
    }
    for (const ask of this.inState('granted')) ask.state = 'holds'
  }

  #fits(ask: ModelAsk) {
    const holders = this.holders(ask.key)
    if (ask.mode === 'write') return holders.length === 0
    return holders.every(holder => holder.mode === 'read') && holders.length < this.#bounds.maxReaders
  }

  #admit(key: string) {
    for (const ask of this.line(key)) {
      if (ask.deadlineMs <= this.nowMs) this.#end(ask, 'timeout')
      else if (this.#fits(ask)) this.#end(ask, 'granted')
      else return
    }
  }

  #giveUp(ask: ModelAsk, state: 'timeout' | 'aborted') {
    const wasFirst = this.line(ask.key)[0] === ask
    this.#end(ask, state)
    if (wasFirst) this.#admit(ask.key)
  }

  #end(ask: ModelAsk, state: ModelAsk['state']) {
    ask.state = state
    ask.waitedMs = this.nowMs - ask.askedAtMs
  }
}

const wait = { timeoutMs: 1_000, operation: 'test' }

function setUp(bounds: { maxReaders?: number; maxWaiters?: number } = {}) {
  const clock = new SimulatedClock()
  const waits: LockWait[] = []
  const onWait = (wait: LockWait) => waits.push(wait)
  const lock = new KeyedReadWriteLock({
    name: 'collections',
    maxReaders: 20,
    maxWaiters: 1_000,
    ...bounds,
    clock,
    onWait,
  })
  return { lock, clock, waits }
}

/** What has become of an acquire so far. */
function track(acquiring: Promise<{ release(): void }>) {
  const tracked = {
    state: 'waiting' as LockWait['outcome'] | 'waiting',
    error: undefined as unknown,
    release: () => {},
  }
  acquiring.then(
    grant => {
      tracked.state = 'acquired'
      tracked.release = grant.release
    },
    (error: unknown) => {
      tracked.error = error
      if (error instanceof LockTimeoutError) tracked.state = 'timeout'
      else if (error instanceof LockQueueFullError) tracked.state = 'full'
      else tracked.state = 'aborted'
    },
  )
  return tracked
}

/** All microtasks have run. */
function drained(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

class SimulatedClock implements Clock {
  #nowMs = 0
  readonly #timers = new Set<{ dueMs: number; callback: () => void }>()

  get pendingTimers(): number {
    return this.#timers.size
  }

  nowMs(): number {
    return this.#nowMs
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer = { dueMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Time passes, and each timer runs when it is due. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (;;) {
      const due = [...this.#timers].filter(timer => timer.dueMs <= untilMs)
      const next = due.sort((one, other) => one.dueMs - other.dueMs)[0]
      if (!next) break
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      next.callback()
    }
    this.#nowMs = untilMs
  }

  /** Time passes and no timer runs: a blocked event loop. */
  block(ms: number): void {
    this.#nowMs += ms
  }
}
