import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { createLocks } from '../../src/coordination/locks.ts'
import { createDatabaseClient } from '../../src/database/client.ts'
import { findConversationsBySession } from '../../src/database/conversations.ts'
import { lockMemory } from '../../src/database/memory-facts.ts'
import { findMessagePages } from '../../src/database/messages.ts'
import { createRunTransaction } from '../../src/database/transaction.ts'
import { type Conversations, createConversations } from '../../src/domain/conversations/conversations.ts'
import { LocalConversationCache } from '../../src/domain/conversations/local-conversation-cache.ts'
import { saveConversation } from '../../src/domain/conversations/save-conversation.ts'
import { RedisConversationCache } from '../../src/redis/conversation-cache.ts'
import { HeldStream } from '../../src/redis/held-stream.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { findRedisServer, startRedisServer } from '../support/redis-server.ts'
import { percentile, round, startBenchDatabase } from './bench-database.ts'

/**
 * `npm run bench:conversations`: saves of one message each against one transaction a save written by hand over `pg`, with
 * the same pool and the same callers; what the locks of a memory cost; the newest 50 messages from the cache and from the
 * database. `npm run bench:conversations -- quick` takes a tenth of the time, to see that it runs.
 */
const quick = process.argv.includes('quick')
const SAVES = quick ? 2000 : 20_000
const CALLERS = 256
const SESSIONS = 1000
const READS = quick ? 1000 : 10_000
const LOCKS = quick ? 2000 : 20_000
const POOL = 10

const database = await startBenchDatabase()
const dataDir = await mkdtemp(join(tmpdir(), 'tributary-bench-held-'))
const redisServer = await startRedisServer(await findRedisServer())
const redis = new Redis(redisServer.url)
const logger = createLogger({ level: 'warn', format: 'json' })
const metrics = createMetrics()
const client = createDatabaseClient({
  url: database.url,
  poolSize: POOL,
  lockTimeoutMs: 5000,
  logger,
  metrics,
})
const transaction = createRunTransaction(client, { logger, metrics })
const [user] = await database.query<{ id: string }>(
  "INSERT INTO users (issuer, subject, email) VALUES ('', 'bench', 'bench@example.com') RETURNING id",
)
const userId = user?.id ?? ''
const author = { userId, issuer: '', subject: 'bench', email: 'bench@example.com' }
const conversationsWith = (withRedis: boolean): Promise<Conversations> =>
  createConversations({
    db: client,
    transaction,
    dataDir,
    cache: withRedis ? new RedisConversationCache(redis) : new LocalConversationCache(),
    heldStream: withRedis ? (identity, bounds) => new HeldStream(redis, identity, bounds) : undefined,
    clock: systemClock,
    logger,
    metrics: createMetrics(),
  })
const plain = await conversationsWith(false)
const cached = await conversationsWith(true)
const byHand = new pg.Pool({ connectionString: database.url, max: POOL })

const content = 'What did I sleep last week, and does it show in my training? '.repeat(3)
const message = { role: 'USER' as const, content, clientId: null }

async function saveByHand(sessionId: string): Promise<void> {
  const connection = await byHand.connect()
  try {
    await connection.query('BEGIN')
    const { rows } = await connection.query<{ id: string; message_count: number }>({
      name: 'hand-lock',
      text: `INSERT INTO conversations (user_id, session_id) VALUES ($1, $2)
        ON CONFLICT (user_id, session_id) DO UPDATE SET updated_at = clock_timestamp() RETURNING id, message_count`,
      values: [userId, sessionId],
    })
    const [conversation] = rows
    await connection.query({
      name: 'hand-insert',
      text: `INSERT INTO messages (conversation_id, seq, role, content, sent_as, save_id, created_at)
        VALUES ($1, $2, 'USER', $3, $4, $5, clock_timestamp())`,
      values: [conversation?.id, (conversation?.message_count ?? 0) + 1, content, randomUUID(), randomUUID()],
    })
    await connection.query({
      name: 'hand-count',
      text: 'UPDATE conversations SET message_count = message_count + 1, version = version + 1 WHERE id = $1',
      values: [conversation?.id],
    })
    await connection.query('COMMIT')
  } finally {
    connection.release()
  }
}

