import { expect, test } from 'vitest'
import { callersEnd, expectOneResult } from '../support/process-callers.ts'
import type { ProcessGateway } from '../support/process-gateway.ts'
import { createScene, type Scene } from '../support/process-scene.ts'
import { until } from '../support/until.ts'

const startThree = (scene: Scene) => Promise.all([scene.start('a'), scene.start('b'), scene.start('c')])

async function callersWait(gateways: readonly ProcessGateway[], count: number): Promise<void> {
  let waiters: number[] = []
  await until(
    async () => {
      waiters = (await Promise.all(gateways.map(gateway => gateway.health()))).map(health => health.waiters)
      return waiters.reduce((sum, some) => sum + some, 0) === count
    },
    { what: `${count} callers to wait` },
  ).catch(error => {
    throw new Error(`${(error as Error).message}; waiting are ${waiters.join(', ')}`, { cause: error })
  })
}

test('runs the provider once when 60 callers on three processes ask together', async () => {
  const scene = await createScene()
  const gateways = await startThree(scene)
  const user = await scene.user(gateways[0], 'runner')

  const callers = gateways.flatMap(gateway => scene.call(gateway, user, 20))
  await callersWait(gateways, 60)
  const only = await scene.provider.called(1)
  only.answer()
  const { answer, sources } = await expectOneResult(callers)
  expect(sources).toEqual({ FRESH: 1, JOINED: 59 })
  expect(answer.generation).toMatchObject({ state: 'SUCCEEDED', epoch: 1, progress: 1 })
  expect(answer.tracking.analysisCount).toBe(1)
  // The one whose own generation it was is on the instance that made it.
  const fresh = callers.find(({ end }) => end?.type === 'answer' && end.answer.source === 'FRESH')
  expect(fresh?.gateway.name).toBe(only.request.instance)

  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(1)
  expect(await scene.database.query('SELECT summary FROM analyses')).toEqual([
    { summary: 'answer 1 for runner' },
  ])
  expect(await scene.database.query('SELECT state, epoch FROM leases')).toEqual([
    { state: 'SUCCEEDED', epoch: 1 },
  ])
  for (const gateway of gateways)
    expect(await gateway.health()).toMatchObject({ flights: 0, waiters: 0, ownedRuns: 0 })
})

test('runs the provider once for each of 20 keys with 5 callers on three processes', async () => {
  const scene = await createScene()
  const gateways = await startThree(scene)
  const users = await Promise.all(
    Array.from({ length: 20 }, (_, index) => scene.user(gateways[index % 3] ?? gateways[0], `user_${index}`)),
  )

  const callersByUser = users.map((user, index) =>
    Array.from({ length: 5 }, (_, turn) =>
      scene.call(gateways[(index + turn) % 3] ?? gateways[0], user),
    ).flat(),
  )
  await callersWait(gateways, 100)
  await scene.provider.called(20)
  for (const call of scene.provider.calls) call.answer()
  for (const [index, callers] of callersByUser.entries()) {
    const { answer, sources } = await expectOneResult(callers)
    expect(sources).toEqual({ FRESH: 1, JOINED: 4 })
    expect(answer.analysis.summary).toMatch(new RegExp(`for ${users[index]?.name}$`))
  }

  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(20)
  for (const { name } of users) expect(scene.provider.callsFor(name)).toHaveLength(1)
  expect(await scene.database.query('SELECT count(*)::int AS rows FROM analyses')).toEqual([{ rows: 20 }])
  expect(await scene.database.query('SELECT DISTINCT state, epoch FROM leases')).toEqual([
    { state: 'SUCCEEDED', epoch: 1 },
  ])
})

test('a failed run is the failure of everyone who waits for it, on every process, and the provider is left alone', async () => {
  const scene = await createScene()
  const gateways = await startThree(scene)
  const user = await scene.user(gateways[0], 'runner')

  const callers = gateways.flatMap(gateway => scene.call(gateway, user, 3))
  await callersWait(gateways, 9)
  const only = await scene.provider.called(1)
  // Each instance knows the run: who is told of it instead of waiting is told at once.
  const impatient = gateways.flatMap(gateway => scene.call(gateway, user, 1, { waitMs: 0 }))
  await callersEnd(impatient)
  for (const { end } of impatient) expect(end).toMatchObject({ answer: { __typename: 'GenerationPending' } })
  only.fail('The model is overloaded.', { retryable: true })
  await callersEnd(callers)
  const failure = {
    type: 'answer',
    answer: { __typename: 'GenerationFailedError', message: 'The model is overloaded.', retryable: true },
  }
  for (const { end } of callers) {
    expect(end).toMatchObject(failure)
    expect(end).toMatchObject({ answer: { retryAt: expect.any(String) } })
  }
  // Whoever asks while the provider is left alone is told the same; longer than the second that a slow machine may need.
  await scene.database.query(`UPDATE leases SET retry_after = retry_after + interval '1 hour'`)
  const afterwards = gateways.flatMap(gateway => scene.call(gateway, user))
  await callersEnd(afterwards)
  for (const { end } of afterwards) expect(end).toMatchObject(failure)
  expect(scene.provider.calls).toHaveLength(1)

  // Until its time has come, and then one call serves everybody again.
  await scene.database.query(`UPDATE leases SET retry_after = clock_timestamp()`)
  const retrying = gateways.flatMap(gateway => scene.call(gateway, user, 3))
  const second = await scene.provider.called(2)
  await callersWait(gateways, 9)
  second.answer()
  const { answer, sources } = await expectOneResult(retrying)
  expect(answer.generation).toMatchObject({ state: 'SUCCEEDED', epoch: 2 })
  expect(sources).toEqual({ FRESH: 1, JOINED: 8 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(2)
})

test('forced requests on three processes share one run, which comes on top of the first', async () => {
  const scene = await createScene()
  const gateways = await startThree(scene)
  const user = await scene.user(gateways[0], 'runner')
  scene.provider.onCall = call => call.answer()
  const first = await expectOneResult(scene.call(gateways[0], user))
  scene.provider.onCall = () => {}

  const forced = gateways.flatMap(gateway => scene.call(gateway, user, 4, { forceRefresh: true }))
  await callersWait(gateways, 12)
  const second = await scene.provider.called(2)
  second.answer()
  const { answer, sources } = await expectOneResult(forced)
  expect(answer.analysis).toMatchObject({ mode: 'FOLLOW_UP', summary: 'answer 2 for runner' })
  expect(answer.analysis.id).not.toBe(first.answer.analysis.id)
  expect(answer.tracking.analysisCount).toBe(2)
  expect(sources).toEqual({ FRESH: 1, JOINED: 11 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(2)
})
