import { expect, test } from 'vitest'
import { expectOneResult } from '../support/process-callers.ts'
import { type ProcessGateway, waitersArrive } from '../support/process-gateway.ts'
import { holdLock } from '../support/process-locks.ts'
import { createScene, report, type Scene } from '../support/process-scene.ts'

/** So long a lease that only the liveness lock can explain a handover within a test. */
const settings = { LEASE_TTL_MS: '60000', LOCK_TIMEOUT_MS: '20000' }
/** A third of the lease, and many times what a handover takes on the slowest machine. */
const WELL_BEFORE_THE_TTL_MS = 20_000

/** An owner `a` that has called the provider, and callers who wait: two on it, three on each of the others. */
async function startRun(scene: Scene, otherNames: readonly string[]) {
  const [a, ...rest] = await Promise.all([scene.start('a'), ...otherNames.map(name => scene.start(name))])
  const user = await scene.user(a, 'runner')
  const ownCallers = scene.call(a, user, 2)
  const firstCall = await scene.provider.called(1)
  expect(firstCall.request).toMatchObject({ instance: 'a', key: 'runner', points: 1 })
  const others = rest.flatMap(gateway => scene.call(gateway, user, 3))
  await waitersArrive([[a, 2], ...rest.map(gateway => [gateway, 3] as const)])
  return { a, rest, ownCallers, others, firstCall }
}

async function takeovers(gateways: readonly ProcessGateway[]): Promise<number> {
  const counts = gateways.map(gateway =>
    gateway.metric('coordination_takeovers_total', { cause: 'owner_gone' }),
  )
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

test('a run whose owner is killed before the provider answers is taken over at once, without waiting for the TTL', async () => {
  const scene = await createScene({ settings })
  const run = await startRun(scene, ['b', 'c'])

  const killedAtMs = performance.now()
  await run.a.kill()
  const second = await scene.provider.called(2)
  report('from the kill before the answer to the next provider call', second.atMs - killedAtMs)
  expect(second.atMs - killedAtMs).toBeLessThan(WELL_BEFORE_THE_TTL_MS)
  expect(['b', 'c']).toContain(second.request.instance)

  second.answer()
  const { answer, sources } = await expectOneResult(run.others)
  expect(answer.analysis.summary).toBe('answer 2 for runner')
  expect(answer.generation).toMatchObject({ state: 'SUCCEEDED', epoch: 2 })
  expect(sources).toEqual({ FRESH: 1, JOINED: 5 })
  await scene.expectConsistent()
  expect(run.ownCallers.map(caller => caller.end?.type)).toEqual(['cut off', 'cut off'])
  expect(scene.provider.calls).toHaveLength(2)
  expect(await takeovers(run.rest)).toBe(1)
})

test.each([
  { where: 'right after the fence', lock: 'LOCK TABLE analyses IN EXCLUSIVE MODE' },
  { where: 'between the analysis and its tracking', lock: 'LOCK TABLE archetype_tracking IN EXCLUSIVE MODE' },
  {
    where: 'before the last statement',
    lock: `SELECT 1 FROM generations WHERE state = 'RUNNING' FOR UPDATE`,
  },
])(
  'an owner that is killed during its commit, $where, leaves nothing of it, and another makes the result',
  async ({ lock }) => {
    const scene = await createScene({ settings })
    const run = await startRun(scene, ['b'])

    const held = await holdLock(scene.database.url, lock)
    run.firstCall.answer()
    await held.waitedFor()
    const killedAtMs = performance.now()
    await run.a.kill()
    await held.release()
    const second = await scene.provider.called(2)
    report('from the kill during the commit to the next provider call', second.atMs - killedAtMs)
    expect(second.atMs - killedAtMs).toBeLessThan(WELL_BEFORE_THE_TTL_MS)
    expect(await scene.database.query('SELECT 1 FROM analyses')).toEqual([])

    second.answer()
    const { answer, sources } = await expectOneResult(run.others)
    expect(answer.analysis.summary).toBe('answer 2 for runner')
    expect(sources).toEqual({ FRESH: 1, JOINED: 2 })
    await scene.expectConsistent()
    expect(run.ownCallers.map(caller => caller.end?.type)).toEqual(['cut off', 'cut off'])
    expect(scene.provider.calls).toHaveLength(2)
    expect(await takeovers(run.rest)).toBe(1)
  },
)

test('a result that was committed before its owner was killed answers everyone on the other instances', async () => {
  const scene = await createScene({ settings })
  const run = await startRun(scene, ['b', 'c'])

  // What the answers are read from, and the commit does not touch: the owner stands still between the two.
  const held = await holdLock(scene.database.url, 'LOCK TABLE plans IN ACCESS EXCLUSIVE MODE')
  run.firstCall.answer()
  await held.waitedFor()
  expect(await scene.database.query('SELECT summary FROM analyses')).toEqual([
    { summary: 'answer 1 for runner' },
  ])
  const killedAtMs = performance.now()
  await run.a.kill()
  await held.release()

  const { answer, sources } = await expectOneResult(run.others)
  report('from the kill after the commit to the last answer', performance.now() - killedAtMs)
  expect(answer.analysis.summary).toBe('answer 1 for runner')
  expect(answer.generation).toMatchObject({ state: 'SUCCEEDED', epoch: 1 })
  // The one whose own generation it was is gone with its instance.
  expect(sources).toEqual({ JOINED: 6 })
  await scene.expectConsistent()
  expect(run.ownCallers.map(caller => caller.end?.type)).toEqual(['cut off', 'cut off'])
  expect(scene.provider.calls).toHaveLength(1)
  expect(await takeovers(run.rest)).toBe(0)
})

test('a lease that its owner did not live to learn of is taken over by the next request', async () => {
  const scene = await createScene({ settings })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')

  const held = await holdLock(scene.database.url, 'LOCK TABLE generations IN EXCLUSIVE MODE')
  scene.call(a, user)
  await held.waitedFor()
  await a.kill()
  await held.release()
  const callers = scene.call(b, user, 2)
  const only = await scene.provider.called(1)
  expect(only.request.instance).toBe('b')
  await waitersArrive([[b, 2]])
  only.answer()

  const { answer, sources } = await expectOneResult(callers)
  expect(answer.generation).toMatchObject({ state: 'SUCCEEDED', epoch: 2 })
  expect(sources).toEqual({ FRESH: 1, JOINED: 1 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(1)
})

test('a run goes from owner to owner as long as one instance is left', async () => {
  const scene = await createScene({ settings })
  const run = await startRun(scene, ['b', 'c'])

  await run.a.kill()
  const second = await scene.provider.called(2)
  const next = run.rest.find(gateway => gateway.name === second.request.instance)
  const last = run.rest.find(gateway => gateway !== next)
  const killedAtMs = performance.now()
  await next?.kill()
  const third = await scene.provider.called(3)
  report('from the second kill in a row to the next provider call', third.atMs - killedAtMs)
  expect(third.atMs - killedAtMs).toBeLessThan(WELL_BEFORE_THE_TTL_MS)
  expect(third.request.instance).toBe(last?.name)

  third.answer()
  const { answer, sources } = await expectOneResult(run.others.filter(caller => caller.gateway === last))
  expect(answer.generation).toMatchObject({ state: 'SUCCEEDED', epoch: 3 })
  expect(sources).toEqual({ FRESH: 1, JOINED: 2 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(3)
})
