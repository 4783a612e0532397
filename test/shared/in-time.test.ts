import { stat } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { inTime } from '../../src/shared/abort.ts'

const never = new Promise<string>(() => {})
const notLate = () => expect.unreachable('it was in time')

test('settles as the promise does that is in time, and leaves no timer behind', async () => {
  const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const before = timers()
  expect(await inTime(Promise.resolve('done'), 60_000, notLate)).toBe('done')
  await expect(inTime(Promise.reject(new Error('failed')), 60_000, notLate)).rejects.toThrow('failed')
  expect(timers()).toBe(before)
})

test('gives or throws what is said of one that takes too long', async () => {
  expect(await inTime(never, 1, () => 'late')).toBe('late')
  const late = () => {
    throw new Error('late')
  }
  await expect(inTime(never, 1, late)).rejects.toThrow('late')
})

test('one that fails when nobody waits for it any more is caught', async () => {
  const work = Promise.withResolvers<string>()
  expect(await inTime(work.promise, 1, () => 'late')).toBe('late')
  // Left uncaught, it would fail this run.
  work.reject(new Error('nobody is told'))
  await turn()
})

test('an answer that came while this process was busy is in time', async () => {
  const answer = inTime(stat('.'), 1, notLate)
  const busyUntilMs = performance.now() + 200
  while (performance.now() < busyUntilMs);
  expect((await answer).isDirectory()).toBe(true)
})
