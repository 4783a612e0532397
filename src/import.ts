import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { readConfig } from './config.ts'
import type { RunTransaction } from './database/transaction.ts'
import { findUsersNamed } from './database/users.ts'
import { type ImportReport, importExport } from './domain/imports/import-export.ts'
import { explainFailure } from './explain-failure.ts'
import { openDatabase } from './open-database.ts'
import { UnreadableExportError } from './providers/export-record.ts'
import { readStravaExport } from './providers/strava-export.ts'
import { readWakatimeExport } from './providers/wakatime-export.ts'
import { createLogger } from './shared/logger.ts'
import { createMetrics } from './shared/metrics.ts'
import { startProgressBar } from './shared/progress-bar.ts'
import { COMMAND_STOP_MS, INTERRUPTED_EXIT_CODE, watchForStop } from './watch-for-stop.ts'

/**
 * `npm run import -- strava activities.csv --user anna@example.com`: what people really have, as data points and stats. Run again,
 * after it was broken off or with a newer export, it adds what is missing.
 */
const KINDS = {
  strava: { provider: 'STRAVA', read: readStravaExport },
  wakatime: { provider: 'WAKATIME', read: readWakatimeExport },
} as const

class UsageError extends Error {}

let databaseUrl: string | undefined

try {
  await main()
} catch (error) {
  const usage = error instanceof UsageError || error instanceof UnreadableExportError
  console.error(usage ? error.message : (explainFailure(error, databaseUrl) ?? error))
  process.exitCode = usage ? 2 : 1
}

async function main(): Promise<void> {
  const { kind, file, user } = readArguments()
  const size = await stat(file).catch(() => undefined)
  if (!size?.isFile()) throw new UsageError(`There is no file ${file}.`)
  const config = readConfig()
  databaseUrl = config.databaseUrl
  const logger = createLogger({ level: 'warn', format: config.logFormat })
  const metrics = createMetrics()
  const stop = watchForStop({ logger, giveUpAfterMs: COMMAND_STOP_MS })
  await using database = await openDatabase(config, { poolSize: 1, logger, metrics })
  const { db, transaction } = database
  const users = await findUsersNamed(db, user)
  const [found] = users
  if (!found || users.length > 1)
    throw new UsageError(found ? `Several users have ${user}: give the id.` : `There is no user ${user}.`)
  const report = await runImport(transaction, { kind, file, userId: found.id }, size.size, stop.signal)
  if (report) tell(report)
  else {
    console.error('Interrupted: what was read until now is stored. Run it again for the rest.')
    process.exitCode = stop.exitCode || INTERRUPTED_EXIT_CODE
  }
}

/** @returns undefined where the signal aborted before the end */
async function runImport(
  transaction: RunTransaction,
  { kind, file, userId }: { kind: keyof typeof KINDS; file: string; userId: string },
  bytes: number,
  signal: AbortSignal,
): Promise<ImportReport | undefined> {
  using bar = startProgressBar('{bar} {percentage} %', bytes)
  try {
    return await importExport(
      { transaction },
      {
        userId,
        provider: KINDS[kind].provider,
        records: KINDS[kind].read(createReadStream(file)),
        onProgress: done => bar.update(done),
        signal,
      },
    )
  } catch (error) {
    if (error !== signal.reason) throw error
    return undefined
  }
}

function readArguments(): { kind: keyof typeof KINDS; file: string; user: string } {
  const usage = 'Usage: npm run import -- strava|wakatime FILE --user ID-OR-ADDRESS'
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { user: { type: 'string' } },
    })
    const [kind = '', file, ...more] = positionals
    if (!Object.hasOwn(KINDS, kind) || !file || more.length > 0 || !values.user) throw new UsageError(usage)
    return { kind: kind as keyof typeof KINDS, file, user: values.user }
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${(error as Error).message}\n${usage}`)
  }
}

function tell({ records, newDataPoints, duplicates, unreadable, unreadableMore }: ImportReport): void {
  console.log(`${records} records read: ${newDataPoints} new data points, ${duplicates} known before.`)
  for (const { line, reason } of unreadable) console.log(`line ${line}: ${reason}`)
  if (unreadableMore > 0) console.log(`… and ${unreadableMore} more.`)
  if (unreadable.length > 0) console.log(`${unreadable.length + unreadableMore} could not be read.`)
}
