import { expect, test } from 'vitest'
import { LockTimeoutError } from '../../src/coordination/lock-errors.ts'
import { createLocks, lockFigures } from '../../src/coordination/locks.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createMetrics } from '../../src/shared/metrics.ts'

test('waits for a memory are measured by operation, and those that time out are counted', async () => {
  const metrics = createMetrics()
  const { memory } = createLocks({ clock: systemClock, metrics })
  const held = await memory.acquire('user', { timeoutMs: 0, operation: 'write' })
  await expect(memory.acquire('user', { timeoutMs: 1, operation: 'write' })).rejects.toThrow(LockTimeoutError)
  held.release()
  expect(await metrics.registry.getSingleMetricAsString('memory_lock_timeout_total')).toContain(
    'memory_lock_timeout_total 1',
  )
  expect(await metrics.registry.getSingleMetricAsString('memory_lock_contention_seconds')).toContain(
    'count{operation="write"} 2',
  )
})

test('of a collection one ingestion and 20 searches go on at once, and the figures show who waits', async () => {
  const locks = createLocks({ clock: systemClock, metrics: createMetrics() })
  const [none, wait] = [{ waiting: 0, held: 0 }, 10_000]
  const search = (timeoutMs: number) =>
    locks.searches.acquireRead('recipes', { timeoutMs, operation: 'search' })
  const ingest = (timeoutMs: number) =>
    locks.collections.acquire('recipes', { timeoutMs, operation: 'ingest' })
  const ingestion = await ingest(0)
  const searches = await Promise.all(Array.from({ length: 20 }, () => search(0)))
  await expect(ingest(0)).rejects.toThrow(LockTimeoutError)
  await expect(search(0)).rejects.toThrow(LockTimeoutError)
  const [next, last] = [ingest(wait), search(wait)]
  const busy = { waiting: 1, held: 1 }
  expect(lockFigures(locks)).toEqual({
    memory: none,
    memoryReads: none,
    ingestions: none,
    collections: busy,
    searches: busy,
  })
  for (const grant of [ingestion, ...searches]) grant.release()
  for (const grant of await Promise.all([next, last])) grant.release()
  expect(lockFigures(locks)).toEqual({
    memory: none,
    memoryReads: none,
    ingestions: none,
    collections: none,
    searches: none,
  })
})

test('two ingestions of whatever collections keep a connection each, and a third waits for one of them', async () => {
  const { ingestions } = createLocks({ clock: systemClock, metrics: createMetrics() })
  const seat = (timeoutMs: number) => ingestions.acquireRead('', { timeoutMs, operation: 'ingest' })
  const [first] = await Promise.all([seat(0), seat(0)])
  await expect(seat(0)).rejects.toThrow(LockTimeoutError)
  const third = seat(10_000)
  first?.release()
  await third
})
