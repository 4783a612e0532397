import { Redis } from 'ioredis'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { HAND_OVER_CHANNEL, LIVENESS_LOCK_CLASS, RUN_CHANNEL } from '../../src/database/leases.ts'
import { GenerationError } from '../../src/providers/generator.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { Gate } from '../support/gate.ts'
import { requestAnalysis } from '../support/graphql-client.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { startTestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

/** What the instances tell each other, as somebody hears it who listens; polls would cover all of it, later. */

test.each([
  { end: 'a result', failure: undefined },
  { end: 'a failure', failure: new GenerationError('not now', { retryable: true }) },
])(
  'with Redis the steps of a run that ends in $end are told there, and only its end by NOTIFY',
  async ({ failure }) => {
    const redis = await startRedisServer(inject('redisServer'))
    onTestFinished(() => redis.stop())
    const database = await createTestDatabase()
    onTestFinished(() => database.drop())
    const overRedis: string[] = []
    const subscriber = new Redis(redis.url)
    onTestFinished(() => subscriber.disconnect())
    subscriber.on('message', (_, runId) => overRedis.push(runId))
    await subscriber.subscribe('tributary:runs')
    const byNotify: string[] = []
    const listener = new pg.Client(database.url)
    await listener.connect()
    onTestFinished(() => listener.end())
    listener.on('notification', ({ payload = '' }) => byNotify.push(payload))
    await listener.query(`LISTEN ${RUN_CHANNEL}`)
    const generator = new FakeGenerator()
    const gate = new Gate()
    generator.behave = async (_input, { reportProgress, signal }) => {
      reportProgress(0.5)
      await gate.pass(signal)
      if (failure) throw failure
    }
    const gateway = await startTestGateway({
      databaseUrl: database.url,
      generator,
      settings: { REDIS_URL: redis.url },
    })
    onTestFinished(() => gateway.close())

    const asking = requestAnalysis(gateway.url, await tokenOf('told'))
    // The phase of the provider's call, and its progress.
    await until(() => overRedis.length === 2, { what: 'the steps to be told' })
    expect(byNotify).toEqual([])
    gate.open()
    const { generation } = await asking
    const [run] = await database.query<{ id: string }>('SELECT id FROM generations')
    expect(generation?.id).toBe(Buffer.from(`Generation:${run?.id}`).toString('base64url'))
    // With a result there is the phase of storing it, too.
    const messages = failure ? 3 : 4
    await until(() => overRedis.length === messages && byNotify.length === 1, { what: 'the end to be told' })
    expect(new Set([...overRedis, ...byNotify])).toEqual(new Set([run?.id]))
  },
)

test('an instance shows that it lives by one session, which holds the lock of its number and listens', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const gateway = await startTestGateway({ databaseUrl: database.url, generator: new FakeGenerator() })
  onTestFinished(() => gateway.close())
  const { instance } = (await (await fetch(`${gateway.url}/api/health/coordination`)).json()) as {
    instance: number
  }
  expect(
    await database.query(
      `SELECT application_name AS name, query, l.mode FROM pg_locks l JOIN pg_stat_activity USING (pid)
       WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND granted AND datname = current_database()`,
      [LIVENESS_LOCK_CLASS, instance],
    ),
  ).toEqual([{ name: 'tributary-liveness', query: `LISTEN ${HAND_OVER_CHANNEL}`, mode: 'ExclusiveLock' }])
})
