import { expect, onTestFinished, test } from 'vitest'
import { CancellablePool } from '../../src/database/cancellable-client.ts'
import { isDatabaseAway } from '../../src/database/postgres-errors.ts'
import { startRoad } from '../support/process-road.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

async function openPool({ answerTimeoutMs }: { answerTimeoutMs: number }) {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const road = await startRoad(database.url)
  const pool = new CancellablePool({ connectionString: road.url, max: 1, answerTimeoutMs })
  pool.on('connect', connection => connection.on('error', () => {}))
  onTestFinished(() => (pool.ending ? undefined : (pool.end() as unknown as Promise<void>)))
  const ask = (text: string) => pool.query({ text }) as unknown as Promise<{ rows: unknown[] }>
  return { road, pool, ask }
}

test('an answer that never comes is waited for only so long, and the next finds a connection', async () => {
  const { road, ask } = await openPool({ answerTimeoutMs: 300 })
  expect((await ask('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  road.silence()

  const error = await ask('SELECT 2').catch((reason: unknown) => reason)

  expect(isDatabaseAway(error)).toBe(true)
  road.reopen()
  expect((await ask('SELECT 3 AS three')).rows).toEqual([{ three: 3 }])
})

test('nothing is given up while its answer may still come, nor a connection that nobody uses', async () => {
  const { pool, ask } = await openPool({ answerTimeoutMs: 1500 })
  await ask('SELECT 1')
  const [backend] = (await ask('SELECT pg_backend_pid() AS pid')).rows
  // Longer than the timeout in all, and none of them by itself.
  for (const text of ['SELECT pg_sleep(1)', 'SELECT pg_sleep(1)']) await ask(text)
  // So long that the connection would have been looked at, and found late.
  await new Promise(resolve => setTimeout(resolve, 2700))

  expect((await ask('SELECT pg_backend_pid() AS pid')).rows).toEqual([backend])
  expect(pool.totalCount).toBe(1)
})

test('a statement that fails tells its error, and leaves no connection behind', async () => {
  const { pool, ask } = await openPool({ answerTimeoutMs: 5000 })

  await expect(ask('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' })

  expect((await ask('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  expect(pool.idleCount).toBe(1)
})

test('a pool that is closed over a connection that has gone silent ends what is under way, and itself', async () => {
  const { road, pool, ask } = await openPool({ answerTimeoutMs: 300 })
  await ask('SELECT 1')
  road.silence()
  const asked = ask('SELECT 2').catch((reason: unknown) => reason)
  await until(() => pool.idleCount === 0, { what: 'the statement to be under way' })

  await pool.end()

  expect(isDatabaseAway(await asked)).toBe(true)
})

test('a callback is refused rather than never called', async () => {
  const { pool } = await openPool({ answerTimeoutMs: 5000 })
  expect(() => pool.query('SELECT 1', () => {})).toThrow('give no callback')
})
