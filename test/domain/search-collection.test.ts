import { expect, test } from 'vitest'
import { LockQueueFullError, LockTimeoutError } from '../../src/coordination/lock-errors.ts'
import { createLocks } from '../../src/coordination/locks.ts'
import type { Queryable } from '../../src/database/client.ts'
import { SearchCollection } from '../../src/domain/collections/search-collection.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { Gate } from '../support/gate.ts'
import { SimulatedTime } from '../support/simulated-clock.ts'

/** Searches that stand still in the database until the gate opens. */
function scene() {
  const gate = new Gate()
  const time = new SimulatedTime()
  const clock = { nowMs: () => time.nowMs, setTimer: time.setTimer.bind(time) }
  const db: Queryable = {
    async query() {
      await gate.pass()
      return []
    },
  }
  const locks = createLocks({ clock, metrics: createMetrics() })
  const logger = createLogger({ level: 'silent', format: 'json' })
  const searches = new SearchCollection({ db, locks, logger })
  const search = (collection: string, signal?: AbortSignal) =>
    searches.execute({ collection, query: 'sleep', first: 5, ...(signal && { signal }) })
  return { gate, time, locks, search }
}

test('20 searches of a collection go on, 1,000 wait, and the next is turned away at once', async () => {
  const { gate, locks, search } = scene()
  const searches = Array.from({ length: 1020 }, () => search('crowded'))
  await gate.arrived(20)
  expect(locks.searches.queueLength).toBe(1000)
  expect(gate.arrivals).toBe(20)
  await expect(search('crowded')).rejects.toThrow(LockQueueFullError)
  const elsewhere = search('quiet')
  await gate.arrived(21)
  gate.open()
  for (const outcome of await Promise.all([...searches, elsewhere])) expect(outcome.type).toBe('hits')
  expect(locks.searches.size).toBe(0)
})

test('a search whose turn does not come gives up after five seconds, and one whose user leaves at once', async () => {
  const { gate, time, locks, search } = scene()
  const seated = Array.from({ length: 20 }, () => search('crowded'))
  await gate.arrived(20)
  const late = search('crowded')
  const leaving = new AbortController()
  const left = search('crowded', leaving.signal)
  const outcomes = Promise.allSettled([late, left])
  await expect.poll(() => locks.searches.queueLength).toBe(2)
  leaving.abort(new Error('left'))
  await time.pass(4999)
  expect(locks.searches.queueLength).toBe(1)
  await time.pass(1)
  expect(await outcomes).toMatchObject([
    { reason: expect.any(LockTimeoutError) },
    { reason: { message: 'left' } },
  ])
  gate.open()
  await Promise.all(seated)
})
