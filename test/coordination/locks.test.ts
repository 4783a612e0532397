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

test('a collection that times out is counted under its name, and the figures show who waits', async () => {
  const metrics = createMetrics()
  const locks = createLocks({ clock: systemClock, metrics })
  const ingestion = await locks.collections.acquireWrite('recipes', { timeoutMs: 0, operation: 'ingest' })
  const search = locks.collections.acquireRead('recipes', { timeoutMs: 10_000, operation: 'search' })
  expect(lockFigures(locks)).toEqual({
    memory: { waiting: 0, held: 0 },
    memoryReads: { waiting: 0, held: 0 },
    collections: { waiting: 1, held: 1 },
  })
  await expect(
    locks.collections.acquireWrite('recipes', { timeoutMs: 0, operation: 'ingest' }),
  ).rejects.toThrow(LockTimeoutError)
  ingestion.release()
  ;(await search).release()
  expect(lockFigures(locks)).toEqual({
    memory: { waiting: 0, held: 0 },
    memoryReads: { waiting: 0, held: 0 },
    collections: { waiting: 0, held: 0 },
  })
  expect(await metrics.registry.getSingleMetricAsString('collection_lock_timeout_total')).toContain(
    '{collection_name="recipes"} 1',
  )
})
