import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { expectOneResult } from '../support/process-callers.ts'
import { waitersArrive } from '../support/process-gateway.ts'
import { holdLock } from '../support/process-locks.ts'
import { type OwnPostgres, startOwnPostgres } from '../support/process-postgres.ts'
import { createScene, report } from '../support/process-scene.ts'
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

/** An owner whose COMMIT has been written and not been answered; two callers each on it and on another instance. */
async function startCommitInDoubt() {
  const database = await postgres.createDatabase()
  onTestFinished(() => database.drop())
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000', LOCK_TIMEOUT_MS: '20000' }, database })
  const [a, b] = await Promise.all([scene.start('a'), scene.start('b')])
  const user = await scene.user(a, 'runner')
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
  const answerCommits = async () => {
    await database.query('ALTER SYSTEM RESET synchronous_standby_names')
    await database.query('SELECT pg_reload_conf()')
  }
  onTestFinished(answerCommits)
  await database.query(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
  await database.query('SELECT pg_reload_conf()')
  await until(
    async () =>
      (await database.query(`SELECT 1 WHERE current_setting('synchronous_standby_names') = 'nobody'`))
        .length === 1,
    { what: 'the server to have read its settings' },
  )
  await held.release()
  let backend: number | undefined
  await until(
    async () => {
      const waiting = await database.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'tributary'`,
      )
      backend = waiting[0]?.pid
      return backend !== undefined
    },
    { what: 'the commit to be written and not answered' },
  )
  return { scene, database, a, b, ownCallers, others, answerCommits, backend }
}

test('an owner that never hears whether its commit happened finds out, and does not pay again', async () => {
  const { scene, database, a, ownCallers, others, answerCommits, backend } = await startCommitInDoubt()

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
  const { scene, a, ownCallers, others, answerCommits } = await startCommitInDoubt()

  const killedAtMs = performance.now()
  await a.kill()
  await answerCommits()
  const { answer, sources } = await expectOneResult(others)
  report('from the kill within COMMIT to the last answer', performance.now() - killedAtMs)
  expect(answer.analysis.summary).toBe('answer 1 for runner')
  expect(sources).toEqual({ JOINED: 2 })
  await scene.expectConsistent()
  expect(ownCallers.map(caller => caller.end?.type)).toEqual(['cut off', 'cut off'])
  expect(scene.provider.calls).toHaveLength(1)
})
