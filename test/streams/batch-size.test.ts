import { expect, test } from 'vitest'
import { BatchSize } from '../../src/streams/batch-size.ts'

test('batches grow while they are full and light, and shrink while they are heavy', () => {
  const batch = new BatchSize()
  const first = batch.current
  batch.took(first - 1, 1000)
  expect(batch.current).toBe(first)
  for (let round = 0; round < 10; round++) batch.took(batch.current, 1000)
  expect(batch.current).toBe(200)
  batch.took(200, 100_000_000)
  expect(batch.current).toBe(100)
})

test('messages that cannot be read in time are asked for in smaller numbers, down to each alone', () => {
  const batch = new BatchSize()
  for (let round = 0; round < 10; round++) batch.took(batch.current, 1000)
  const sizes = Array.from({ length: 5 }, () => {
    batch.timedOut()
    return batch.current
  })
  expect(sizes).toEqual([50, 12, 3, 1, 1])
  batch.took(1, 5_000_000)
  expect(batch.current).toBe(2)
})
