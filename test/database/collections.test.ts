import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDatabaseClient, type DatabaseClient, type Queryable } from '../../src/database/client.ts'
import {
  completeIngestion,
  deleteOtherEditions,
  lockCollection,
  type NewDocument,
  searchCollection,
  upsertDocuments,
} from '../../src/database/collections.ts'
import { isBusy } from '../../src/database/is-busy.ts'
import { createRunTransaction, type RunTransaction } from '../../src/database/transaction.ts'
import { PACE_OF_STREAMS, paced } from '../../src/domain/collections/ingestion-pace.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { holdLock } from '../support/process-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

let database: TestDatabase
let client: DatabaseClient
let transaction: RunTransaction

beforeAll(async () => {
  database = await createTestDatabase()
  const logger = createLogger({ level: 'silent', format: 'json' })
  const metrics = createMetrics()
  client = createDatabaseClient({ url: database.url, poolSize: 4, lockTimeoutMs: 5000, logger, metrics })
  transaction = createRunTransaction(client, { logger, metrics })
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
})

const english = (documentId: string, text: string): NewDocument => ({
  documentId,
  text,
  metadata: { from: documentId },
  language: 'english',
})
const italian = (documentId: string, text: string): NewDocument => ({
  ...english(documentId, text),
  language: 'italian',
})

function ingest(name: string, documents: readonly NewDocument[], replace = false) {
  return transaction('test-ingest', async tx => {
    const current = await lockCollection(tx, name)
    const target = replace ? { ...current, edition: current.edition + 1 } : current
    await upsertDocuments(tx, target, documents)
    if (replace) await deleteOtherEditions(tx, target, 1000)
    return completeIngestion(tx, target)
  })
}

const search = (collection: string, query: string, limit = 10) =>
  searchCollection(client, { collection, query, limit })
const found = async (collection: string, query: string) =>
  (await search(collection, query)).map(hit => hit.documentId)

test('a hit carries its document, what was found in bold, and a score from 0 to 1', async () => {
  await ingest('hits', [english('soup', 'A soup of red lentils'), english('cake', 'A cake')])
  const hits = await search('hits', 'lentil')
  expect(hits).toEqual([
    {
      documentId: 'soup',
      text: 'A soup of red lentils',
      snippet: expect.stringContaining('red <b>lentils</b>'),
      score: expect.any(Number),
      metadata: { from: 'soup' },
    },
  ])
  expect(hits[0]?.score).toBeGreaterThan(0)
  expect(hits[0]?.score).toBeLessThanOrEqual(1)
})

test('each document is read in its own language', async () => {
  await ingest('languages', [
    english('en', 'Running shoes for runners'),
    italian('it', 'Scarpe da corsa per corridori'),
  ])
  expect(await found('languages', 'run')).toEqual(['en'])
  expect(await found('languages', 'scarpa')).toEqual(['it'])
  expect(await found('languages', 'scarpa or run')).toHaveLength(2)
})

test('phrases, or, and exclusion are understood as web users type them', async () => {
  await ingest('queries', [
    english('red', 'red lentil soup'),
    english('green', 'green lentil salad, nothing red'),
    english('cake', 'chocolate cake'),
  ])
  expect(await found('queries', '"red lentil"')).toEqual(['red'])
  expect((await found('queries', 'salad OR cake')).toSorted()).toEqual(['cake', 'green'])
  expect(await found('queries', 'lentil -salad')).toEqual(['red'])
  expect(await found('queries', 'lentil -"green lentil"')).toEqual(['red'])
})

test('words of no meaning and signs alone find nothing', async () => {
  await ingest('empty-queries', [english('a', 'the soup of the day'), italian('b', 'la zuppa del giorno')])
  for (const query of ['the', 'della', '', '"', '-', ':*&|!()', "'", '\\', '<->']) {
    expect(await found('empty-queries', query)).toEqual([])
  }
})

test('a snippet holds no HTML of the text', async () => {
  await ingest('markup', [english('a', 'Fish & chips <script>alert(1)</script> at 3 < 4 with vinegar')])
  const [hit] = await search('markup', 'vinegar')
  expect(hit?.snippet).toContain('&amp;')
  expect(hit?.snippet).toContain('<b>vinegar</b>')
  expect(hit?.snippet.replaceAll(/<\/?b>/g, '')).not.toMatch(/[<>]/)
})

