import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
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
/** Told by the test: what goes wrong between the work of a transaction and its commit. */
let beforeCommit: () => void = () => {}
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
      return transaction(
        name,
        async one => {
          const worked = await work(one)
          beforeCommit()
          return worked
        },
        options,
      )
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
const saveOf = (
  sessionId: string,
  contents: string[],
  clientIds: string[] = [],
  metadata: { [name: string]: string } | null = null,
) =>
  createSave(
    author,
    sessionId,
    contents.map((content, index) => ({ role: 'USER', content, clientId: clientIds[index] ?? null })),
    metadata,
  )
const storedOf = (sessionId: string) =>
  database
    .query<{ content: string }>(
      'SELECT content FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE session_id = $1 ORDER BY seq',
      [sessionId],
    )
    .then(rows => rows.map(({ content }) => content))
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

test('the cache is told of nothing that was rolled back', async () => {
  told.length = 0
  beforeCommit = () => {
    throw new Error('the commit did not come')
  }
  onTestFinished(() => {
    beforeCommit = () => {}
  })
  await expect(append('rolled back', [saveOf('', ['lost'])])).rejects.toThrow('the commit did not come')
  expect(await storedOf('rolled back')).toEqual([])
  expect(told).toEqual([])
})

test('a session that somebody else holds keeps no other one waiting, and has its own when it is free', async () => {
  await append('busy', [saveOf('', ['before'])])
  const holder = new pg.Client(database.url)
  await holder.connect()
  onTestFinished(() => holder.end())
  await holder.query("BEGIN; SELECT 1 FROM conversations WHERE session_id = 'busy' FOR UPDATE")
  let waited = false
  const busy = append('busy', [saveOf('', ['behind'])]).then(() => {
    waited = true
  })
  // Of both lanes, whichever the busy one is in.
  await Promise.all(['free 1', 'free 2', 'free 3', 'free 4'].map(name => append(name, [saveOf('', ['x'])])))
  expect(waited).toBe(false)
  await holder.query('COMMIT')
  await busy
  expect(await storedOf('busy')).toEqual(['before', 'behind'])
})

test('a session that cannot be stored fails alone, and those that gathered with it are stored', async () => {
  const nobody = randomUUID()
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const [bad, ...good] = await Promise.allSettled([
    // The first of each lane goes out alone; all the others gather behind them.
    append('first 1', [saveOf('', ['x'])]).then(() => append('first 2', [saveOf('', ['x'])])),
    ...names.slice(0, 3).map(name => append(`beside ${name}`, [saveOf('', [name])])),
    appends.append({ userId: nobody, sessionId: 'nobody', saves: [saveOf('', ['x'])] }),
    appends.append({ userId: nobody, sessionId: 'nobody 2', saves: [saveOf('', ['x'])] }),
    ...names.slice(3).map(name => append(`beside ${name}`, [saveOf('', [name])])),
  ])
  expect([bad, ...good].map(({ status }) => status)).toEqual([
    ...Array(4).fill('fulfilled'),
    'rejected',
    'rejected',
    ...Array(3).fill('fulfilled'),
  ])
  for (const name of names) expect(await storedOf(`beside ${name}`)).toEqual([name])
})

test('of the metadata of several saves the newest that brought something is kept', async () => {
  const metadataOf = async () =>
    (
      await database.query<{ metadata: unknown }>(
        "SELECT metadata FROM conversations WHERE session_id = 'described'",
      )
    )[0]?.metadata
  await append('described', [
    saveOf('', ['1'], ['1'], { mood: 'first' }),
    saveOf('', ['2'], ['2'], { mood: 'second' }),
    saveOf('', ['3'], ['3']),
  ])
  expect(await metadataOf()).toEqual({ mood: 'second' })
  await append('described', [saveOf('', ['1 again'], ['1'], { mood: 'of a save that is known' })])
  expect(await metadataOf()).toEqual({ mood: 'second' })
})
