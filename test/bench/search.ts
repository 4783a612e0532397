import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createLocks } from '../../src/coordination/locks.ts'
import { createDatabaseClient } from '../../src/database/client.ts'
import { createRunTransaction } from '../../src/database/transaction.ts'
import type { DocumentForm } from '../../src/domain/collections/document-form.ts'
import { IngestDocuments } from '../../src/domain/collections/ingest-documents.ts'
import { SearchCollection } from '../../src/domain/collections/search-collection.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { createMetrics } from '../../src/shared/metrics.ts'
import { INTERRUPTED_EXIT_CODE } from '../../src/watch-for-stop.ts'
import { percentile, round, startBenchDatabase } from './bench-database.ts'

/**
 * `npm run bench -- search`: how long a search of 100,000 documents takes while nothing else happens, beside a session that works half
 * of the time and touches no table, which is what sharing the cores costs by itself, and while an ingestion replaces all of
 * them; how long that ingestion takes. Each figure is told as soon as it is there, and it ends within five
 * minutes: on a machine that is too busy with fewer documents. `DOCUMENTS=10000 SECONDS=5` makes it short.
 */
const DOCUMENTS = Number(process.env.DOCUMENTS ?? 100_000)
const SECONDS = Number(process.env.SECONDS ?? 20)
/** After that no more documents are filled in, and the ingestion beside the searches is given up. */
const FILL_LIMIT_MS = 120_000
const LIMIT_MS = 285_000
/** Of one call, while nobody searches yet: as a service fills a collection, without rests. */
const CALL_DOCUMENTS = 5000
/** Each asks again as soon as it is answered and has rested: people read what they found. */
const SEARCHERS = 4
const REST_MS = 100
const WORDS = 20_000
const COLLECTION = 'bench'

const folder = await mkdtemp(join(tmpdir(), 'tributary-search-'))
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

function document(version: number, index: number): DocumentForm {
  return {
    documentId: `document ${index}`,
    text: `It is the ${version} that was made for the readers. ${sentence(60 + Math.floor(draw() * 80))}`,
    metadata: { index },
  }
}

const startedAtMs = performance.now()
const seconds = (sinceMs: number) => round((performance.now() - sinceMs) / 1000)
const tell = (what: string) => console.log(`${seconds(startedAtMs)} s: ${what}`)

/** Tells of each tenth. */
function progress(what: string, total: number) {
  const fromMs = performance.now()
  let tenths = 0
  return (done: number) => {
    if (Math.floor((done * 10) / total) <= tenths) return
    tenths = Math.floor((done * 10) / total)
    tell(`${what}: ${done} of ${total} documents, ${Math.round(done / seconds(fromMs))} a second`)
  }
}

async function fill(): Promise<{ documents: number; seconds: number }> {
  const fromMs = performance.now()
  const onProgress = progress('filling', DOCUMENTS)
  let from = 0
  for (; from < DOCUMENTS && performance.now() - fromMs < FILL_LIMIT_MS; from += CALL_DOCUMENTS) {
    const count = Math.min(CALL_DOCUMENTS, DOCUMENTS - from)
    const outcome = await ingestDocuments.execute({
      collection: COLLECTION,
      documents: Array.from({ length: count }, (_, index) => {
        const { metadata, ...rest } = document(1, from + index)
        return { ...rest, metadata: metadata ?? {} }
      }),
      replace: false,
    })
    if (outcome.type !== 'ingested') throw new Error(`no documents to search: ${outcome.type}`)
    onProgress(from + count)
  }
  return { documents: Math.min(from, DOCUMENTS), seconds: seconds(fromMs) }
}

/** Of the second version, as operators have them. */
async function writeDocuments(total: number): Promise<string> {
  const file = join(folder, 'documents.jsonl')
  await pipeline(function* () {
    for (let index = 0; index < total; index++) yield `${JSON.stringify(document(2, index))}\n`
  }, createWriteStream(file))
  return file
}

/** By the command, in a process of its own. @returns undefined where the time was up before its end */
async function replaceAll(file: string): Promise<number | undefined> {
  const fromMs = performance.now()
  const command = spawn(
    process.execPath,
    [join(import.meta.dirname, '../../src/ingest.ts'), ...[file, '--collection', COLLECTION, '--replace']],
    { env: { ...process.env, DATABASE_URL: database.url }, stdio: 'inherit' },
  )
  const timer = setTimeout(() => command.kill('SIGINT'), Math.max(0, LIMIT_MS - (fromMs - startedAtMs)))
  const [code] = await once(command, 'exit')
  clearTimeout(timer)
  if (code === 0) return seconds(fromMs)
  if (code === INTERRUPTED_EXIT_CODE) return undefined
  throw new Error(`the ingestion ended with ${code}`)
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

/** As long at work as an ingestion that yields to nobody, and at rest for as long. */
async function burn(goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    const fromMs = performance.now()
    await database.query('SELECT sum(n) FROM generate_series(1, 100000) n')
    await new Promise(resolve => setTimeout(resolve, performance.now() - fromMs))
  }
}

const row = (times: readonly number[]) => ({
  searches: times.length,
  'p50 (ms)': round(percentile(times, 0.5), 2),
  'p99 (ms)': round(percentile(times, 0.99), 2),
})
const ratio = (times: readonly number[]) => ({
  'p50 (ms)': round(percentile(times, 0.5) / percentile(alone, 0.5), 2),
  'p99 (ms)': round(percentile(times, 0.99) / percentile(alone, 0.99), 2),
})
const forSeconds = () => {
  const untilMs = performance.now() + SECONDS * 1000
  return () => performance.now() < untilMs
}

const first = await fill()
const file = await writeDocuments(first.documents)
await database.query('VACUUM ANALYZE documents')
tell('warming up')
await search(forSeconds())
const alone = await search(forSeconds())
tell(`nothing else: ${JSON.stringify(row(alone))}`)
const besideWork = forSeconds()
const [, shared] = await Promise.all([burn(besideWork), search(besideWork)])
tell(`beside work on no table: ${JSON.stringify(row(shared))}`)
let ingesting = true
const second = replaceAll(file).finally(() => {
  ingesting = false
})
const beside = await search(() => ingesting)
const secondSeconds = await second
tell(`beside an ingestion: ${JSON.stringify(row(beside))}`)
console.table({
  'nothing else': row(alone),
  'beside work on no table': row(shared),
  'beside an ingestion': row(beside),
  'work on no table to alone': ratio(shared),
  'ingestion to alone': ratio(beside),
})
console.table({
  'first ingestion': first,
  'replacing them, beside searches': { documents: first.documents, seconds: secondSeconds ?? 'given up' },
})
await db.close()
await database.stop()
await rm(folder, { recursive: true, force: true })
process.exit(0)
