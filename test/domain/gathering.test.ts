import { expect, test } from 'vitest'
import { LockQueueFullError } from '../../src/coordination/lock-errors.ts'
import { Gathering } from '../../src/domain/conversations/gathering.ts'

test('what takes too long, or is not let in, is left out and named; what fails otherwise is told', async () => {
  const gathering = new Gathering(20)
  expect(await gathering.read('quick', Promise.resolve('read'), 'nothing')).toBe('read')
  expect(await gathering.read('slow', new Promise<string>(() => {}), 'nothing')).toBe('nothing')
  const turnedAway = Promise.reject(new LockQueueFullError('memory-reads', 'read', 1000))
  expect(await gathering.read('crowded', turnedAway, 'nothing')).toBe('nothing')
  await expect(gathering.read('broken', Promise.reject(new Error('broken')), 'nothing')).rejects.toThrow(
    'broken',
  )
  expect(gathering.leftOut).toEqual(['slow', 'crowded'])
})

test('what fails after it was left out disturbs nobody', async () => {
  const gathering = new Gathering(1)
  let fail = (_error: Error) => {}
  const late = new Promise<string>((_, reject) => {
    fail = reject
  })
  expect(await gathering.read('late', late, 'nothing')).toBe('nothing')
  fail(new Error('too late'))
  await new Promise(resolve => setImmediate(resolve))
  expect(gathering.leftOut).toEqual(['late'])
})
