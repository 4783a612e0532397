import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { expectOneResult } from '../support/process-callers.ts'
import { type ProcessGateway, waitersArrive } from '../support/process-gateway.ts'
import { createScene, report, type Scene } from '../support/process-scene.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { until } from '../support/until.ts'

/** Redis wakes and caches; it never decides. Whatever befalls it, the outcome is the same, and soon. */
const SOON_MS = 15_000

async function startRedis(): Promise<RedisServer> {
  const redis = await startRedisServer(inject('redisServer'))
  onTestFinished(() => redis.stop())
  return redis
}

async function withRedis<T>(redis: RedisServer, ask: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(redis.url)
  try {
    return await ask(client)
  } finally {
    client.disconnect()
  }
}

/** Without this the faults would be none: so many instances listen to Redis. */
function listeners(redis: RedisServer, count: number): Promise<void> {
  return until(
    () =>
      withRedis(redis, async client => {
        const clients = String(await client.client('LIST', 'TYPE', 'PUBSUB'))
        // For runs, and for prompts.
        return clients.split('\n').filter(line => line.includes('name=tributary')).length === 2 * count
      }),
    { what: `${count} instances to listen to Redis` },
  )
}

/** A run from the first call to the answers, with a fault once everybody waits. */
async function runThrough(
  scene: Scene,
  [a, b]: readonly [ProcessGateway, ProcessGateway],
  name: string,
  fault: () => void | Promise<void>,
): Promise<void> {
  const user = await scene.user(a, name)
  const callers = scene.call(a, user, 2)
  await until(() => scene.provider.callsFor(name).length === 1, { what: `the call for ${name}` })
  callers.push(...scene.call(b, user, 3))
  await waitersArrive([
    [a, 2],
    [b, 3],
  ])
  await fault()
  const [call] = scene.provider.callsFor(name)
  call?.progress(0.5)
  call?.answer()
  const answeredAtMs = performance.now()
  const { answer, sources } = await expectOneResult(callers)
  const tookMs = performance.now() - answeredAtMs
  report(`from the provider's answer to the last caller's, ${name}`, tookMs)
  expect(tookMs).toBeLessThan(SOON_MS)
  expect(answer.analysis.summary).toContain(`for ${name}`)
  expect(sources).toEqual({ FRESH: 1, JOINED: 4 })
  expect(scene.provider.callsFor(name)).toHaveLength(1)
}

async function startScene(redis: RedisServer) {
  const scene = await createScene({ settings: { LEASE_TTL_MS: '60000', REDIS_URL: redis.url } })
  const gateways = await Promise.all([scene.start('a'), scene.start('b')])
  return { scene, gateways }
}

test('a Redis that is killed during a run changes nothing, and nor does the next run without it', async () => {
  const redis = await startRedis()
  const { scene, gateways } = await startScene(redis)
  await listeners(redis, 2)
  await runThrough(scene, gateways, 'redis_killed', () => redis.stop())
  await runThrough(scene, gateways, 'redis_away', () => {})

  // And when it is back, it is used again.
  await redis.restart()
  await listeners(redis, 2)
  await runThrough(scene, gateways, 'redis_back', () => {})
  await scene.expectConsistent()
})

test('a Redis that is restarted or emptied during a run changes nothing', async () => {
  const redis = await startRedis()
  const { scene, gateways } = await startScene(redis)
  await listeners(redis, 2)
  await runThrough(scene, gateways, 'redis_restarted', () => redis.restart())
  await listeners(redis, 2)
  await runThrough(scene, gateways, 'redis_flushed', () =>
    withRedis(redis, async client => void (await client.flushall())),
  )
  await scene.expectConsistent()
})

test('a Redis that stops answering during a run changes nothing', async () => {
  const redis = await startRedis()
  const { scene, gateways } = await startScene(redis)
  await listeners(redis, 2)
  await runThrough(scene, gateways, 'redis_paused', () => redis.kill('SIGSTOP'))
  await runThrough(scene, gateways, 'redis_still_paused', () => {})
  await runThrough(scene, gateways, 'redis_resumed', () => redis.kill('SIGCONT'))
  await scene.expectConsistent()
})

test('instances that start without the Redis of their settings work, and find it later', async () => {
  const redis = await startRedis()
  await redis.stop()
  const { scene, gateways } = await startScene(redis)
  await runThrough(scene, gateways, 'redis_not_there_yet', () => {})
  await redis.restart()
  await listeners(redis, 2)
  await runThrough(scene, gateways, 'redis_there', () => {})
  await scene.expectConsistent()
})