const saveWith = (conversations: Conversations) => async (sessionId: string) => {
  const outcome = await saveConversation(conversations.writer, author, {
    sessionId,
    messages: [message],
    metadata: null,
  })
  if (outcome.type !== 'saved') throw new Error(`a save ended as ${outcome.type}`)
}

async function timeSaves(name: string, sessions: number, save: (sessionId: string) => Promise<void>) {
  const ms: number[] = []
  let next = 0
  const run = async () => {
    while (next < SAVES) {
      const sessionId = `${name} ${sessions} ${next++ % sessions}`
      const startedAt = performance.now()
      await save(sessionId)
      ms.push(performance.now() - startedAt)
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: CALLERS }, run))
  const seconds = (performance.now() - startedAt) / 1000
  return {
    saves: name,
    sessions,
    'a second': Math.round(SAVES / seconds),
    'p50 (ms)': round(percentile(ms, 0.5)),
    'p99 (ms)': round(percentile(ms, 0.99)),
  }
}

async function timeEach(count: number, work: () => Promise<unknown>) {
  for (let index = 0; index < count / 10; index++) await work()
  const ms: number[] = []
  for (let index = 0; index < count; index++) {
    const startedAt = performance.now()
    await work()
    ms.push(performance.now() - startedAt)
  }
  return { 'p50 (ms)': round(percentile(ms, 0.5), 3), 'p99 (ms)': round(percentile(ms, 0.99), 3) }
}

const saves = []
for (const sessions of [1, SESSIONS]) {
  saves.push(await timeSaves('by hand', sessions, saveByHand))
  saves.push(await timeSaves('Tributary', sessions, saveWith(plain)))
  saves.push(await timeSaves('Tributary with Redis', sessions, saveWith(cached)))
}
console.table(saves)

const locks = createLocks({ clock: systemClock, metrics: createMetrics() })
const inProcess = () =>
  locks.memory.runExclusive(userId, { timeoutMs: 5000, operation: 'bench' }, () => Promise.resolve())
console.table([
  { lock: 'the mutex of this process', ...(await timeEach(LOCKS, inProcess)) },
  {
    lock: 'an empty transaction',
    ...(await timeEach(LOCKS / 10, () => transaction('bench', async () => {}))),
  },
  {
    lock: 'a transaction with the lock across instances',
    ...(await timeEach(LOCKS / 10, () => transaction('bench', db => lockMemory(db, userId, 5000)))),
  },
])

const session = 'Tributary with Redis 1 0'
const [conversation] = await findConversationsBySession(client, [{ userId, sessionId: session }], 'heads')
if (!conversation) throw new Error('no conversation to read')
const after = conversation.messageCount - 50
// Written to the cache by the first read, where it is not there yet.
await cached.recent.page(conversation, after, 50)
await plain.recent.page(conversation, after, 50)
await new Promise(resolve => setTimeout(resolve, 500))
console.table([
  {
    'newest 50 messages': 'from the cache in Redis',
    ...(await timeEach(READS, () => cached.recent.page(conversation, after, 50))),
  },
  {
    'newest 50 messages': 'from the cache of the process',
    ...(await timeEach(READS, () => plain.recent.page(conversation, after, 50))),
  },
  {
    'newest 50 messages': 'from the database',
    ...(await timeEach(READS, () =>
      findMessagePages(client, [{ conversationId: conversation.id, userId, afterSeq: after, limit: 50 }]),
    )),
  },
])

await plain.close()
await cached.close()
await byHand.end()
await client.close()
redis.disconnect()
await redisServer.stop()
await database.stop()
await rm(dataDir, { recursive: true, force: true })
process.exit(0)
