import { expect, test } from 'vitest'
import { callersEnd, expectOneResult } from '../support/process-callers.ts'
import { waitersArrive } from '../support/process-gateway.ts'
import { cutOffLiveness, holdLock, terminateLiveness } from '../support/process-locks.ts'
import { createScene, type Scene } from '../support/process-scene.ts'
import { until } from '../support/until.ts'

/** So long a lease that nobody loses one by its expiry. */
const settings = { LEASE_TTL_MS: '60000', LOCK_TIMEOUT_MS: '20000' }

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
  const { instance } = await a.health()
  return { a, b, ownCallers, others, firstCall, instance }
}

test('an owner whose liveness connection breaks keeps its run or passes it on, and is itself again', async () => {
  const scene = await createScene({ settings })
  const { a, b, ownCallers, others, instance } = await startRun(scene)

  await terminateLiveness(scene.database, instance)
  await until(() => a.stderr.includes('the liveness connection is back'), {
    what: 'the owner to connect again',
  })
  // Whether it was back before anybody noticed is a race; either end of it is right.
  for (const call of scene.provider.calls) call.answer()
  scene.provider.onCall = call => call.answer()
  const { sources } = await expectOneResult([...ownCallers, ...others])
  expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
  await scene.expectConsistent()
  const takenOver = await b.metric('coordination_takeovers_total', { cause: 'owner_gone' })
  expect(scene.provider.calls).toHaveLength(1 + takenOver)

  // Under the same number, and believed to be alive: the next run stays with it.
  expect(await a.health()).toMatchObject({ instance, livenessConnected: true })
  scene.provider.onCall = () => {}
  const next = await scene.user(a, 'next')
  const nextCallers = scene.call(a, next)
  const [nextCall] = await until(() => scene.provider.callsFor('next').length === 1, {
    what: 'the next call',
  }).then(() => scene.provider.callsFor('next'))
  nextCallers.push(...scene.call(b, next))
  await waitersArrive([
    [a, 1],
    [b, 1],
  ])
  nextCall?.answer()
  expect((await expectOneResult(nextCallers)).sources).toEqual({ FRESH: 1, JOINED: 1 })
  expect(scene.provider.callsFor('next')).toHaveLength(1)
  await scene.expectConsistent()
})

test('an owner that stays cut off from the others is replaced at once, and follows its successor', async () => {
  const scene = await createScene({ settings })
  const { a, b, ownCallers, others, firstCall, instance } = await startRun(scene)

  const cut = await cutOffLiveness(scene.database.url, instance)
  const second = await scene.provider.called(2)
  expect(second.request.instance).toBe('b')
  // Its provider answers; what it would store next tells it that the run is no longer its own.
  firstCall.answer()
  await until(() => a.stderr.includes('this instance lost the run and follows it'), {
    what: 'the owner to learn of its loss',
  })
  second.answer()
  const { answer, sources } = await expectOneResult([...ownCallers, ...others])
  expect(answer.analysis.summary).toBe('answer 2 for runner')
  expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
  await cut.release()
  await until(async () => (await a.health()).livenessConnected, { what: 'the owner to connect again' })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(2)
  expect(await b.metric('coordination_takeovers_total', { cause: 'owner_gone' })).toBe(1)
})

test.each([
  { where: 'right after the fence', lock: 'LOCK TABLE analyses IN EXCLUSIVE MODE' },
  {
    where: 'before the last statement',
    lock: `SELECT 1 FROM generations WHERE state = 'RUNNING' FOR UPDATE`,
  },
])(
  'a commit whose backend is terminated $where is made again, without another provider call',
  async ({ lock }) => {
    const scene = await createScene({ settings })
    const { a, ownCallers, others, firstCall } = await startRun(scene)

    const held = await holdLock(scene.database.url, lock)
    firstCall.answer()
    await scene.database.query('SELECT pg_terminate_backend($1)', [await held.waitedFor()])
    await held.release()
    const { answer, sources } = await expectOneResult([...ownCallers, ...others])
    expect(answer.analysis.summary).toBe('answer 1 for runner')
    expect(answer.generation).toMatchObject({ state: 'SUCCEEDED', epoch: 1 })
    expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
    await scene.expectConsistent()
    expect(scene.provider.calls).toHaveLength(1)
    expect(await a.metric('coordination_fenced_total')).toBe(0)
  },
)

test('a moment in which every connection of every instance is cut costs no result', async () => {
  const scene = await createScene({ settings })
  const { a, b, ownCallers, others } = await startRun(scene)

  await scene.database.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name IN ('tributary', 'tributary-liveness')`,
  )
  for (const call of scene.provider.calls) call.answer()
  scene.provider.onCall = call => call.answer()
  await callersEnd([...ownCallers, ...others])
  const { sources } = await expectOneResult([...ownCallers, ...others])
  expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
  await scene.expectConsistent()
  for (const gateway of [a, b])
    await until(async () => (await gateway.health()).livenessConnected, {
      what: `instance ${gateway.name} to connect again`,
    })
})
