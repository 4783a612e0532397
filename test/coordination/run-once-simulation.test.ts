import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { ANY, type Behavior, SimulatedCluster, type SimulatedEvent } from '../support/simulated-cluster.ts'
import { judge } from '../support/simulated-verdict.ts'

const instance = fc.nat(2)
const key = fc.constantFrom('k', 'k', 'k', 'l')
const shortMs = fc.constantFrom(0, 0, 0, 1, 100, 700, 2500)

const ask = fc.record({
  do: fc.constant('ask' as const),
  instance,
  key,
  forced: fc.boolean(),
  waitMs: fc.constantFrom(null, null, null, 0, 200, 2000),
})
const leave = fc.record({ do: fc.constant('leave' as const), caller: fc.nat(8) })
const addData = fc.record({ do: fc.constant('add data' as const), key })
const passTime = fc.record({
  do: fc.constant('pass time' as const),
  ms: fc.constantFrom(50, 400, 1200, 3500, 8000),
})
const crash = fc.record({
  do: fc.constant('crash' as const),
  instance,
  sentStatements: fc.constantFrom('arrive' as const, 'are lost' as const),
})
const stop = fc.record({ do: fc.constant('stop' as const), instance, ms: fc.constantFrom(500, 2000, 4000, 9000) })
const cut = fc.record({ do: fc.constant('cut session' as const), instance, ms: fc.constantFrom(10, 300, 2000) })
const shutDown = fc.record({ do: fc.constant('shut down' as const), instance })
const STATEMENTS = [
  'find-stored', 'acquire', 'read-holder', 'find-again', 'withdraw', 'advance', 'collect', 'renew', 'commit', 'fail',
  'find', 'load', 'publish', 'hand-over',
]
const disturb = (types: ('lost' | 'late')[]) => fc.record({
  do: fc.constant('disturb' as const),
  instance,
  statement: fc.oneof(fc.constant(ANY), fc.constantFrom(...STATEMENTS)),
  times: fc.constantFrom(1, 1, 2, 4),
  fault: fc.oneof(
  ...types.map(type => 
      type === 'lost' ? fc.record({ type: fc.constantFrom('statement is lost' as const, 'answer is lost' as const) })
  : fc.record({ type: fc.constantFrom('statement is late' as const, 'answer is late' as const), ms: fc.constantFrom(200, 1500, 5000) })
  ))
})
const outage = fc.record({ do: fc.constant('outage' as const), ms: fc.constantFrom(100, 2000, 5000, 12_000, 30_000) })

const behavior: fc.Arbitrary<Behavior> = fc.record({
  durationMs: fc.constantFrom(0, 0, 300, 900, 4000, 7000, 12_000),
  end: fc.constantFrom('answers', 'answers', 'answers', 'fails for now', 'fails for good', 'is out of reach', 'breaks'),
  obeysSignal: fc.boolean(),
  reports: fc.constantFrom(0, 1, 3),
})
const hosts = fc.array(
  fc.record({ offsetMs: fc.constantFrom(0, 300_000, -300_000), rate: fc.constantFrom(1, 1, 0.9, 1.1) }),
  { minLength: 1, maxLength: 3 },
)

const lanes = fc.array(fc.record({ level: fc.nat(2), drops: fc.array(fc.nat(16), { maxLength: 2 }) }), { maxLength: 8 })

function story(...events: fc.MaybeWeightedArbitrary<SimulatedEvent>[]) {
  return fc.array(fc.record({ afterMs: shortMs, event: fc.oneof(...events) }), { minLength: 2, maxLength: 14 })
}

function holds(events: fc.Arbitrary<{ afterMs: number; event: SimulatedEvent }[]>) {
  return fc.asyncProperty(
    fc.scheduler(),
    hosts,
    events,
    fc.array(behavior, { maxLength: 4 }),
    fc.array(fc.boolean(), { maxLength: 4 }),
    lanes,
    async (steps, hosts, events, behaviors, lostWakes, lanes) => {
      const cluster = new SimulatedCluster({ steps, hosts, behaviors, lostWakes, lanes })
      await cluster.play(events)
      await judge(cluster)
    },
  )
}

describe('in every schedule', () => {
  test('coalesce', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    await fc.assert(
      holds(
        fc.array(fc.record({ afterMs: fc.constantFrom(0,0,0,300), event: fc.oneof({ arbitrary: ask.map(e => ({...e, instance: e.instance % 2, key: 'k'})), weight: 3}, {arbitrary: addData, weight: 1}) }), {minLength: 3, maxLength: 10}),
      ),
      { numRuns: Number(process.env.RUNS ?? 500), interruptAfterTimeLimit: 50000, markInterruptAsFailure: true },
    )
  })
  test('calm', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    await fc.assert(
      holds(
        story({ arbitrary: ask, weight: 5 }, { arbitrary: leave, weight: 2 }, { arbitrary: addData, weight: 1 }),
      ),
      { numRuns: Number(process.env.RUNS ?? 500), interruptAfterTimeLimit: 50000, markInterruptAsFailure: true, endOnFailure: false },
    )
  })
  test('crashes', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    await fc.assert(
      holds(
        story({ arbitrary: ask, weight: 5 }, leave, addData, crash, stop, cut, passTime),
      ),
      { numRuns: Number(process.env.RUNS ?? 500), interruptAfterTimeLimit: 50000, markInterruptAsFailure: true },
    )
  })
  test('all', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    await fc.assert(
      holds(
        story({ arbitrary: ask, weight: 6 }, leave, addData, crash, stop, cut, passTime, shutDown, { arbitrary: disturb(['lost', 'late']), weight: 3 }, outage),
      ),
      { numRuns: Number(process.env.RUNS ?? 500), interruptAfterTimeLimit: 50000, markInterruptAsFailure: true },
    )
  })
})
void expect
