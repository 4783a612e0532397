import { expect, onTestFinished, test } from 'vitest'
import { ended, type Following, firstRun, followByEvents } from '../support/api-follow.ts'
import { post, requestAnalysis } from '../support/graphql-client.ts'
import { newInterview, readInterview } from '../support/interview-client.ts'
import { callersEnd } from '../support/process-callers.ts'
import { type ProcessGateway, waitersArrive } from '../support/process-gateway.ts'
import { createScene, report, type Scene } from '../support/process-scene.ts'
import { send } from '../support/reply-client.ts'
import { tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

/** Runs whose callers were told to wait, or have left, before their owner was lost: nobody is there to take them over. */

/** So long a lease that only the liveness lock can explain a handover within a test. */
const settings = { LEASE_TTL_MS: '60000', LOCK_TIMEOUT_MS: '20000' }

/** Somebody on another instance watches the run. */
async function watch(gateway: ProcessGateway, token: string, id: string): Promise<Following> {
  const following = await followByEvents(gateway.url, { id, token })
  onTestFinished(following.leave)
  await firstRun(following)
  return following
}

/** No lease and no run goes on, of any kind. */
async function nothingRuns(scene: Scene): Promise<void> {
  const running = async () =>
    scene.database.query(`
      SELECT key FROM leases WHERE state = 'RUNNING'
      UNION ALL SELECT key FROM generations WHERE state = 'RUNNING'`)
  await until(async () => (await running()).length === 0, { what: 'no run to be left' })
}

const resumed = (gateway: ProcessGateway) =>
  gateway.metric('coordination_resumed_total', { outcome: 'result' })

test('a run whose only caller was told to wait is finished when its owner is killed, and a subscriber elsewhere sees it to its end', async () => {
  const scene = await createScene({ settings })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
  const input = { forceRefresh: true, idempotencyKey: 'once' }
  const { pending } = await requestAnalysis(a.url, user.token, { ...input, waitMs: 0 })
  await scene.provider.called(1)
  const following = await watch(b, user.token, pending.id)

  const killedAtMs = performance.now()
  await a.kill()
  const second = await scene.provider.called(2)
  report('from the kill to the next provider call, with nobody waiting', second.atMs - killedAtMs)
  expect(second.request).toMatchObject({ instance: 'b', key: 'runner', points: 1 })
  second.answer()
  await ended(following)
  expect(following.completed).toBe(true)
  expect(following.runs.at(-1)).toMatchObject({
    ...{ id: pending.id, state: 'SUCCEEDED', phase: 'DONE', progress: 1, epoch: 2 },
    result: { __typename: 'Analysis' },
  })
  await scene.expectConsistent()
  expect(await b.metric('coordination_takeovers_total', { cause: 'owner_gone' })).toBe(1)
  await until(async () => (await resumed(b)) === 1, { what: 'the run to be counted' })
  // What its caller had asked for with a key is there for it, and paid for.
  expect(await requestAnalysis(b.url, user.token, input)).toMatchObject({
    source: 'JOINED',
    generation: { id: pending.id },
    analysis: { summary: 'answer 2 for runner', trigger: expect.stringMatching(/^forced/) },
  })
  expect(scene.provider.calls).toHaveLength(2)
})

test('who takes over a run that was asked for with a key and forced makes what was asked for, and keeps it under that key and its own', async () => {
  const scene = await createScene({ settings })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
  const input = { forceRefresh: true, idempotencyKey: 'once' }
  const { pending } = await requestAnalysis(a.url, user.token, { ...input, waitMs: 0 })
  await scene.provider.called(1)
  const own = { idempotencyKey: 'of the follower' }
  const follower = requestAnalysis(b.url, user.token, own)
  await waitersArrive([[b, 1]])
  const killedAtMs = performance.now()
  await a.kill()
  const second = await scene.provider.called(2)
  report('from the kill to the next provider call, with somebody waiting', second.atMs - killedAtMs)
  expect(second.request.instance).toBe('b')
  second.answer()
  const analysis = { summary: 'answer 2 for runner', trigger: expect.stringMatching(/^forced/) }
  const told = { generation: { id: pending.id }, analysis }
  expect(await follower).toMatchObject({ source: 'FRESH', ...told })
  // It is there under the key of its first caller, whom nobody has told FRESH, and is not paid for again.
  expect(await requestAnalysis(b.url, user.token, input)).toMatchObject({ source: 'JOINED', ...told })
  expect(await requestAnalysis(b.url, user.token, own)).toMatchObject({ source: 'FRESH', ...told })
  expect(scene.provider.calls).toHaveLength(2)
  await scene.expectConsistent()
})

test('a run that nobody waits for is finished when its owner is told to stop and cannot', async () => {
  const scene = await createScene({ settings: { ...settings, SHUTDOWN_TIMEOUT_MS: '1000' } })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
  const { pending } = await requestAnalysis(a.url, user.token, { waitMs: 0 })
  await scene.provider.called(1)
  a.terminate()
  const second = await scene.provider.called(2)
  expect(second.request.instance).toBe('b')
  await a.stopped()
  expect(a.end).toEqual({ code: 0, signal: null })
  second.answer()
  await scene.expectConsistent()
  const following = await followByEvents(b.url, { id: pending.id, token: user.token })
  await ended(following)
  // Long ended by now: it answers the final state and completes.
  expect(following.runs).toMatchObject([{ state: 'SUCCEEDED', epoch: 2 }])
  expect(following.completed).toBe(true)
})

test('runs that were left behind when the last instance went are finished by the next one that starts', async () => {
  const scene = await createScene({ settings })
  const a = await scene.start('a')
  const users = await Promise.all(['one', 'two', 'three'].map(name => scene.user(a, name)))
  for (const user of users) await requestAnalysis(a.url, user.token, { waitMs: 0 })
  await scene.provider.called(3)
  await a.kill()
  scene.provider.onCall = call => call.answer()
  await scene.start('b')
  await scene.provider.called(6)
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(6)
})

test('an owner that was stopped, and whose run was finished meanwhile although nobody waited, stores nothing beside it', async () => {
  const scene = await createScene({ settings: { ...settings, LEASE_TTL_MS: '2000' } })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
  await requestAnalysis(a.url, user.token, { waitMs: 0 })
  const first = await scene.provider.called(1)
  await a.pause()
  const second = await scene.provider.called(2)
  expect(second.request.instance).toBe('b')
  second.answer()
  await until(async () => (await scene.database.query('SELECT 1 FROM analyses')).length === 1, {
    what: 'the result',
  })
  first.answer()
  a.resume()
  await waitersArrive([[a, 0]])
  await until(async () => (await a.health()).flights === 0, { what: 'the stale owner to give up' })
  await scene.expectConsistent()
  expect(await scene.database.query('SELECT summary FROM analyses')).toEqual([
    { summary: 'answer 2 for runner' },
  ])
  expect(await b.metric('coordination_takeovers_total', { cause: 'expired' })).toBe(1)
})

test.each(['ROUTINE', 'NUTRITION', 'MENU'])(
  'a plan (%s) that nobody waits for is finished, from the analysis that was made for it',
  async kind => {
    const scene = await createScene({ settings })
    const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
    const user = await scene.user(a, 'runner')
    scene.provider.onCall = call => call.request.key === 'runner' && call.answer()
    const days = kind === 'MENU' ? { days: 3 } : {}
    const input = { kind, archetype: 'FOUNDATION_BUILDER', idempotencyKey: 'once', ...days }
    const plan = async (gateway: ProcessGateway, rest = {}) => {
      const query = `mutation Plan($input: GeneratePlanInput!) { generatePlan(input: $input) {
        __typename
        ... on GeneratePlanPayload { source plan { summary kind } generation { id } }
        ... on GenerationPending { pending: generation { id } } } }`
      const { data } = await post<{ generatePlan: { pending: { id: string } } }>(gateway.url, {
        ...{ query, variables: { input: { ...input, ...rest } }, token: user.token },
      })
      if (!data) throw new Error('no data')
      return data.generatePlan
    }
    const { pending } = await plan(a, { waitMs: 0 })
    await scene.provider.called(2)
    const following = await watch(b, user.token, pending.id)
    await a.kill()
    const third = await scene.provider.called(3)
    expect(third.request).toMatchObject({ instance: 'b', key: `${kind} runner` })
    third.answer()
    await ended(following)
    expect(following.runs.at(-1)).toMatchObject({ state: 'SUCCEEDED', epoch: 2 })
    await nothingRuns(scene)
    expect(await plan(b)).toMatchObject({
      source: 'JOINED',
      plan: { summary: `answer 3 for ${kind} runner`, kind },
      generation: { id: pending.id },
    })
    expect(await scene.database.query('SELECT days FROM plans')).toEqual([{ days: days.days ?? 1 }])
    expect(scene.provider.calls).toHaveLength(3)
  },
)

test('a reply that nobody waits for is finished, and is there when the message is sent again', async () => {
  const scene = await createScene({ settings })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const token = await tokenOf('zoe')
  const input = { sessionId: 's', content: 'My name is Zoe.', clientId: 'one' }
  const { pending } = await send(a.url, token, { ...input, waitMs: 0 })
  await scene.provider.called(1)
  const following = await watch(b, token, pending.id)
  await a.kill()
  const second = await scene.provider.called(2)
  expect(second.request.instance).toBe('b')
  second.answer()
  await ended(following)
  expect(following.runs.at(-1)).toMatchObject({ state: 'SUCCEEDED', result: { __typename: 'Message' } })
  expect(await send(b.url, token, input)).toMatchObject({
    source: 'CACHED',
    reply: { content: 'answer 2 for My name is Zoe.' },
  })
  await nothingRuns(scene)
  expect(scene.provider.calls).toHaveLength(2)
})

test('a prompt whose job died with its instance is made before the job runs again, and once', async () => {
  const scene = await createScene({ settings })
  const a = await scene.start('a')
  const token = await tokenOf('anna')
  const { id } = await newInterview(a.url, token, { topic: 'jobs', enhancer: 'GATEWAY' })
  await scene.provider.called(1)
  const b = await scene.start('b')
  await a.kill()
  const second = await scene.provider.called(2)
  second.answer()
  await until(async () => (await readInterview(b.url, token, id)).status === 'READY', {
    what: 'the interview to become READY',
  })
  await nothingRuns(scene)
  const jobIsDone = async () => {
    const jobs = await scene.database.query<{ state: string }>(
      "SELECT state FROM tributary_jobs.job WHERE name = 'interview-prompt'",
    )
    return jobs.length > 0 && jobs.every(({ state }) => state === 'completed')
  }
  await until(jobIsDone, { what: 'the job to be run again', deadlineMs: 60_000 })
  expect((await readInterview(b.url, token, id)).history.map(({ version }) => version)).toEqual([1, 2])
  expect(scene.provider.calls).toHaveLength(2)
})

test('a run whose user is deleted leaves no lease behind', async () => {
  const scene = await createScene({ settings })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
  await requestAnalysis(a.url, user.token, { waitMs: 0 })
  await scene.provider.called(1)
  await scene.database.query("DELETE FROM users WHERE subject = 'runner'")
  await a.kill()
  await nothingRuns(scene)
  expect(scene.provider.calls).toHaveLength(1)
  expect(await scene.database.query('SELECT state FROM leases')).toEqual([{ state: 'FAILED' }])
  expect((await b.health()).ownedRuns).toBe(0)
})

test('a run that kills whoever owns it is given up after three, and the fourth lives to tell everybody', async () => {
  const scene = await createScene({ settings })
  const gateways = await Promise.all(['a', 'b', 'c', 'd'].map(name => scene.start(name)))
  const [a, ...others] = gateways
  if (!a) throw new Error('unreachable')
  const user = await scene.user(a, 'runner')
  const { pending } = await requestAnalysis(a.url, user.token, { waitMs: 0 })
  await scene.provider.called(1)
  const callers = others.flatMap(gateway => scene.call(gateway, user, 2))
  await waitersArrive(others.map(gateway => [gateway, 2] as const))
  const followings = await Promise.all(others.map(gateway => watch(gateway, user.token, pending.id)))
  const victims: string[] = []
  const killer = (name: string) => {
    victims.push(name)
    return gateways.find(gateway => gateway.name === name)?.kill()
  }
  scene.provider.onCall = call => void killer(call.request.instance)
  await killer('a')
  await callersEnd(callers)

  const [survivor, ...more] = others.filter(({ name }) => !victims.includes(name))
  if (!survivor) throw new Error('nobody is left')
  expect(more).toEqual([])
  expect(victims).toHaveLength(3)
  for (const { gateway, end } of callers) {
    if (gateway !== survivor) continue
    expect(end).toMatchObject({
      type: 'answer',
      answer: {
        ...{ __typename: 'GenerationFailedError', retryable: true, generation: { state: 'FAILED' } },
        message: expect.stringContaining('interrupted 3 times'),
      },
    })
  }
  const following = followings[others.indexOf(survivor)]
  if (!following) throw new Error('unreachable')
  await ended(following)
  expect(following.runs.at(-1)).toMatchObject({ state: 'FAILED', epoch: 4, progress: 0 })
  expect(await survivor.metric('coordination_given_up_total', { cause: 'lost_owners' })).toBe(1)
  await scene.expectConsistent()
  // It is not tried again at once, by anybody.
  const again = await requestAnalysis(survivor.url, user.token)
  expect(again).toMatchObject({ __typename: 'GenerationFailedError', retryable: true })
  expect(new Date(again.retryAt ?? 0).getTime()).toBeGreaterThan(Date.now() + 30_000)
  expect(scene.provider.calls).toHaveLength(3)
})
