import { expect, test } from 'vitest'
import { expectOneResult } from '../support/process-callers.ts'
import { waitersArrive } from '../support/process-gateway.ts'
import { holdLock } from '../support/process-locks.ts'
import { createScene } from '../support/process-scene.ts'
import { until } from '../support/until.ts'

/** So long a lease that a run that was dropped instead of finished is not picked up within the test. */
const settings = { LEASE_TTL_MS: '60000', LOCK_TIMEOUT_MS: '1000' }

/*
 * Somebody holds a lock for longer than a statement waits for one: an index that is created, a backup, a session that an
 * operator has forgotten. What the provider was paid for is there, and is stored when the lock is gone.
 */
test.each([
  { what: 'the table of analyses', lock: 'LOCK TABLE analyses IN EXCLUSIVE MODE' },
  { what: "the run's lease", lock: 'SELECT 1 FROM leases FOR UPDATE' },
  { what: "the run's record", lock: `SELECT 1 FROM generations WHERE state = 'RUNNING' FOR UPDATE` },
  { what: 'what the answers are read from', lock: 'LOCK TABLE data_points IN ACCESS EXCLUSIVE MODE' },
])(
  'a lock on $what that is held for longer than LOCK_TIMEOUT_MS costs time and no result',
  async ({ lock }) => {
    const scene = await createScene({ settings })
    const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
    const user = await scene.user(a, 'runner')
    const callers = scene.call(a, user, 2)
    const only = await scene.provider.called(1)
    callers.push(...scene.call(b, user, 2))
    await waitersArrive([
      [a, 2],
      [b, 2],
    ])

    const held = await holdLock(scene.database.url, lock)
    only.answer()
    await held.givenUp(await held.waitedFor())
    await held.release()
    const { answer, sources } = await expectOneResult(callers)
    expect(answer.analysis.summary).toBe('answer 1 for runner')
    expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
    await scene.expectConsistent()
    expect(scene.provider.calls).toHaveLength(1)
  },
)

test('a lock that outlasts the whole transaction of a commit costs time and no result', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000', LOCK_TIMEOUT_MS: '25000' } })
  const a = await scene.start('a')
  const user = await scene.user(a, 'runner')
  const callers = scene.call(a, user, 2)
  const only = await scene.provider.called(1)
  await waitersArrive([[a, 2]])

  const held = await holdLock(scene.database.url, 'LOCK TABLE analyses IN EXCLUSIVE MODE')
  only.answer()
  const backend = await held.waitedFor()
  const outlasted = `SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND clock_timestamp() - xact_start > interval '15.5 s'`
  await until(async () => (await scene.database.query(outlasted, [backend])).length === 1, {
    what: 'the transaction to have lasted for longer than it may',
  })
  await held.release()
  const { answer, sources } = await expectOneResult(callers)
  expect(answer.analysis.summary).toBe('answer 1 for runner')
  expect(sources).toEqual({ FRESH: 1, JOINED: 1 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(1)
})
