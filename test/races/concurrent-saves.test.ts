import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { readAll, save, user } from '../support/conversation-client.ts'
import { FakeGenerator } from '../support/fake-generator.ts'
import { holdLock } from '../support/process-locks.ts'
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
  gateways = await Promise.all(
    [1, 2, 3].map(() =>
      startTestGateway({
        databaseUrl: database.url,
        generator: new FakeGenerator(),
        settings: { REDIS_URL: redisServer.url, DATABASE_POOL_SIZE: '6' },
      }),
    ),
  )
})
afterAll(async () => {
  redis?.disconnect()
  await Promise.all((gateways ?? []).map(gateway => gateway.close()))
  await redisServer?.stop()
  await database?.drop()
})

const at = (index: number) => gateways[index % 3]?.url ?? ''

async function rows(sessionId: string) {
  return database.query<{
    conversationId: string
    seq: number
    content: string
    version: number
    count: number
  }>(
    `SELECT m.conversation_id AS "conversationId", m.seq, m.content, c.version, c.message_count AS count
     FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE c.session_id = $1 ORDER BY m.seq`,
    [sessionId],
  )
}

test('100 concurrent saves to one session over three instances: no gap, no double, each batch together and in its order', async () => {
  const token = await tokenOf('crowd')
  const batches = Array.from({ length: 100 }, (_, batch) => ({
    batch,
    messages: Array.from({ length: 1 + (batch % 4) }, (_, place) => user(`${batch}:${place}`)),
  }))
  const answers = await Promise.all(
    batches.map(({ batch, messages }) => save(at(batch), token, { sessionId: 'crowd', messages })),
  )
  for (const [index, answer] of answers.entries())
    expect(answer).toMatchObject({
      __typename: 'SaveConversationPayload',
      messagesSaved: batches[index]?.messages.length,
    })
  const stored = await rows('crowd')
  const total = batches.reduce((sum, { messages }) => sum + messages.length, 0)
  expect(stored.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, index) => index + 1))
  expect(stored[0]?.count).toBe(total)
  const order = stored.map(({ content }) => content)
  for (const { messages } of batches) {
    const from = order.indexOf(messages[0]?.content ?? '')
    expect(order.slice(from, from + messages.length)).toEqual(messages.map(({ content }) => content))
  }
  // Fewer transactions than calls: those that came together were committed together.
  expect(stored[0]?.version).toBeLessThan(60)

  for (const index of [0, 1, 2])
    expect((await readAll(at(index), token, 'crowd')).map(m => m.content)).toEqual(order)
  const [{ conversationId = '', version = 0 } = {}] = stored
  const key = `tributary:conversation:{${conversationId}}`
  // Equal to the database, or absent; after a reader has come, equal.
  await until(async () => (await redis.get(`${key}:version`)) === String(version), {
    what: 'the cache to have the newest version',
  })
  const cached = (await redis.lrange(`${key}:messages`, 0, -1)).map(
    text => (JSON.parse(text) as { content: string }).content,
  )
  expect(cached).toEqual(order.slice(-100))
})

test('saves that gather behind one that waits are one transaction, each told of its own', async () => {
  const token = await tokenOf('gathering')
  await save(at(0), token, { sessionId: 'gathering', messages: [user('first')] })
  const held = await holdLock(
    database.url,
    "SELECT 1 FROM conversations WHERE session_id = 'gathering' FOR UPDATE",
  )
  const waiting = save(at(0), token, { sessionId: 'gathering', messages: [user('waits')] })
  await held.waitedFor()
  const gathered = Array.from({ length: 20 }, (_, index) =>
    save(at(0), token, {
      sessionId: 'gathering',
      messages: [user(`gathered ${index}`, `id ${index % 10}`)],
    }),
  )
  // Another session of the same user is not kept waiting by it.
  expect(await save(at(0), token, { sessionId: 'beside', messages: [user('x')] })).toMatchObject({
    messagesSaved: 1,
  })
  await held.release()
  await waiting
  const saved = (await Promise.all(gathered)).map(answer => answer.messagesSaved)
  expect(saved.filter(count => count === 1)).toHaveLength(10)
  expect(saved.filter(count => count === 0)).toHaveLength(10)
  const stored = await rows('gathering')
  expect(stored).toHaveLength(12)
  expect(stored[0]?.version).toBeLessThanOrEqual(4)
})

test('the same clientId from three instances at once is stored once, and one of the callers is told so', async () => {
  const token = await tokenOf('doubles')
  await save(at(0), token, { sessionId: 'doubles', messages: [user('before')] })
  for (let round = 1; round <= 10; round++) {
    const answers = await Promise.all(
      [0, 1, 2, 3, 4, 5].map(index =>
        save(at(index), token, {
          sessionId: 'doubles',
          messages: [user(`round ${round}`, `round ${round}`)],
        }),
      ),
    )
    expect(answers.map(answer => answer.messagesSaved).sort()).toEqual([0, 0, 0, 0, 0, 1])
  }
  expect((await rows('doubles')).map(({ seq, content }) => `${seq} ${content}`)).toEqual([
    '1 before',
    ...Array.from({ length: 10 }, (_, index) => `${index + 2} round ${index + 1}`),
  ])
})

test('a session that is new to three instances at once is one conversation', async () => {
  const token = await tokenOf('newcomer')
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      save(at(index), token, { sessionId: 'new', messages: [user(`${index}`)] }),
    ),
  )
  expect(new Set(answers.map(answer => answer.conversation.id)).size).toBe(1)
  expect((await rows('new')).map(({ seq }) => seq)).toEqual(
    Array.from({ length: 12 }, (_, index) => index + 1),
  )
})

test('a session that somebody holds keeps no other session waiting', async () => {
  const token = await tokenOf('held')
  await save(at(0), token, { sessionId: 'held', messages: [user('first')] })
  const held = await holdLock(
    database.url,
    "SELECT 1 FROM conversations WHERE session_id = 'held' FOR UPDATE",
  )
  const waiting = save(at(0), token, { sessionId: 'held', messages: [user('second')] })
  await held.waitedFor()
  const others = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      save(at(0), token, { sessionId: `other ${index}`, messages: [user('x')] }),
    ),
  )
  expect(others.every(answer => answer.messagesSaved === 1)).toBe(true)
  await held.release()
  expect(await waiting).toMatchObject({ messagesSaved: 1 })
})
