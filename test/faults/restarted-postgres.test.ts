import { realpath } from 'node:fs/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { filesOf } from '../../src/database/embedded-postgres-cluster.ts'
import { readPidFile } from '../../src/database/embedded-postgres-postmaster.ts'
import { post } from '../support/graphql-client.ts'
import { makeTemporaryFolder, startMain } from '../support/main-process.ts'
import { callersEnd, expectOneResult } from '../support/process-callers.ts'
import { type ProcessGateway, waitersArrive } from '../support/process-gateway.ts'
import { holdLock } from '../support/process-locks.ts'
import { type OwnPostgres, startOwnPostgres } from '../support/process-postgres.ts'
import { createScene, report } from '../support/process-scene.ts'
import { TEST_SECRET, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let postgres: OwnPostgres

beforeAll(async () => {
  postgres = await startOwnPostgres()
})
afterAll(() => postgres?.remove())

/** Over a server of this file's own: an owner that has called the provider, and two callers each on it and on another instance. */
async function startRun(settings: Record<string, string>) {
  const database = await postgres.createDatabase()
  onTestFinished(() => database.drop())
  const scene = await createScene({ settings, database })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
  const callers = scene.call(a, user, 2)
  const firstCall = await scene.provider.called(1)
  callers.push(...scene.call(b, user, 2))
  await waitersArrive([
    [a, 2],
    [b, 2],
  ])
  return { scene, database, a, b, user, callers, firstCall }
}

async function connected(gateways: readonly ProcessGateway[], wanted: boolean): Promise<void> {
  for (const gateway of gateways)
    await until(async () => (await gateway.health()).livenessConnected === wanted, {
      what: `instance ${gateway.name} to be ${wanted ? 'connected' : 'cut off'}`,
    })
}

test.each([
  { how: 'restarted in order', signal: 'SIGINT' },
  { how: 'stopped at once and started', signal: 'SIGQUIT' },
  { how: 'killed and started', signal: 'SIGKILL' },
] as const)(
  'a PostgreSQL that is $how while the provider works costs nobody the result',
  async ({ signal }) => {
    const { scene, a, b, user, callers } = await startRun({ LEASE_TTL_MS: '60000' })

    await postgres.stop(signal)
    await connected([a, b], false)
    // The provider answers while there is nothing to store it in, and somebody comes who can only be told so, or wait.
    for (const call of scene.provider.calls) call.answer()
    scene.provider.onCall = call => call.answer()
    const latecomers = [...scene.call(a, user), ...scene.call(b, user)]
    await postgres.start()
    const startedAtMs = performance.now()
    const { sources } = await expectOneResult(callers)
    report(
      `from the return of PostgreSQL after ${signal} to the last answer`,
      performance.now() - startedAtMs,
    )
    expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
    await callersEnd(latecomers)
    await connected([a, b], true)
    await scene.expectConsistent()
    expect((await scene.database.query('SELECT 1 FROM analyses')).length).toBe(1)

    const afterwards = await expectOneResult([...scene.call(a, user), ...scene.call(b, user)])
    expect(afterwards.sources).toEqual({ RECENT: 2 })
  },
)

test.each([
  { how: 'restarted in order', signal: 'SIGINT' },
  { how: 'stopped at once and started', signal: 'SIGQUIT' },
] as const)('a PostgreSQL that is $how during the commit costs nobody the result', async ({ signal }) => {
  const { scene, database, a, b, callers, firstCall } = await startRun({
    LEASE_TTL_MS: '60000',
    LOCK_TIMEOUT_MS: '20000',
  })

  const held = await holdLock(database.url, 'LOCK TABLE analyses IN EXCLUSIVE MODE')
  firstCall.answer()
  await held.waitedFor()
  scene.provider.onCall = call => call.answer()
  await postgres.stop(signal)
  await connected([a, b], false)
  await postgres.start()
  const { sources } = await expectOneResult(callers)
  expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
  await connected([a, b], true)
  await scene.expectConsistent()
  expect((await scene.database.query('SELECT 1 FROM analyses')).length).toBe(1)
})

test('while PostgreSQL is away for too long everyone is told so, and when it is back the next request is served', async () => {
  const { scene, a, b, user, callers } = await startRun({ LEASE_TTL_MS: '10000' })

  await postgres.stop('SIGINT')
  for (const call of scene.provider.calls) call.answer()
  scene.provider.onCall = call => call.answer()
  // For twenty seconds a restart is waited for; nobody waits without end.
  await callersEnd(callers, 45_000)
  for (const { end } of callers)
    expect(end).toMatchObject({
      type: 'answer',
      answer: { __typename: 'UnavailableError', code: 'UNAVAILABLE' },
    })
  const latecomers = [...scene.call(a, user), ...scene.call(b, user)]
  await callersEnd(latecomers, 45_000)
  for (const { end } of latecomers) expect(end).toMatchObject({ type: 'refused', code: 'UNAVAILABLE' })

  await postgres.start()
  await connected([a, b], true)
  // What was begun is finished by whoever is back first: it may have been by the time that somebody asks.
  const { sources } = await expectOneResult([...scene.call(a, user), ...scene.call(b, user)])
  expect(sources.FRESH ?? 0).toBeLessThanOrEqual(1)
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(2)
}, 120_000)

test('an embedded PostgreSQL that is killed is back, with its data, without anybody’s help', async () => {
  const dataDir = await makeTemporaryFolder()
  const gateway = await startMain({ DATA_DIR: dataDir, JWT_SECRET: TEST_SECRET })
  await gateway.ready()
  const token = await tokenOf('somebody')
  const whoAmI = async () => (await post(gateway.url, { query: '{ viewer { id } }', token })).data
  const before = await whoAmI()
  expect(before).toMatchObject({ viewer: { id: expect.any(String) } })

  const pidFile = await readPidFile(await realpath(filesOf(dataDir).cluster))
  if (pidFile === null || pidFile === 'empty') throw new Error('the server does not run')
  process.kill(pidFile.pid, 'SIGKILL')
  await until(async () => gateway.output.includes('the embedded PostgreSQL runs again'), {
    what: 'the database to be started again',
    deadlineMs: 45_000,
  })
  await gateway.ready()
  expect(await whoAmI()).toEqual(before)
  expect(gateway.end).toBeUndefined()
}, 150_000)
