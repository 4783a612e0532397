import { expect, inject, onTestFinished, test } from 'vitest'
import { FakeGenerator } from '../support/fake-generator.ts'
import { dataPoints, post, RECORD_DATA_POINTS, requestAnalysis } from '../support/graphql-client.ts'
import { cutOffLiveness, holdLock } from '../support/process-locks.ts'
import { startRoad } from '../support/process-road.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { startTestGateway, tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

async function start(settings: Record<string, string> = {}) {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const road = await startRoad(database.url)
  const gateway = await startTestGateway({
    databaseUrl: road.url,
    generator: new FakeGenerator(),
    settings: { SHUTDOWN_TIMEOUT_MS: '1000', LEASE_TTL_MS: '1500', ...settings },
  })
  onTestFinished(async () => {
    road.reopen()
    await gateway.close()
  })
  const token = await tokenOf('anna')
  await post(gateway.url, { query: RECORD_DATA_POINTS, variables: { points: dataPoints(1) }, token })
  await requestAnalysis(gateway.url, token)
  return {
    database,
    road,
    async health(page: string) {
      const response = await fetch(`${gateway.url}/api/health/${page}`)
      const report = (await response.json()) as { status: string; [figure: string]: unknown }
      expect(response.status).toBe(report.status === 'down' ? 503 : 200)
      expect(response.headers.get('cache-control')).toBe('no-store')
      return report
    },
  }
}

const PAGES = ['coordination', 'recent-analysis', 'database-sync']

test('all three are ok where all is well', async () => {
  const { health } = await start()
  for (const page of PAGES) expect(await health(page)).toMatchObject({ status: 'ok' })
})

test('all three are down, within seconds, over a database that has gone silent, and ok once it is back', async () => {
  const { road, health } = await start()
  road.silence()
  const askedAtMs = performance.now()
  for (const page of PAGES.slice(1))
    expect(await health(page)).toMatchObject({ status: 'down', problems: [expect.any(String)] })
  expect(performance.now() - askedAtMs).toBeLessThan(15_000)
  await until(async () => (await health('coordination')).status === 'down', {
    what: 'its connection to be missed',
  })
  road.reopen()
  await until(async () => (await Promise.all(PAGES.map(health))).every(({ status }) => status === 'ok'), {
    what: 'all to be ok again',
    deadlineMs: 50_000,
  })
}, 120_000)

test('coordination is degraded while others take the instance for gone', async () => {
  const { database, health } = await start()
  const { instance } = await health('coordination')
  const { release } = await cutOffLiveness(database.url, instance as number)
  await until(async () => (await health('coordination')).status === 'degraded', { what: 'it to be degraded' })
  await release()
  await until(async () => (await health('coordination')).status === 'ok', { what: 'it to be ok' })
})

test('recent-analysis is degraded where its read is slow', async () => {
  const { database, health } = await start()
  const lock = await holdLock(database.url, 'LOCK TABLE analyses IN ACCESS EXCLUSIVE MODE')
  const asked = health('recent-analysis')
  await lock.waitedFor()
  // What makes it slow is its own bound: it is slow from then on.
  await new Promise(resolve => setTimeout(resolve, 1100))
  await lock.release()
  expect(await asked).toMatchObject({ status: 'degraded', newestAnalysisAt: expect.any(String) })
  expect((await health('recent-analysis')).status).toBe('ok')
})

test('database-sync is degraded, and says why, where tracking is wrong or Redis is away', async () => {
  const redis = await startRedisServer(inject('redisServer'))
  onTestFinished(() => redis.stop())
  const { database, health } = await start({ REDIS_URL: redis.url })
  await until(async () => (await health('database-sync')).status === 'ok', { what: 'it to be ok' })
  await database.query('UPDATE archetype_tracking SET analysis_count = analysis_count + 1')
  expect(await health('database-sync')).toMatchObject({
    status: 'degraded',
    problems: ['tracking does not tell what is stored'],
  })
  await database.query('UPDATE archetype_tracking SET analysis_count = analysis_count - 1')
  await redis.stop()
  await until(async () => (await health('database-sync')).status === 'degraded', {
    what: 'it to be degraded',
  })
  expect(await health('database-sync')).toMatchObject({
    problems: ['the prompt listener does not hear from Redis'],
  })
})
