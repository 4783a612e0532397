import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest'
import { readAll, save, user } from '../support/conversation-client.ts'
import { expectNothingLost, startWriter, storedContents } from '../support/conversation-load.ts'
import type { ProcessGateway } from '../support/process-gateway.ts'
import { type OwnPostgres, startOwnPostgres } from '../support/process-postgres.ts'
import { createScene, report, type Scene } from '../support/process-scene.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { tokenOf } from '../support/test-gateway.ts'
import { until } from '../support/until.ts'

let postgres: OwnPostgres

beforeAll(async () => {
  postgres = await startOwnPostgres()
})
afterAll(() => postgres?.remove())

async function startRedis(): Promise<RedisServer> {
  const redis = await startRedisServer(inject('redisServer'))
  onTestFinished(() => redis.stop())
  return redis
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tributary-held-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

async function startScene(settings: Record<string, string> = {}): Promise<Scene> {
  const database = await postgres.createDatabase()
  onTestFinished(() => database.drop())
  return createScene({ settings: { LEASE_TTL_MS: '60000', ...settings }, database })
}

/** An instance with a folder of its own, or with one that another had. */
async function start(
  scene: Scene,
  name: string,
  dataDir?: string,
): Promise<ProcessGateway & { dataDir: string }> {
  const folder = dataDir ?? (await newFolder())
  return Object.assign(await scene.start(name, { settings: { DATA_DIR: folder } }), { dataDir: folder })
}

/** Connections of gateways. */
async function connectionsOf(redis: RedisServer): Promise<number> {
  const client = new Redis(redis.url)
  try {
    return String(await client.client('LIST')).split('name=tributary').length - 1
  } finally {
    client.disconnect()
  }
}

const held = (gateway: ProcessGateway) => gateway.metric('conversation_messages_held')

async function holdOne(
  gateway: ProcessGateway,
  token: string,
  sessionId: string,
  content: string,
): Promise<void> {
  expect(await save(gateway.url, token, { sessionId, messages: [user(content)] })).toMatchObject({
    __typename: 'SaveConversationPending',
    sessionId,
    messagesHeld: 1,
  })
}

const stored = (scene: Scene, sessionId: string, count: number) =>
  until(async () => (await storedContents(scene.database.query, sessionId)).length >= count, {
    what: `${count} messages of ${sessionId} to be stored`,
  })

async function withoutDatabase(work: () => Promise<void>): Promise<void> {
  await postgres.stop('SIGINT')
  let back = false
  onTestFinished(async () => {
    if (!back) await postgres.start()
  })
  await work()
  await postgres.start()
  back = true
}

test.each([
  { how: 'stopped', signal: 'SIGINT', withRedis: true },
  { how: 'killed', signal: 'SIGKILL', withRedis: true },
  { how: 'stopped, without Redis,', signal: 'SIGINT', withRedis: false },
] as const)(
  'a PostgreSQL that is $how for 20 s under load loses nothing that was accepted, and doubles and reorders nothing',
  async ({ signal, withRedis }) => {
    const scene = await startScene(withRedis ? { REDIS_URL: (await startRedis()).url } : {})
    const gateways = await Promise.all(['a', 'b'].map(name => start(scene, name)))
    const token = await tokenOf('under load')
    // Without Redis an instance knows only what it holds itself: a session then keeps to one.
    const writers = Array.from({ length: 6 }, (_, index) =>
      startWriter(
        () => (withRedis ? gateways : gateways.slice(index % 2, (index % 2) + 1)).map(({ url }) => url),
        token,
        `${signal} ${withRedis} ${index}`,
      ),
    )
    await until(() => writers.every(({ accepted }) => accepted.length > 3), { what: 'the writers to write' })
    await postgres.stop(signal)
    await until(() => writers.every(({ accepted }) => accepted.at(-1)?.how === 'held'), {
      what: 'messages to be held',
    })
    expect(await held(gateways[0] as ProcessGateway)).toBeGreaterThan(0)
    // The time is the fault itself, not a wait for something.
    await sleep(20_000)
    await postgres.start()
    const backAtMs = performance.now()
    await until(() => writers.every(({ accepted }) => accepted.at(-1)?.how === 'saved'), {
      what: 'messages to be saved again',
      deadlineMs: 40_000,
    })
    report('from the return of PostgreSQL to every session being saved again', performance.now() - backAtMs)
    await Promise.all(writers.map(writer => writer.stop()))
    await expectNothingLost(scene.database.query, writers)
    const counts = writers.map(({ accepted }) => accepted.filter(({ how }) => how === 'held').length)
    expect(Math.min(...counts)).toBeGreaterThan(1)
    for (const gateway of gateways)
      await until(async () => (await held(gateway)) === 0, { what: `${gateway.name} to hold nothing` })
    for (const [index, { sessionId }] of writers.entries()) {
      const read = await readAll(gateways[index % 2]?.url ?? '', token, sessionId)
      expect(read.map(({ content }) => content)).toEqual(
        await storedContents(scene.database.query, sessionId),
      )
    }
  },
  150_000,
)

test('what an instance holds when it is killed is saved by another, once and in its order', async () => {
  const redis = await startRedis()
  const scene = await startScene({ REDIS_URL: redis.url })
  const [a, b] = await Promise.all([start(scene, 'a'), start(scene, 'b')])
  const token = await tokenOf('killed')
  await save(a.url, token, { sessionId: 'k', messages: [user('1')] })
  await withoutDatabase(async () => {
    await holdOne(a, token, 'k', '2')
    await holdOne(b, token, 'k', '3')
    await holdOne(a, token, 'k', '4')
    await a.kill()
  })
  await stored(scene, 'k', 4)
  expect(await storedContents(scene.database.query, 'k')).toEqual(['1', '2', '3', '4'])

  // It comes back with what it has on its disk, which is saved: nothing happens twice.
  const again = await start(scene, 'a', a.dataDir)
  await until(
    async () =>
      (await readdir(join(a.dataDir, 'held', (await readdir(join(a.dataDir, 'held')))[0] ?? ''))).length ===
      0,
    {
      what: 'the files of the instance to be done with',
    },
  )
  expect(await held(again)).toBe(0)
  expect(await storedContents(scene.database.query, 'k')).toEqual(['1', '2', '3', '4'])
})

test('what an instance without Redis holds when it is killed is saved by the next one with its folder', async () => {
  const scene = await startScene()
  const a = await start(scene, 'a')
  const token = await tokenOf('alone')
  await save(a.url, token, { sessionId: 'alone', messages: [user('1')] })
  await withoutDatabase(async () => {
    for (const content of ['2', '3', '4']) await holdOne(a, token, 'alone', content)
    await a.kill()
  })
  expect(await storedContents(scene.database.query, 'alone')).toEqual(['1'])
  const b = await start(scene, 'b', a.dataDir)
  await stored(scene, 'alone', 4)
  await save(b.url, token, { sessionId: 'alone', messages: [user('5')] })
  expect(await storedContents(scene.database.query, 'alone')).toEqual(['1', '2', '3', '4', '5'])
})

test('two instances with one folder, and a third that comes, lose nothing of it and store nothing twice', async () => {
  const scene = await startScene()
  const a = await start(scene, 'a')
  const b = await start(scene, 'b', a.dataDir)
  const token = await tokenOf('sharing')
  for (const [gateway, sessionId] of [
    [a, 'of a'],
    [b, 'of b'],
  ] as const)
    await save(gateway.url, token, { sessionId, messages: [user('1')] })
  await withoutDatabase(async () => {
    for (const content of ['2', '3']) {
      await holdOne(a, token, 'of a', content)
      await holdOne(b, token, 'of b', content)
    }
    await a.kill()
  })
  // It takes the files of the one that is gone, and of the one that lives.
  const c = await start(scene, 'c', a.dataDir)
  for (const sessionId of ['of a', 'of b']) await stored(scene, sessionId, 3)
  for (const gateway of [b, c]) {
    await until(async () => (await held(gateway)) === 0, { what: `${gateway.name} to hold nothing` })
    await save(gateway.url, token, { sessionId: 'of b', messages: [user(gateway.name)] })
  }
  expect(await storedContents(scene.database.query, 'of a')).toEqual(['1', '2', '3'])
  expect(await storedContents(scene.database.query, 'of b')).toEqual(['1', '2', '3', 'b', 'c'])
})

test('a folder that cannot be written: Redis alone holds what is accepted, and without it nothing is', async () => {
  const redis = await startRedis()
  const scene = await startScene()
  const file = join(await newFolder(), 'a file')
  await writeFile(file, '')
  const settings = { DATA_DIR: join(file, 'data') }
  const alone = await scene.start('alone', { settings })
  const withRedis = await scene.start('with Redis', { settings: { ...settings, REDIS_URL: redis.url } })
  const token = await tokenOf('diskless')
  await withoutDatabase(async () => {
    await holdOne(withRedis, token, 'd', '1')
    const refused = await save(alone.url, token, { sessionId: 'e', messages: [user('1')] })
    expect(refused).toMatchObject({ __typename: 'UnavailableError' })
  })
  await stored(scene, 'd', 1)
  await save(alone.url, token, { sessionId: 'e', messages: [user('2')] })
  expect(await storedContents(scene.database.query, 'e')).toEqual(['2'])
})

test('a Redis that loses all it has costs nothing that was accepted', async () => {
  const redis = await startRedis()
  const scene = await startScene({ REDIS_URL: redis.url })
  const a = await start(scene, 'a')
  const token = await tokenOf('forgetful')
  await withoutDatabase(async () => {
    await holdOne(a, token, 'r', '1')
    await holdOne(a, token, 'r', '2')
    const connections = await connectionsOf(redis)
    await redis.restart()
    // Without this the next one would find no Redis at all.
    await until(async () => (await connectionsOf(redis)) >= connections, {
      what: 'the instance to find Redis again',
    })
    await holdOne(a, token, 'r', '3')
  })
  await stored(scene, 'r', 3)
  expect(await storedContents(scene.database.query, 'r')).toEqual(['1', '2', '3'])
})

test('a Redis that is killed while messages are held costs nothing that was accepted', async () => {
  const redis = await startRedis()
  const scene = await startScene({ REDIS_URL: redis.url })
  const a = await start(scene, 'a')
  const token = await tokenOf('bereft')
  await withoutDatabase(async () => {
    await holdOne(a, token, 'q', '1')
    await holdOne(a, token, 'q', '2')
    await redis.stop()
    await holdOne(a, token, 'q', '3')
  })
  await stored(scene, 'q', 3)
  expect(await storedContents(scene.database.query, 'q')).toEqual(['1', '2', '3'])
})

test('a user whom no instance has seen is accepted by the token alone', async () => {
  const scene = await startScene({ REDIS_URL: (await startRedis()).url })
  const a = await start(scene, 'a')
  const token = await tokenOf('stranger')
  await withoutDatabase(() => holdOne(a, token, 's', 'hello'))
  await stored(scene, 's', 1)
  expect((await readAll(a.url, token, 's')).map(({ content }) => content)).toEqual(['hello'])
})

test.each([
  { where: 'on Redis', withRedis: true },
  { where: 'on the disk', withRedis: false },
])(
  'beyond the bound $where nothing is accepted, and nothing is pretended',
  async ({ withRedis }) => {
    const scene = await startScene(withRedis ? { REDIS_URL: (await startRedis()).url } : {})
    const a = await start(scene, 'a')
    const token = await tokenOf('much')
    const large = Array.from({ length: 70 }, (_, index) => user(`${index} `.padEnd(100_000, 'x')))
    let pending = 0
    await withoutDatabase(async () => {
      for (;;) {
        const answer = await save(a.url, token, { sessionId: 'much', messages: large })
        if (answer.__typename === 'UnavailableError') break
        expect(answer.__typename).toBe('SaveConversationPending')
        pending++
        expect(pending).toBeLessThan(15)
      }
    })
    expect(pending).toBeGreaterThan(5)
    await until(
      async () => (await storedContents(scene.database.query, 'much')).length === pending * large.length,
      {
        what: 'all that was accepted to be stored',
        deadlineMs: 40_000,
      },
    )
    await until(async () => (await held(a)) === 0, { what: 'nothing to be held any more' })
    expect(await storedContents(scene.database.query, 'much')).toHaveLength(pending * large.length)
  },
  120_000,
)

test('saves go on while Redis is killed, restarted and emptied, and the cache is never wrong', async () => {
  const redis = await startRedis()
  const scene = await startScene({ REDIS_URL: redis.url })
  const gateways = await Promise.all(['a', 'b'].map(name => start(scene, name)))
  const token = await tokenOf('without Redis')
  const urls = gateways.map(({ url }) => url)
  const writers = Array.from({ length: 4 }, (_, index) => startWriter(() => urls, token, `redis ${index}`))
  const everybodyWrites = async () => {
    const before = writers.map(({ accepted }) => accepted.length)
    await until(() => writers.every(({ accepted }, index) => accepted.length > (before[index] ?? 0) + 3), {
      what: 'every writer to go on',
    })
    for (const [index, { sessionId }] of writers.entries()) {
      const read = await readAll(urls[(index + 1) % 2] ?? '', token, sessionId)
      expect(read.map(({ seq }) => seq)).toEqual(read.map((_, place) => place + 1))
    }
  }
  await everybodyWrites()
  await redis.stop()
  await everybodyWrites()
  await redis.restart()
  await everybodyWrites()
  redis.kill('SIGSTOP')
  await everybodyWrites()
  redis.kill('SIGCONT')
  await everybodyWrites()
  await Promise.all(writers.map(writer => writer.stop()))
  expect(writers.every(({ unsure }) => unsure.length === 0)).toBe(true)
  expect(writers.every(({ accepted }) => accepted.every(({ how }) => how === 'saved'))).toBe(true)
  await expectNothingLost(scene.database.query, writers)
  for (const [index, { sessionId }] of writers.entries()) {
    const read = await readAll(urls[index % 2] ?? '', token, sessionId)
    expect(read.map(({ content }) => content)).toEqual(await storedContents(scene.database.query, sessionId))
  }
  expect(await gateways[0]?.metric('cache_db_consistency_errors_total')).toBeGreaterThan(0)
}, 120_000)

test('a PostgreSQL that only reads, as a standby does before it is the primary, loses nothing either', async () => {
  const scene = await startScene()
  const a = await start(scene, 'a')
  const token = await tokenOf('standby')
  await save(a.url, token, { sessionId: 'ro', messages: [user('1')] })
  const name = new URL(scene.database.url).pathname.slice(1)
  const becomes = async (mode: 'on' | 'off') => {
    await scene.database.query(`ALTER DATABASE ${name} SET default_transaction_read_only = ${mode}`)
    // Sessions that are open keep what they had.
    await scene.database.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    )
  }
  await becomes('on')
  await holdOne(a, token, 'ro', '2')
  await becomes('off')
  await stored(scene, 'ro', 2)
  expect(await storedContents(scene.database.query, 'ro')).toEqual(['1', '2'])
})

test('a PostgreSQL that hangs without a word is taken for one that is away, and doubles nothing when it goes on', async () => {
  const scene = await startScene({ REDIS_URL: (await startRedis()).url })
  const a = await start(scene, 'a')
  const token = await tokenOf('patient')
  await save(a.url, token, { sessionId: 'hang', messages: [user('1')] })
  const { resume } = await postgres.freeze()
  const hanging = save(a.url, token, { sessionId: 'hang', messages: [user('2')] })
  expect(await hanging).toMatchObject({ __typename: 'SaveConversationPending' })
  await holdOne(a, token, 'hang', '3')
  resume()
  await stored(scene, 'hang', 3)
  await until(async () => (await held(a)) === 0, { what: 'nothing to be held any more' })
  await save(a.url, token, { sessionId: 'hang', messages: [user('4')] })
  expect(await storedContents(scene.database.query, 'hang')).toEqual(['1', '2', '3', '4'])
}, 150_000)
