import { expect, test } from 'vitest'
import { type Lease, LeaseLostError, type Leases } from '../../src/coordination/lease.ts'
import { LeaseKeeper } from '../../src/coordination/lease-keeper.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { SimulatedClock, SimulatedTime, settled } from '../support/simulated-clock.ts'

const TTL_MS = 3000
const TICK_MS = TTL_MS / 3

/** A keeper whose renewals the test answers one by one, in a time that the test passes. */
function setUp() {
  const time = new SimulatedTime()
  const clock = new SimulatedClock(time)
  const renewals: {
    leases: readonly Lease[]
    answer(...held: Lease[]): Promise<void>
    fail(): Promise<void>
  }[] = []
  const renew = (leases: readonly Lease[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Lease[]>()
    renewals.push({
      leases,
      answer(...held) {
        resolve(held)
        return settled()
      },
      fail() {
        reject(new Error('as the test wanted'))
        return settled()
      },
    })
    return promise
  }
  const keeper = new LeaseKeeper({
    leases: { renew } as unknown as Leases,
    clock,
    ttlMs: TTL_MS,
    logger: createLogger({ level: 'silent', format: 'json' }),
  })
  const renewal = (index: number) => {
    const found = renewals[index]
    if (!found) throw new Error(`no renewal ${index}, of ${renewals.length}`)
    return found
  }
  return { time, clock, keeper, renewals, renewal }
}

const leaseOf = (key: string) => ({ key, epoch: 1 }) as Lease

test('renews all leases three times within their TTL, by one statement', async () => {
  const { time, clock, keeper, renewals, renewal } = setUp()
  const [a, b] = [leaseOf('a'), leaseOf('b')]
  const signals = [a, b].map(lease => keeper.hold(lease, clock.nowMs()))
  for (let tick = 0; tick < 6; tick++) {
    await time.pass(TICK_MS)
    expect(renewals.map(({ leases }) => leases)).toEqual(Array.from({ length: tick + 1 }, () => [a, b]))
    await renewal(tick).answer(a, b)
  }
  expect(signals.map(signal => signal.aborted)).toEqual([false, false])
})

test('aborts the run of a lease that is not given back, and no other', async () => {
  const { time, clock, keeper, renewal } = setUp()
  const [kept, lost] = [leaseOf('a'), leaseOf('b')]
  const [keptSignal, lostSignal] = [keeper.hold(kept, clock.nowMs()), keeper.hold(lost, clock.nowMs())]
  await time.pass(TICK_MS)
  await renewal(0).answer(kept)
  expect(keptSignal.aborted).toBe(false)
  expect(lostSignal.reason).toBeInstanceOf(LeaseLostError)
  expect(keeper.size).toBe(1)
})

test('aborts a run that could not be renewed for as long as its TTL, counted from before it was asked for', async () => {
  const { time, clock, keeper, renewals, renewal } = setUp()
  const [early, late] = [leaseOf('a'), leaseOf('b')]
  keeper.hold(early, clock.nowMs())
  await time.pass(900)
  const askedAtMs = clock.nowMs()
  await time.pass(100)
  await renewal(0).answer(early)
  await time.pass(100)
  const signal = keeper.hold(late, askedAtMs)
  await time.pass(900)
  await renewal(1).fail()
  await time.pass(TICK_MS)
  // One that hangs does not keep it from giving up.
  expect(renewals).toHaveLength(3)
  expect(signal.aborted).toBe(false)
  await time.pass(TICK_MS)
  // Asked for after 900 ms and heard of after 1100, it is good until 3900: the tick at 4000 finds it too old.
  expect(clock.nowMs()).toBe(4000)
  expect(signal.reason).toBeInstanceOf(LeaseLostError)
  expect({ held: keeper.size, timers: clock.pendingTimers }).toEqual({ held: 0, timers: 0 })
})

test('counts a renewal from before it was asked for, too', async () => {
  const { time, clock, keeper, renewals, renewal } = setUp()
  const lease = leaseOf('a')
  const signal = keeper.hold(lease, clock.nowMs())
  await time.pass(TICK_MS)
  await time.pass(900)
  await renewal(0).answer(lease)
  // Asked for after 1000 ms, it is good until 4000; heard of after 1900.
  await time.pass(100)
  expect(renewals).toHaveLength(2)
  await time.pass(TICK_MS)
  expect(signal.aborted).toBe(false)
  await time.pass(TICK_MS)
  expect(clock.nowMs()).toBe(4000)
  expect(signal.aborted).toBe(true)
})

test('renews at once what was long in coming', async () => {
  const { time, clock, keeper, renewals } = setUp()
  const askedAtMs = clock.nowMs()
  await time.pass(TICK_MS + 1)
  keeper.hold(leaseOf('a'), askedAtMs)
  expect(renewals).toHaveLength(1)
})

test('sends one renewal at a time, and the next one after a failure', async () => {
  const { time, clock, keeper, renewals, renewal } = setUp()
  const lease = leaseOf('a')
  const signal = keeper.hold(lease, clock.nowMs())
  await time.pass(TICK_MS)
  void keeper.renew()
  await time.pass(TICK_MS)
  expect(renewals).toHaveLength(1)
  await renewal(0).fail()
  void keeper.renew()
  expect(renewals).toHaveLength(2)
  await renewal(1).answer(lease)
  expect(signal.aborted).toBe(false)
})

test('a run that ends while its renewal is under way is no loss, and leaves nothing behind', async () => {
  const { time, clock, keeper, renewals, renewal } = setUp()
  const lease = leaseOf('a')
  const signal = keeper.hold(lease, clock.nowMs())
  await time.pass(TICK_MS)
  keeper.release(lease)
  expect({ held: keeper.size, timers: clock.pendingTimers }).toEqual({ held: 0, timers: 0 })
  await renewal(0).answer()
  expect(signal.aborted).toBe(false)
  await time.pass(2 * TTL_MS)
  expect(renewals).toHaveLength(1)
})
