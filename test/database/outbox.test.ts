import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { post } from '../support/graphql-client.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { startTestGateway, type TestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let redisServer: RedisServer
let redis: Redis
let gateways: TestGateway[]

beforeAll(async () => {
  database = await createTestDatabase()
  redisServer = await startRedisServer(inject('redisServer'))
  redis = new Redis(redisServer.url)
  redis.on('error', () => {})
  const options = {
    databaseUrl: database.url,
    generator: new FakeGenerator(),
    settings: { REDIS_URL: redisServer.url },
  }
  gateways = await Promise.all([startTestGateway(options), startTestGateway(options)])
})
afterAll(async () => {
  await Promise.all((gateways ?? []).map(gateway => gateway.close()))
  redis?.disconnect()
  await redisServer?.stop()
  await database?.drop()
})

const unpublished = async () =>
  (
    await database.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM outbox WHERE published_at IS NULL',
    )
  )[0]?.count

async function makePlan(subject: string, index: number): Promise<void> {
  const query = `mutation { generatePlan(input: { kind: ROUTINE, archetype: PEAK_PERFORMER }) { ... on GeneratePlanPayload { plan { id } } } }`
  const answer = await post<{ generatePlan: { plan: { id: string } } }>(gateways[index % 2]?.url ?? '', {
    query,
    token: await tokenOf(subject),
  })
  expect(answer.data?.generatePlan.plan.id).toBeTruthy()
}

test('each plan is told of once on the stream, whichever instance made it, with ids and nothing personal', async () => {
  await Promise.all(Array.from({ length: 10 }, (_, index) => makePlan(`told ${index}`, index)))
  await until(async () => (await unpublished()) === 0, { what: 'the outbox to be empty' })
  const entries = await redis.xrange('tributary:events', '-', '+')
  const keys = entries.map(([, fields]) => fields[fields.indexOf('key') + 1])
  expect(new Set(keys).size).toBe(10)
  expect(keys).toHaveLength(10)
  expect(JSON.stringify(entries)).not.toContain('@')
})

test('events are kept while Redis is away, and published when it is back', async () => {
  await redisServer.stop()
  await makePlan('while away', 0)
  expect(await unpublished()).toBe(1)
  await redisServer.restart()
  // What another instance had claimed when Redis went away waits for the claim to run out: shortened here.
  await database.query('UPDATE outbox SET claimed_until = NULL WHERE published_at IS NULL')
  await until(async () => (await unpublished()) === 0, { what: 'the outbox to be empty', deadlineMs: 40_000 })
  await until(async () => (await redis.xlen('tributary:events').catch(() => 0)) === 1, {
    what: 'the event on the stream',
  })
})
