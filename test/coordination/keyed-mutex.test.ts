import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeyedMutex } from '../../src/coordination/keyed-mutex.ts'
import { LockQueueFullError, LockTimeoutError } from '../../src/coordination/lock-errors.ts'
import type { LockOptions, LockWait } from '../../src/coordination/read-write-lock.ts'
import type { Clock } from '../../src/shared/clock.ts'

describe('one at a time', () => {
  test('a key has one task inside, while other keys run beside it', async () => {
    const { mutex } = setUp()
    const gate = Promise.withResolvers<void>()
    const events: string[] = []
    const runs = ['a', 'a', 'b'].map((key, index) =>
      mutex.runExclusive(key, wait, async () => {
        events.push(`${key}${index} in`)
        await gate.promise
        events.push(`${key}${index} out`)
      }),
    )
    await drained()
    expect(events).toEqual(['a0 in', 'b2 in'])
    gate.resolve()
    await Promise.all(runs)
    expect(events).toEqual(['a0 in', 'b2 in', 'a0 out', 'b2 out', 'a1 in', 'a1 out'])
  })

  test('100 read-modify-writes of one key lose none', async () => {
    const { mutex } = setUp()
    let stored = 0
    const increment = () =>
      mutex.runExclusive('a', wait, async () => {
        const read = stored
        await drained()
        stored = read + 1
      })
    await Promise.all(Array.from({ length: 100 }, increment))
    expect(stored).toBe(100)
  })

  test('the result and the failure of the task are the caller’s, and both free the key', async () => {
    const { mutex } = setUp()
    const failure = new Error('of the task')
    expect(await mutex.runExclusive('a', wait, () => 7)).toBe(7)
    await expect(mutex.runExclusive('a', wait, () => Promise.reject(failure))).rejects.toBe(failure)
    const throwAtOnce = () => {
      throw failure
    }
    await expect(mutex.runExclusive('a', wait, throwAtOnce)).rejects.toBe(failure)
    expect(await mutex.runExclusive('a', atOnce, () => 'free')).toBe('free')
  })
})

describe('first come, first served', () => {
  test('waiters get the key in the order in which they asked', async () => {
    const { mutex } = setUp()
    const order: number[] = []
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        mutex.runExclusive('a', wait, async () => {
          order.push(index)
          await drained()
        }),
      ),
    )
    expect(order).toEqual(Array.from({ length: 50 }, (_, index) => index))
  })

  test('who asks in the very moment of a release comes after those who wait', async () => {
    const { mutex } = setUp()
    const holder = await mutex.acquire('a', wait)
    const waiter = track(mutex.acquire('a', wait))
    holder.release()
    const latecomer = track(mutex.acquire('a', wait))
    await drained()
    expect([waiter.state, latecomer.state]).toEqual(['acquired', 'waiting'])
    waiter.release()
    await drained()
    expect(latecomer.state).toBe('acquired')
  })

  test('a key is not forgotten while somebody queues for it', async () => {
    const { mutex } = setUp()
    const first = await mutex.acquire('a', wait)
    const second = track(mutex.acquire('a', wait))
    const third = track(mutex.acquire('a', wait))
    first.release()
    await drained()
    expect(mutex.size).toBe(1)
    const fourth = track(mutex.acquire('a', wait))
    await drained()
    expect([second.state, third.state, fourth.state]).toEqual(['acquired', 'waiting', 'waiting'])
  })
})

