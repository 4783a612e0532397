import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type Behavior,
  type Moment,
  SimulatedCluster,
  type SimulatedEvent,
} from '../support/simulated-cluster.ts'
import { ANY, type Disturbance } from '../support/simulated-instance.ts'
import { InOrder } from '../support/simulated-steps.ts'
import { judge } from '../support/simulated-verdict.ts'

/**
 * The real run-once of several instances over one simulated store, in simulated time. What must hold of every schedule is
 * in simulated-cluster.ts and simulated-verdict.ts. A schedule that breaks a promise is told step by step, and fast-check
 * names the seed and the path that replay it.
 */

beforeEach(() => {
  // Chance that does not come in as an argument would make a schedule another one on replay.
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const A = 0
const B = 1
/** Hosts whose clocks are 5 minutes apart. */
const HOSTS = [
  { offsetMs: 0, rate: 1 },
  { offsetMs: 300_000, rate: 1 },
]
const dataComes: SimulatedEvent = { do: 'add data', key: 'k' }
const askOn = (instance: number, wish: { forced?: boolean; waitMs?: number } = {}): SimulatedEvent => ({
  do: 'ask',
  instance,
  key: 'k',
  forced: wish.forced ?? false,
  waitMs: wish.waitMs ?? null,
})
const crash = (instance: number, sentStatements: 'arrive' | 'are lost'): SimulatedEvent => ({
  do: 'crash',
  instance,
  sentStatements,
})
const stop = (instance: number): SimulatedEvent => ({ do: 'stop', instance, ms: 9000 })
const cutSession = (instance: number): SimulatedEvent => ({ do: 'cut session', instance, ms: 300 })
const shutDown = (instance: number): SimulatedEvent => ({ do: 'shut down', instance })
const look = (instance: number): SimulatedEvent => ({ do: 'look', instance })
const leave = (caller: number): SimulatedEvent => ({ do: 'leave', caller })
const passTime: SimulatedEvent = { do: 'pass time', ms: 4000 }
const outage = (ms: number): SimulatedEvent => ({ do: 'outage', ms })
const disturb = (
  instance: number,
  fault: Disturbance['fault'],
  { statement = ANY, times = 1 }: { statement?: string; times?: number } = {},
): SimulatedEvent => ({ do: 'disturb', instance, statement, times, fault })
const now = (...events: SimulatedEvent[]): Moment[] => events.map(event => ({ afterMs: 0, event }))

describe('in every interleaving', () => {
  const instance = fc.nat(2)
  const key = fc.constantFrom('k', 'k', 'k', 'k', 'k', 'k', 'k', 'l')
  const record = <Do extends SimulatedEvent['do'], Rest>(
    name: Do,
    rest: { [K in keyof Rest]: fc.Arbitrary<Rest[K]> },
  ) => fc.record({ do: fc.constant(name), ...rest }) as fc.Arbitrary<{ do: Do } & Rest>
  const ms = (...choices: number[]) => fc.constantFrom(...choices)

  const asks = record('ask', {
    instance,
    key,
    forced: fc.constantFrom(false, false, true),
    waitMs: fc.constantFrom(null, null, null, null, null, 0, 200, 2000),
  })
  const leaves = record('leave', { caller: fc.nat(6) })
  const dataArrives = record('add data', { key })
  const timePasses = record('pass time', { ms: ms(50, 400, 1200, 3500, 8000) })
  const crashes = record('crash', {
    instance,
    sentStatements: fc.constantFrom('arrive' as const, 'are lost' as const),
  })
  const stops = record('stop', { instance, ms: ms(500, 2000, 4000, 9000) })
  const sessionIsCut = record('cut session', { instance, ms: ms(10, 300, 2000) })
  const shutsDown = record('shut down', { instance })
  const looks = record('look', { instance })
  const outages = record('outage', { ms: ms(100, 2000, 5000, 12_000, 30_000) })
  const statement = fc.constantFrom(
    ...['find-stored', 'acquire', 'read-holder', 'find-again', 'withdraw', 'collect', 'advance'],
    ...['renew', 'commit', 'fail', 'find', 'load', 'hand-over', 'find-abandoned', 'describe-again'],
  )
  const disturbs = record('disturb', {
    instance,
    statement: fc.oneof(fc.constant(ANY), statement),
    times: fc.constantFrom(1, 1, 2, 4),
    fault: fc.oneof(
      fc.record({ type: fc.constantFrom('statement is lost' as const, 'answer is lost' as const) }),
      fc.record({
        type: fc.constantFrom(
          ...['statement is late' as const, 'answer is late' as const, 'statement is in doubt' as const],
        ),
        ms: ms(200, 1500, 5000),
      }),
    ),
  })

  const behavior: fc.Arbitrary<Behavior> = fc.record({
    durationMs: ms(0, 0, 300, 900, 4000, 7000, 12_000),
    end: fc.constantFrom(
      ...['answers' as const, 'answers' as const, 'answers' as const],
      ...['fails for now' as const, 'fails for good' as const, 'is out of reach' as const, 'breaks' as const],
    ),
    obeysSignal: fc.boolean(),
    reports: fc.constantFrom(0, 1, 3),
  })
  const hosts = fc.array(
    fc.record({ offsetMs: fc.constantFrom(0, 300_000, -300_000), rate: fc.constantFrom(1, 1, 0.9, 1.1) }),
    { minLength: 1, maxLength: 3 },
  )
  const lanes = fc.oneof(
    fc.constant([]),
    fc.array(fc.array(fc.record({ afterSteps: fc.nat(20), level: fc.nat(9) }), { maxLength: 3 }), {
      minLength: 2,
      maxLength: 8,
    }),
  )

  const often = (arbitrary: fc.Arbitrary<SimulatedEvent>) => ({ arbitrary, weight: 6 })
  const sometimes = (arbitrary: fc.Arbitrary<SimulatedEvent>) => ({ arbitrary, weight: 2 })
  const seldom = (arbitrary: fc.Arbitrary<SimulatedEvent>) => ({ arbitrary, weight: 1 })

  /** @returns what has happened in any of the schedules. */
  async function tryAll(...events: fc.WeightedArbitrary<SimulatedEvent>[]): Promise<string[]> {
    const seen = new Set<string>()
    const schedules = fc.asyncProperty(
      fc.scheduler(),
      fc.record({
        hosts,
        events: fc.array(fc.record({ afterMs: ms(0, 0, 0, 1, 100, 700, 2500), event: fc.oneof(...events) }), {
          minLength: 2,
          maxLength: 14,
        }),
        behaviors: fc.array(behavior, { maxLength: 4 }),
        lostWakes: fc.array(fc.boolean(), { maxLength: 4 }),
        lanes,
      }),
      async (steps, { events, ...world }) => {
        const cluster = new SimulatedCluster({ steps, ...world })
        await cluster.play(events)
        await judge(cluster)
        for (const one of cluster.seen) seen.add(one)
      },
    )
    // The limit comes before vitest's deadline, so that what was found is told.
    await fc.assert(schedules, {
      numRuns: 400,
      interruptAfterTimeLimit: 50_000,
      markInterruptAsFailure: true,
    })
    return [...seen]
  }

  const answers = ['FRESH', 'JOINED', 'RECENT', 'pending', 'failed']

  test('callers share runs, whoever leaves, whatever data comes, and however the provider behaves', async () => {
    const seen = await tryAll(often(asks), sometimes(leaves), sometimes(dataArrives), seldom(timePasses))
    expect(seen).toEqual(expect.arrayContaining([...answers, 'left', 'taken over, expired']))
  })

  test('instances crash, stop and go on, lose their sessions, and shut down', async () => {
    const seen = await tryAll(
      often(asks),
      ...[leaves, dataArrives, timePasses, crashes, stops, sessionIsCut, shutsDown, looks].map(seldom),
    )
    const ends = ['threw', 'taken over, expired', 'taken over, owner_gone', 'left behind']
    expect(seen).toEqual(expect.arrayContaining([...answers, ...ends]))
  })

  test('statements and answers are lost and late, and the database is away', async () => {
    const seen = await tryAll(often(asks), sometimes(disturbs), ...[leaves, dataArrives, outages].map(seldom))
    expect(seen).toEqual(expect.arrayContaining([...answers, 'threw', 'taken over, expired']))
  })

  test('all of it at once', async () => {
    const seen = await tryAll(
      often(asks),
      sometimes(disturbs),
      ...[leaves, dataArrives, timePasses, crashes, stops, sessionIsCut, shutsDown, outages, looks].map(
        seldom,
      ),
    )
    expect(seen).toEqual(expect.arrayContaining([...answers, 'threw', 'taken over, expired']))
  })
})

describe('at every step', () => {
  interface Play {
    story: Moment[]
    behavior: Behavior
    /** Before which step the events come. */
    at?: number
    events?: SimulatedEvent[]
    /** Which step of B lets all others go first. */
    holdBack?: number
  }

  /** @returns how many steps there were, and what has happened. */
  async function play({ story, behavior, at = 0, events = [], holdBack = 0 }: Play) {
    const steps = new InOrder({
      holdBack: { of: 'B ', nth: holdBack },
      before: step => {
        if (step === at) for (const event of events) cluster.happen(event)
      },
    })
    const cluster: SimulatedCluster = new SimulatedCluster({
      steps,
      hosts: HOSTS,
      behaviors: Array(9).fill(behavior),
    })
    await cluster.play(story)
    const { taken } = steps
    await judge(cluster).catch(error => {
      const what = events.map(event => JSON.stringify(event)).join(', ')
      throw new Error(`${what} before step ${at}, with step ${holdBack} of B held back: ${error.message}`)
    })
    return { steps: taken, seen: cluster.seen }
  }

  const together = now(askOn(A), askOn(A), askOn(B))
  /** So long afterwards that nothing of what was before may matter. */
  const andAgain = [...together, { afterMs: 40_000, event: dataComes }, ...together]

  /** Some go out together. */
  const TWO = { times: 2 }
  const EXPIRED = 'taken over, expired'
  const OWNER_GONE = 'taken over, owner_gone'
  test.each<{ what: string; events: SimulatedEvent[]; story?: Moment[]; reaches?: string }>([
    {
      what: 'the owner crashes; what it has sent arrives',
      events: [crash(A, 'arrive')],
      reaches: OWNER_GONE,
    },
    {
      what: 'the owner crashes; what it has sent is lost',
      events: [crash(A, 'are lost')],
      reaches: OWNER_GONE,
    },
    { what: 'a follower crashes', events: [crash(B, 'arrive')] },
    { what: 'the owner stops for longer than its TTL', events: [stop(A)], reaches: EXPIRED },
    { what: 'a follower stops for longer than the TTL', events: [stop(B)] },
    { what: 'the owner loses its session', events: [cutSession(A)], reaches: OWNER_GONE },
    { what: 'the owner shuts down', events: [shutDown(A)], reaches: EXPIRED },
    {
      what: 'the owner crashes, and its only caller was told to wait',
      events: [crash(A, 'arrive')],
      story: now(askOn(A, { waitMs: 0 })),
      reaches: 'left behind',
    },
    {
      what: 'the owner shuts down, and its only caller was told to wait',
      events: [shutDown(A)],
      story: now(askOn(A, { waitMs: 0, forced: true })),
      reaches: 'left behind',
    },
    {
      what: 'the owner stops, its only caller was told to wait, and another looks for what is left',
      events: [stop(A)],
      story: [...now(askOn(A, { waitMs: 0 })), { afterMs: 4500, event: look(B) }],
      reaches: EXPIRED,
    },
    {
      what: 'the database is away, and the only caller was told to wait',
      events: [outage(30_000)],
      story: now(askOn(A, { waitMs: 0 })),
      reaches: 'left behind',
    },
    { what: 'the first caller leaves', events: [leave(0)], reaches: 'left' },
    { what: 'all callers leave', events: [leave(0), leave(1), leave(2)], reaches: 'left' },
    { what: 'data comes, and a forced request', events: [dataComes, askOn(A, { forced: true })] },
    { what: 'time passes for longer than the TTL', events: [passTime], reaches: EXPIRED },
    {
      what: 'two statements of the owner are lost',
      events: [disturb(A, { type: 'statement is lost' }, TWO)],
    },
    {
      what: 'two answers to the owner are lost',
      events: [disturb(A, { type: 'answer is lost' }, TWO)],
      reaches: 'fenced',
    },
    { what: 'an answer to the follower is lost', events: [disturb(B, { type: 'answer is lost' })] },
    {
      what: 'a statement is late by more than the TTL',
      events: [disturb(A, { type: 'statement is late', ms: 5000 })],
    },
    {
      what: 'an answer is late by more than the TTL',
      events: [disturb(A, { type: 'answer is late', ms: 5000 })],
      reaches: EXPIRED,
    },
    {
      what: 'the follower cannot look once',
      events: [disturb(B, { type: 'statement is lost' }, { statement: 'find' })],
      story: andAgain,
    },
    {
      what: 'two statements arrive long after their connection was lost',
      events: [disturb(A, { type: 'statement is in doubt', ms: 400 }, TWO)],
    },
    { what: 'the database is away for longer than the TTL', events: [outage(5000)], reaches: EXPIRED },
    {
      what: 'the database is away for longer than anybody waits',
      events: [outage(30_000)],
      story: andAgain,
      reaches: 'threw',
    },
  ])('$what', async ({ events, story = together, reaches }) => {
    const allSeen = new Set<string>()
    for (const end of ['answers', 'fails for now'] as const) {
      const behavior: Behavior = { durationMs: 700, end, obeysSignal: true, reports: 1 }
      const { steps } = await play({ behavior, story })
      for (let at = 1; at <= steps; at++) {
        const { seen } = await play({ at, events, behavior, story })
        for (const one of seen) allSeen.add(one)
      }
    }
    if (reaches) expect([...allSeen]).toContain(reaches)
  })

  test.each<[string, SimulatedEvent[]]>([
    ['data comes, and a forced request', [dataComes, askOn(B, { forced: true })]],
    ['somebody asks who does not wait', [askOn(B, { waitMs: 0 })]],
    ['an answer to it is lost', [disturb(B, { type: 'answer is lost' })]],
  ])('a request is passed by another between any two of its steps, and %s', async (_, events) => {
    const story = now(askOn(B), askOn(A))
    const behavior: Behavior = { durationMs: 0, end: 'answers', obeysSignal: true, reports: 0 }
    const { steps } = await play({ behavior, story })
    for (let holdBack = 1; holdBack <= 10; holdBack++) {
      for (let at = holdBack; at <= steps; at++) await play({ at, events, holdBack, behavior, story })
    }
  })
})

describe('the story of', () => {
  const slow: Behavior = { durationMs: 2500, end: 'answers', obeysSignal: true, reports: 0 }

  async function tell(
    moments: Moment[],
    behaviors: Behavior[] = [slow, slow, slow],
    lostWakes: boolean[] = [],
  ) {
    const cluster = new SimulatedCluster({ steps: new InOrder(), hosts: HOSTS, behaviors, lostWakes })
    await cluster.play(moments)
    const { callers, calls, store } = cluster
    const told = {
      ends: callers.map(({ end }) => (end?.type === 'result' ? end.source : end?.type)),
      endedAtMs: callers.map(({ endedAtMs }) => endedAtMs),
      calledAtMs: calls.map(({ startedAtMs }) => startedAtMs),
      results: store.results.map(({ runId, epoch, committedAtMs }) => ({ runId, epoch, committedAtMs })),
    }
    await judge(cluster)
    return told
  }

  test('a follower: a wake tells it of the result at once', async () => {
    const { ends, endedAtMs } = await tell(now(askOn(A), askOn(B)))
    expect(ends).toEqual(['FRESH', 'JOINED'])
    expect(endedAtMs).toEqual([2500, 2500])
  })

  test('a run that is followed: nothing is left listening to the shutdown of the instance', async () => {
    const [added, removed] = (['addEventListener', 'removeEventListener'] as const).map(name =>
      vi.spyOn(EventTarget.prototype, name),
    )
    await tell(now(askOn(A), askOn(B)))
    const listens = (spy: typeof added) => spy?.mock.calls.filter(([type]) => type === 'abort').length ?? 0
    expect(listens(added)).toBeGreaterThan(0)
    // The provider of the simulation listens for as long as its signal lives: one call here, one of who comes afterwards.
    expect(listens(added) - listens(removed)).toBe(2)
  })

  test('a run: it tells that it generates, with what it has read, before the call, and that it stores after the answer', async () => {
    const cluster = new SimulatedCluster({ steps: new InOrder(), hosts: HOSTS, behaviors: [slow] })
    await cluster.play(now(askOn(A)))
    const of = (what: string) => cluster.trace.findIndex(line => line.includes(what))
    const steps = [
      'to GENERATING 0: true',
      'calls the provider',
      'call 1 answers',
      'to STORING 1: true',
      'commit',
    ]
    const order = steps.map(of)
    expect(order).not.toContain(-1)
    expect(order).toEqual(order.toSorted((one, other) => one - other))
    await judge(cluster)
  })

  test('a lost wake: it costs no more than a poll', async () => {
    const { ends, endedAtMs } = await tell(now(askOn(A), askOn(B)), [slow], [true])
    expect(ends).toEqual(['FRESH', 'JOINED'])
    expect(endedAtMs[0]).toBe(2500)
    expect(endedAtMs[1]).toBeGreaterThan(2500)
    expect(endedAtMs[1]).toBeLessThanOrEqual(2700)
  })

  test('a crash: the run goes on elsewhere within a poll, for one more call', async () => {
    const { ends, calledAtMs, results } = await tell([
      ...now(askOn(A), askOn(B)),
      { afterMs: 1000, event: crash(A, 'arrive') },
    ])
    expect(ends).toEqual([undefined, 'FRESH'])
    expect(calledAtMs).toHaveLength(2)
    expect(calledAtMs[1]).toBeLessThanOrEqual(1200)
    expect(results).toEqual([
      { runId: 'run-1', epoch: 2, committedAtMs: Math.floor((calledAtMs[1] ?? 0) + 2500) },
    ])
  })

  test('a crash after the only caller was told to wait: the run goes on where somebody looks', async () => {
    const { ends, calledAtMs, results } = await tell([
      ...now(askOn(A, { waitMs: 0 })),
      { afterMs: 1000, event: crash(A, 'arrive') },
      { afterMs: 100, event: look(B) },
    ])
    expect(ends).toEqual(['pending'])
    // Its owner might have been back.
    expect(calledAtMs).toEqual([0, 3700])
    expect(results).toMatchObject([{ runId: 'run-1', epoch: 2 }])
  })

  test('who asks while a run is continued that nobody waited for: it shares the run', async () => {
    const { ends, calledAtMs, results } = await tell([
      ...now(askOn(A, { waitMs: 0 })),
      { afterMs: 1000, event: crash(A, 'arrive') },
      { afterMs: 100, event: look(B) },
      { afterMs: 3000, event: askOn(B) },
      { afterMs: 0, event: askOn(B) },
    ])
    // It is the generation of the first who was there at its end.
    expect(ends).toEqual(['pending', 'FRESH', 'JOINED'])
    expect(calledAtMs).toHaveLength(2)
    expect(results).toHaveLength(1)
  })

  test('a run that has ended when its turn comes: nothing is begun in its place', async () => {
    const { calledAtMs, results } = await tell([
      ...now(
        askOn(A, { waitMs: 0 }),
        disturb(B, { type: 'answer is late', ms: 5000 }, { statement: 'describe-again' }),
      ),
      { afterMs: 1000, event: stop(A) },
      { afterMs: 3100, event: look(B) },
      { afterMs: 600, event: askOn(B) },
      // What there is would not serve any more.
      { afterMs: 3300, event: dataComes },
    ])
    expect(calledAtMs).toHaveLength(2)
    expect(results).toHaveLength(1)
  })

  test('a forced request of a user without data, behind a run that was not needed: it gets a result of its own', async () => {
    const { ends, calledAtMs, results } = await tell([
      ...now(
        disturb(A, { type: 'statement is late', ms: 3000 }, { statement: 'acquire' }),
        disturb(A, { type: 'statement is late', ms: 500 }, { statement: 'withdraw' }),
        askOn(A),
      ),
      { afterMs: 100, event: askOn(B) },
      { afterMs: 3000, event: askOn(B, { forced: true }) },
    ])
    expect(ends).toEqual(['JOINED', 'FRESH', 'FRESH'])
    expect(calledAtMs).toHaveLength(2)
    expect(results).toHaveLength(2)
  })

  test('a run that loses an owner three times: it is given up, and nobody else is put at risk', async () => {
    const hosts = [0, 1, 2, 3].map(() => ({ offsetMs: 0, rate: 1 }))
    const cluster = new SimulatedCluster({ steps: new InOrder(), hosts, behaviors: Array(9).fill(slow) })
    const crashOfTheNextOwner = () =>
      cluster.happen(crash((cluster.store.findRow('k')?.owner ?? 0) - 1, 'arrive'))
    for (const atMs of [500, 1500, 2500]) cluster.time.setTimer(crashOfTheNextOwner, atMs)
    await cluster.play(now(...hosts.map((_, index) => askOn(index))))
    expect(cluster.calls).toHaveLength(3)
    const ends = cluster.callers.map(({ end }) => end).filter(end => end !== undefined)
    expect(ends).toMatchObject([
      { type: 'failed', retryable: true, message: expect.stringContaining('interrupted 3 times') },
    ])
    expect([...cluster.seen]).toContain('has lost too many owners')
    await judge(cluster)
  })

  test('a pause: the run goes on elsewhere after the TTL, and who wakes up is told what was made', async () => {
    const { ends, calledAtMs, results } = await tell([
      ...now(askOn(A), askOn(B)),
      { afterMs: 1500, event: stop(A) },
    ])
    expect(ends).toEqual(['JOINED', 'FRESH'])
    expect(calledAtMs).toHaveLength(2)
    // Renewed for the last time after 1000 ms.
    expect(calledAtMs[1]).toBeGreaterThan(4000)
    expect(calledAtMs[1]).toBeLessThanOrEqual(4200)
    expect(results).toMatchObject([{ runId: 'run-1', epoch: 2 }])
  })

  test('a first caller that leaves: the next one’s own generation it was', async () => {
    const { ends, calledAtMs } = await tell([
      ...now(askOn(A), askOn(A), askOn(B)),
      { afterMs: 1000, event: leave(0) },
    ])
    expect(ends).toEqual(['left', 'FRESH', 'JOINED'])
    expect(calledAtMs).toHaveLength(1)
  })

  test('three callers on one instance: the first of those who are there at the end is told FRESH', async () => {
    const together = await tell(now(askOn(A), askOn(A), askOn(A)))
    expect(together.ends).toEqual(['FRESH', 'JOINED', 'JOINED'])
    const withoutTheFirst = await tell([
      ...now(askOn(A), askOn(A), askOn(A)),
      { afterMs: 1000, event: leave(0) },
    ])
    expect(withoutTheFirst.ends).toEqual(['left', 'FRESH', 'JOINED'])
  })

  test('a forced request while the run here has read all there is: it waits for that one and takes no flight of its own', async () => {
    for (const [newData, flights] of [
      [false, 1],
      [true, 2],
    ] as const) {
      const cluster = new SimulatedCluster({ steps: new InOrder(), hosts: HOSTS, behaviors: [slow, slow] })
      await cluster.play([
        ...now(askOn(A, { forced: true })),
        ...(newData ? [{ afterMs: 500, event: dataComes }] : []),
        { afterMs: 500, event: askOn(A, { forced: true }) },
      ])
      expect(cluster.flights).toHaveLength(flights)
      expect(cluster.calls).toHaveLength(flights)
      await judge(cluster)
    }
  })

  test('a caller whose request was long on its way: its limit counts from when it asked', async () => {
    const { ends, endedAtMs } = await tell([
      ...now(disturb(A, { type: 'statement is late', ms: 300 }, { statement: 'find-stored' })),
      ...now(askOn(A, { waitMs: 500 })),
    ])
    expect(ends).toEqual(['pending'])
    expect(endedAtMs).toEqual([500])
  })

  test('a progress that is not written when the provider answers: it is told no more', async () => {
    const quick: Behavior = { durationMs: 300, end: 'answers', obeysSignal: true, reports: 1 }
    const cluster = new SimulatedCluster({ steps: new InOrder(), hosts: HOSTS, behaviors: [quick] })
    await cluster.play(now(askOn(A)))
    await judge(cluster)
    const told = cluster.trace.filter(line => line.includes('GENERATING'))
    expect(told.filter(line => line.includes('GENERATING 0.5'))).toEqual([])
    expect(told).not.toEqual([])
  })

  test('a shutdown while a commit waits for the database: nobody is kept until it is back', async () => {
    const { ends, endedAtMs } = await tell([
      ...now(askOn(A)),
      { afterMs: 2400, event: outage(15_000) },
      { afterMs: 1000, event: shutDown(A) },
    ])
    expect(ends).toEqual(['threw'])
    expect(endedAtMs[0]).toBeLessThan(4000)
  })

  test('a commit whose answer is lost: it counts, once, and was that of whoever made it', async () => {
    const { ends, results, calledAtMs } = await tell([
      ...now(disturb(A, { type: 'answer is lost' }, { statement: 'commit' })),
      ...now(askOn(A), askOn(B)),
    ])
    expect(ends).toEqual(['FRESH', 'JOINED'])
    expect(results).toHaveLength(1)
    expect(calledAtMs).toHaveLength(1)
  })

  test('a late commit: it is refused, whether its successor still runs or has ended', async () => {
    for (const successor of [2500, 9000]) {
      const cluster = new SimulatedCluster({
        steps: new InOrder(),
        hosts: HOSTS,
        behaviors: [slow, { ...slow, durationMs: successor }],
      })
      await cluster.play([
        ...now(
          disturb(A, { type: 'statement is late', ms: 8000 }, { statement: 'commit' }),
          askOn(A),
          askOn(B),
        ),
        { afterMs: 3000, event: stop(A) },
      ])
      expect([...cluster.seen]).toContain('fenced')
      expect(cluster.callers.map(({ end }) => end?.type === 'result' && end.source)).toEqual([
        'JOINED',
        'FRESH',
      ])
      expect(cluster.store.results).toMatchObject([{ runId: 'run-1', epoch: 2 }])
      // What is refused is not tried again.
      expect(cluster.trace.filter(line => line.includes('A commit k/run-1#1: FencedError'))).toHaveLength(1)
      await judge(cluster)
    }
  })

  test('a lease that was long in coming: it is kept, and no call is made twice', async () => {
    const { ends, calledAtMs } = await tell([
      ...now({
        do: 'disturb',
        instance: A,
        statement: 'acquire',
        times: 6,
        fault: { type: 'statement is lost' },
      }),
      ...now(askOn(A)),
    ])
    expect(ends).toEqual(['FRESH'])
    expect(calledAtMs).toHaveLength(1)
  })

  test('a provider that ignores its signal: nobody waits for it longer than for another', async () => {
    const deaf: Behavior = { durationMs: 50_000, end: 'answers', obeysSignal: false, reports: 3 }
    const { ends, endedAtMs } = await tell(now(askOn(A), askOn(B)), [deaf])
    expect(ends).toEqual(['failed', 'failed'])
    expect(endedAtMs).toEqual([10_000, 10_000])
  })

  test('a caller with a limit: it is told to wait when its time is over, and the run goes on', async () => {
    const { ends, endedAtMs, results } = await tell(now(askOn(A, { waitMs: 500 }), askOn(B, { waitMs: 0 })))
    expect(ends).toEqual(['pending', 'pending'])
    expect(endedAtMs).toEqual([500, 0])
    expect(results).toHaveLength(1)
  })
})
