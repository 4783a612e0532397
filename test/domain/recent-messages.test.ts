import { beforeEach, expect, test } from 'vitest'
import type { Queryable } from '../../src/database/client.ts'
import { LocalConversationCache } from '../../src/domain/conversations/local-conversation-cache.ts'
import { RecentMessages } from '../../src/domain/conversations/recent-messages.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics, type Metrics } from '../../src/shared/metrics.ts'
import { until } from '../support/until.ts'

/** What the database says: its messages are told from those of the cache by their words. */
let stored: { version: number; count: number } | undefined
/** Statements, by their names. */
let asked: string[]
let timers: (() => void)[]
let cache: LocalConversationCache
let recent: RecentMessages
let metrics: Metrics

const row = (seq: number) => ({ id: `${seq}`, seq, role: 'USER', content: 'stored', createdAt: new Date(0) })
const rows = () => Array.from({ length: stored?.count ?? 0 }, (_, index) => row(index + 1))
const db: Queryable = {
  async query<Row>({ name }: { name: string }, values: readonly unknown[] = []) {
    asked.push(name)
    // One key: `{after}`.
    const afterSeq = Number(String(values[1]).slice(1, -1))
    const found =
      name === 'messages-pages'
        ? rows()
            .slice(afterSeq)
            .map(message => ({ ...message, place: 1 }))
        : tail()
    return found as Row[]
  },
}
const tail = () =>
  stored ? rows().map(one => ({ ...one, version: stored?.version, messageCount: stored?.count })) : []
const cachedMessage = (seq: number) => ({
  id: `${seq}`,
  seq,
  role: 'USER',
  content: 'cached',
  createdAt: new Date(0).toISOString(),
})
const cachedMessages = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => cachedMessage(from + index))

beforeEach(() => {
  stored = { version: 2, count: 3 }
  asked = []
  timers = []
  cache = new LocalConversationCache()
  metrics = createMetrics()
  recent = new RecentMessages({
    db,
    cache,
    clock: {
      nowMs: () => 0,
      setTimer(callback) {
        timers.push(callback)
        return () => {}
      },
    },
    logger: createLogger({ level: 'silent', format: 'json' }),
    metrics,
  })
})

const conversation = { id: 'c', userId: 'u', version: 2, messageCount: 3 }
const from = async (afterSeq = 0) =>
  (await recent.page(conversation, afterSeq, 100)).map(({ seq, content }) => `${seq} ${content}`)
const errors = async () => (await metrics.cacheConsistencyErrors.get()).values[0]?.value
const repaired = () =>
  until(async () => (await cache.read('c'))?.messages.at(-1)?.content === 'stored', {
    what: 'the cache to be mended',
  })

test('a tail of the version that the row has serves', async () => {
  await cache.replace('c', { version: 2, messages: cachedMessages(1, 3) })
  expect(await from()).toEqual(['1 cached', '2 cached', '3 cached'])
  expect(await from(2)).toEqual(['3 cached'])
  expect(asked).toEqual([])
})

test('an older tail, or none, does not serve, and is written anew', async () => {
  expect(await from()).toEqual(['1 stored', '2 stored', '3 stored'])
  await repaired()
  await cache.invalidate('c')
  await cache.replace('c', { version: 1, messages: cachedMessages(1, 3) })
  expect(await from()).toEqual(['1 stored', '2 stored', '3 stored'])
  await repaired()
  expect(await errors()).toBe(0)
})

test('a newer tail than the row that was read does not serve, and is left alone', async () => {
  await cache.replace('c', { version: 3, messages: cachedMessages(1, 4) })
  expect(await from()).toEqual(['1 stored', '2 stored', '3 stored'])
  expect(asked).toEqual(['messages-pages'])
  expect((await cache.read('c'))?.version).toBe(3)
  expect(await errors()).toBe(0)
})

test.each([
  ['a hole', [cachedMessage(1), cachedMessage(3)]],
  ['another end', cachedMessages(1, 2)],
  ['more than there is', cachedMessages(1, 4)],
  ['nothing', []],
])(
  'a tail of the right version with %s does not serve, is counted, and is written anew',
  async (_what, messages) => {
    await cache.replace('c', { version: 2, messages })
    expect(await from()).toEqual(['1 stored', '2 stored', '3 stored'])
    expect(await errors()).toBe(1)
    await repaired()
  },
)

test('a page that begins before the tail comes from the database', async () => {
  await cache.replace('c', { version: 2, messages: cachedMessages(2, 3) })
  expect(await from()).toEqual(['1 stored', '2 stored', '3 stored'])
  expect(await from(1)).toEqual(['2 cached', '3 cached'])
  expect(await errors()).toBe(0)
})

test('what could not be written is taken out, counted, and read anew, with pauses while that fails', async () => {
  await cache.replace('c', { version: 1, messages: cachedMessages(1, 2) })
  let broken = true
  const { append, replace } = cache
  cache.append = async () => {
    throw new Error('no cache')
  }
  cache.replace = async (id, one) => {
    if (broken) throw new Error('no cache')
    return replace.call(cache, id, one)
  }
  recent.appended({ id: 'c', userId: 'u', version: 1 }, [
    { id: '3', seq: 3, role: 'USER', content: 'stored', createdAt: new Date(0) },
  ])
  await until(() => timers.length === 1, { what: 'the next try to be planned' })
  expect(await cache.read('c')).toBeUndefined()
  expect(await errors()).toBe(1)
  broken = false
  cache.append = append
  timers[0]?.()
  await repaired()
})

test('an append that left a gap is read anew; of a conversation that is gone there is nothing to read', async () => {
  recent.appended({ id: 'c', userId: 'u', version: 1 }, [
    { id: '3', seq: 3, role: 'USER', content: 'cached', createdAt: new Date(0) },
  ])
  await repaired()
  expect((await cache.read('c'))?.version).toBe(2)
  stored = undefined
  recent.appended({ id: 'd', userId: 'u', version: 7 }, [])
  await until(() => asked.length === 2, { what: 'the conversation to be looked for' })
  expect(await cache.read('d')).toBeUndefined()
})