describe('timeouts', () => {
  test('a waiter gets LockTimeoutError at its deadline, and the line behind it stays whole', async () => {
    const { mutex, clock } = setUp({ name: 'memory' })
    const holder = await mutex.acquire('ada@example.com', wait)
    const first = track(mutex.acquire('ada@example.com', wait))
    const impatient = track(mutex.acquire('ada@example.com', { timeoutMs: 50, operation: 'remember' }))
    const last = track(mutex.acquire('ada@example.com', wait))
    clock.advance(49)
    await drained()
    expect(impatient.state).toBe('waiting')
    clock.advance(1)
    await drained()
    expect(impatient.error).toBeInstanceOf(LockTimeoutError)
    expect(impatient.error).toMatchObject({
      code: 'LOCK_TIMEOUT',
      lockName: 'memory',
      operation: 'remember',
      waitedMs: 50,
    })
    expect(JSON.stringify([String(impatient.error), impatient.error])).not.toContain('ada@example.com')
    holder.release()
    await drained()
    expect([first.state, last.state]).toEqual(['acquired', 'waiting'])
    first.release()
    await drained()
    expect(last.state).toBe('acquired')
  })

  test('no grant comes after the deadline, also when a blocked event loop makes the timer late', async () => {
    const { mutex, clock } = setUp()
    const holder = await mutex.acquire('a', wait)
    const overdue = track(mutex.acquire('a', { timeoutMs: 50, operation: 'test' }))
    const inTime = track(mutex.acquire('a', wait))
    clock.block(50)
    holder.release()
    await drained()
    expect([overdue.state, inTime.state]).toEqual(['timeout', 'acquired'])
  })

  test('a timeout of 0 takes a free key and never queues for a held one', async () => {
    const { mutex } = setUp()
    const holder = await mutex.acquire('a', atOnce)
    await expect(mutex.acquire('a', atOnce)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', waitedMs: 0 })
    expect(mutex.queueLength).toBe(0)
    holder.release()
    expect(await mutex.runExclusive('a', atOnce, () => 'free')).toBe('free')
  })

  test('no timer outlives its wait', async () => {
    const { mutex, clock } = setUp()
    const holder = await mutex.acquire('a', wait)
    const leaver = new AbortController()
    const waiters = [wait, { ...wait, signal: leaver.signal }, { timeoutMs: 50, operation: 'test' }].map(
      options => track(mutex.acquire('a', options)),
    )
    expect(clock.pendingTimers).toBe(3)
    leaver.abort()
    clock.advance(50)
    expect(clock.pendingTimers).toBe(1)
    holder.release()
    expect(clock.pendingTimers).toBe(0)
    await drained()
    expect(waiters.map(waiter => waiter.state)).toEqual(['acquired', 'aborted', 'timeout'])
  })
})

describe('abort', () => {
  test('a signal that has aborted gets neither a free key nor a place in a line', async () => {
    const { mutex } = setUp()
    const aborted = { ...wait, signal: AbortSignal.abort('gone') }
    await expect(mutex.acquire('a', aborted)).rejects.toBe('gone')
    expect(mutex.size).toBe(0)
    await mutex.acquire('a', wait)
    const refused = track(mutex.acquire('a', aborted))
    await drained()
    expect(refused.error).toBe('gone')
    expect(mutex.queueLength).toBe(0)
  })

  test('a signal under which somebody has waited before is still heard', async () => {
    const { mutex } = setUp()
    const leaver = new AbortController()
    const holder = await mutex.acquire('a', wait)
    const first = track(mutex.acquire('a', { ...wait, signal: leaver.signal }))
    holder.release()
    const second = track(mutex.acquire('a', { ...wait, signal: leaver.signal }))
    await drained()
    leaver.abort('gone')
    await drained()
    expect([first.state, second.error]).toEqual(['acquired', 'gone'])
  })

  test('an abort takes the waiter out at once, wherever it stands, with the signal’s reason', async () => {
    const { mutex } = setUp()
    const holder = await mutex.acquire('a', wait)
    const controllers = Array.from({ length: 5 }, () => new AbortController())
    const waiters = controllers.map(({ signal }) => track(mutex.acquire('a', { ...wait, signal })))
    for (const index of [2, 0, 4]) controllers[index]?.abort(`reason ${index}`)
    expect(mutex.queueLength).toBe(2)
    await drained()
    expect(waiters.map(waiter => waiter.error)).toEqual([
      'reason 0',
      undefined,
      'reason 2',
      undefined,
      'reason 4',
    ])
    holder.release()
    await drained()
    expect(waiters.map(waiter => waiter.state)).toEqual([
      'aborted',
      'acquired',
      'aborted',
      'waiting',
      'aborted',
    ])
    waiters[1]?.release()
    await drained()
    expect(waiters[3]?.state).toBe('acquired')
  })

  test('one whose turn comes leaves the others under its signal hearing it', async () => {
    const { mutex } = setUp()
    const leaver = new AbortController()
    const holder = await mutex.acquire('a', wait)
    const [first, second] = [1, 2].map(() => track(mutex.acquire('a', { ...wait, signal: leaver.signal })))
    holder.release()
    await drained()
    leaver.abort('gone')
    await drained()
    expect([first?.state, second?.error]).toEqual(['acquired', 'gone'])
  })

  test('a grant that meets an abort in the same tick goes to the next', async () => {
    const { mutex, waits } = setUp()
    const leaver = new AbortController()
    const holder = await mutex.acquire('a', wait)
    const leaving = track(mutex.acquire('a', { ...wait, signal: leaver.signal }))
    const next = track(mutex.acquire('a', wait))
    holder.release()
    leaver.abort('gone')
    await drained()
    expect([leaving.error, next.state]).toEqual(['gone', 'acquired'])
    expect(waits.map(({ outcome }) => outcome)).toEqual(['acquired', 'aborted', 'acquired'])
  })

  test('a free key that meets an abort in the same tick is free again', async () => {
    const { mutex } = setUp()
    const leaver = new AbortController()
    const leaving = track(mutex.acquire('a', { ...wait, signal: leaver.signal }))
    leaver.abort('gone')
    await drained()
    expect(leaving.error).toBe('gone')
    expect(mutex.size).toBe(0)
  })

  test('an abort at any await between the grant and the task starts no task and loses no lock', async () => {
    const started: boolean[] = []
    for (let awaits = 0; awaits < 12; awaits++) {
      const { mutex } = setUp()
      const leaver = new AbortController()
      const holder = await mutex.acquire('a', wait)
      let taskStarted = false
      const leaving = mutex
        .runExclusive('a', { ...wait, signal: leaver.signal }, () => {
          expect(leaver.signal.aborted).toBe(false)
          taskStarted = true
        })
        .catch(reason => expect(reason).toBe('gone'))
      holder.release()
      for (let passed = 0; passed < awaits; passed++) await null
      leaver.abort('gone')
      await leaving
      started.push(taskStarted)
      expect(mutex.size).toBe(0)
    }
    // Both sides of the race were met.
    expect([started.at(0), started.at(-1)]).toEqual([false, true])
  })

  test('a task whose signal aborts keeps the key until it has ended', async () => {
    const { mutex } = setUp()
    const leaver = new AbortController()
    const gate = Promise.withResolvers<string>()
    const running = mutex.runExclusive('a', { ...wait, signal: leaver.signal }, () => gate.promise)
    await drained()
    leaver.abort()
    const next = track(mutex.acquire('a', wait))
    await drained()
    expect(next.state).toBe('waiting')
    gate.resolve('ended')
    expect(await running).toBe('ended')
    await drained()
    expect(next.state).toBe('acquired')
  })

  test('10,000 waiters under one signal share a listener, and leave none', async () => {
    const { mutex } = setUp({ maxWaiters: 10_000 })
    const { signal } = new AbortController()
    const runs = Array.from({ length: 10_000 }, () => mutex.runExclusive('a', { ...wait, signal }, () => {}))
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await Promise.all(runs)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('an abort of all waiters at once ends them all and starts none', async () => {
    const { mutex } = setUp()
    const leaver = new AbortController()
    const holder = await mutex.acquire('a', wait)
    const waiters = Array.from({ length: 100 }, () =>
      track(mutex.acquire('a', { ...wait, signal: leaver.signal })),
    )
    holder.release()
    leaver.abort()
    await drained()
    expect(waiters.every(waiter => waiter.state === 'aborted')).toBe(true)
    expect([mutex.size, getEventListeners(leaver.signal, 'abort').length]).toEqual([0, 0])
  })
})

describe('bounds', () => {
  test('one more than maxWaiters is turned away at once, for that key alone', async () => {
    const { mutex, clock } = setUp({ name: 'memory', maxWaiters: 2 })
    const holder = await mutex.acquire('ada', wait)
    const impatient = track(mutex.acquire('ada', { timeoutMs: 50, operation: 'test' }))
    track(mutex.acquire('ada', wait))
    const refused = track(mutex.acquire('ada', wait))
    await drained()
    expect(refused.error).toBeInstanceOf(LockQueueFullError)
    expect(refused.error).toMatchObject({ code: 'LOCK_QUEUE_FULL', lockName: 'memory', maxWaiters: 2 })
    expect(JSON.stringify([String(refused.error), refused.error])).not.toContain('ada')
    await mutex.acquire('bob', wait)
    const inBobsLine = track(mutex.acquire('bob', wait))
    await drained()
    expect(inBobsLine.state).toBe('waiting')

    clock.advance(50)
    const inItsPlace = track(mutex.acquire('ada', wait))
    await drained()
    expect([impatient.state, inItsPlace.state]).toEqual(['timeout', 'waiting'])
    holder.release()
  })

  test('with maxWaiters 0 nobody waits', async () => {
    const { mutex } = setUp({ maxWaiters: 0 })
    const holder = await mutex.acquire('a', wait)
    await expect(mutex.acquire('a', wait)).rejects.toBeInstanceOf(LockQueueFullError)
    holder.release()
    expect(await mutex.runExclusive('a', wait, () => 'free')).toBe('free')
  })

  test('a key not in use leaves nothing behind, however its callers ended', async () => {
    const { mutex, clock } = setUp({ maxWaiters: 3 })
    const leaver = new AbortController()
    for (let index = 0; index < 100; index++) {
      const key = `key ${index}`
      const holder = await mutex.acquire(key, wait)
      for (const signal of [undefined, leaver.signal]) {
        mutex.runExclusive(key, { timeoutMs: 50, operation: 'test', signal }, () => {}).catch(() => {})
      }
      mutex.runExclusive(key, wait, () => Promise.reject(new Error('of the task'))).catch(() => {})
      mutex.runExclusive(key, wait, () => {}).catch(() => {})
      if (index % 2) holder.release()
      else setImmediate(() => setImmediate(() => holder.release()))
    }
    leaver.abort()
    clock.advance(50)
    for (let turn = 0; turn < 4; turn++) await drained()
    expect([mutex.size, mutex.queueLength, clock.pendingTimers]).toEqual([0, 0, 0])
  })

  test('size counts the keys held, queueLength those who wait', async () => {
    const { mutex } = setUp()
    for (const key of ['a', 'a', 'a', 'b', 'b', 'c']) track(mutex.acquire(key, wait))
    expect([mutex.size, mutex.queueLength]).toEqual([3, 3])
    expect(['a', 'b', 'c', 'd'].map(key => mutex.queueLengthOf(key))).toEqual([2, 1, 0, 0])
  })
})

describe('the observer', () => {
  test('hears of each acquire once, with its wait and its end', async () => {
    const { mutex, clock, waits } = setUp({ maxWaiters: 3 })
    const leaver = new AbortController()
    const holder = await mutex.acquire('a', { timeoutMs: 1_000, operation: 'hold' })
    track(mutex.acquire('a', { timeoutMs: 40, operation: 'late' }))
    track(mutex.acquire('a', { timeoutMs: 1_000, operation: 'leaves', signal: leaver.signal }))
    track(mutex.acquire('a', { timeoutMs: 1_000, operation: 'patient' }))
    track(mutex.acquire('a', { timeoutMs: 1_000, operation: 'refused' }))
    clock.advance(30)
    leaver.abort()
    clock.advance(30)
    holder.release()
    await drained()
    expect(waits.toSorted((one, other) => one.operation.localeCompare(other.operation))).toEqual([
      { key: 'a', operation: 'hold', waitedMs: 0, outcome: 'acquired' },
      { key: 'a', operation: 'late', waitedMs: 40, outcome: 'timeout' },
      { key: 'a', operation: 'leaves', waitedMs: 30, outcome: 'aborted' },
      { key: 'a', operation: 'patient', waitedMs: 60, outcome: 'acquired' },
      { key: 'a', operation: 'refused', waitedMs: 0, outcome: 'full' },
    ])
  })

  test('cannot make a caller fail or a lock stay held by throwing', async () => {
    const warned = new Promise<Error>(resolve => process.once('warning', resolve))
    const onWait = () => {
      throw new Error('of the observer')
    }
    const mutex = new KeyedMutex({ name: 'memory', maxWaiters: 10, clock: new SimulatedClock(), onWait })
    expect(await mutex.runExclusive('a', wait, () => 7)).toBe(7)
    expect(mutex.size).toBe(0)
    expect((await warned).message).toContain('"memory"')
  })
})

describe('misuse', () => {
  test('releasing twice does not take the key from its next holder', async () => {
    const { mutex } = setUp()
    const first = await mutex.acquire('a', wait)
    const second = track(mutex.acquire('a', wait))
    const third = track(mutex.acquire('a', wait))
    first.release()
    first.release()
    first[Symbol.dispose]()
    await drained()
    expect([second.state, third.state]).toEqual(['acquired', 'waiting'])
  })

  test('a grant bound by `using` is released at the end of its block', async () => {
    const { mutex } = setUp()
    {
      using _grant = await mutex.acquire('a', wait)
      expect(mutex.size).toBe(1)
    }
    expect(mutex.size).toBe(0)
  })

  test('a task that asks for its own key gets a timeout and does not hang', async () => {
    const { mutex, clock } = setUp()
    const nested = track(
      mutex.runExclusive('a', wait, () => mutex.acquire('a', { timeoutMs: 50, operation: 'test' })),
    )
    await drained()
    clock.advance(50)
    await drained()
    expect(nested.state).toBe('timeout')
    expect(mutex.size).toBe(0)
  })

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])(
    'a timeout of %s ms is refused',
    async timeoutMs => {
      const { mutex } = setUp()
      await expect(mutex.acquire('a', { timeoutMs, operation: 'test' })).rejects.toBeInstanceOf(RangeError)
      expect(mutex.size).toBe(0)
    },
  )

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'a bound of %s waiters is refused',
    maxWaiters => {
      expect(() => setUp({ maxWaiters })).toThrow(RangeError)
    },
  )

  test('something that is no signal fails its caller and leaves nobody in the line', async () => {
    const { mutex, clock } = setUp()
    const holder = await mutex.acquire('a', wait)
    const notASignal = { aborted: false } as AbortSignal
    await expect(mutex.acquire('a', { ...wait, signal: notASignal })).rejects.toBeInstanceOf(TypeError)
    expect([mutex.queueLength, clock.pendingTimers]).toEqual([0, 0])
    holder.release()
    expect(mutex.size).toBe(0)
  })

  test('a timer that fires although it was cancelled changes nothing', async () => {
    const timers: (() => void)[] = []
    const setTimer = (callback: () => void) => {
      timers.push(callback)
      return () => {}
    }
    const mutex = new KeyedMutex({ name: 'memory', maxWaiters: 10, clock: { nowMs: () => 0, setTimer } })
    const holder = await mutex.acquire('a', wait)
    const waiters = [1, 2, 3].map(() => track(mutex.acquire('a', wait)))
    holder.release()
    timers[0]?.()
    expect(mutex.queueLength).toBe(2)
    waiters[0]?.release()
    await drained()
    expect(waiters.map(waiter => waiter.state)).toEqual(['acquired', 'waiting', 'waiting'])
  })

  test.each(['', '__proto__', 'constructor'])('"%s" is a key like any other', async key => {
    const { mutex } = setUp()
    const holder = await mutex.acquire(key, wait)
    await expect(mutex.acquire(key, atOnce)).rejects.toBeInstanceOf(LockTimeoutError)
    holder.release()
    expect(mutex.size).toBe(0)
  })
})

