import { expect, test } from 'vitest'
import { callersEnd, expectOneResult } from '../support/process-callers.ts'
import { waitersArrive } from '../support/process-gateway.ts'
import { createScene } from '../support/process-scene.ts'
import { until } from '../support/until.ts'

test('a first caller that leaves takes nothing away from those who wait', async () => {
  const scene = await createScene()
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
  const [first] = scene.call(a, user)
  const call = await scene.provider.called(1)
  const ownCallers = scene.call(a, user, 2)
  const others = scene.call(b, user, 2)
  await waitersArrive([
    [a, 3],
    [b, 2],
  ])

  first?.leave()
  await waitersArrive([
    [a, 2],
    [b, 2],
  ])
  expect(call.gone).toBe(false)
  call.answer()
  const { sources } = await expectOneResult([...ownCallers, ...others])
  // It is the generation of the first of those who are still there.
  expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
  expect(ownCallers.map(({ end }) => end?.type === 'answer' && end.answer.source).sort()).toEqual([
    'FRESH',
    'JOINED',
  ])
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(1)
})

test('a run that every caller has left goes on, is stored, and answers who asks next', async () => {
  const scene = await createScene()
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
  const callers = scene.call(a, user, 2)
  const call = await scene.provider.called(1)
  callers.push(...scene.call(b, user, 2))
  await waitersArrive([
    [a, 2],
    [b, 2],
  ])

  for (const caller of callers) caller.leave()
  await callersEnd(callers)
  await waitersArrive([
    [a, 0],
    [b, 0],
  ])
  expect(await a.health()).toMatchObject({ flights: 1, ownedRuns: 1 })
  expect(call.gone).toBe(false)
  call.answer()
  await until(async () => (await scene.database.query('SELECT 1 FROM analyses')).length === 1, {
    what: 'the analysis to be stored',
  })
  for (const gateway of [a, b])
    await until(async () => (await gateway.health()).flights === 0, { what: 'the flight to have ended' })
  const next = await expectOneResult([...scene.call(a, user), ...scene.call(b, user)])
  expect(next.answer.analysis.summary).toBe('answer 1 for runner')
  expect(next.sources).toEqual({ RECENT: 2 })
  for (const gateway of [a, b]) expect(gateway.stderr).not.toContain('"level":50')
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(1)
})

test('a run that every caller has left is taken over for the next one when its owner is killed', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000' } })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
  const [left] = scene.call(a, user)
  await scene.provider.called(1)
  left?.leave()
  await waitersArrive([[a, 0]])
  await a.kill()

  const callers = scene.call(b, user, 2)
  const second = await scene.provider.called(2)
  await waitersArrive([[b, 2]])
  second.answer()
  const { answer, sources } = await expectOneResult(callers)
  expect(answer.generation).toMatchObject({ epoch: 2 })
  expect(sources).toEqual({ FRESH: 1, JOINED: 1 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(2)
})
