import { expect, test } from 'vitest'
import { AbandonedRuns } from '../../src/coordination/abandoned-runs.ts'
import type { FlightEnd } from '../../src/coordination/flight.ts'
import type { AbandonedRun } from '../../src/coordination/lease.ts'
import { UnresumableError } from '../../src/coordination/run-once.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { SimulatedClock, SimulatedTime, settled } from '../support/simulated-clock.ts'

/** Who continues what, and when; that it is done right is shown with the real leases and on real processes. */

const END: FlightEnd<unknown> = { type: 'result', result: 'made', runId: 'run', made: true }
const FOLLOWERS_FIRST_MS = 400
const LONGEST_LOOK_MS = 1000

function run(name: string, rest: Partial<AbandonedRun> = {}): AbandonedRun {
  return {
    ...{ runId: `run of ${name}`, key: name, epoch: 1, request: null, expired: true },
    ...{ kind: 'BEHAVIOR_ANALYSIS', userId: 'ada', archetype: null },
    ...rest,
  }
}

/** Runs that lie about until they are continued, which takes until the test lets them end. */
function setUp() {
  const time = new SimulatedTime()
  const lying: AbandonedRun[] = []
  const flown = new Set<string>()
  const continued: string[] = []
  const givenUp: string[] = []
  const orphans: string[] = []
  const ends = new Map<string, () => void>()
  const lines: string[] = []
  const world = {
    looks: 0,
    away: undefined as Error | undefined,
    refuse: undefined as ((run: AbandonedRun) => Error | undefined) | undefined,
  }
  const take = ({ key }: AbandonedRun) => {
    const index = lying.findIndex(one => one.key === key)
    if (index < 0) return false
    lying.splice(index, 1)
    return true
  }
  const metrics = createMetrics()
  const runs = new AbandonedRuns({
    leases: {
      async findAbandoned(limit) {
        world.looks++
        if (world.away) throw world.away
        return lying.slice(0, limit)
      },
      async endOrphaned(orphan) {
        take(orphan)
        orphans.push(orphan.key)
      },
    },
    runOnce: {
      flies: key => flown.has(key),
      async resume(one) {
        const refusal = world.refuse?.(one)
        if (refusal) throw refusal
        if (!take(one)) return undefined
        continued.push(one.key)
        await new Promise<void>(resolve => ends.set(one.key, resolve))
        return END
      },
      async giveUp(one, reason) {
        take(one)
        givenUp.push(`${one.key}: ${reason.message}`)
        return END
      },
    },
    clock: new SimulatedClock(time),
    logger: createLogger({
      ...{ level: 'info', format: 'json' },
      destination: { write: (line: string) => lines.push(line) } as unknown as NodeJS.WritableStream,
    }),
    metrics,
    random: () => 1,
  })
  return {
    ...{ time, runs, lying, flown, continued, givenUp, orphans, world, lines, metrics },
    async end(key: string) {
      ends.get(key)?.()
      await settled()
    },
  }
}

const away = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

test('a run that is seen abandoned is continued as soon as those who wait for it have had their time, once', async () => {
  const { time, runs, lying, continued, end } = setUp()
  lying.push(run('a'))
  runs.start()
  await time.pass(FOLLOWERS_FIRST_MS - 1)
  expect(continued).toEqual([])
  await time.pass(1)
  expect(continued).toEqual(['a'])
  lying.push(run('a'))
  await time.pass(10_000)
  expect(continued).toEqual(['a'])
  await end('a')
  await time.pass(10_000)
  expect(continued).toEqual(['a', 'a'])
})

test('a run whose owner is gone is left to it for as long as it takes to be back', async () => {
  const { time, runs, lying, continued } = setUp()
  lying.push(run('a', { expired: false }), run('b', { expired: false }))
  runs.start()
  await time.pass(2000)
  lying.splice(0, 1)
  await time.pass(499)
  expect(continued).toEqual([])
  await time.pass(1)
  expect(continued).toEqual(['b'])
})

test('a run that somebody else takes over in time, or who follows it here, is left to them', async () => {
  const { time, runs, lying, flown, continued } = setUp()
  lying.push(run('a'), run('b'))
  flown.add('b')
  runs.start()
  await time.pass(FOLLOWERS_FIRST_MS / 2)
  // Taken over, and lost again: whoever waits has its time once more.
  lying[0] = run('a', { epoch: 2 })
  await time.pass(FOLLOWERS_FIRST_MS / 2)
  expect(continued).toEqual([])
  await time.pass(FOLLOWERS_FIRST_MS)
  expect(continued).toEqual(['a'])
  flown.clear()
  await time.pass(LONGEST_LOOK_MS + FOLLOWERS_FIRST_MS)
  expect(continued).toEqual(['a', 'b'])
})

