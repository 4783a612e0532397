import { stat } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type Config, readConfig } from './config.ts'
import { createLocks } from './coordination/locks.ts'
import { checkDocumentFile, readDocumentFile } from './domain/collections/document-file.ts'
import { CollectionName } from './domain/collections/document-form.ts'
import { IngestDocuments } from './domain/collections/ingest-documents.ts'
import { explainFailure } from './explain-failure.ts'
import { openDatabase } from './open-database.ts'
import { systemClock } from './shared/clock.ts'
import { createLogger } from './shared/logger.ts'
import { createMetrics } from './shared/metrics.ts'
import { startProgressBar } from './shared/progress-bar.ts'
import { COMMAND_STOP_MS, INTERRUPTED_EXIT_CODE, type Stop, watchForStop } from './watch-for-stop.ts'

/**
 * `npm run ingest -- FILE.jsonl --collection NAME [--replace]`: one ingestion of any number of documents, a JSON object a
 * line: {"documentId": "…", "text": "…", "metadata": {…}}. All of them are searched once the last is there; where a line
 * does not fit, none is taken.
 */
const USAGE = 'Usage: npm run ingest -- FILE.jsonl --collection NAME [--replace]'

interface Command {
  file: string
  collection: string
  replace: boolean
}

let databaseUrl: string | undefined
try {
  process.exitCode = await main()
} catch (error) {
  console.error(explainFailure(error, databaseUrl) ?? error)
  process.exitCode = 1
}

async function main(): Promise<number> {
  const command = readCommand()
  if (typeof command === 'string') {
    console.error(`${command}\n${USAGE}`)
    return 2
  }
  const { file, collection, replace } = command
  // What does not fit is told before a large file is read.
  const config = readConfig()
  databaseUrl = config.databaseUrl
  if (!(await stat(file).catch(() => undefined))?.isFile()) {
    console.error(`There is no file ${file}.`)
    return 2
  }
  console.error(`Looking at each line of ${file} …`)
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
    console.error(`${file} has no documents; with --replace "${collection}" would have none either.`)
    return 1
  }
  return ingest(config, command, check.documents)
}

function readCommand(): Command | string {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { collection: { type: 'string' }, replace: { type: 'boolean', default: false } },
    })
    const [file, ...rest] = positionals
    if (file === undefined || rest.length > 0) return 'Give one file.'
    if (values.collection === undefined) return 'Give the --collection that the documents belong to.'
    const collection = CollectionName.safeParse(values.collection)
    if (!collection.success) return `--collection: ${collection.error.issues[0]?.message}`
    return { file, collection: collection.data, replace: values.replace }
  } catch (error) {
    return (error as Error).message
  }
}

async function ingest(config: Config, command: Command, total: number): Promise<number> {
  const { collection } = command
  const logger = createLogger({ level: 'warn', format: config.logFormat })
  const metrics = createMetrics()
  const stop = watchForStop({ logger, giveUpAfterMs: COMMAND_STOP_MS })
  await using database = await openDatabase(config, { poolSize: 1, logger, metrics })
  const ingestDocuments = new IngestDocuments({
    transaction: database.transaction,
    locks: createLocks({ clock: systemClock, metrics }),
    lockTimeoutMs: config.ingestLockTimeoutMs,
    clock: systemClock,
    metrics,
  })
  const startedAtMs = performance.now()
  const outcome = await run(ingestDocuments, command, total, stop)
  if (outcome === 'interrupted') {
    console.error(`Interrupted: nothing was ingested, and "${collection}" is what it was.`)
    return stop.exitCode || INTERRUPTED_EXIT_CODE
  }
  if (outcome.type === 'lock-timeout') {
    console.error(
      `Nothing was ingested: the collection "${collection}" is being written by somebody else; gave up after ${outcome.waitedMs} ms.`,
    )
    return 1
  }
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1)
  console.log(
    `${outcome.ingested} documents in ${seconds} s: version ${outcome.version} of "${collection}" has ${outcome.documentCount}`,
  )
  if (config.embeddings)
    console.log(
      'A gateway that runs, or the next to start, makes their vectors; until then they are searched by words.',
    )
  return 0
}

async function run(ingestDocuments: IngestDocuments, command: Command, total: number, { signal }: Stop) {
  const { file, collection, replace } = command
  using bar = startProgressBar(
    `${collection} {bar} {percentage} %, {value} of {total} documents, {eta_formatted} left`,
    total,
  )
  try {
    return await ingestDocuments.executeStream({
      collection,
      replace,
      read: () => readDocumentFile(file),
      onProgress: documents => bar.update(documents),
      signal,
    })
  } catch (error) {
    if (error !== signal.reason) throw error
    return 'interrupted' as const
  }
}
