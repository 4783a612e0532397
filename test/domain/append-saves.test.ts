import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabaseClient, type DatabaseClient } from '../../src/database/client.ts'
import { createRunTransaction, type RunTransaction } from '../../src/database/transaction.ts'
import { AppendSaves } from '../../src/domain/conversations/append-saves.ts'
import { createSave } from '../../src/domain/conversations/conversation-save.ts'
import type { RecentMessages } from '../../src/domain/conversations/recent-messages.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
let client: DatabaseClient
let transaction: RunTransaction
let userId: string
let appends: AppendSaves
let transactions = 0
/** What the cache was told: from which version on, and which messages. */
const told: { version: number; contents: string[] }[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  const logger = createLogger({ level: 'silent', format: 'json' })
  client = createDatabaseClient({
    url: database.url,
    poolSize: 4,
    lockTimeoutMs: 5000,
    logger,
    metrics: createMetrics(),
  })
  transaction = createRunTransaction(client, { logger, metrics: createMetrics() })
  const [user] = await database.query<{ id: string }>(
    "INSERT INTO users (issuer, subject, email) VALUES ('', 's', 's@example.com') RETURNING id",
  )
  userId = user?.id ?? ''
  appends = new AppendSaves({
    transaction(name, work, options) {
      transactions++
      return transaction(name, work, options)
    },
    recent: {
      appended: (conversation, messages) =>
        void told.push({ version: conversation.version, contents: messages.map(({ content }) => content) }),
    } as Pick<RecentMessages, 'appended'> as RecentMessages,
  })
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

const author = { userId: null, issuer: '', subject: 's', email: '' }
const saveOf = (sessionId: string, contents: string[], clientIds: string[] = []) =>
  createSave(
    author,
    sessionId,
    contents.map((content, index) => ({ role: 'USER', content, clientId: clientIds[index] ?? null })),
    null,
  )
const append = (sessionId: string, saves: ReturnType<typeof saveOf>[]) =>
  appends.append({ userId, sessionId, saves })

test('what is too much for one transaction goes into several, in its order', async () => {
  const large = ['a', 'b', 'c'].map(letter => saveOf('large', [letter.repeat(3 * 1024 * 1024)]))
  transactions = 0
  expect((await append('large', large)).map(({ messagesSaved }) => messagesSaved)).toEqual([1, 1, 1])
  expect(transactions).toBe(2)
  const rows = await database.query<{ first: string }>(
    "SELECT left(content, 1) AS first FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE session_id = 'large' ORDER BY seq",
  )
  expect(rows.map(({ first }) => first)).toEqual(['a', 'b', 'c'])
})

test('the cache is told what is stored: of two with one id the first, and of what was known nothing', async () => {
  told.length = 0
  const save = saveOf('told', ['first', 'second', 'again'], ['x', 'y', 'x'])
  await append('told', [save])
  expect(told).toEqual([{ version: 0, contents: ['first', 'second'] }])
  expect((await append('told', [save]))[0]?.messagesSaved).toBe(2)
  await append('told', [saveOf('told', ['known', 'new'], ['y', 'z'])])
  expect(told.slice(1)).toEqual([{ version: 1, contents: ['new'] }])
})

test('a save that is tried again at the same moment is stored once, and each is told of what it stored', async () => {
  const saves = [saveOf('twice', ['1', '2']), saveOf('twice', ['3'])]
  const answers = await Promise.all([append('twice', saves), append('twice', saves), append('twice', saves)])
  for (const answer of answers) expect(answer.map(({ messagesSaved }) => messagesSaved)).toEqual([2, 1])
  const rows = await database.query<{ content: string }>(
    "SELECT content FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE session_id = 'twice' ORDER BY seq",
  )
  expect(rows.map(({ content }) => content)).toEqual(['1', '2', '3'])
})

test('sessions that gather share a transaction up to its bound, and each is told of its own under an id that all have', async () => {
  told.length = 0
  transactions = 0
  const letters = [...'abcdefghij']
  // Two lanes, three transactions each: two of these fit into one.
  const contents = letters.map(letter => letter.repeat(3 * 1024 * 1024))
  await Promise.all(contents.map(content => append(`gathered ${content[0]}`, [saveOf('', [content], ['x'])])))
  expect(transactions).toBe(6)
  expect(told.map(({ contents: [content = ''] }) => content[0]).toSorted()).toEqual(letters)
  const rows = await database.query<{ at: string; first: string }>(
    "SELECT session_id AS at, left(content, 1) AS first FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE session_id LIKE 'gathered %' ORDER BY 1",
  )
  expect(rows).toEqual(letters.map(letter => ({ at: `gathered ${letter}`, first: letter })))
})
