import { expect, test } from 'vitest'
import { RunWatch } from '../../src/coordination/run-watch.ts'
import type { GenerationRow } from '../../src/database/generations.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { SimulatedClock, SimulatedTime, settled } from '../support/simulated-clock.ts'

const LONGEST_POLL_MS = 200

/** A watch whose reads the test answers one by one, in a time that the test passes. */
function setUp() {
  const time = new SimulatedTime()
  const clock = new SimulatedClock(time)
  const reads: { runIds: readonly string[]; answer(state: string): Promise<void>; fail(): Promise<void> }[] =
    []
  const find = (runIds: readonly string[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<GenerationRow[]>()
    reads.push({
      runIds,
      answer(state) {
        resolve(runIds.map(id => ({ id, state }) as unknown as GenerationRow))
        return settled()
      },
      fail() {
        reject(new Error('as the test wanted'))
        return settled()
      },
    })
    return promise
  }
  const logger = createLogger({ level: 'silent', format: 'json' })
  const watch = new RunWatch({ leases: { find }, clock, logger, random: () => 1 })
  const listen = (runId: string) => {
    const told: (string | undefined)[] = []
    const stop = watch.listen(runId, run => told.push(run?.state))
    return { told, stop }
  }
  const read = (index: number) => {
    const found = reads[index]
    if (!found) throw new Error(`no read ${index}, of ${reads.length}`)
    return found
  }
  return { time, clock, watch, reads, read, listen }
}

test('tells a listener at once how its run stands, without a wake and before a poll', async () => {
  const { reads, read, listen } = setUp()
  const { told } = listen('a')
  expect(told).toEqual([])
  expect(reads).toHaveLength(1)
  await read(0).answer('RUNNING')
  expect(told).toEqual(['RUNNING'])
})

test('tells of a run after a wake, and by the poll where the wake was lost; nothing is read of what nobody watches', async () => {
  const { time, watch, reads, read, listen } = setUp()
  const { told } = listen('a')
  await read(0).answer('first')
  watch.wake('b')
  expect(reads).toHaveLength(1)
  watch.wake('a')
  await read(1).answer('second')
  await time.pass(LONGEST_POLL_MS)
  await read(2).answer('third')
  await time.pass(LONGEST_POLL_MS)
  await read(3).answer('fourth')
  expect(told).toEqual(['first', 'second', 'third', 'fourth'])
  expect(reads.map(({ runIds }) => runIds)).toEqual([['a'], ['a'], ['a'], ['a']])
})

test('sends one read at a time, and what is woken meanwhile is read by the next one, all at once', async () => {
  const { watch, reads, read, listen } = setUp()
  const [a, b, c] = [listen('a'), listen('b'), listen('c')]
  watch.wake('a')
  watch.wakeAll()
  expect(reads.map(({ runIds }) => runIds)).toEqual([['a']])
  // Sent before the wake, it says nothing about what the wake told of.
  await read(0).answer('old')
  expect(reads.map(({ runIds }) => [...runIds].toSorted())).toEqual([['a'], ['a', 'b', 'c']])
  await read(1).answer('new')
  expect(reads).toHaveLength(2)
  expect([a.told, b.told, c.told]).toEqual([['old', 'new'], ['new'], ['new']])
})

test('who leaves is told nothing more, takes nobody along, and the last one leaves nothing behind', async () => {
  const { time, clock, watch, reads, read, listen } = setUp()
  const [one, other] = [listen('a'), listen('a')]
  // The other one came when the first read was sent already.
  await read(0).answer('first')
  await read(1).answer('second')
  one.stop()
  one.stop()
  watch.wake('a')
  await read(2).answer('third')
  expect([one.told, other.told]).toEqual([
    ['first', 'second'],
    ['first', 'second', 'third'],
  ])
  expect(watch.size).toBe(1)
  other.stop()
  expect({ watched: watch.size, timers: clock.pendingTimers }).toEqual({ watched: 0, timers: 0 })
  await time.pass(10 * LONGEST_POLL_MS)
  watch.wake('a')
  expect(reads).toHaveLength(3)
})

test('knows for how long it has not seen its runs, be it that reads fail or that one is not answered', async () => {
  const { time, watch, read, listen } = setUp()
  const { told, stop } = listen('a')
  await read(0).answer('first')
  expect(watch.blindMs).toBe(0)
  await time.pass(LONGEST_POLL_MS)
  await read(1).fail()
  await time.pass(LONGEST_POLL_MS)
  expect(watch.blindMs).toBe(LONGEST_POLL_MS)
  // The poll goes on after a failure.
  await read(2).answer('second')
  expect(told).toEqual(['first', 'second'])
  expect(watch.blindMs).toBe(0)
  await time.pass(LONGEST_POLL_MS)
  await time.pass(5000)
  expect(watch.blindMs).toBe(5000)
  stop()
  // Who comes anew has waited for nothing yet.
  const late = listen('a')
  expect(watch.blindMs).toBe(0)
  await time.pass(1000)
  expect(watch.blindMs).toBe(1000)
  await read(3).fail()
  expect(watch.blindMs).toBe(0)
  late.stop()
  await time.pass(1000)
  expect(watch.blindMs).toBe(0)
  // Also where the last read of those before has failed only when they had gone.
  listen('a').stop()
  await read(4).fail()
  await time.pass(1000)
  listen('a')
  expect(watch.blindMs).toBe(0)
})
