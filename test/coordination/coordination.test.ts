import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterEach, expect, inject, onTestFinished, test, vi } from 'vitest'
import { AbandonedRuns } from '../../src/coordination/abandoned-runs.ts'
import { type Coordination, createCoordination } from '../../src/coordination/coordination.ts'
import { LeaseKeeper } from '../../src/coordination/lease-keeper.ts'
import type { RunSpec } from '../../src/coordination/run-once.ts'
import { RunWatch } from '../../src/coordination/run-watch.ts'
import { createDatabaseClient } from '../../src/database/client.ts'
import { HAND_OVER_CHANNEL, RUN_CHANNEL } from '../../src/database/leases.ts'
import { createRunTransaction } from '../../src/database/transaction.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { requestAnalysis } from '../support/graphql-client.ts'
import { terminateLiveness } from '../support/process-locks.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { startTestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

/** What comes from outside reaches the parts that wait for it: the poll would hide it when it did not. */

afterEach(() => {
  vi.restoreAllMocks()
})

async function start(redisUrl?: string) {
  const wake = vi.spyOn(RunWatch.prototype, 'wake')
  const wakeAll = vi.spyOn(RunWatch.prototype, 'wakeAll')
  const renew = vi.spyOn(LeaseKeeper.prototype, 'renew')
  const look = vi.spyOn(AbandonedRuns.prototype, 'wake')
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const logger = createLogger({ level: 'silent', format: 'json' })
  const metrics = createMetrics()
  const client = createDatabaseClient({
    ...{ url: database.url, poolSize: 2, lockTimeoutMs: 1000 },
    ...{ logger, metrics },
  })
  onTestFinished(() => client.close())
  const transaction = createRunTransaction(client, { logger, metrics })
  const coordination = await createCoordination({
    config: { coordination: 'distributed', leaseTtlMs: 60_000, generationTimeoutMs: 60_000, redisUrl },
    ...{ databaseUrl: database.url, client, clock: systemClock, logger, metrics },
    transaction,
  })
  onTestFinished(() => coordination.close())
  return { coordination, database, transaction, wake, wakeAll, renew, look }
}

const isConnected = (coordination: Coordination, connected: boolean) =>
  until(() => coordination.connected === connected, { what: `the liveness connection: ${connected}` })

test('a NOTIFY wakes those who watch the run', async () => {
  const { database, wake } = await start()
  const runId = randomUUID()
  await database.query('SELECT pg_notify($1, $2)', [RUN_CHANNEL, runId])
  await until(() => wake.mock.calls.some(([woken]) => woken === runId), { what: 'the wake' })
})

test('a NOTIFY of a run that was handed over has abandoned runs looked for', async () => {
  const { database, look } = await start()
  expect(look).not.toHaveBeenCalled()
  await database.query('SELECT pg_notify($1, $2)', [HAND_OVER_CHANNEL, randomUUID()])
  await until(() => look.mock.calls.length > 0, { what: 'the look' })
})

test('a run that somebody watches here, and whose owner is gone, has abandoned runs looked for', async () => {
  const { coordination, database, look } = await start()
  const [user] = await database.query<{ id: string }>(
    "INSERT INTO users (issuer, subject, email) VALUES ('test', 'ada', 'ada@example.com') RETURNING id",
  )
  const runId = randomUUID()
  await database.query(
    `INSERT INTO generations (id, key, kind, user_id, state, epoch, started_at)
     VALUES ($1, 'k', 'BEHAVIOR_ANALYSIS', $2, 'RUNNING', 1, clock_timestamp())`,
    [runId, user?.id],
  )
  // Of a number that no instance has.
  await database.query(
    `INSERT INTO leases (key, state, epoch, owner, lease_until, run_id, phase, progress)
     VALUES ('k', 'RUNNING', 1, 0, clock_timestamp() + interval '1 hour', $1, 'COLLECTING', 0)`,
    [runId],
  )
  onTestFinished(coordination.runWatch.listen(runId, () => {}))
  await until(() => look.mock.calls.length > 0, { what: 'the look' })
})

