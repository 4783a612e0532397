import { Agent, request } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { REQUEST_ANALYSIS } from '../support/graphql-client.ts'
import { callersEnd, expectOneResult } from '../support/process-callers.ts'
import { type ProcessGateway, waitersArrive } from '../support/process-gateway.ts'
import { createScene, report, type Scene, type User } from '../support/process-scene.ts'
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
  return { a, b, user, ownCallers, others, firstCall }
}

function drains(gateway: ProcessGateway): Promise<void> {
  return until(
    async () =>
      ((await (await fetch(`${gateway.url}/health/ready`)).json()) as { phase: string }).phase === 'draining',
    { what: `instance ${gateway.name} to drain` },
  )
}

test('an owner that is told to stop finishes its run, answers everyone, and ends', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000', SHUTDOWN_TIMEOUT_MS: '60000' } })
  const { a, ownCallers, others, firstCall } = await startRun(scene)

  a.terminate()
  await drains(a)
  firstCall.answer()
  const { answer, sources } = await expectOneResult([...ownCallers, ...others])
  expect(answer.analysis.summary).toBe('answer 1 for runner')
  expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
  await a.stopped()
  expect(a.end).toEqual({ code: 0, signal: null })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(1)
})

test('an owner that is told to stop and cannot finish in time hands its run over, tells its callers, and ends', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000', SHUTDOWN_TIMEOUT_MS: '1000' } })
  const { a, b, ownCallers, others, firstCall } = await startRun(scene)

  const toldAtMs = performance.now()
  a.terminate()
  const second = await scene.provider.called(2)
  report('from SIGTERM to the next provider call, of which 500 ms are the drain', second.atMs - toldAtMs)
  expect(second.request.instance).toBe('b')
  await a.stopped()
  expect(a.end).toEqual({ code: 0, signal: null })
  expect(firstCall.gone).toBe(true)
  await callersEnd(ownCallers)
  for (const { end } of ownCallers)
    expect(end).toMatchObject({
      type: 'answer',
      answer: { __typename: 'UnavailableError', code: 'UNAVAILABLE' },
    })

  second.answer()
  const { answer, sources } = await expectOneResult(others)
  expect(answer.analysis.summary).toBe('answer 2 for runner')
  expect(sources).toEqual({ FRESH: 1, JOINED: 1 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(2)
  expect(await b.metric('coordination_takeovers_total')).toBe(1)
})

test('an instance that only follows is stopped without a trace', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000', SHUTDOWN_TIMEOUT_MS: '1000' } })
  const { a, b, ownCallers, others, firstCall } = await startRun(scene)

  b.terminate()
  await b.stopped()
  expect(b.end).toEqual({ code: 0, signal: null })
  await callersEnd(others)
  for (const { end } of others)
    expect(end).toMatchObject({
      type: 'answer',
      answer: { __typename: 'UnavailableError', code: 'UNAVAILABLE' },
    })
  expect(await a.health()).toMatchObject({ waiters: 2, ownedRuns: 1 })
  firstCall.answer()
  expect((await expectOneResult(ownCallers)).sources).toEqual({ FRESH: 1, JOINED: 1 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(1)
})

test('an instance that has answered everyone does not wait for clients that keep their connections', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000', SHUTDOWN_TIMEOUT_MS: '60000' } })
  const { a, b, user, ownCallers, others, firstCall } = await startRun(scene)
  const kept = callAndKeepConnection(a, user)
  await waitersArrive([
    [a, 3],
    [b, 2],
  ])

  a.terminate()
  await drains(a)
  firstCall.answer()
  await kept
  await callersEnd([...ownCallers, ...others])
  const answeredAtMs = performance.now()
  await a.stopped()
  const tookMs = performance.now() - answeredAtMs
  report('from the last answer to the end of the process', tookMs)
  // An idle connection is kept for 5 s.
  expect(tookMs).toBeLessThan(4000)
  expect(a.end).toEqual({ code: 0, signal: null })
  expect(a.stderr).not.toContain('"level":50')
  await scene.expectConsistent()
})

/** As a proxy asks: its connection stays open after the answer, until the other side hangs up. */
function callAndKeepConnection(gateway: ProcessGateway, user: User): Promise<number | undefined> {
  const agent = new Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${user.token}` }
    const asking = request(`${gateway.url}/graphql`, { method: 'POST', agent, headers }, response => {
      response.resume().once('end', () => resolve(response.statusCode))
    })
    asking.once('error', reject)
    asking.end(
      JSON.stringify({
        query: REQUEST_ANALYSIS,
        variables: { input: { archetype: 'FOUNDATION_BUILDER' } },
      }),
    )
  })
}
