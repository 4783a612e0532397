import { expect, test } from 'vitest'
import { createProgressReporter } from '../../src/coordination/progress-reporter.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { SimulatedClock, SimulatedTime, settled } from '../support/simulated-clock.ts'

const INTERVAL_MS = 250

function setUp() {
  const time = new SimulatedTime()
  const clock = new SimulatedClock(time)
  const writes: { progress: number; done(): Promise<void>; fail(): Promise<void> }[] = []
  const reporter = createProgressReporter({
    clock,
    logger: createLogger({ level: 'silent', format: 'json' }),
    write({ progress }) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      writes.push({
        progress,
        done() {
          resolve()
          return settled()
        },
        fail() {
          reject(new Error('as the test wanted'))
          return settled()
        },
      })
      return promise
    },
  })
  const written = () => writes.map(({ progress }) => progress)
  return { time, clock, writes, written, ...reporter }
}

test('writes the highest progress once an interval, however often and in whatever order it is told', async () => {
  const { time, writes, written, report } = setUp()
  for (const progress of [0.1, 0.3, 0.2, Number.NaN]) report(progress)
  expect(written()).toEqual([])
  await time.pass(INTERVAL_MS)
  expect(written()).toEqual([0.3])
  await writes[0]?.done()
  await time.pass(4 * INTERVAL_MS)
  expect(written()).toEqual([0.3])
})

test('never writes a lower one, nor more than the whole, nor what is no number', async () => {
  const { time, writes, written, report } = setUp()
  report(0.5)
  await time.pass(INTERVAL_MS)
  await writes[0]?.done()
  for (const progress of [0.4, 0.5, Number.NaN, -1]) report(progress)
  await time.pass(INTERVAL_MS)
  expect(written()).toEqual([0.5])
  report(7)
  await time.pass(INTERVAL_MS)
  expect(written()).toEqual([0.5, 1])
})

test('writes one at a time, and after it what has come meanwhile, also where it failed', async () => {
  const { time, writes, written, report } = setUp()
  report(0.1)
  await time.pass(INTERVAL_MS)
  for (const progress of [0.2, 0.3]) report(progress)
  await time.pass(4 * INTERVAL_MS)
  expect(written()).toEqual([0.1])
  await writes[0]?.fail()
  await time.pass(INTERVAL_MS)
  expect(written()).toEqual([0.1, 0.3])
})

test('writes nothing more and leaves no timer once it is stopped', async () => {
  const { time, clock, writes, written, report, stop } = setUp()
  report(0.1)
  await time.pass(INTERVAL_MS)
  report(0.2)
  stop()
  await writes[0]?.done()
  expect(clock.pendingTimers).toBe(0)
  const idle = setUp()
  idle.report(0.1)
  idle.stop()
  expect(idle.clock.pendingTimers).toBe(0)
  await time.pass(4 * INTERVAL_MS)
  expect(written()).toEqual([0.1])
})