test('an ingestion raises the version by one and counts what is there; replacing leaves nothing else', async () => {
  expect(await ingest('versions', [english('a', 'apple'), english('b', 'bread')])).toEqual({
    version: 1,
    documentCount: 2,
  })
  expect(await ingest('versions', [english('b', 'brown bread'), english('c', 'cheese')])).toEqual({
    version: 2,
    documentCount: 3,
  })
  expect(await found('versions', 'brown')).toEqual(['b'])
  expect(await ingest('versions', [english('c', 'cheddar')], true)).toEqual({ version: 3, documentCount: 1 })
  expect(await found('versions', 'apple OR bread OR cheese')).toEqual([])
  expect(await found('versions', 'cheddar')).toEqual(['c'])
})

test('a collection does not find the documents of another, and one that does not exist finds none', async () => {
  await ingest('mine', [english('a', 'a walk in the park')])
  await ingest('yours', [english('b', 'a walk on the beach')])
  expect(await found('mine', 'walk')).toEqual(['a'])
  expect(await found('nobodys', 'walk')).toEqual([])
})

test('of a query that more documents match than are ranked, those are found that have its words most often', async () => {
  const filler = (n: number) =>
    english(`filler ${String(n).padStart(4, '0')}`, `A lentil and a red carrot, ${n}`)
  await ingest(
    'wide',
    Array.from({ length: 2100 }, (_, n) => filler(n)),
  )
  // Behind all that an index finds first.
  const lentils = 'lentil '.repeat(9)
  await ingest('wide', [
    english('nine', `${lentils} of a carrot`),
    english('both', 'lentil carrot lentil carrot lentil carrot lentil carrot'),
    english('twice', 'lentil, lentil'),
    english('red', 'Red carrot, red carrot; a red carrot, or a red carrot'),
    english('excluded', `${'lentil '.repeat(20)} and "soup"`),
    english('phrase', 'green lentil, green lentil, green lentil'),
  ])
  expect((await found('wide', 'lentil')).slice(0, 4)).toEqual(['excluded', 'nine', 'both', 'phrase'])
  expect((await found('wide', 'lentil -soup')).slice(0, 3)).toEqual(['nine', 'both', 'phrase'])
  expect((await found('wide', 'lentils carrots'))[0]).toBe('both')
  expect((await found('wide', 'lentil or soup')).slice(0, 2)).toEqual(['excluded', 'nine'])
  expect(await found('wide', '"green lentil"')).toEqual(['phrase'])
  expect((await found('wide', '"red carrot"'))[0]).toBe('red')
  expect(await search('wide', 'carrot', 100)).toHaveLength(100)
})

test('a word of two thousand letters, quotes and backslashes are as good as others, however often they come', async () => {
  const long = 'x'.repeat(2046)
  await ingest('odd', [english('long', `${long} ${long} a\\b it's it''s it's`)])
  expect(await found('odd', long)).toEqual(['long'])
  // As a dump of the database is read again.
  await database.query('SELECT search::text::tsvector FROM documents')
  expect(await found('odd', "it's or a\\b")).toEqual(['long'])
})

describe('an ingestion', () => {
  /** Somebody at work in the database, until they are told to stop. */
  function somebody() {
    const work = client.pool.query('SELECT pg_sleep(60)').catch(() => {})
    return async () => {
      await database.query(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'",
      )
      await work
    }
  }
  const untilBusy = (tx: Queryable, busy: boolean) =>
    until(async () => (await isBusy(tx)) === busy, { what: busy ? 'work' : 'rest' })

  test('sees, within its transaction, when others come and go; who waits for a lock is none of them', async () => {
    await ingest('locked', [english('a', 'a')])
    await transaction('test-is-busy', async tx => {
      await untilBusy(tx, false)
      const stop = somebody()
      await untilBusy(tx, true)
      await stop()
      await untilBusy(tx, false)
    })
    const held = await holdLock(database.url, 'LOCK TABLE documents IN ACCESS EXCLUSIVE MODE')
    const waiting = search('locked', 'a')
    await held.waitedFor()
    expect(await isBusy(client)).toBe(false)
    await held.release()
    await waiting
  })

  test('goes on when they have gone, and when they do not', async () => {
    await transaction('test-paced', async tx => {
      let looks = 0
      let stop = somebody()
      const looking: Queryable = {
        async query(statement, values) {
          if (++looks === 3) await stop()
          return tx.query(statement, values)
        },
      }
      await untilBusy(tx, true)
      expect(await paced(looking, { ...PACE_OF_STREAMS, maxYieldMs: 60_000 }, async () => 'done')).toBe(
        'done',
      )
      expect(looks).toBeGreaterThanOrEqual(3)
      stop = somebody()
      await untilBusy(tx, true)
      expect(await paced(tx, PACE_OF_STREAMS, async () => 'done')).toBe('done')
      expect(await isBusy(tx)).toBe(true)
      await stop()
    })
  })
})
