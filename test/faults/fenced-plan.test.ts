import { expect, test } from 'vitest'
import { post } from '../support/graphql-client.ts'
import { type ProcessGateway, waitersArrive } from '../support/process-gateway.ts'
import { cutOffLiveness, holdLock } from '../support/process-locks.ts'
import { createScene, type Scene } from '../support/process-scene.ts'
import { until } from '../support/until.ts'

const GENERATE_PLAN = `mutation { generatePlan(input: { kind: NUTRITION, archetype: FOUNDATION_BUILDER }) {
  __typename
  ... on GeneratePlanPayload { source analysisSource plan { id title } }
  ... on Error { message }
} }`

interface Answer {
  __typename: string
  source: string
  plan: { id: string; title: string }
}

async function plansOf(gateway: ProcessGateway, token: string, count: number): Promise<Answer[]> {
  const answers = Array.from({ length: count }, () =>
    post<{ generatePlan: Answer }>(gateway.url, { query: GENERATE_PLAN, token }),
  )
  return (await Promise.all(answers)).map(({ data, errors }) => {
    if (!data) throw new Error(`no data: ${JSON.stringify(errors)}`)
    return data.generatePlan
  })
}

/** An owner of a plan that has called the provider, and two callers each on it and on another instance. */
async function startRun(scene: Scene) {
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const { token } = await scene.user(a, 'runner')
  // The analysis is no matter here; the plan waits for the test.
  scene.provider.onCall = call => void (call.request.key === 'runner' && call.answer())
  const ownCallers = plansOf(a, token, 2)
  const firstCall = await scene.provider.called(2)
  expect(firstCall.request).toMatchObject({ key: 'NUTRITION runner', instance: 'a' })
  const others = plansOf(b, token, 2)
  await waitersArrive([
    [a, 2],
    [b, 2],
  ])
  return { a, b, ownCallers, others, firstCall, instance: (await a.health()).instance }
}

async function expectOnePlan(scene: Scene, title: string, answers: readonly Answer[]) {
  const [first] = answers
  for (const { plan } of answers) expect(plan).toEqual({ id: first?.plan.id, title })
  const stored = await scene.database.query(`
    SELECT title, (SELECT count(*)::int FROM outbox WHERE topic = 'plan.made') AS events,
      (SELECT count(*)::int FROM analyses) AS analyses, (SELECT count(*)::int FROM leases WHERE state = 'RUNNING') AS running
    FROM plans`)
  expect(stored).toEqual([{ title, events: 1, analyses: 1, running: 0 }])
  return answers.map(({ source }) => source).sort()
}

test('an owner of a plan that is paused past its TTL stores nothing, and its own callers get the plan of the winner', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '2000' } })
  const { a, b, ownCallers, others, firstCall } = await startRun(scene)

  await a.pause()
  const second = await scene.provider.called(3)
  expect(second.request).toMatchObject({ key: 'NUTRITION runner', instance: 'b' })
  second.answer()
  const winners = await others
  const title = 'answer 3 for NUTRITION runner'
  expect(await expectOnePlan(scene, title, winners)).toEqual(['FRESH', 'JOINED'])

  // What it was waiting for when it was paused is there when it wakes, and comes too late.
  firstCall.answer()
  a.resume()
  expect(await expectOnePlan(scene, title, [...winners, ...(await ownCallers)])).toEqual([
    'FRESH',
    ...['JOINED', 'JOINED', 'JOINED'],
  ])
  await until(() => a.stderr.includes('this instance lost the run and follows it'), {
    what: 'the log to tell of the loss',
  })
  expect(a.stderr).not.toContain('"level":50')
  expect(scene.provider.calls).toHaveLength(3)
  expect(await b.metric('coordination_takeovers_total', { cause: 'expired', kind: 'NUTRITION_PLAN' })).toBe(1)
})

test('an owner of a plan that lost its lease and does not know it cannot commit', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000', LOCK_TIMEOUT_MS: '20000' } })
  const { a, ownCallers, others, firstCall, instance } = await startRun(scene)

  // It has said that it will store, and is paused before it does.
  const held = await holdLock(scene.database.url, 'SELECT 1 FROM leases FOR UPDATE')
  firstCall.answer()
  await held.waitedFor()
  await a.pause()
  await held.release()
  // With its connection broken it counts as gone; the lease itself is good for a minute, so it believes in it.
  const cut = await cutOffLiveness(scene.database.url, instance)
  const second = await scene.provider.called(3)
  expect(second.request.instance).toBe('b')

  a.resume()
  await until(async () => (await a.metric('coordination_fenced_total', { kind: 'NUTRITION_PLAN' })) === 1, {
    what: 'the stale commit to be refused',
  })
  expect(
    await scene.database.query(
      "SELECT 1 FROM plans UNION ALL SELECT 1 FROM outbox WHERE topic = 'plan.made'",
    ),
  ).toEqual([])
  second.answer()
  const answers = [...(await ownCallers), ...(await others)]
  expect(await expectOnePlan(scene, 'answer 3 for NUTRITION runner', answers)).toEqual([
    'FRESH',
    ...['JOINED', 'JOINED', 'JOINED'],
  ])
  await cut.release()
  expect(a.stderr).not.toContain('"level":50')
  expect(scene.provider.calls).toHaveLength(3)
})