/**
 * Workers under fast-check's scheduler: it chooses who takes its next step; who leaves may also abort somebody or let
 * time pass, a few awaits later, which falls anywhere into the handover.
 */
describe('in every interleaving', () => {
  const leaveArb = fc.record({
    target: fc.nat(6),
    awaits: fc.nat(8),
    action: fc.constantFrom('abort' as const, 'pass 7 ms' as const, 'nothing' as const),
  })
  const workerArb = fc.record({
    key: fc.constantFrom('a', 'a', 'b'),
    timeoutMs: fc.constantFrom(0, 5, 12, 1_000, 1_000),
    works: fc.nat(3),
    fails: fc.boolean(),
    leaving: leaveArb,
  })
  const interruptArb = fc.oneof(
    fc.record({ abort: fc.nat(6), awaits: fc.nat(8) }),
    fc.record({ advanceMs: fc.integer({ min: 1, max: 8 }) }),
    fc.record({ blockMs: fc.integer({ min: 1, max: 8 }) }),
  )

  test('exclusion and order hold, everyone is answered, and nothing is left behind', async () => {
    const seen = new Set<string>()
    const property = fc.asyncProperty(
      fc.scheduler(),
      fc.array(workerArb, { minLength: 2, maxLength: 7 }),
      fc.array(interruptArb, { maxLength: 6 }),
      async (scheduler, plans, interrupts) => {
        const { mutex, clock, waits } = setUp({ maxWaiters: 2 })
        const step = (label: string) => scheduler.schedule(Promise.resolve(), label)
        const controllers = plans.map(() => new AbortController())
        const inside = new Map<string, number>()
        const asked: number[] = []
        const started: number[] = []
        const ended: number[] = []
        const violations: string[] = []

        const abortLater = async (target: number, awaits: number) => {
          for (let passed = 0; passed < awaits; passed++) await null
          controllers[target]?.abort('gone')
        }
        const work = async (plan: (typeof plans)[number], index: number) => {
          const signal = controllers[index]?.signal
          await step(`${index} asks`)
          asked.push(index)
          const task = async () => {
            started.push(index)
            if (signal?.aborted) violations.push(`${index} started after its abort`)
            if (inside.has(plan.key)) violations.push(`${index} is inside with ${inside.get(plan.key)}`)
            inside.set(plan.key, index)
            for (let worked = 0; worked < plan.works; worked++) await step(`${index} works`)
            inside.delete(plan.key)
            if (plan.leaving.action === 'abort') void abortLater(plan.leaving.target, plan.leaving.awaits)
            if (plan.leaving.action === 'pass 7 ms') clock.advance(7)
            if (plan.fails) throw new Error('of the task')
          }
          const end = await mutex
            .runExclusive(plan.key, { timeoutMs: plan.timeoutMs, signal, operation: `${index}` }, task)
            .then(() => 'done', nameOfEnd)
          ended.push(index)
          seen.add(end)
          const taskEnded = end === 'done' || end === 'of the task'
          if (started.includes(index) !== taskEnded) violations.push(`${index} ended as "${end}"`)
        }
        const interrupt = async (plan: (typeof interrupts)[number]) => {
          await step(JSON.stringify(plan))
          if ('abort' in plan) await abortLater(plan.abort, plan.awaits)
          if ('advanceMs' in plan) clock.advance(plan.advanceMs)
          if ('blockMs' in plan) clock.block(plan.blockMs)
        }
        void [...plans.map(work), ...interrupts.map(interrupt)]
        await scheduler.waitIdle()
        await drained()

        expect(violations).toEqual([])
        expect(ended.toSorted()).toEqual(plans.map((_, index) => index))
        for (const key of ['a', 'b']) {
          const ofKey = (index: number) => plans[index]?.key === key
          const inOrderOfAsking = asked.filter(index => ofKey(index) && started.includes(index))
          expect(started.filter(ofKey)).toEqual(inOrderOfAsking)
        }
        expect(waits).toHaveLength(plans.length)
        expect([mutex.size, mutex.queueLength, clock.pendingTimers]).toEqual([0, 0, 0])
        for (const { outcome } of waits) seen.add(outcome)
      },
    )
    await fc.assert(property, { numRuns: 2_000 })
    // The schedules reached every end.
    expect([...seen].sort()).toEqual(
      [
        'aborted',
        'acquired',
        'done',
        'full',
        'of the task',
        'timeout',
        'gone',
        'LOCK_QUEUE_FULL',
        'LOCK_TIMEOUT',
      ].sort(),
    )
  }, 60_000)

  function nameOfEnd(error: unknown): string {
    if (error instanceof LockTimeoutError || error instanceof LockQueueFullError) return error.code
    return error instanceof Error ? error.message : String(error)
  }
})

const wait = { timeoutMs: 1_000, operation: 'test' }
const atOnce = { timeoutMs: 0, operation: 'test' }

function setUp(options: Partial<LockOptions> = {}) {
  const clock = new SimulatedClock()
  const waits: LockWait[] = []
  const onWait = (wait: LockWait) => waits.push(wait)
  const mutex = new KeyedMutex({ name: 'test', maxWaiters: 1_000, ...options, clock, onWait })
  return { mutex, clock, waits }
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
