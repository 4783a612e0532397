import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { requestAnalysis } from '../support/graphql-client.ts'
import { callersEnd, expectOneResult } from '../support/process-callers.ts'
import { waitersArrive } from '../support/process-gateway.ts'
import { startRoad } from '../support/process-road.ts'
import { createScene, report } from '../support/process-scene.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { TEST_SECRET, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

/*
 * A network that drops packets: nothing is closed, nothing fails, and no answer comes. What waits for one must have a
 * bound of its own.
 */

/** More than a flight asks a database that is away for, and less than one statement is waited for. */
const SIGHT_BOUND_MS = 30_000
/** More than any statement is waited for, and far less than a network takes to notice. */
const BOUND_MS = 50_000
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

test('an instance whose database goes silent tells those who follow a run there, and is itself again afterwards', {
  timeout: 180_000,
}, async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '6000' } })
  const road = await startRoad(scene.database.url)
  const [a, b] = await Promise.all([
    scene.start('a'),
    scene.start('b', { settings: { DATABASE_URL: road.url } }),
  ])
  const user = await scene.user(a, 'runner')
  const ownCallers = scene.call(a, user, 2)
  const only = await scene.provider.called(1)
  const others = scene.call(b, user, 2)
  await waitersArrive([
    [a, 2],
    [b, 2],
  ])
  // It follows: the run is known there.
  await callersEnd(scene.call(b, user, 1, { waitMs: 0 }))

  road.silence()
  const silentSinceMs = performance.now()
  only.answer()
  expect((await expectOneResult(ownCallers)).sources).toEqual({ FRESH: 1, JOINED: 1 })
  await callersEnd(others, SIGHT_BOUND_MS)
  report('from the silence to the answer of those who follow', performance.now() - silentSinceMs)
  for (const { end } of others)
    expect(end).toMatchObject({ type: 'answer', answer: { __typename: 'UnavailableError' } })

  // To the server its sessions from before live on, and one of them holds the lock of the instance.
  road.reopen()
  await until(async () => (await b.health()).livenessConnected, { what: 'b to connect again' })
  const next = await scene.user(a, 'next')
  const nextCallers = scene.call(a, next)
  const nextCall = await scene.provider.called(2)
  nextCallers.push(...scene.call(b, next))
  await waitersArrive([
    [a, 1],
    [b, 1],
  ])
  nextCall.answer()
  await callersEnd(nextCallers, BOUND_MS)
  report('from the silence to the first answer afterwards', performance.now() - silentSinceMs)
  expect((await expectOneResult(nextCallers)).sources).toEqual({ FRESH: 1, JOINED: 1 })
  expect(await b.health()).toMatchObject({ flights: 0, waiters: 0 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(2)
})

test('an instance that returns finds its session from before and keeps its runs, which nobody has taken meanwhile', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '3000' } })
  const road = await startRoad(scene.database.url)
  const [a, b] = await Promise.all([
    scene.start('a', { settings: { DATABASE_URL: road.url } }),
    scene.start('b'),
  ])
  const { instance } = await a.health()
  const user = await scene.user(a, 'runner')
  const ownCallers = scene.call(a, user, 2)
  const only = await scene.provider.called(1)
  const others = scene.call(b, user, 2)
  await waitersArrive([
    [a, 2],
    [b, 2],
  ])
  // So that only the lock can show that it lives, or lose it its run.
  await scene.database.query("UPDATE leases SET lease_until = 'infinity'")

  road.silence()
  road.reopen()
  // It may be back before anybody has asked whether it is away.
  await until(() => a.stderr.includes('the liveness connection is back'), { what: 'a to connect again' })
  const holders = await scene.database.query(
    `SELECT l.pid FROM pg_locks l JOIN pg_stat_activity USING (pid)
     WHERE l.locktype = 'advisory' AND l.objid = $1 AND l.mode = 'ExclusiveLock' AND l.granted AND datname = current_database()`,
    [instance],
  )
  expect(holders).toHaveLength(1)
  expect(await b.metric('coordination_takeovers_total')).toBe(0)
  only.answer()
  await expectOneResult(others)
  await callersEnd(ownCallers, BOUND_MS)
  await scene.expectConsistent()
})

test('an instance that is told to stop while its database is silent does not keep its callers', async () => {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000', SHUTDOWN_TIMEOUT_MS: '2000' } })
  const road = await startRoad(scene.database.url)
  const a = await scene.start('a', { settings: { DATABASE_URL: road.url } })
  const user = await scene.user(a, 'runner')
  const callers = scene.call(a, user, 2)
  await scene.provider.called(1)
  await waitersArrive([[a, 2]])

  road.silence()
  const toldAtMs = performance.now()
  a.terminate()
  await callersEnd(callers, 15_000)
  report('from SIGTERM to the end of the callers, with 2000 ms to drain', performance.now() - toldAtMs)
})

test('a process that is told to stop while its database is silent ends in its time', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const road = await startRoad(database.url)
  const child = spawn(NODE, [MAIN], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      ...process.env,
      ...{
        DATABASE_URL: road.url,
        JWT_SECRET: TEST_SECRET,
        PORT: '0',
        LOG_FORMAT: 'json',
        SHUTDOWN_TIMEOUT_MS: '1000',
      },
    },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let log = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk
  })
  let code: number | null | undefined
  child.once('exit', status => {
    code = status
  })
  await until(() => log.includes('listening on'), { what: 'the gateway to listen', deadlineMs: 45_000 })
  const url = /listening on (http:\S+?)"/.exec(log)?.[1] ?? ''
  const token = await tokenOf('somebody')
  await requestAnalysis(url, token)
  road.silence()
  // What this one waits for does not come, and closing waits for it.
  const asking = requestAnalysis(url, token).catch(() => {})
  await until(async () => (await openRequests(url)) > 0, { what: 'a statement to be under way' })
  const toldAtMs = performance.now()
  child.kill('SIGTERM')
  await until(() => code !== undefined, { what: 'the process to end', deadlineMs: 30_000 })
  await asking
  report('from SIGTERM to the end, of which 1000 ms are the drain', performance.now() - toldAtMs)
})

/** Connections of the pool on which something is under way. */
async function openRequests(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(/^database_pool_connections\{state="active"\} (\d+)$/m.exec(metrics)?.[1])
}