test('an instance that is told to stop takes over nothing more, while what it has goes on', async () => {
  const stop = vi.spyOn(AbandonedRuns.prototype, 'stop')
  const begin = vi.spyOn(AbandonedRuns.prototype, 'start')
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const generator = new FakeGenerator()
  const gate = new Gate()
  generator.behave = (_input, { signal }) => gate.pass(signal)
  const gateway = await startTestGateway({ databaseUrl: database.url, generator })
  onTestFinished(() => gateway.close())
  expect(begin).toHaveBeenCalledTimes(1)
  await requestAnalysis(gateway.url, await tokenOf('ada'), { waitMs: 0 })
  await gate.arrived(1)
  const closed = gateway.close()
  expect(stop).toHaveBeenCalled()
  gate.open()
  await closed
  expect(await database.query('SELECT state FROM leases')).toEqual([{ state: 'SUCCEEDED' }])
})

test('whenever the liveness connection comes back everything is looked at again, leases are renewed, and NOTIFY wakes', async () => {
  const { coordination, database, wake, wakeAll, renew, look } = await start()
  const { instance } = coordination
  for (let times = 1; times <= 2; times++) {
    expect(wakeAll).toHaveBeenCalledTimes(times - 1)
    expect(renew).toHaveBeenCalledTimes(times - 1)
    await terminateLiveness(database, instance)
    await isConnected(coordination, false)
    await isConnected(coordination, true)
    await until(() => wakeAll.mock.calls.length === times && renew.mock.calls.length === times, {
      what: 'everything to be looked at again',
    })
    expect(look.mock.calls.length).toBeGreaterThanOrEqual(times)
    expect(coordination.instance).toBe(instance)
    const runId = randomUUID()
    await database.query('SELECT pg_notify($1, $2)', [RUN_CHANNEL, runId])
    await until(() => wake.mock.calls.some(([woken]) => woken === runId), { what: 'the wake' })
  }
})

test('a message on Redis wakes those who watch the run, and after its return everything is looked at again', async () => {
  const redis = await startRedisServer(inject('redisServer'))
  onTestFinished(() => redis.stop())
  const { wake, wakeAll } = await start(redis.url)
  const isTold = async () => {
    const publisher = new Redis(redis.url)
    try {
      const runId = randomUUID()
      await until(async () => (await publisher.publish('tributary:runs', runId)) === 1, {
        what: 'the instance to listen',
      })
      await until(() => wake.mock.calls.some(([woken]) => woken === runId), { what: 'the wake' })
    } finally {
      publisher.disconnect()
    }
  }
  await isTold()
  expect(wakeAll).not.toHaveBeenCalled()
  await redis.restart()
  await isTold()
  expect(wakeAll).toHaveBeenCalled()
})

test('a run that is begun inside a transaction fails instead of calling its provider', async () => {
  const { coordination, database, transaction } = await start()
  const [user] = await database.query<{ id: string }>(
    "INSERT INTO users (issuer, subject, email) VALUES ('test', 'ada', 'ada@example.com') RETURNING id",
  )
  const generate = vi.fn(async () => 'draft')
  const spec: RunSpec<string, string, string> = {
    subject: { key: 'k', kind: 'BEHAVIOR_ANALYSIS', userId: user?.id ?? '', archetype: null },
    request: () => null,
    find: async () => ({ type: 'wanted', needsRevision: 0 }),
    findAgain: async () => undefined,
    collect: async () => ({ inputs: 'inputs', inputRevision: 0 }),
    generate,
    store: () => async () => randomUUID(),
    load: async id => id,
  }
  const request = () => coordination.runOnce.request(spec, { joinsAnyRun: true, waitMs: null })
  expect(await transaction('careless', request)).toMatchObject({ type: 'failed', retryable: false })
  expect(generate).not.toHaveBeenCalled()
  expect(await request()).toMatchObject({ type: 'result', source: 'FRESH' })
  expect(generate).toHaveBeenCalledTimes(1)
})
