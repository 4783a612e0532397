import { parseArgs } from 'node:util'
import { Presets, SingleBar } from 'cli-progress'
import { readConfig } from '../src/config.ts'
import { createLocks } from '../src/coordination/locks.ts'
import { createDatabaseClient } from '../src/database/client.ts'
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.ts'
import { migrate } from '../src/database/migrate.ts'
import { createRunTransaction } from '../src/database/transaction.ts'
import { checkDocumentFile, readDocumentFile } from '../src/domain/collections/document-file.ts'
import { CollectionName } from '../src/domain/collections/document-form.ts'
import { IngestDocuments } from '../src/domain/collections/ingest-documents.ts'
import { explainFailure } from '../src/explain-failure.ts'
import { systemClock } from '../src/shared/clock.ts'
import { createLogger } from '../src/shared/logger.ts'
import { createMetrics } from '../src/shared/metrics.ts'

/**
 * `npm run ingest -- FILE.jsonl --collection NAME [--replace]`: one ingestion of any number of documents, a JSON object a
 * line: {"documentId": "…", "text": "…", "metadata": {…}}. All of them are searched once the last is there; where a line
 * does not fit, none is taken.
 */
const USAGE = 'npm run ingest -- FILE.jsonl --collection NAME [--replace]'

try {
  process.exitCode = await main()
} catch (error) {
  const known = explainFailure(error, readConfig().databaseUrl)
  if (known === undefined) throw error
  console.error(`\n${known}\n`)
  process.exitCode = 1
}

async function main(): Promise<number> {
  const command = readCommand()
  if (typeof command === 'string') {
    console.error(`${command}\n${USAGE}`)
    return 2
  }
  const { file, collection, replace } = command
  const check = await checkDocumentFile(file).catch((error: NodeJS.ErrnoException) => error)
  if (check instanceof Error) {
    console.error(`${file} cannot be read: ${check.message}`)
    return 1
  }
  if (check.problemCount > 0) {
    for (const { line, message } of check.problems) console.error(`${file}:${line}: ${message}`)
    const more = check.problemCount - check.problems.length
    if (more > 0) console.error(`… and ${more} more`)
    console.error(`Nothing was ingested: ${check.problemCount} of ${check.documents} lines do not fit.`)
    return 1
  }
  if (check.documents === 0 && !replace) {
    console.error(`${file} has no documents.`)
    return 1
  }
  return ingest(file, collection, replace, check.documents)
}

function readCommand(): { file: string; collection: string; replace: boolean } | string {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { collection: { type: 'string' }, replace: { type: 'boolean', default: false } },
    })
    const [file, ...rest] = positionals
    if (file === undefined || rest.length > 0) return 'Give one file.'
    const collection = CollectionName.safeParse(values.collection)
    if (!collection.success) return `--collection: ${collection.error.issues[0]?.message}`
    return { file, collection: collection.data, replace: values.replace }
  } catch (error) {
    return (error as Error).message
  }
}

async function ingest(file: string, collection: string, replace: boolean, total: number): Promise<number> {
  const config = readConfig()
  const logger = createLogger({ level: 'warn', format: config.logFormat })
  const metrics = createMetrics()
  const embedded = config.databaseUrl
    ? undefined
    : await startEmbeddedPostgres({ dataDir: config.dataDir, log: console.log })
  try {
    const url = config.databaseUrl ?? embedded?.url ?? ''
    await migrate(url, console.log)
    const client = createDatabaseClient({
      url,
      poolSize: 1,
      lockTimeoutMs: config.lockTimeoutMs,
      logger,
      metrics,
    })
    const bar = new SingleBar(
      {
        format: `${collection} {bar} {percentage} %, {value} of {total} documents, {eta_formatted} left`,
        // Of the last ten thousand: a batch or two says little about the next minutes.
        etaBuffer: 200,
        // Where there is no terminal, a line now and then.
        noTTYOutput: true,
        notTTYSchedule: 5000,
      },
      Presets.shades_classic,
    )
    try {
      const ingestDocuments = new IngestDocuments({
        transaction: createRunTransaction(client, { logger, metrics }),
        locks: createLocks({ clock: systemClock, metrics }),
        lockTimeoutMs: config.ingestLockTimeoutMs,
        clock: systemClock,
        metrics,
      })
      const startedAt = performance.now()
      bar.start(total, 0)
      const outcome = await ingestDocuments
        .executeStream({
          collection,
          replace,
          read: () => readDocumentFile(file),
          onProgress: documents => bar.update(documents),
        })
        .finally(() => bar.stop())
      if (outcome.type === 'lock-timeout') {
        console.error(
          `Nothing was ingested: the collection "${collection}" is being written by somebody else; gave up after ${outcome.waitedMs} ms.`,
        )
        return 1
      }
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
      console.log(
        `${outcome.ingested} documents in ${seconds} s: version ${outcome.version} of "${collection}" has ${outcome.documentCount}`,
      )
      if (config.embeddings)
        console.log(
          'A gateway that runs, or the next to start, makes their vectors; until then they are searched by words.',
        )
      return 0
    } finally {
      await client.close()
    }
  } finally {
    await embedded?.stop()
  }
}
