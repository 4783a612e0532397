import type { Config } from './config.ts'
import { createDatabaseClient, type DatabaseClient } from './database/client.ts'
import { startEmbeddedPostgres } from './database/embedded-postgres.ts'
import { migrate } from './database/migrate.ts'
import { createRunTransaction, type RunTransaction } from './database/transaction.ts'
import type { Logger } from './shared/logger.ts'
import type { Metrics } from './shared/metrics.ts'

/** The database of a command, beside gateways that may be at work. */
export interface CommandDatabase extends AsyncDisposable {
  readonly db: DatabaseClient
  readonly transaction: RunTransaction
}

/** The one that the settings name, or the embedded one, migrated; progress goes to standard error. */
export async function openDatabase(
  config: Config,
  { poolSize, logger, metrics }: { poolSize: number; logger: Logger; metrics: Metrics },
): Promise<CommandDatabase> {
  const owners = new AsyncDisposableStack()
  const tell = (message: string) => void process.stderr.write(`${message}\n`)
  try {
    const embedded = config.databaseUrl
      ? undefined
      : await startEmbeddedPostgres({ dataDir: config.dataDir, log: tell })
    owners.defer(() => embedded?.stop())
    const url = config.databaseUrl ?? embedded?.url ?? ''
    await migrate(url, tell)
    const { lockTimeoutMs } = config
    const db = createDatabaseClient({ url, poolSize, lockTimeoutMs, logger, metrics })
    owners.defer(() => db.close())
    const transaction = createRunTransaction(db, { logger, metrics })
    return { db, transaction, [Symbol.asyncDispose]: () => owners.disposeAsync() }
  } catch (error) {
    await owners.disposeAsync()
    throw error
  }
}
