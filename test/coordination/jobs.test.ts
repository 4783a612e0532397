import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createJobs, type JobHandler, type Jobs } from '../../src/coordination/jobs.ts'
import { createDatabaseClient, type DatabaseClient } from '../../src/database/client.ts'
import { DatabaseAwayError } from '../../src/database/postgres-errors.ts'
import { createRunTransaction, type RunTransaction } from '../../src/database/transaction.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { Gate } from '../support/gate.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

const QUEUES = ['in-time', 'too-long', 'deaf', 'failing', 'away', 'arriving']

let database: TestDatabase
let client: DatabaseClient
let transaction: RunTransaction
const logger = createLogger({ level: 'silent', format: 'json' })
beforeAll(async () => {
  database = await createTestDatabase()
  const metrics = createMetrics()
  client = createDatabaseClient({ url: database.url, poolSize: 6, lockTimeoutMs: 5000, logger, metrics })
  transaction = createRunTransaction(client, { logger, metrics })
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

async function open(): Promise<Jobs> {
  const jobs = await createJobs({ client, queues: QUEUES, logger })
  onTestFinished(() => jobs.stop(0))
  return jobs
}

/** Two instances; the second one works only when the test says so. */
async function scene(queue: string, handler: JobHandler<unknown>) {
  const [here, there] = [await open(), await open()]
  await here.work(queue, handler, { concurrency: 1 })
  const attempts: { lastTry: boolean }[] = []
  return {
    here,
    attempts,
    enqueue: () => transaction('test-enqueue', t => here.enqueue(t, queue, {})),
    /** Its last try; another would be an hour away, and so is the time when it counts as lost. */
    mustNotFail: () =>
      database.query(
        `UPDATE tributary_jobs.job SET retry_limit = retry_count, retry_delay = 3600, retry_delay_max = 3600,
           heartbeat_seconds = 3600 WHERE name = '${queue}'`,
      ),
    takeElsewhere: async () => {
      await there.work(queue, async (_, { lastTry }) => void attempts.push({ lastTry }), { concurrency: 1 })
      await until(async () => (await job()).state === 'completed', { what: 'the other to do the job' })
    },
    job,
  }
  async function job() {
    const [row] = await database.query<{ state: string; retries: number }>(
      `SELECT state::text, retry_limit - retry_count AS retries FROM tributary_jobs.job WHERE name = '${queue}'`,
    )
    if (!row) throw new Error('the job is gone')
    return row
  }
}

test('a job at work when its instance stops is finished, where that is in time', async () => {
  const gate = new Gate()
  const { here, enqueue, job } = await scene('in-time', () => gate.pass())
  await enqueue()
  await gate.arrived(1)
  const stopped = here.stop(20_000)
  gate.open()
  await stopped
  expect(await job()).toMatchObject({ state: 'completed' })
})

test.each([
  ['too-long', 'ends when it is told to', true],
  ['deaf', 'does not end when it is told to', false],
])(
  'one that takes too long is handed back: another takes it at once, and its last try is not lost (%s: it %s)',
  async (queue, _what, obeys) => {
    const gate = new Gate()
    onTestFinished(() => gate.open())
    let told = false
    const handler: JobHandler<unknown> = (_, { signal }) => {
      signal.addEventListener('abort', () => {
        told = true
      })
      return gate.pass(obeys ? signal : undefined)
    }
    const { here, enqueue, mustNotFail, takeElsewhere, attempts, job } = await scene(queue, handler)
    await enqueue()
    await gate.arrived(1)
    await mustNotFail()
    const askedAtMs = performance.now()
    await here.stop(200)
    expect(performance.now() - askedAtMs).toBeLessThan(2000)
    expect(told).toBe(true)
    expect(await job()).toEqual({ state: 'retry', retries: 1 })
    await takeElsewhere()
    expect(attempts).toEqual([{ lastTry: true }])
    // What the first one still says of it counts for nothing.
    gate.open()
    expect(await job()).toEqual({ state: 'completed', retries: 0 })
  },
)

test.each([
  ['failing', 'that fails by itself meanwhile has lost a try', new Error('no'), 'failed'],
  ['away', 'whose run is handed over has not', new DatabaseAwayError('shutting down'), 'retry'],
])('%s: one %s', async (queue, _what, error, state) => {
  const gate = new Gate()
  const { here, enqueue, mustNotFail, job } = await scene(queue, async () => {
    await gate.pass()
    throw error
  })
  await enqueue()
  await gate.arrived(1)
  await mustNotFail()
  const stopped = here.stop(20_000)
  gate.open()
  await stopped
  expect(await job()).toMatchObject({ state })
})

test('one that was on its way when its instance stopped is not begun, and is handed back', async () => {
  let begun = 0
  const { here, enqueue, takeElsewhere, attempts } = await scene('arriving', async () => {
    begun++
  })
  // Whoever fetches waits, at the row that it is about to take.
  for (const statement of [
    `CREATE FUNCTION tributary_jobs.wait() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$`,
    `CREATE TRIGGER waits BEFORE UPDATE ON tributary_jobs.job FOR EACH ROW
       WHEN (NEW.state = 'active' AND NEW.name = 'arriving') EXECUTE FUNCTION tributary_jobs.wait()`,
  ])
    await database.query(statement)
  const gate = await holdLock(database.url, 'SELECT pg_advisory_xact_lock(4711)')
  await enqueue()
  await gate.waitedFor()
  const stopped = here.stop(20_000)
  await gate.release()
  await stopped
  expect(begun).toBe(0)
  await takeElsewhere()
  expect(attempts).toHaveLength(1)
})