test('it looks by itself at least once a second, and at once when it is woken', async () => {
  const { time, runs, lying, continued, world } = setUp()
  runs.start()
  await time.pass(0)
  expect(world.looks).toBe(1)
  await time.pass(10 * LONGEST_LOOK_MS)
  expect(world.looks).toBe(11)
  lying.push(run('a'))
  runs.wake()
  await time.pass(FOLLOWERS_FIRST_MS)
  expect(continued).toEqual(['a'])
})

test('it neither looks nor continues before it is started and after it is stopped', async () => {
  const { time, runs, lying, world } = setUp()
  lying.push(run('a'))
  runs.wake()
  await time.pass(10_000)
  expect(world.looks).toBe(0)
  runs.start()
  await time.pass(0)
  runs.stop()
  runs.wake()
  await time.pass(10_000)
  expect(world.looks).toBe(1)
})

test('a look that is under way when it is stopped continues nothing', async () => {
  const { time, runs, lying, continued } = setUp()
  lying.push(run('a'))
  runs.start()
  await time.pass(FOLLOWERS_FIRST_MS - 1)
  const look = time.fireNext()
  runs.stop()
  await settled()
  expect(look).toBe(true)
  expect(continued).toEqual([])
})

test('eight are continued at once, the next as soon as one has ended', async () => {
  const { time, runs, lying, continued, end } = setUp()
  for (let index = 0; index < 20; index++) lying.push(run(`run ${index}`))
  runs.start()
  await time.pass(10_000)
  expect(continued).toHaveLength(8)
  await end('run 3')
  await time.pass(0)
  expect(continued).toHaveLength(9)
})

test('what this version does not know is left to others for half a minute, then it is given up', async () => {
  const { time, runs, lying, continued, givenUp, world, lines } = setUp()
  lying.push(run('a', { kind: 'DREAM' }))
  world.refuse = () => new UnresumableError('not known here', { byOthers: true })
  runs.start()
  await time.pass(29_900)
  expect({ continued, givenUp }).toEqual({ continued: [], givenUp: [] })
  // And asks whoever describes runs no more than it must.
  expect(world.looks).toBeLessThan(40)
  await time.pass(LONGEST_LOOK_MS)
  expect(givenUp).toEqual(['a: not known here'])
  expect(lines.filter(line => line.includes('given up'))).toHaveLength(1)
})

test('what nobody can continue is given up at once', async () => {
  const { time, runs, lying, givenUp, world, metrics } = setUp()
  lying.push(run('a'))
  world.refuse = () => new UnresumableError('The message is gone.')
  runs.start()
  await time.pass(FOLLOWERS_FIRST_MS)
  expect(givenUp).toEqual(['a: The message is gone.'])
  expect((await metrics.coordinationGivenUp.get()).values).toMatchObject([
    { value: 1, labels: { kind: 'BEHAVIOR_ANALYSIS', cause: 'not_resumable' } },
  ])
})

test('a description that breaks is no reason to try for ever', async () => {
  const { time, runs, lying, givenUp, world } = setUp()
  lying.push(run('a'))
  world.refuse = () => new TypeError('as the test wanted')
  runs.start()
  await time.pass(29_000)
  expect(givenUp).toEqual([])
  await time.pass(2000)
  expect(givenUp).toEqual(['a: The generation was interrupted and cannot be continued.'])
})

test('a lease whose run is gone with its user is ended', async () => {
  const { time, runs, lying, orphans, continued } = setUp()
  lying.push(run('a', { kind: null, userId: null }))
  runs.start()
  await time.pass(FOLLOWERS_FIRST_MS)
  expect({ orphans, continued }).toEqual({ orphans: ['a'], continued: [] })
})

test('while the database is away nothing is given up, it is told once, and afterwards all is continued', async () => {
  const { time, runs, lying, continued, givenUp, world, lines } = setUp()
  lying.push(run('a'))
  world.refuse = away
  runs.start()
  await time.pass(60_000)
  world.away = away()
  await time.pass(60_000)
  expect({ continued, givenUp }).toEqual({ continued: [], givenUp: [] })
  expect(lines).toHaveLength(1)
  world.away = undefined
  world.refuse = undefined
  await time.pass(LONGEST_LOOK_MS + FOLLOWERS_FIRST_MS)
  expect(continued).toEqual(['a'])
})

test('what was continued is counted by how it ended', async () => {
  const { time, runs, lying, end, metrics } = setUp()
  lying.push(run('a'))
  runs.start()
  await time.pass(FOLLOWERS_FIRST_MS)
  await end('a')
  expect((await metrics.coordinationResumed.get()).values).toMatchObject([
    { value: 1, labels: { kind: 'BEHAVIOR_ANALYSIS', outcome: 'result' } },
  ])
})
