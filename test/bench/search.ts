import { createLocks } from '../../src/coordination/locks.ts'
import { createDatabaseClient } from '../../src/database/client.ts'
import { createRunTransaction } from '../../src/database/transaction.ts'
import type { DocumentForm } from '../../src/domain/collections/document-form.ts'
import { IngestDocuments } from '../../src/domain/collections/ingest-documents.ts'
import { SearchCollection } from '../../src/domain/collections/search-collection.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { percentile, round, startBenchDatabase } from './bench-database.ts'

/**
 * `npm run bench:search`: how long a search of 100,000 documents takes while nothing else happens, and while an ingestion
 * replaces all of them; how long that ingestion takes. `DOCUMENTS=10000 SECONDS=5` makes it short.
 */
const DOCUMENTS = Number(process.env.DOCUMENTS ?? 100_000)
const SECONDS = Number(process.env.SECONDS ?? 20)
/** Each asks again as soon as it is answered and has rested: people read what they found. */
const SEARCHERS = 4
const REST_MS = 100
const WORDS = 20_000
const COLLECTION = 'bench'

const database = await startBenchDatabase()
const logger = createLogger({ level: 'warn', format: 'json' })
const metrics = createMetrics()
const db = createDatabaseClient({ url: database.url, poolSize: 10, lockTimeoutMs: 5000, logger, metrics })
const locks = createLocks({ clock: systemClock, metrics })
const ingestDocuments = new IngestDocuments({
  transaction: createRunTransaction(db, { logger, metrics }),
  locks,
  lockTimeoutMs: 30_000,
  clock: systemClock,
  metrics,
})
const searchCollection = new SearchCollection({ db, locks, logger })

let seed = 1
/** Park and Miller: the same documents and queries in every run. */
const draw = () => {
  seed = (seed * 48_271) % 2_147_483_647
  return seed / 2_147_483_647
}
/**
 * Words of a text are spread by Zipf's law, without the commonest, which would be words of no meaning: the first of them
 * is in a third of the documents.
 */
const word = () => {
  const rank = Math.floor(WORDS ** (0.35 + 0.65 * draw()))
  return `w${rank.toString(36)}${'aeiou'[rank % 5]}n`
}
const sentence = (words: number) => Array.from({ length: words }, word).join(' ')

async function* documents(version: number): AsyncGenerator<DocumentForm> {
  for (let index = 0; index < DOCUMENTS; index++)
    yield {
      documentId: `document ${index}`,
      text: `It is the ${version} that was made for the readers. ${sentence(60 + Math.floor(draw() * 80))}`,
      metadata: { index },
    }
}

function ingest(version: number) {
  const startedAt = performance.now()
  return ingestDocuments
    .executeStream({
      collection: COLLECTION,
      replace: true,
      read: () => documents(version),
      onProgress: () => {},
    })
    .then(() => (performance.now() - startedAt) / 1000)
}

async function search(goesOn: () => boolean): Promise<number[]> {
  const times: number[] = []
  await Promise.all(
    Array.from({ length: SEARCHERS }, async () => {
      while (goesOn()) {
        const query = sentence(1 + Math.floor(draw() * 3))
        const askedAt = performance.now()
        await searchCollection.execute({ collection: COLLECTION, query, first: 5 })
        times.push(performance.now() - askedAt)
        await new Promise(resolve => setTimeout(resolve, draw() * 2 * REST_MS))
      }
    }),
  )
  return times
}

const row = (times: readonly number[]) => ({
  searches: times.length,
  'p50 (ms)': round(percentile(times, 0.5), 2),
  'p99 (ms)': round(percentile(times, 0.99), 2),
})
const forSeconds = () => {
  const untilMs = performance.now() + SECONDS * 1000
  return () => performance.now() < untilMs
}

const first = await ingest(1)
await database.query('VACUUM ANALYZE documents')
await search(forSeconds())
const alone = await search(forSeconds())
let ingesting = true
const second = ingest(2).finally(() => {
  ingesting = false
})
const beside = await search(() => ingesting)
const secondSeconds = await second
const after = await search(forSeconds())
console.table({
  'nothing else': row(alone),
  'beside an ingestion': row(beside),
  'after it': row(after),
  'beside to alone': {
    'p50 (ms)': round(percentile(beside, 0.5) / percentile(alone, 0.5), 2),
    'p99 (ms)': round(percentile(beside, 0.99) / percentile(alone, 0.99), 2),
  },
})
console.table({
  'first ingestion': { documents: DOCUMENTS, seconds: round(first) },
  'replacing them, beside searches': { documents: DOCUMENTS, seconds: round(secondSeconds) },
})
await db.close()
await database.stop()
process.exit(0)
