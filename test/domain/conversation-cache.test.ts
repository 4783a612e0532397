import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { LocalConversationCache } from '../../src/domain/conversations/local-conversation-cache.ts'
import { type ConversationCache, RedisConversationCache } from '../../src/redis/conversation-cache.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'

let server: RedisServer
let redis: Redis

beforeAll(async () => {
  server = await startRedisServer(inject('redisServer'))
  redis = new Redis(server.url)
})
afterAll(async () => {
  redis?.disconnect()
  await server?.stop()
})

const message = (seq: number, content = `${seq}`) => ({
  id: `id ${seq}`,
  seq,
  role: 'USER',
  content,
  createdAt: '2026-01-01T00:00:00.000Z',
})
const messages = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => message(from + index))

describe.each([
  { where: 'in Redis', create: () => new RedisConversationCache(redis) },
  { where: 'of the process', create: () => new LocalConversationCache() },
])('the cache $where', ({ create }) => {
  let cache: ConversationCache
  beforeEach(async () => {
    await redis.flushall()
    cache = create()
  })
  const seqs = async (id = 'c') => (await cache.read(id))?.messages.map(({ seq }) => seq)

  test('grows with each append, and gives what was given to it', async () => {
    expect(await cache.read('c')).toBeUndefined()
    expect(await cache.append('c', { before: 0, after: 1 }, messages(1, 2))).toBe('stored')
    expect(await cache.append('c', { before: 1, after: 2 }, [message(3, 'è 🌊\n"')])).toBe('stored')
    expect(await cache.read('c')).toEqual({
      version: 2,
      messages: [...messages(1, 2), message(3, 'è 🌊\n"')],
    })
    expect(await cache.read('another')).toBeUndefined()
  })

  test('refuses what is older than what it has, whoever comes when', async () => {
    await cache.append('c', { before: 0, after: 1 }, [message(1)])
    await cache.append('c', { before: 1, after: 2 }, [message(2)])
    expect(await cache.append('c', { before: 0, after: 1 }, [message(1)])).toBe('refused')
    expect(await cache.append('c', { before: 1, after: 2 }, [message(2)])).toBe('refused')
    expect(await cache.replace('c', { version: 1, messages: [message(1)] })).toBe('refused')
    expect(await cache.read('c')).toEqual({ version: 2, messages: messages(1, 2) })
  })

  test('takes away what an append would leave a gap in', async () => {
    await cache.append('c', { before: 0, after: 1 }, [message(1)])
    expect(await cache.append('c', { before: 4, after: 5 }, [message(5)])).toBe('gap')
    expect(await cache.read('c')).toBeUndefined()
    expect(await cache.append('c', { before: 5, after: 6 }, [message(6)])).toBe('gap')
    expect(await cache.read('c')).toBeUndefined()
  })

  test('takes a whole tail in place of what it has, also at the same version', async () => {
    await cache.append('c', { before: 0, after: 1 }, [message(1)])
    expect(await cache.replace('c', { version: 1, messages: [message(1, 'mended')] })).toBe('stored')
    expect((await cache.read('c'))?.messages).toEqual([message(1, 'mended')])
    expect(await cache.replace('c', { version: 9, messages: messages(7, 9) })).toBe('stored')
    expect(await cache.append('c', { before: 9, after: 10 }, [message(10)])).toBe('stored')
    expect(await seqs()).toEqual([7, 8, 9, 10])
  })

  test('keeps the newest hundred', async () => {
    await cache.append('c', { before: 0, after: 1 }, messages(1, 250))
    expect(await seqs()).toEqual(messages(151, 250).map(({ seq }) => seq))
    await cache.append('c', { before: 1, after: 2 }, messages(251, 260))
    expect(await seqs()).toEqual(messages(161, 260).map(({ seq }) => seq))
    await cache.replace('d', { version: 1, messages: messages(1, 250) })
    expect(await seqs('d')).toHaveLength(100)
  })

  test('keeps nothing of an append that is too long for it, and of a tail the newest that fit', async () => {
    const long = (seq: number) => message(seq, 'x'.repeat(100_000))
    await cache.append('c', { before: 0, after: 1 }, [message(1)])
    expect(await cache.append('c', { before: 1, after: 2 }, [long(2), long(3), long(4)])).toBe('gap')
    expect(await cache.read('c')).toBeUndefined()
    expect(await cache.replace('c', { version: 2, messages: [message(1), long(2), long(3), long(4)] })).toBe(
      'stored',
    )
    expect(await seqs()).toEqual([3, 4])
  })

  test('forgets what it is told to, and names what it has', async () => {
    for (const id of ['c', 'd', 'e']) await cache.append(id, { before: 0, after: 1 }, [message(1)])
    expect((await cache.find(10)).sort()).toEqual(['c', 'd', 'e'])
    expect(await cache.find(2)).toHaveLength(2)
    await cache.invalidate('d')
    expect(await cache.read('d')).toBeUndefined()
    expect((await cache.find(10)).sort()).toEqual(['c', 'e'])
  })
})

test('the cache in Redis expires, both of its keys together', async () => {
  const cache = new RedisConversationCache(redis)
  await cache.append('t', { before: 0, after: 1 }, [message(1)])
  await cache.replace('u', { version: 1, messages: [message(1)] })
  for (const id of ['t', 'u'])
    for (const key of ['version', 'messages'])
      expect(await redis.ttl(`tributary:conversation:{${id}}:${key}`)).toBeGreaterThan(3500)
})

test('messages in Redis whose version was evicted are not taken for those of the next one', async () => {
  const cache = new RedisConversationCache(redis)
  await redis.rpush('tributary:conversation:{v}:messages', JSON.stringify(message(7)))
  await cache.append('v', { before: 0, after: 1 }, [message(1)])
  expect(await cache.read('v')).toEqual({ version: 1, messages: [message(1)] })
})
