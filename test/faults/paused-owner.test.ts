import { expect, test } from 'vitest'
import { expectOneResult } from '../support/process-callers.ts'
import { waitersArrive } from '../support/process-gateway.ts'
import { cutOffLiveness, holdLock } from '../support/process-locks.ts'
import { createScene, report, type Scene } from '../support/process-scene.ts'
import { until } from '../support/until.ts'

/** An owner that has called the provider, and two callers each on it and on another instance. */
async function startRun(scene: Scene) {
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
  const ownCallers = scene.call(a, user, 2)
  const firstCall = await scene.provider.called(1)
  const others = scene.call(b, user, 2)
  await waitersArrive([
    [a, 2],
    [b, 2],
  ])
  const instance = (await a.health()).instance
  return { a, b, ownCallers, others, firstCall, instance }
}

test('an owner that is paused past its TTL is replaced, and its own callers get the result of the winner', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '2000' } })
  const { a, b, ownCallers, others, firstCall } = await startRun(scene)

  const pausedAtMs = performance.now()
  await a.pause()
  const second = await scene.provider.called(2)
  report('from the pause to the next provider call, with a TTL of 2000 ms', second.atMs - pausedAtMs)
  expect(second.request.instance).toBe('b')
  second.answer()
  const winner = await expectOneResult(others)
  expect(winner.answer.analysis.summary).toBe('answer 2 for runner')
  expect(winner.sources).toEqual({ FRESH: 1, JOINED: 1 })

  // What it was waiting for when it was paused is there when it wakes, and comes too late.
  firstCall.answer()
  a.resume()
  const stale = await expectOneResult(ownCallers)
  expect(stale.answer.analysis).toEqual(winner.answer.analysis)
  expect(stale.sources).toEqual({ JOINED: 2 })
  await until(() => a.stderr.includes('this instance lost the run and follows it'), {
    what: 'the log to tell of the loss',
  })
  await scene.expectConsistent()
  // It happens to the best: nothing has failed.
  expect(a.stderr).not.toContain('"level":50')
  expect(scene.provider.calls).toHaveLength(2)
  expect(await b.metric('coordination_takeovers_total', { cause: 'expired' })).toBe(1)
})

test('an owner that is paused within its commit does not hold its successor back', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '2000' } })
  const { a, b, ownCallers, others, firstCall } = await startRun(scene)

  const held = await holdLock(scene.database.url, 'LOCK TABLE analyses IN EXCLUSIVE MODE')
  firstCall.answer()
  await held.waitedFor()
  const pausedAtMs = performance.now()
  await a.pause()
  await held.release()
  const second = await scene.provider.called(2)
  report('from the pause within the commit to the next provider call', second.atMs - pausedAtMs)
  expect(second.request.instance).toBe('b')
  second.answer()
  const winner = await expectOneResult(others)
  expect(winner.sources).toEqual({ FRESH: 1, JOINED: 1 })

  a.resume()
  const stale = await expectOneResult(ownCallers)
  expect(stale.answer.analysis).toEqual(winner.answer.analysis)
  expect(stale.sources).toEqual({ JOINED: 2 })
  await scene.expectConsistent()
  // It happens to the best: nothing has failed.
  expect(a.stderr).not.toContain('"level":50')
  expect(scene.provider.calls).toHaveLength(2)
  expect(await b.metric('coordination_takeovers_total', { cause: 'expired' })).toBe(1)
})

test('an owner that lost its lease and does not know it cannot commit', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000', LOCK_TIMEOUT_MS: '20000' } })
  const { a, b, ownCallers, others, firstCall, instance } = await startRun(scene)

  // It has said that it will store, and is paused before it does.
  const held = await holdLock(scene.database.url, 'SELECT 1 FROM leases FOR UPDATE')
  firstCall.answer()
  await held.waitedFor()
  await a.pause()
  await held.release()
  // With its connection broken it counts as gone; the lease itself is good for a minute, so it believes in it.
  const cut = await cutOffLiveness(scene.database.url, instance)
  const second = await scene.provider.called(2)
  expect(second.request.instance).toBe('b')

  a.resume()
  await until(async () => (await a.metric('coordination_fenced_total')) === 1, {
    what: 'the stale commit to be refused',
  })
  expect(await scene.database.query('SELECT 1 FROM analyses')).toEqual([])
  await waitersArrive([
    [a, 2],
    [b, 2],
  ])
  second.answer()
  const { answer, sources } = await expectOneResult([...ownCallers, ...others])
  expect(answer.analysis.summary).toBe('answer 2 for runner')
  expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
  await cut.release()
  await scene.expectConsistent()
  // It happens to the best: nothing has failed.
  expect(a.stderr).not.toContain('"level":50')
  expect(scene.provider.calls).toHaveLength(2)
  expect(await b.metric('coordination_takeovers_total', { cause: 'owner_gone' })).toBe(1)
})
