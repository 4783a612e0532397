import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { expectOneResult } from '../support/process-callers.ts'
import { waitersArrive } from '../support/process-gateway.ts'
import { holdLock } from '../support/process-locks.ts'
import { type OwnPostgres, startOwnPostgres } from '../support/process-postgres.ts'
import { createScene, report } from '../support/process-scene.ts'
import type { TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

/*
 * A commit that happens while its answer does not come. PostgreSQL itself can be made to stand still right there: with a
 * synchronous standby that does not exist, COMMIT writes its record and then waits; when that wait is broken off the
 * transaction is committed all the same.
 */

let postgres: OwnPostgres

beforeAll(async () => {
  postgres = await startOwnPostgres()
})
afterAll(() => postgres?.remove())

const settings = { LEASE_TTL_MS: '60000', LOCK_TIMEOUT_MS: '20000' }

async function createOwnScene() {
  const database = await postgres.createDatabase()
  onTestFinished(() => database.drop())
  const scene = await createScene({ settings, database })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  return { scene, database, a, b, user: await scene.user(a, 'runner') }
}

/** From here on whatever commits stands still until `answerCommits`. */
async function leaveCommitsUnanswered(database: TestDatabase) {
  const isRead = async (value: string) =>
    (await database.query(`SELECT 1 WHERE current_setting('synchronous_standby_names') = $1`, [value]))
      .length === 1
  const set = async (statement: string, value: string) => {
    await database.query(statement)
    await database.query('SELECT pg_reload_conf()')
    await until(() => isRead(value), { what: 'the server to have read its settings' })
  }
  const answerCommits = () => set('ALTER SYSTEM RESET synchronous_standby_names', '')
  onTestFinished(answerCommits)
  await set(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`, 'nobody')
  return { answerCommits }
}

/** @returns the backend of a gateway whose commit is written and not answered. */
async function unansweredCommit(database: TestDatabase): Promise<number> {
  let backend: number | undefined
  await until(
    async () => {
      const waiting = await database.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'tributary'`,
      )
      backend = waiting[0]?.pid
      return backend !== undefined
    },
    { what: 'a commit to be written and not answered' },
  )
  return backend ?? 0
}

/** An owner whose result is committed and not answered; two callers each on it and on another instance. */
async function startResultInDoubt() {
  const { scene, database, a, b, user } = await createOwnScene()
  const ownCallers = scene.call(a, user, 2)
  const firstCall = await scene.provider.called(1)
  const others = scene.call(b, user, 2)
  await waitersArrive([
    [a, 2],
    [b, 2],
  ])
  // Inside the transaction first: every statement that commits on its own would stand still too.
  const held = await holdLock(database.url, 'LOCK TABLE analyses IN EXCLUSIVE MODE')
  firstCall.answer()
  await held.waitedFor()
  const { answerCommits } = await leaveCommitsUnanswered(database)
  await held.release()
  return { scene, database, a, ownCallers, others, answerCommits, backend: await unansweredCommit(database) }
}

test('an owner that never hears whether its commit happened finds out, and does not pay again', async () => {
  const { scene, database, a, ownCallers, others, answerCommits, backend } = await startResultInDoubt()

  await database.query('SELECT pg_terminate_backend($1)', [backend])
  await answerCommits()
  const { answer, sources } = await expectOneResult([...ownCallers, ...others])
  expect(answer.analysis.summary).toBe('answer 1 for runner')
  expect(answer.generation).toMatchObject({ state: 'SUCCEEDED', epoch: 1 })
  expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(1)
  expect(await a.metric('coordination_fenced_total')).toBe(0)
})

test('a commit that happens after its owner was killed answers everyone on the other instances', async () => {
  const { scene, database, a, ownCallers, others, answerCommits, backend } = await startResultInDoubt()

  const killedAtMs = performance.now()
  await a.kill()
  // Its successor is at the door already, and finds behind it what the dead one has left.
  await until(
    async () =>
      (
        await database.query('SELECT 1 FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))', [
          backend,
        ])
      ).length > 0,
    { what: 'the other instance to ask for the lease' },
  )
  await answerCommits()
  const { answer, sources } = await expectOneResult(others)
  report('from the kill within COMMIT to the last answer', performance.now() - killedAtMs)
  expect(answer.analysis.summary).toBe('answer 1 for runner')
  expect(sources).toEqual({ JOINED: 2 })
  await scene.expectConsistent()
  expect(ownCallers.map(caller => caller.end?.type)).toEqual(['cut off', 'cut off'])
  expect(scene.provider.calls).toHaveLength(1)
})

test('an instance that never hears that it got a lease uses it all the same, and does not wait for its TTL', async () => {
  const { scene, database, a, b, user } = await createOwnScene()

  const { answerCommits } = await leaveCommitsUnanswered(database)
  const callers = scene.call(a, user, 2)
  const backend = await unansweredCommit(database)
  await database.query('SELECT pg_terminate_backend($1)', [backend])
  await answerCommits()
  expect(await database.query('SELECT state FROM leases')).toEqual([{ state: 'RUNNING' }])
  callers.push(...scene.call(b, user, 2))
  const only = await scene.provider.called(1)
  await waitersArrive([
    [a, 2],
    [b, 2],
  ])
  only.answer()
  const { sources } = await expectOneResult(callers)
  expect(sources).toEqual({ FRESH: 1, JOINED: 3 })
  await scene.expectConsistent()
  expect(scene.provider.calls).toHaveLength(1)
})
